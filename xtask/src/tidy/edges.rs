//! Who may depend on whom: operator/docs/architecture.md as a table.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata};

use super::Complaint;

/// For each of our crates, what it depends on outside tests.
pub(crate) type Edges = BTreeMap<String, BTreeSet<String>>;

/// Our crates and those of ours that each may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("operator-api", &[]),
    ("preset-catalog", &[]),
    ("operator-plan", &["operator-api", "preset-catalog"]),
    ("preset-engine", &["preset-catalog"]),
    ("operator", &["operator-api", "operator-plan", "preset-catalog"]),
    ("preset-runtime", &["preset-catalog", "preset-engine"]),
    (
        "simulator",
        &[
            "operator",
            "operator-api",
            "operator-plan",
            "preset-catalog",
            "preset-engine",
            "preset-runtime",
        ],
    ),
    ("scenarios", &["*"]),
    ("benches", &["*"]),
    ("examples", &["*"]),
    ("xtask", &[]),
];

/// Foreign crates that a crate must not use, directly or through others, with the reason.
const BANNED: &[(&str, &[&str], &str)] = &[
    (
        "operator-api",
        &["tokio", "hyper", "kube-client", "axum"],
        "the API types are a leaf: serde, schemars, kube-core, kube-derive and k8s-openapi only",
    ),
    (
        "operator-plan",
        &["tokio", "hyper", "kube-client", "rand"],
        "planning has no client, no runtime and no randomness",
    ),
    (
        "operator",
        &["candle-core", "preset-engine", "simulator"],
        "the operator runs no model and knows no simulator",
    ),
    (
        "simulator",
        &["candle-core"],
        "the simulator's default build runs no model",
    ),
];

/// What the resolved graph says.
pub(crate) fn from_metadata(metadata: &Metadata) -> Edges {
    let names: BTreeMap<_, _> = metadata.packages.iter().map(|p| (&p.id, p.name.to_string())).collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    nodes
        .filter_map(|node| {
            let uses = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal));
            let uses = uses.filter_map(|dep| names.get(&dep.pkg).cloned()).collect();
            names.get(&node.id).map(|name| (name.clone(), uses))
        })
        .collect()
}

/// Every edge that the tables forbid, and every crate of ours that is missing from them.
pub(crate) fn check(edges: &Edges) -> Vec<Complaint> {
    let ours: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    let mut complaints = Vec::new();
    for (name, allowed) in ALLOWED {
        let Some(uses) = edges.get(*name) else {
            complaints.push(Complaint::new(*name, "this crate of the map does not exist"));
            continue;
        };
        let wrong = uses.iter().filter(|used| ours.contains(used.as_str()));
        let wrong = wrong.filter(|used| !allowed.contains(&"*") && !allowed.contains(&used.as_str()));
        complaints.extend(wrong.map(|used| Complaint::new(*name, format!("must not depend on {used}"))));
    }
    for (name, banned, reason) in BANNED {
        let reached = reachable(edges, name);
        let found = banned.iter().filter(|banned| reached.contains(**banned));
        complaints.extend(found.map(|banned| Complaint::new(*name, format!("reaches {banned}: {reason}"))));
    }
    complaints
}

fn reachable(edges: &Edges, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![from.to_owned()];
    while let Some(name) = todo.pop() {
        for used in edges.get(&name).into_iter().flatten() {
            if seen.insert(used.clone()) {
                todo.push(used.clone());
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean() -> Edges {
        ALLOWED
            .iter()
            .map(|(name, _)| ((*name).to_owned(), BTreeSet::new()))
            .collect()
    }

    fn with(from: &str, to: &str) -> Edges {
        let mut edges = clean();
        edges.entry(from.to_owned()).or_default().insert(to.to_owned());
        edges
    }

    #[test]
    fn a_clean_graph_has_no_complaint() {
        assert_eq!(check(&clean()), []);
        assert_eq!(check(&with("operator", "operator-plan")), []);
    }

    #[test]
    fn forbidden_edges_are_named() {
        assert_eq!(
            check(&with("operator-plan", "operator")),
            [Complaint::new("operator-plan", "must not depend on operator")]
        );
        assert_eq!(check(&with("operator", "simulator")).len(), 2);
        assert_eq!(
            check(&with("operator", "xtask")),
            [Complaint::new("operator", "must not depend on xtask")]
        );
    }

    #[test]
    fn a_banned_crate_is_found_behind_another() {
        let mut edges = with("operator-plan", "reqwest");
        edges.insert("reqwest".into(), ["tokio".to_owned()].into());
        let complaints = check(&edges);
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].text.starts_with("reaches tokio"));
    }

    #[test]
    fn a_crate_that_vanished_is_missed() {
        let mut edges = clean();
        edges.remove("benches");
        assert_eq!(
            check(&edges),
            [Complaint::new("benches", "this crate of the map does not exist")]
        );
    }
}

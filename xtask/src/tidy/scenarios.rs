//! Every scenario has a trace, and every trace a scenario.

use super::Complaint;

/// Pairs `scenarios/<area>/<name>.yaml` with `<name>.trace`.
pub(crate) fn check(paths: &[&str]) -> Vec<Complaint> {
    let partner = |path: &str| -> Option<(String, &'static str)> {
        let inside = path.strip_prefix("scenarios/")?;
        if inside.starts_with("src/") || inside.starts_with("tests/") {
            return None;
        }
        let (stem, ending) = path.rsplit_once('.')?;
        match ending {
            "yaml" => Some((format!("{stem}.trace"), "has no trace; `cargo xtask bless` writes it")),
            "trace" => Some((format!("{stem}.yaml"), "has no scenario; delete it")),
            _ => None,
        }
    };
    let missing = paths
        .iter()
        .filter_map(|path| partner(path).map(|(other, text)| (path, other, text)));
    let missing = missing.filter(|(_, other, _)| !paths.contains(&other.as_str()));
    missing.map(|(path, _, text)| Complaint::new(*path, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenario_and_trace_go_together() {
        let paths = [
            "scenarios/tuning/a.yaml",
            "scenarios/tuning/a.trace",
            "scenarios/tests/fixture.yaml",
        ];
        assert_eq!(check(&paths), []);
        assert_eq!(check(&paths[..1]).len(), 1);
        assert_eq!(check(&paths[1..]).len(), 1);
    }
}

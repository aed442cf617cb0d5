//! Against a real kube-apiserver: `cargo xtask test apiserver` builds one, names it in `KUBEBUILDER_ASSETS` and runs
//! what `cargo test` ignores here.
#![allow(clippy::expect_used, reason = "helpers of tests: a panic is a failed test")]

#[path = "../kubectl/session.rs"]
mod session;

mod corpus;
mod fuzz;
mod normal;
mod parity;
mod replay;

use std::fmt::Write as _;
use std::path::PathBuf;

use simulator::stage::control_plane::{Binaries, ControlPlane, Parts};

/// A control plane in a folder of its own.
async fn control_plane(name: &str, parts: Parts) -> ControlPlane {
    let binaries = Binaries::find(None).await.expect("Kubernetes binaries");
    let folder: PathBuf = std::env::temp_dir().join(format!("drydock-{name}-{}", std::process::id()));
    ControlPlane::start(&binaries, parts, &folder, &replay::USERS)
        .await
        .expect("a control plane")
}

#[tokio::test]
#[ignore = "needs a real kube-apiserver"]
async fn random_sequences_are_answered_alike() {
    let plane = control_plane("fuzz", Parts::Api).await;
    let there = replay::Server::real(&plane).await.expect("clients");
    let here = replay::Server::simulated();
    let faults = fuzz::Pair::new(&here, &there).run(fuzz::seeds()).await;
    plane.stop().await;
    assert!(
        faults.is_empty(),
        "{} sequences:\n\n{}",
        faults.len(),
        faults.join("\n\n")
    );
}

/// The sessions of kubectl that need no kubelet; the others wait for pods.
const SESSIONS: [&str; 2] = ["objects", "custom"];

#[tokio::test]
#[ignore = "needs a real kube-apiserver"]
async fn kubectl_prints_the_same() {
    let rules = session::Rules::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl");
    let mut faults = String::new();
    for name in SESSIONS {
        let plane = control_plane(&format!("kubectl-{name}"), Parts::All).await;
        let kubeconfig = plane.folder().join("kubeconfig");
        let expected = std::fs::read_to_string(folder.join(format!("{name}.session"))).expect("a session");
        let printed = session::replay(&expected, &folder.join("manifests"), &kubeconfig, &rules);
        plane.stop().await;
        if printed != expected {
            let _ = writeln!(faults, "{name}.session:\n{}", session::difference(&expected, &printed));
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[tokio::test]
#[ignore = "needs a real kube-apiserver"]
async fn the_corpus_is_answered_alike() {
    let corpus = corpus::read().expect("the corpus");
    let plane = control_plane("conformance", Parts::Api).await;
    let there = replay::Server::real(&plane).await.expect("clients");
    let here = replay::Server::simulated();
    let (mut said, mut wanted) = futures::join!(replay::all(&here, &corpus), replay::all(&there, &corpus));
    for (number, (file, case)) in corpus.cases().enumerate() {
        if !parity::is_as_told(case, &said[number], &wanted[number]) {
            // Once more: the real server looks into a cache first, which may be behind, and a watch ends by the clock.
            let namespace = format!("{}-{number}-again", file.name);
            let asked = futures::join!(
                replay::one(&here, case, &namespace),
                replay::one(&there, case, &namespace)
            );
            (said[number], wanted[number]) = asked;
        }
    }
    plane.stop().await;
    let flat = |cases: Vec<Vec<_>>| cases.into_iter().flatten().collect::<Vec<_>>();
    let parity = parity::Parity::of(&corpus, &flat(said), &flat(wanted));
    parity.check();
}

//! Every scenario comes to what it expects, with the trace beside it.

#[cfg(test)]
mod rehearse {
    use std::fs;
    use std::path::{Path, PathBuf};

    use simulator::rehearse::{files, read, rehearse, schema, trace_text};

    /// Folders of scenarios.
    const AREAS: [&str; 5] = ["deletion", "inference", "operator", "provisioning", "tuning"];

    fn scenarios() -> Vec<PathBuf> {
        files(&AREAS.map(PathBuf::from)).unwrap()
    }

    #[allow(clippy::disallowed_methods, reason = "a switch of the test, not of a program")]
    fn is_blessing() -> bool {
        std::env::var_os("DRYDOCK_BLESS").is_some()
    }

    /// A file that must be as the code makes it, or is made so when results are blessed.
    fn same(path: &Path, made: &str, faults: &mut Vec<String>) {
        if is_blessing() {
            fs::write(path, made).unwrap();
        }
        if fs::read_to_string(path).unwrap_or_default() != made {
            faults.push(format!(
                "{} is not what the run gives; `cargo xtask bless` rewrites it",
                path.display()
            ));
        }
    }

    #[test]
    fn every_scenario_holds_and_has_its_trace() {
        let mut faults = Vec::new();
        for path in scenarios() {
            let outcome = rehearse(&read(&path).unwrap(), 1, &path).unwrap();
            faults.extend(
                outcome
                    .faults
                    .iter()
                    .map(|fault| format!("{}: {fault}", path.display())),
            );
            same(&path.with_extension("trace"), &trace_text(&outcome), &mut faults);
        }
        assert!(faults.is_empty(), "{faults:#?}");
    }

    #[test]
    fn the_schema_for_editors_is_that_of_the_code() {
        let mut faults = Vec::new();
        same(
            Path::new("scenario.schema.json"),
            &format!("{}\n", schema().unwrap()),
            &mut faults,
        );
        assert!(faults.is_empty(), "{faults:#?}");
    }

    #[test]
    fn other_seeds_hold_too() {
        let path = PathBuf::from("tuning/quick_start.yaml");
        let scenario = read(&path).unwrap();
        for seed in 2..=6 {
            let outcome = rehearse(&scenario, seed, &path).unwrap();
            assert!(outcome.faults.is_empty(), "seed {seed}: {:#?}", outcome.faults);
        }
    }
}

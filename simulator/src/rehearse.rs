//! `drydock run`, `check` and `schema`: scenario files from the command line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use miette::Report;
use operator::Planners;

use crate::ui;
use crate::world::run::run as run_world;
use crate::world::scenario::format::Scenario;
use crate::world::scenario::{Outcome, parse, play, report};

/// What `drydock run` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// Scenario files, or folders of them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Seed of the world's randomness: one, or a range `A..B`
    #[arg(long, default_value = "1", value_parser = seeds)]
    seed: Seeds,
    /// Write a report of the (only) run here
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the trace
    #[arg(long)]
    trace: bool,
    /// Write each trace beside its scenario (seed 1)
    #[arg(long)]
    write_traces: bool,
}

/// What `drydock check` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// Scenario files, or folders of them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

/// Seeds from the first to the last.
#[derive(Clone, Copy, Debug)]
struct Seeds {
    first: u64,
    last: u64,
}

fn seeds(text: &str) -> Result<Seeds, String> {
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|_| format!("{text:?} is not a seed; write 7 or 1..50"))
    };
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    if first > last {
        return Err(format!("{first}..{last} is empty"));
    }
    Ok(Seeds { first, last })
}

/// Plays files.
///
/// # Errors
/// When a file cannot be read or is no scenario, and when a run does not come to what is expected.
pub fn run(args: &RunArgs) -> Result<()> {
    let RunArgs {
        paths,
        seed,
        report,
        trace,
        write_traces,
    } = args;
    let files = files(paths)?;
    let read: Vec<(PathBuf, Scenario)> = files
        .into_iter()
        .map(|path| Ok((path.clone(), read(&path)?)))
        .collect::<Result<_>>()?;
    if report.is_some() && (read.len() > 1 || seed.first != seed.last) {
        bail!("--report draws one run: name one file and one seed");
    }
    let mut failed = 0_u64;
    for (path, scenario) in &read {
        for seed in seed.first..=seed.last {
            let outcome = rehearse(scenario, seed, path)?;
            failed += u64::from(!outcome.faults.is_empty());
            tell(path, seed, &outcome);
            if *trace {
                outcome.trace.iter().for_each(ui::result);
            }
            if *write_traces && seed == 1 {
                write(&path.with_extension("trace"), &trace_text(&outcome))?;
            }
            if let Some(file) = report {
                write(
                    file,
                    &report::html(&path.display().to_string(), &scenario.about, &outcome),
                )?;
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => bail!("{failed} runs did not come to what is expected"),
    }
}

/// The trace as its file holds it.
#[must_use]
pub fn trace_text(outcome: &Outcome) -> String {
    outcome.trace.iter().map(|line| format!("{line}\n")).collect()
}

/// Plays one scenario with one seed.
///
/// # Errors
/// When the run panics or its thread cannot be made.
pub fn rehearse(scenario: &Scenario, seed: u64, path: &Path) -> Result<Outcome> {
    rehearse_with(Planners::default(), scenario, seed, path)
}

/// Plays one scenario with one seed and an operator that decides so.
///
/// # Errors
/// When the run panics or its thread cannot be made.
pub fn rehearse_with(planners: Planners, scenario: &Scenario, seed: u64, path: &Path) -> Result<Outcome> {
    let (scenario, folder) = (scenario.clone(), path.parent().unwrap_or(Path::new(".")).to_path_buf());
    let outcome = run_world(seed, move |world| async move {
        play(&scenario, world, &folder, planners).await
    });
    outcome.with_context(|| format!("{} with seed {seed}", path.display()))
}

fn tell(path: &Path, seed: u64, outcome: &Outcome) {
    let path = path.display();
    let (time, gpu) = (outcome.elapsed.as_secs(), outcome.gpu_time.as_secs());
    match outcome.faults.as_slice() {
        [] => ui::result(format!(
            "ok      {path} (seed {seed}; {time} s virtual, {gpu} s of GPU machines)"
        )),
        faults => {
            ui::result(format!("FAILED  {path} (seed {seed})"));
            faults.iter().for_each(|fault| ui::result(format!("        {fault}")));
        }
    }
}

/// Reads files and says what is wrong with them.
///
/// # Errors
/// When one is no scenario.
pub fn check(args: &CheckArgs) -> Result<()> {
    for path in files(&args.paths)? {
        read(&path)?;
        ui::result(format!("ok      {}", path.display()));
    }
    Ok(())
}

/// Prints the JSON schema of scenario files.
///
/// # Errors
/// None so far.
pub fn print_schema() -> Result<()> {
    ui::result(schema()?);
    Ok(())
}

/// The JSON schema of scenario files.
///
/// # Errors
/// When it cannot be written as text.
pub fn schema() -> Result<String> {
    Ok(serde_json::to_string_pretty(&schemars::schema_for!(Scenario))?)
}

/// Reads one scenario.
///
/// # Errors
/// With code, place and remedy.
pub fn read(path: &Path) -> Result<Scenario> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&path.display().to_string(), &text).map_err(|diagnostic| {
        let report = Report::from(*diagnostic);
        anyhow::anyhow!("{} is no scenario\n{report:?}", path.display())
    })
}

/// The files that are named, and those in the folders that are.
///
/// # Errors
/// When a path is not there, or a folder holds no scenario.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        collect(path, &mut found)?;
        if found.len() == before {
            bail!("there is no scenario (*.yaml) in {}", path.display());
        }
    }
    Ok(found)
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        found.push(path.to_path_buf());
        return Ok(());
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut entries: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() || entry.extension().is_some_and(|ending| ending == "yaml") {
            collect(&entry, found)?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

//! `demo`: the quick start, first in virtual time, then live behind kubectl, with what happens told as it happens.
//!
//! Runs the programs as a user would: `drydock` from this checkout, and the installed kubectl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;
use serde_json::Value;

use crate::shell::{cargo, root, run as run_command, say};

/// The quick start as a scenario, and as a manifest with its placeholders.
const SCENARIO: &str = "scenarios/tuning/quick_start.yaml";
const MANIFEST: &str = "examples/manifests/workspace_tuning_phi_3.yaml";
const PLACEHOLDERS: [(&str, &str); 3] = [
    ("ACR_REPO_HERE", "myregistry"),
    ("IMAGE_NAME_HERE", "phi-3-dolly"),
    ("ACR_REGISTRY_SECRET_HERE", "registry-secret"),
];
/// What the tuned model is asked; its answer repeats it, as `/chat` does.
const QUESTION: &str = "What is a drydock?";
const WORKSPACE: &str = "workspace-tuning-phi-3";
/// How many times as fast as the wall the live world runs.
const SPEED: &str = "60";
/// Longest wait for each stage, in wall time.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Runs the demo. Everything that it starts ends with it.
pub(crate) fn run() -> Result<()> {
    run_command(&mut cargo(&["build", "--locked", "--package", "simulator"]))?;
    let drydock = program()?;
    say("\n1. In virtual time");
    run_command(
        Command::new(&drydock)
            .current_dir(root())
            .args(["run", SCENARIO, "--trace"]),
    )?;
    say(format!("\n2. Live, {SPEED} times as fast as the wall, behind kubectl"));
    let folder = std::env::temp_dir().join(format!("drydock-demo-{}", std::process::id()));
    let world = World::start(&drydock, folder)?;
    world.quick_start()?;
    say("\nThe quick start went through: tuned, served, asked, and nothing is left.");
    Ok(())
}

/// Where cargo has put `drydock`.
fn program() -> Result<PathBuf> {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec()?;
    Ok(metadata.target_directory.into_std_path_buf().join("debug/drydock"))
}

/// A running `drydock up`.
struct World {
    child: Child,
    folder: PathBuf,
}

impl World {
    fn start(drydock: &Path, folder: PathBuf) -> Result<Self> {
        let child = Command::new(drydock)
            .args(["up", "--speed", SPEED, "--dir"])
            .arg(&folder)
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", drydock.display()))?;
        let mut world = Self { child, folder };
        let ready = world.folder.join("endpoints.json");
        until("drydock up is ready", || {
            if let Some(status) = world.child.try_wait()? {
                bail!("drydock up ended with {status}");
            }
            Ok(ready.exists().then_some(()))
        })?;
        Ok(world)
    }

    fn quick_start(&self) -> Result<()> {
        self.kubectl(&[
            "create",
            "secret",
            "docker-registry",
            "registry-secret",
            "--docker-server=myregistry.azurecr.io",
            "--docker-username=demo",
            "--docker-password=demo",
        ])?;
        let mut manifest = fs::read_to_string(root().join(MANIFEST))?;
        for (from, to) in PLACEHOLDERS {
            manifest = manifest.replace(from, to);
        }
        let file = self.folder.join("workspace.yaml");
        fs::write(&file, manifest)?;
        self.kubectl(&["apply", "-f", &file.to_string_lossy()])?;
        self.follow()?;
        self.show(&["get", "workspace"])?;
        self.show(&["get", "service", WORKSPACE])?;
        let question = self.folder.join("question.json");
        fs::write(&question, serde_json::json!({ "prompt": QUESTION }).to_string())?;
        let path = format!("/api/v1/namespaces/default/services/{WORKSPACE}:80/proxy/chat");
        let answer = self.show(&["create", "--raw", &path, "-f", &question.to_string_lossy()])?;
        let answer: Value = serde_json::from_str(&answer).context("/chat answered no JSON")?;
        let result = answer.get("Result").and_then(Value::as_str);
        if result.is_none_or(|text| !text.contains(QUESTION)) {
            bail!("/chat did not answer the question");
        }
        self.kubectl(&["delete", "workspace", WORKSPACE])?;
        until("nothing is left", || {
            let left = self.kubectl(&["get", "workspaces,nodeclaims,pods,statefulsets,jobs", "--output=name"])?;
            Ok(left.trim().is_empty().then_some(()))
        })
    }

    /// Tells each condition as it turns, until the Workspace is ready.
    fn follow(&self) -> Result<()> {
        let mut told: Vec<(String, String)> = Vec::new();
        let started = now();
        until("the Workspace is ready", || {
            let text = self.kubectl(&["get", "workspace", WORKSPACE, "--output=json"])?;
            let workspace: Value = serde_json::from_str(&text).context("kubectl answered no JSON")?;
            let conditions = workspace.pointer("/status/conditions").and_then(Value::as_array);
            let mut ready = false;
            for condition in conditions.into_iter().flatten() {
                let text = |key: &str| {
                    condition
                        .get(key)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned()
                };
                let (type_, status) = (text("type"), text("status"));
                ready |= type_ == "WorkspaceReady" && status == "True";
                let state = format!("{status} {}", text("reason"));
                let known = told.iter().position(|(known, _)| *known == type_);
                if known.is_some_and(|at| told.get(at).is_some_and(|(_, old)| *old == state)) {
                    continue;
                }
                known.map(|at| told.remove(at));
                told.push((type_.clone(), state.clone()));
                if !["Ready", "Reconciling", "Stalled"].contains(&type_.as_str()) {
                    let secs = started.elapsed().as_secs_f64();
                    let message: String = text("message").chars().take(70).collect();
                    say(format!("{secs:6.1} s  {type_:<20} {state:<45} {message}"));
                }
            }
            Ok(ready.then_some(()))
        })
    }

    /// Runs kubectl, shows what it prints, and gives it.
    fn show(&self, arguments: &[&str]) -> Result<String> {
        say(format!("$ kubectl {}", arguments.join(" ")));
        let text = self.kubectl(arguments)?;
        say(text.trim_end());
        Ok(text)
    }

    /// Runs kubectl and gives what it prints.
    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(self.folder.join("kubeconfig"))
            .args(arguments)
            .output()
            .context("cannot start kubectl; install it to see the live half of the demo")?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("`kubectl {}` failed: {}", arguments.join(" "), error.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // SIGTERM lets it remove its files; a world that does not heed it is killed.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let child = &mut self.child;
        if until("drydock up has ended", || Ok(child.try_wait()?.map(|_| ()))).is_err() {
            let _ = self.child.kill();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Looks again and again until there is something.
#[allow(clippy::disallowed_methods, reason = "programs are waited for, by the wall's clock")]
fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if started.elapsed() > PATIENCE {
            bail!("not within {} s: {what}", PATIENCE.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[allow(clippy::disallowed_methods, reason = "the person who watches wants wall time")]
fn now() -> Instant {
    Instant::now()
}

//! `kube-bins`: etcd, the Kubernetes control plane, kubectl and kind as one program, built from the pinned sources of
//! `xtask/kube/` and kept outside the clone; with `--helm`, helm too.
//!
//! A folder of the cache is named by the hash of everything that goes into it, and appears by one rename: it is complete
//! or not there.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::shell::{root, say, variable};

/// Kubernetes' minor version that everything here is measured against.
const MINOR: &str = "1.36";

/// What to build.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Builds helm too (five more minutes)
    #[arg(long)]
    helm: bool,
}

/// A Go module of `xtask/kube/` and what it becomes.
struct Module {
    folder: &'static str,
    package: &'static str,
    program: &'static str,
    /// Other names of the program.
    names: &'static [&'static str],
    /// On two idle cores with nothing in Go's caches.
    expected: &'static str,
}

const KUBE: Module = Module {
    folder: "xtask/kube",
    package: ".",
    program: "box",
    names: &[
        "etcd",
        "kind",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubectl",
    ],
    expected: "about 7 minutes on two cores the first time, 5 GB in Go's caches",
};

const HELM: Module = Module {
    folder: "xtask/kube/helm",
    package: "helm.sh/helm/v4/cmd/helm",
    program: "helm",
    names: &[],
    expected: "about 4 minutes on two cores the first time",
};

/// Builds what is missing.
pub(crate) fn run(args: &Args) -> Result<()> {
    let folder = build(&KUBE)?;
    say(format!("kube-bins: {}", folder.display()));
    if args.helm {
        say(format!("kube-bins: {}", build(&HELM)?.display()));
    }
    Ok(())
}

/// The folder of the binaries: an installed one that fits, or ours, built now if it is missing.
pub(crate) fn ensure() -> Result<PathBuf> {
    match installed() {
        Some(folder) => Ok(folder),
        None => build(&KUBE),
    }
}

/// The folder of the binaries if they can be had without waiting.
pub(crate) fn at_hand() -> Option<PathBuf> {
    installed().or_else(|| {
        let folder = place(&KUBE, &go_version().ok()?).ok()?;
        folder.join(KUBE.program).exists().then_some(folder)
    })
}

/// What `KUBEBUILDER_ASSETS` names, if it is of our Kubernetes.
fn installed() -> Option<PathBuf> {
    let folder = PathBuf::from(variable("KUBEBUILDER_ASSETS")?);
    let asked = Command::new(folder.join("kube-apiserver")).arg("--version").output();
    let said = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let version = said.unwrap_or_else(|error| format!("none ({error})"));
    let fits = version.starts_with(&format!("Kubernetes v{MINOR}.")) && folder.join("etcd").exists();
    if !fits {
        let shown = folder.display();
        say(format!(
            "kube-bins: KUBEBUILDER_ASSETS={shown} is passed over: kube-apiserver is {version}, wanted is v{MINOR} with etcd beside it"
        ));
    }
    fits.then_some(folder)
}

fn build(module: &Module) -> Result<PathBuf> {
    let version = go_version()?;
    let folder = place(module, &version)?;
    if folder.join(module.program).exists() {
        return Ok(folder);
    }
    let parent = folder.parent().context("a cache folder has a parent")?;
    let scratch = parent.join(format!("unfinished-{}-{}", module.program, std::process::id()));
    let outcome = compile(module, &scratch).and_then(|()| {
        for name in module.names {
            symlink(module.program, scratch.join(name)).with_context(|| format!("cannot link {name}"))?;
        }
        // Another process may have been faster; its result is the same.
        match fs::rename(&scratch, &folder) {
            Err(error) if !folder.exists() => Err(error).with_context(|| format!("cannot write {}", folder.display())),
            _ => Ok(()),
        }
    });
    let _ = fs::remove_dir_all(&scratch);
    outcome.map(|()| folder)
}

fn go_version() -> Result<String> {
    let output = Command::new("go")
        .arg("version")
        .current_dir(root().join(KUBE.folder))
        .output()
        .context("Kubernetes is built by Go, and there is no `go` on PATH; `.ci/setup` installs one, or see https://go.dev/dl")?;
    if !output.status.success() {
        bail!(
            "`go version` failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where a module's result lies in the cache.
fn place(module: &Module, go_version: &str) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    hash.update(go_version);
    let folder = root().join(module.folder);
    for file in ["go.mod", "go.sum", "main.go"] {
        if let Ok(text) = fs::read(folder.join(file)) {
            hash.update(file);
            hash.update(text);
        }
    }
    let name: String = hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(cache()?.join(format!("{}-{name}", module.program)))
}

fn cache() -> Result<PathBuf> {
    let base = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let folder = base
        .context("neither XDG_CACHE_HOME nor HOME is set: nowhere to keep the binaries")?
        .join("drydock/kube");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn compile(module: &Module, scratch: &Path) -> Result<()> {
    let folder = root().join(module.folder);
    say(format!("kube-bins: {} ({})", module.program, module.expected));
    let total = packages(module, &folder)?;
    let mut child = Command::new("go")
        .args(["build", "-v", "-trimpath", "-ldflags", &linker_flags(&folder)?, "-o"])
        .arg(scratch.join(module.program))
        .arg(module.package)
        .current_dir(&folder)
        .env("CGO_ENABLED", "0")
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start `go build`")?;
    let said = follow(&mut child, total);
    let status = child.wait().context("`go build` cannot be waited for")?;
    if status.success() {
        return Ok(());
    }
    let said = said.join("\n");
    if said.contains("no space left on device") {
        bail!(
            "the disk is full: `go build` needs about 5 GB in its caches (`go env GOCACHE GOMODCACHE`); free some and try again"
        );
    }
    bail!("`go build` in {} ended with {status}:\n{said}", module.folder)
}

/// All packages that are compiled; what they need is fetched by this.
fn packages(module: &Module, folder: &Path) -> Result<usize> {
    let output = Command::new("go")
        .args(["list", "-deps", module.package])
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start `go list`")?;
    if !output.status.success() {
        bail!(
            "`go list` in {} failed: the sources are fetched from the Go module proxy (GOPROXY); is there a network?",
            module.folder
        );
    }
    Ok(output.stdout.split(|byte| *byte == b'\n').count().saturating_sub(1))
}

/// A line every hundred packages; answers the last lines that were no package.
fn follow(child: &mut Child, total: usize) -> Vec<String> {
    let Some(stderr) = child.stderr.take() else {
        return Vec::new();
    };
    let (mut compiled, mut others) = (0_usize, Vec::new());
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if line.contains(' ') {
            others.push(line);
            continue;
        }
        compiled += 1;
        if compiled % 100 == 0 {
            say(format!("kube-bins: compiled {compiled} of at most {total} packages"));
        }
    }
    others.split_off(others.len().saturating_sub(20))
}

/// No symbols, and the version that Kubernetes' own release build would stamp.
fn linker_flags(folder: &Path) -> Result<String> {
    let text = fs::read_to_string(folder.join("go.mod")).context("cannot read go.mod")?;
    let required = text.lines().find_map(|line| {
        line.trim()
            .strip_prefix("k8s.io/kubernetes ")?
            .split_whitespace()
            .next()
    });
    let Some(version) = required else {
        return Ok("-s -w".into());
    };
    let minor = version.split('.').nth(1).unwrap_or_default();
    let stamps = [
        ("gitVersion", version),
        ("gitMajor", "1"),
        ("gitMinor", minor),
        ("gitTreeState", "clean"),
        ("gitCommit", "unknown"),
        ("buildDate", "1970-01-01T00:00:00Z"),
    ];
    let places = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"];
    let stamped = places.iter().flat_map(|place| {
        stamps
            .iter()
            .map(move |(name, value)| format!(" -X {place}.{name}={value}"))
    });
    Ok(format!("-s -w{}", stamped.collect::<String>()))
}

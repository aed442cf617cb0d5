//! A real control plane on loopback: etcd, kube-apiserver and, if they are wanted, kube-controller-manager and
//! kube-scheduler, each a child process, everything they write in one folder.
//!
//! Must not know: what is in the cluster.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::process::{Child, Command};

/// Kubernetes' minor version that the simulated API server is measured against.
pub const MINOR: &str = "1.36";
/// A control plane that is not ready by then will not be.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(3);
/// Addresses of Services; the first is the API server's own.
const SERVICE_NETWORK: &str = "10.0.0.0/16";
/// The controllers that a cluster without real nodes needs, as kube-controller-manager names them.
const CONTROLLERS: &str = "namespace-controller,serviceaccount-controller,serviceaccount-token-controller,\
root-ca-certificate-publisher-controller,garbage-collector-controller,deployment-controller,replicaset-controller,\
statefulset-controller,daemonset-controller,job-controller,cronjob-controller,ttl-after-finished-controller,\
disruption-controller,endpoints-controller,endpointslice-controller,node-lifecycle-controller,taint-eviction-controller,\
pod-garbage-collector-controller,persistentvolume-binder-controller,persistentvolumeclaim-protection-controller,\
persistentvolume-protection-controller,clusterrole-aggregation-controller";

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Those of a folder: `given`, or the one that `KUBEBUILDER_ASSETS` names.
    ///
    /// # Errors
    /// When there is none, or its kube-apiserver is of another minor version; the text says how to get one.
    pub async fn find(given: Option<&Path>) -> Result<Self> {
        let named = std::env::vars_os().find_map(|(name, value)| (name == "KUBEBUILDER_ASSETS").then_some(value));
        let folder = given.map(Path::to_owned).or_else(|| named.map(PathBuf::from)).context(
            "no Kubernetes binaries: `cargo xtask kube-bins` builds them and prints their folder; give it as \
                 KUBEBUILDER_ASSETS or with --kube-apiserver",
        )?;
        for program in ["etcd", "kube-apiserver"] {
            if !folder.join(program).exists() {
                bail!(
                    "there is no {program} in {}; `cargo xtask kube-bins` builds what is needed and prints its folder",
                    folder.display()
                );
            }
        }
        let output = Command::new(folder.join("kube-apiserver"))
            .arg("--version")
            .output()
            .await
            .with_context(|| format!("cannot start {}", folder.join("kube-apiserver").display()))?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !version.starts_with(&format!("Kubernetes v{MINOR}.")) {
            bail!(
                "kube-apiserver in {} says `{version}`, and v{MINOR} is wanted; `cargo xtask kube-bins` builds one",
                folder.display()
            );
        }
        Ok(Self { folder })
    }
}

/// Which programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// etcd and kube-apiserver: objects, and nobody who acts on them.
    Api,
    /// All four.
    All,
}

/// A user whom the API server knows by a token.
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// Its name.
    pub name: &'static str,
    /// Its groups.
    pub groups: &'static [&'static str],
}

/// The administrator.
pub const ADMIN: User = User {
    name: "admin",
    groups: &["system:masters"],
};

/// A control plane that runs. [`ControlPlane::stop`] ends it; dropped, it is killed.
#[derive(Debug)]
pub struct ControlPlane {
    folder: PathBuf,
    port: u16,
    token_secret: String,
    /// In the order in which they were started.
    programs: Vec<Program>,
}

#[derive(Debug)]
struct Program {
    name: &'static str,
    log: PathBuf,
    child: Child,
}

impl ControlPlane {
    /// Starts it in `folder`, which is made, and waits until it answers.
    ///
    /// # Errors
    /// When the folder is not empty, or a program ends or does not answer; the text has the end of its log.
    pub async fn start(binaries: &Binaries, parts: Parts, folder: &Path, others: &[User]) -> Result<Self> {
        claim(folder)?;
        let [etcd, etcd_peers, port, manager, scheduler] = free_ports()?;
        let mut plane = Self {
            folder: folder.to_owned(),
            port,
            token_secret: secret()?,
            programs: Vec::new(),
        };
        plane.write_keys(others)?;
        plane.spawn(binaries, "etcd", &etcd_flags(folder, etcd, etcd_peers))?;
        plane.spawn(binaries, "kube-apiserver", &plane.apiserver_flags(etcd))?;
        plane.until_ready(&[]).await?;
        if parts == Parts::All {
            let kubeconfig = folder.join("kubeconfig");
            fs::write(&kubeconfig, plane.kubeconfig(ADMIN)).context("cannot write the kubeconfig")?;
            plane.spawn(binaries, "kube-controller-manager", &manager_flags(folder, manager))?;
            plane.spawn(binaries, "kube-scheduler", &scheduler_flags(folder, scheduler))?;
            plane.until_ready(&[manager, scheduler]).await?;
        }
        Ok(plane)
    }

    /// Where the API is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Where it keeps everything; with all parts, the administrator's `kubeconfig` too.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A kubeconfig for one of its users, as JSON.
    #[must_use]
    pub fn kubeconfig(&self, user: User) -> String {
        // Self-signed, and so its own authority.
        let authority = self.folder.join("certs/apiserver.crt");
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "drydock",
            "clusters": [{ "name": "drydock", "cluster": { "server": self.url(), "certificate-authority": authority } }],
            "users": [{ "name": user.name, "user": { "token": self.token(user) } }],
            "contexts": [{ "name": "drydock", "context": { "cluster": "drydock", "user": user.name } }],
        })
        .to_string()
    }

    /// A client that acts as one of its users.
    ///
    /// # Errors
    /// When the API server's certificate cannot be read.
    pub async fn client(&self, user: User) -> Result<Client> {
        let kubeconfig = Kubeconfig::from_yaml(&self.kubeconfig(user))?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        // Whoever asks sees every answer, refusals too.
        config.default_retry = false;
        Ok(Client::try_from(config)?)
    }

    fn token(&self, user: User) -> String {
        format!("{}-{}", user.name, self.token_secret)
    }

    /// Ends everything, the API server before its etcd (which it would wait for), and removes the folder.
    pub async fn stop(mut self) {
        for program in self.programs.iter_mut().rev() {
            if let Some(pid) = program.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
                let _ = kill_process(pid, Signal::TERM);
            }
            if tokio::time::timeout(GRACE, program.child.wait()).await.is_err() {
                let _ = program.child.kill().await;
            }
        }
        let _ = fs::remove_dir_all(&self.folder);
    }

    fn write_keys(&self, others: &[User]) -> Result<()> {
        let key = rcgen::KeyPair::generate().context("cannot make the key of ServiceAccounts")?;
        self.write("sa.key", &key.serialize_pem())?;
        self.write("sa.pub", &key.public_key_pem())?;
        let mut tokens = String::new();
        for (uid, user) in std::iter::once(&ADMIN).chain(others).enumerate() {
            let groups = user.groups.join(",");
            let _ = writeln!(tokens, "{},{},{},\"{groups}\"", self.token(*user), user.name, uid + 1);
        }
        self.write("tokens.csv", &tokens)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn spawn(&mut self, binaries: &Binaries, name: &'static str, flags: &[String]) -> Result<()> {
        let path = binaries.folder.join(name);
        let log = self.folder.join(format!("{name}.log"));
        let file = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        // Ends with us in whichever way we end.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&path)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("cannot share the log")?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start setpriv, which comes with util-linux")?;
        self.programs.push(Program { name, log, child });
        Ok(())
    }

    fn apiserver_flags(&self, etcd: u16) -> Vec<String> {
        let folder = self.folder.display();
        let port = self.port;
        vec![
            format!("--etcd-servers=http://127.0.0.1:{etcd}"),
            "--bind-address=127.0.0.1".into(),
            "--advertise-address=127.0.0.1".into(),
            format!("--secure-port={port}"),
            format!("--cert-dir={folder}/certs"),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
            format!("--service-account-key-file={folder}/sa.pub"),
            format!("--service-account-signing-key-file={folder}/sa.key"),
            format!("--token-auth-file={folder}/tokens.csv"),
            "--authorization-mode=Node,RBAC".into(),
            format!("--service-cluster-ip-range={SERVICE_NETWORK}"),
            "--allow-privileged=true".into(),
            "--endpoint-reconciler-type=none".into(),
        ]
    }

    /// Waits for the API server, and for the programs at these ports.
    async fn until_ready(&mut self, ports: &[u16]) -> Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let certificate = self.folder.join("certs/apiserver.crt");
        loop {
            self.nobody_ended()?;
            if certificate.exists() && self.is_ready(ports).await {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                let logs: Vec<String> = self.programs.iter().map(Program::last_words).collect();
                bail!(
                    "the control plane is not ready after {} s\n{}",
                    PATIENCE.as_secs(),
                    logs.join("\n")
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn is_ready(&self, ports: &[u16]) -> bool {
        let Ok(client) = self.client(ADMIN).await else {
            return false;
        };
        if !says_ok(&client, "/readyz").await {
            return false;
        }
        for port in ports {
            let Ok(url) = format!("https://127.0.0.1:{port}").parse() else {
                return false;
            };
            // Its certificate is its own, and nothing is told to it.
            let mut config = Config::new(url);
            config.accept_invalid_certs = true;
            let Ok(client) = Client::try_from(config) else {
                return false;
            };
            if !says_ok(&client, "/healthz").await {
                return false;
            }
        }
        true
    }

    fn nobody_ended(&mut self) -> Result<()> {
        for program in &mut self.programs {
            if let Ok(Some(status)) = program.child.try_wait() {
                bail!("{} ended with {status}\n{}", program.name, program.last_words());
            }
        }
        Ok(())
    }
}

async fn says_ok(client: &Client, path: &str) -> bool {
    let Ok(request) = http::Request::get(path).body(Vec::new()) else {
        return false;
    };
    client.request_text(request).await.is_ok_and(|text| text == "ok")
}

impl Program {
    /// The end of its log.
    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let end = lines.get(lines.len().saturating_sub(8)..).unwrap_or_default();
        format!("{}: {}", self.name, end.join("\n"))
    }
}

fn etcd_flags(folder: &Path, port: u16, peers: u16) -> Vec<String> {
    let (own, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peers}"));
    vec![
        format!("--data-dir={}/etcd", folder.display()),
        format!("--listen-client-urls={own}"),
        format!("--advertise-client-urls={own}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        // Nothing of it outlives the process.
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ]
}

fn manager_flags(folder: &Path, port: u16) -> Vec<String> {
    let folder = folder.display();
    vec![
        format!("--kubeconfig={folder}/kubeconfig"),
        format!("--controllers={CONTROLLERS}"),
        format!("--service-account-private-key-file={folder}/sa.key"),
        format!("--root-ca-file={folder}/certs/apiserver.crt"),
        "--leader-elect=false".into(),
        // The stock 20 requests a second would make the default ServiceAccounts wait for five seconds.
        "--kube-api-qps=500".into(),
        "--kube-api-burst=1000".into(),
        "--authentication-skip-lookup".into(),
        "--bind-address=127.0.0.1".into(),
        format!("--secure-port={port}"),
        format!("--cert-dir={folder}/manager"),
    ]
}

fn scheduler_flags(folder: &Path, port: u16) -> Vec<String> {
    let folder = folder.display();
    vec![
        format!("--kubeconfig={folder}/kubeconfig"),
        "--leader-elect=false".into(),
        "--authentication-skip-lookup".into(),
        "--bind-address=127.0.0.1".into(),
        format!("--secure-port={port}"),
        format!("--cert-dir={folder}/scheduler"),
    ]
}

/// Makes the folder ours: nothing of an earlier run may be in it.
fn claim(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    if entries.next().is_some() {
        bail!(
            "{} is not empty: a control plane runs there, or one was killed; remove the folder or name another",
            folder.display()
        );
    }
    // Keys and tokens come to lie in it.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot keep others out of {}", folder.display()))
}

/// Ports that nobody listens at now. kube-apiserver cannot be told to choose one by itself.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let listeners: Vec<TcpListener> = (0..N)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()
        .context("no free port on 127.0.0.1")?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr().context("a bound port has an address")?.port();
    }
    Ok(ports)
}

fn secret() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("no randomness for tokens")?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

//! Security contexts of pods and containers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::json;
use super::problems::{Path, Problems};
use super::ranges::I32_MAX;

/// Longest name of a sysctl, and what one looks like.
const SYSCTL_MAX: usize = 253;
const SYSCTL: &str = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
const ID_RANGE: &str = "must be between 0 and 2147483647, inclusive";
/// Fields of a container's security context in Go's order, under their internal names.
const INTERNAL: [(&str, &str); 12] = [
    ("Capabilities", "capabilities"),
    ("Privileged", "privileged"),
    ("SELinuxOptions", "seLinuxOptions"),
    ("WindowsOptions", "windowsOptions"),
    ("RunAsUser", "runAsUser"),
    ("RunAsGroup", "runAsGroup"),
    ("RunAsNonRoot", "runAsNonRoot"),
    ("ReadOnlyRootFilesystem", "readOnlyRootFilesystem"),
    ("AllowPrivilegeEscalation", "allowPrivilegeEscalation"),
    ("ProcMount", "procMount"),
    ("SeccompProfile", "seccompProfile"),
    ("AppArmorProfile", "appArmorProfile"),
];

fn id(problems: &mut Problems, path: &Path<'_>, value: &Value) {
    if value.as_i64().is_some_and(|id| !(0..=I32_MAX).contains(&id)) {
        problems.invalid(path, value, ID_RANGE);
    }
}

/// The pod's own context.
pub(super) fn pod(problems: &mut Problems, spec_path: &Path<'_>, spec: &Value) {
    let context = json::get(spec, "securityContext");
    let path = spec_path.child("securityContext");
    for key in ["fsGroup", "runAsUser", "runAsGroup"] {
        id(problems, &path.child(key), json::get(context, key));
    }
    let groups = path.child("supplementalGroups");
    for (index, group) in json::list(context, "supplementalGroups").iter().enumerate() {
        id(problems, &groups.index(index), group);
    }
    if json::flag(spec, "shareProcessNamespace") && json::flag(spec, "hostPID") {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        problems.invalid(&path.child("shareProcessNamespace"), &true.into(), detail);
    }
    sysctls(problems, &path.child("sysctls"), json::list(context, "sysctls"));
    problems.one_of(
        &path,
        context,
        "fsGroupChangePolicy",
        &["Always", "OnRootMismatch"],
        false,
    );
    seccomp(
        problems,
        &path.child("seccompProfile"),
        json::get(context, "seccompProfile"),
    );
}

fn sysctls(problems: &mut Problems, list: &Path<'_>, sysctls: &[Value]) {
    let mut seen = BTreeSet::new();
    for (index, sysctl) in sysctls.iter().enumerate() {
        let path = list.index(index);
        let (path, name) = (path.child("name"), json::text(sysctl, "name"));
        let part = |part: &str| {
            let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            part.starts_with(inner) && part.ends_with(inner) && part.chars().all(|c| inner(c) || matches!(c, '-' | '_'))
        };
        if name.is_empty() {
            problems.required(&path, "");
        } else if name.len() > SYSCTL_MAX || !name.split(['.', '/']).all(part) {
            let detail = format!("must have at most {SYSCTL_MAX} characters and match regex {SYSCTL}");
            problems.invalid_text(&path, name, &detail);
        } else if !seen.insert(name.replace('/', ".")) {
            problems.duplicate(&path, &name.into());
        }
    }
}

/// A container's context.
pub(super) fn container(problems: &mut Problems, path: &Path<'_>, context: &Value, host_users: bool) {
    if context.is_null() {
        return;
    }
    for key in ["runAsUser", "runAsGroup"] {
        id(problems, &path.child(key), json::get(context, key));
    }
    problems.one_of(path, context, "procMount", &["Default", "Unmasked"], false);
    if host_users && json::text(context, "procMount") == "Unmasked" {
        let detail = "`hostUsers` must be false to use `Unmasked`";
        problems.invalid_text(&path.child("procMount"), "Unmasked", detail);
    }
    seccomp(
        problems,
        &path.child("seccompProfile"),
        json::get(context, "seccompProfile"),
    );
    if json::get(context, "allowPrivilegeEscalation") == &Value::Bool(false) {
        if json::flag(context, "privileged") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            problems.invalid_shown(path, super::go::internal(context, &INTERNAL), detail);
        }
        let added = json::list(json::get(context, "capabilities"), "add");
        if added.iter().any(|capability| capability == "CAP_SYS_ADMIN") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            problems.invalid_shown(path, super::go::internal(context, &INTERNAL), detail);
        }
    }
}

fn seccomp(problems: &mut Problems, path: &Path<'_>, profile: &Value) {
    if profile.is_null() {
        return;
    }
    let kind = json::text(profile, "type");
    if kind.is_empty() {
        problems.required(&path.child("type"), "type is required when seccompProfile is set");
    } else {
        let supported = ["Localhost", "RuntimeDefault", "Unconfined"];
        problems.one_of(path, profile, "type", &supported, false);
    }
    let local = json::has(profile, "localhostProfile");
    if kind == "Localhost" && !local {
        problems.required(
            &path.child("localhostProfile"),
            "must be set when seccomp type is Localhost",
        );
    } else if kind != "Localhost" && local {
        let shown = super::go::internal(profile, &[("Type", "type"), ("LocalhostProfile", "localhostProfile")]);
        let detail = "can only be set when seccomp type is Localhost";
        problems.invalid_shown(&path.child("localhostProfile"), shown, detail);
    }
}

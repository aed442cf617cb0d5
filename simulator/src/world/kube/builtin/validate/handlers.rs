//! Probes and lifecycle hooks.

use serde_json::Value;

use super::super::json;
use super::problems::{Path, Problems};
use super::ranges;

/// The probes and hooks of a container that runs as long as its pod.
pub(super) fn of_container(problems: &mut Problems, path: &Path<'_>, container: &Value, grace_secs: Option<i64>) {
    let lifecycle = json::get(container, "lifecycle");
    for name in ["postStart", "preStop"] {
        let hook = json::get(lifecycle, name);
        if !hook.is_null() {
            let lifecycle = path.child("lifecycle");
            handler(problems, &lifecycle.child(name), hook, grace_secs, true);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let given = json::get(container, name);
        if given.is_null() {
            continue;
        }
        let path = path.child(name);
        probe(problems, &path, given, grace_secs);
        if name == "readinessProbe" {
            let grace = json::get(given, "terminationGracePeriodSeconds");
            if !grace.is_null() {
                let path = path.child("terminationGracePeriodSeconds");
                problems.invalid(&path, grace, "must not be set for readinessProbes");
            }
        } else if json::int(given, "successThreshold").unwrap_or(0) != 1 {
            let threshold = json::int(given, "successThreshold").unwrap_or(0);
            problems.invalid(&path.child("successThreshold"), &threshold.into(), "must be 1");
        }
    }
}

fn probe(problems: &mut Problems, path: &Path<'_>, probe: &Value, grace_secs: Option<i64>) {
    handler(problems, path, probe, grace_secs, false);
    for key in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        problems.non_negative(path, probe, key);
    }
    if let Some(secs) = json::int(probe, "terminationGracePeriodSeconds").filter(|secs| *secs <= 0) {
        let path = path.child("terminationGracePeriodSeconds");
        problems.invalid(&path, &secs.into(), "must be greater than 0");
    }
}

fn handler(problems: &mut Problems, path: &Path<'_>, handler: &Value, grace_secs: Option<i64>, hook: bool) {
    let mut found = false;
    for name in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let action = json::get(handler, name);
        // Only hooks sleep; only probes speak gRPC.
        if action.is_null() || (hook && name == "grpc") || (!hook && name == "sleep") {
            continue;
        }
        let path = path.child(name);
        if std::mem::replace(&mut found, true) {
            problems.forbidden(&path, "may not specify more than 1 handler type");
            continue;
        }
        match name {
            "exec" if json::list(action, "command").is_empty() => problems.required(&path.child("command"), ""),
            "httpGet" => http_get(problems, &path, action),
            "tcpSocket" | "grpc" => ranges::port_or_name(problems, &path.child("port"), json::get(action, "port")),
            "sleep" => sleep(problems, &path, action, grace_secs),
            _ => {}
        }
    }
    if !found {
        problems.required(path, "must specify a handler type");
    }
}

fn http_get(problems: &mut Problems, path: &Path<'_>, get: &Value) {
    if json::text(get, "path").is_empty() {
        problems.required(&path.child("path"), "");
    }
    ranges::port_or_name(problems, &path.child("port"), json::get(get, "port"));
    problems.one_of(path, get, "scheme", &["HTTP", "HTTPS"], false);
    for header in json::list(get, "httpHeaders") {
        let name = json::text(header, "name");
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if name.is_empty() || !name.bytes().all(fits) {
            let detail = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', \
                          regex used for validation is '[-A-Za-z0-9]+')";
            problems.invalid_text(&path.child("httpHeaders"), name, detail);
        }
    }
}

fn sleep(problems: &mut Problems, path: &Path<'_>, action: &Value, grace_secs: Option<i64>) {
    let Some(grace) = grace_secs else { return };
    let secs = json::int(action, "seconds").unwrap_or(0);
    if secs < 0 || secs > grace {
        let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        problems.invalid(path, &secs.into(), &detail);
    }
}

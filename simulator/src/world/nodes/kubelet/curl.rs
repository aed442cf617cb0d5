//! `curl` in a simulated pod: the one program that is carried out, so that a Service can be asked from inside.
//!
//! The request is answered by what the asked pod's containers answer (their behaviours), or by the real program that
//! runs for one of them. Whom it asks is found when the pod is taken on; nothing else of curl is there.

use jiff::Timestamp;
use serde_json::Value;

use super::Shared;
use super::behaviour::{Behaviour, LogLine};
use super::programs::Job;
use crate::world::control::object::{flag, key_of, list, name, namespace, text, uid};
use crate::world::control::pods::is_ready;
use crate::world::control::selector::Selector;
use crate::world::control::{Kind, Pass, View};
use crate::world::kube::server::plugs::{ProxyAnswer, ProxyRequest};

/// How long a request takes, in milliseconds.
const TAKES_MILLIS: u64 = 50;

/// What is made of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// A status from 400 on is a failure (`-f`).
    fails: bool,
    /// The body goes to a file, which nobody sees here (`-o`).
    is_dropped: bool,
    /// What is written behind it (`-w`).
    template: String,
}

/// A request, as its command line says it.
#[derive(Debug, Default, PartialEq)]
struct Request {
    method: http::Method,
    host: String,
    port: u16,
    path: String,
    body: String,
    output: Output,
}

/// What a container does whose command is curl.
pub(super) enum Does {
    /// The answer is known.
    Answered(Behaviour),
    /// A real program is to be asked.
    Asks(Job),
}

impl Output {
    /// Exit code and text.
    #[must_use]
    pub fn of(&self, answer: Option<&ProxyAnswer>) -> (i32, String) {
        let Some(answer) = answer else {
            return (7, "curl: (7) Failed to connect: Connection refused".into());
        };
        if answer.code >= 400 && self.fails {
            let text = format!("curl: (22) The requested URL returned error: {}", answer.code);
            return (22, text);
        }
        let body = match self.is_dropped {
            true => String::new(),
            false => String::from_utf8_lossy(&answer.body).into_owned(),
        };
        let code = answer.code.to_string();
        let written = ["http_code", "response_code"]
            .iter()
            .fold(self.template.replace("\\n", "\n"), |text, name| {
                text.replace(&format!("%{{{name}}}"), &code)
            });
        (0, body + &written)
    }
}

/// What a container does whose command is curl; None for every other command.
pub(super) fn of(pod: &Value, container: &Value, shared: &Shared, pass: &Pass<'_>) -> Option<Does> {
    let words: Vec<&str> = list(container, "/command")
        .iter()
        .chain(list(container, "/args"))
        .filter_map(Value::as_str)
        .collect();
    let (program, arguments) = words.split_first()?;
    if *program != "curl" && !program.ends_with("/curl") {
        return None;
    }
    let outcome = match parse(arguments) {
        Ok(request) => outcome(request, namespace(pod), shared, pass),
        Err(text) => Err((2, text)),
    };
    Some(match outcome {
        Ok(job) => Does::Asks(job),
        Err((code, text)) => Does::Answered(Behaviour {
            runs_for_millis: Some(TAKES_MILLIS),
            exit_code: code,
            log: vec![LogLine::Text(text)],
            ..Behaviour::default()
        }),
    })
}

/// The real program to ask, or else exit code and output.
fn outcome(request: Request, here: &str, shared: &Shared, pass: &Pass<'_>) -> Result<Job, (i32, String)> {
    let Request {
        method,
        host,
        port,
        path,
        body,
        output,
    } = request;
    let Some((pod, pod_port)) = target(&host, port, here, pass.view) else {
        return Err((6, format!("curl: (6) Could not resolve host: {host}")));
    };
    let refused = || {
        let text = format!("curl: (7) Failed to connect to {host} port {port}: Connection refused");
        (7, text)
    };
    let (pod, pod_port) = pod.zip(pod_port).ok_or_else(refused)?;
    if let Some(id) = program(pod, shared) {
        let request = ProxyRequest {
            method,
            path,
            body: body.into(),
            port: pod_port,
        };
        return Ok(Job::Ask {
            target: id,
            request,
            output,
        });
    }
    let answer = answer(pod, &path, shared, pass.now).ok_or_else(refused)?;
    Err(output.of(Some(&answer)))
}

/// The pod behind a host, and its port (None: nothing listens); None when the name means nothing.
fn target<'a>(host: &str, port: u16, here: &str, view: &'a View) -> Option<(Option<&'a Value>, Option<u16>)> {
    let pods = || view.all(Kind::POD).map(|(_, pod)| pod.as_ref());
    if let Some(pod) = pods().find(|pod| text(pod, "/status/podIP") == host) {
        return Some((Some(pod), Some(port)));
    }
    let parts: Vec<&str> = host.split('.').collect();
    let (service_name, service_namespace) = match parts.as_slice() {
        [service] => (*service, here),
        [service, namespace] | [service, namespace, "svc", ..] => (*service, *namespace),
        _ => ("", ""),
    };
    let service = view
        .all(Kind::SERVICE)
        .map(|(_, service)| service.as_ref())
        .find(|service| {
            text(service, "/spec/clusterIP") == host
                || (name(service) == service_name && namespace(service) == service_namespace)
        })?;
    let early = flag(service, "/spec/publishNotReadyAddresses");
    let selector = Selector::from_labels(&service["spec"]["selector"]);
    let chosen = pods().find(|pod| {
        let is_meant = !selector.is_empty() && selector.matches_object(pod);
        namespace(pod) == namespace(service) && is_meant && (early || is_ready(pod))
    });
    let entry = list(service, "/spec/ports").iter().find(|entry| entry["port"] == port);
    let pod_port = entry.and_then(|entry| pod_port(chosen?, &entry["targetPort"]).or(Some(port)));
    Some((chosen, pod_port))
}

/// A number, or the name of a container's port.
fn pod_port(pod: &Value, target: &Value) -> Option<u16> {
    let number = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok());
    let named = || {
        let containers = list(pod, "/spec/containers").iter();
        let mut ports = containers.flat_map(|container| list(container, "/ports"));
        ports.find(|port| port["name"] == *target)
    };
    number(target).or_else(|| number(&named()?["containerPort"]))
}

/// Id of the real program that runs for one of a pod's containers.
pub(super) fn program(pod: &Value, shared: &Shared) -> Option<String> {
    let run = shared.runs.get(&key_of(pod)).filter(|run| run.uid == uid(pod))?;
    let mut programs = run.main.iter().filter(|container| {
        let program = container.program.as_ref();
        program.is_some_and(|program| matches!(program.job, Job::Container(_)))
    });
    programs.find_map(|container| container.run_id().map(str::to_owned))
}

/// What a pod's programs answer: the first whose path begins the request's.
pub(super) fn answer(pod: &Value, path: &str, shared: &Shared, now: Timestamp) -> Option<ProxyAnswer> {
    let run = shared.runs.get(&key_of(pod)).filter(|run| run.uid == uid(pod))?;
    let main = run.main.iter();
    let running = main.filter(|container| container.is_running() && container.is_ready(now));
    let mut answers = running.flat_map(|container| &container.behaviour.answers);
    let answer = answers.find(|answer| path.starts_with(&answer.path))?;
    Some(ProxyAnswer {
        code: answer.code,
        content_type: answer.content_type.clone(),
        body: answer.body.clone().into(),
    })
}

/// Reads a command line. Headers are taken and not used: nobody here looks at them.
fn parse(arguments: &[&str]) -> Result<Request, String> {
    let mut request = Request::default();
    let (mut url, mut method) = (None, None);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            let next = words.next();
            next.ok_or_else(|| format!("curl: option {word}: requires parameter"))
        };
        match *word {
            "-X" | "--request" => method = Some(*value()?),
            "-d" | "--data" | "--data-raw" | "--data-binary" | "--json" => add_data(&mut request.body, value()?),
            "-w" | "--write-out" => request.output.template = (*value()?).to_owned(),
            "-o" | "--output" => {
                value()?;
                request.output.is_dropped = true;
            }
            "-H" | "--header" | "-m" | "--max-time" | "--connect-timeout" | "--retry" => {
                value()?;
            }
            "--fail" => request.output.fails = true,
            "--silent" | "--show-error" | "--verbose" | "--location" | "--insecure" | "--include" => {}
            flags if flags.starts_with('-') && flags.len() > 1 => {
                let known = flags.chars().skip(1).all(|flag| "sSvLkif".contains(flag));
                if !known {
                    return Err(format!("curl: option {flags}: is unknown"));
                }
                request.output.fails |= flags.contains('f');
            }
            address => url = Some(address),
        }
    }
    let usual = if request.body.is_empty() { "GET" } else { "POST" };
    let method = method.unwrap_or(usual);
    request.method = method
        .parse()
        .map_err(|_| format!("curl: {method:?} is no request method"))?;
    set_address(&mut request, url)?;
    Ok(request)
}

/// Several pieces of data go as one form.
fn add_data(body: &mut String, more: &str) {
    if !body.is_empty() {
        body.push('&');
    }
    body.push_str(more);
}

fn set_address(request: &mut Request, url: Option<&str>) -> Result<(), String> {
    let url = url.ok_or("curl: no URL specified!")?;
    let rest = url.strip_prefix("http://").unwrap_or(url);
    if rest.contains("://") {
        return Err(format!(
            "curl: (1) Protocol of {url} is not supported in a simulated pod"
        ));
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
    request.host = host.to_owned();
    request.port = port
        .parse()
        .map_err(|_| format!("curl: (3) Port number {port:?} is not a number"))?;
    let path = path.split('#').next().unwrap_or_default();
    request.path = format!("/{path}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let request = |host: &str, port, path: &str, fails| Request {
            host: host.into(),
            port,
            path: path.into(),
            output: Output {
                fails,
                ..Output::default()
            },
            ..Request::default()
        };
        let cases = [
            (
                vec![
                    "-X",
                    "POST",
                    "http://10.0.0.2/chat",
                    "-H",
                    "accept: application/json",
                    "-d",
                    "{\"prompt\":\"hi\"}",
                ],
                Ok(Request {
                    method: http::Method::POST,
                    body: "{\"prompt\":\"hi\"}".into(),
                    ..request("10.0.0.2", 80, "/chat", false)
                }),
            ),
            (
                vec!["-sSf", "w.default:8080"],
                Ok(request("w.default", 8080, "/", true)),
            ),
            (
                vec!["--fail", "http://w/a/b?c=d"],
                Ok(request("w", 80, "/a/b?c=d", true)),
            ),
            (
                vec![
                    "-o",
                    "/dev/null",
                    "-w",
                    "%{http_code}",
                    "-d",
                    "a=1",
                    "-d",
                    "b=2",
                    "http://w/p#top",
                ],
                Ok(Request {
                    method: http::Method::POST,
                    body: "a=1&b=2".into(),
                    output: Output {
                        is_dropped: true,
                        template: "%{http_code}".into(),
                        ..Output::default()
                    },
                    ..request("w", 80, "/p", false)
                }),
            ),
            (vec!["-X", "P T", "http://w"], Err("curl: \"P T\" is no request method")),
            (vec![], Err("curl: no URL specified!")),
            (vec!["http://w", "-d"], Err("curl: option -d: requires parameter")),
            (
                vec!["--frobnicate", "http://w"],
                Err("curl: option --frobnicate: is unknown"),
            ),
            (
                vec!["https://w"],
                Err("curl: (1) Protocol of https://w is not supported in a simulated pod"),
            ),
            (vec!["http://w:x/"], Err("curl: (3) Port number \"x\" is not a number")),
        ];
        for (words, expected) in cases {
            assert_eq!(parse(&words), expected.map_err(str::to_owned), "{words:?}");
        }
    }

    #[test]
    fn answers_become_output_and_exit_codes() {
        let answer = |code| ProxyAnswer {
            code,
            content_type: String::new(),
            body: "body".into(),
        };
        let output = |fails, is_dropped, template: &str| Output {
            fails,
            is_dropped,
            template: template.into(),
        };
        let cases = [
            (output(false, false, ""), 404, (0, "body")),
            (
                output(true, false, "%{http_code}"),
                404,
                (22, "curl: (22) The requested URL returned error: 404"),
            ),
            (output(true, true, "%{http_code}\\n"), 200, (0, "200\n")),
            (output(false, false, " %{response_code}"), 200, (0, "body 200")),
        ];
        for (output, code, (exit, text)) in cases {
            assert_eq!(output.of(Some(&answer(code))), (exit, text.to_owned()), "{output:?}");
        }
        assert_eq!(output(false, false, "").of(None).0, 7);
    }
}

//! Small forms of text: DNS names, image references, addresses, schedules. Each says why a text is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest DNS label (RFC 1123).
const LABEL_CHARS: usize = 63;
/// Longest DNS name that Kubernetes takes.
const SUBDOMAIN_CHARS: usize = 253;

/// Why a text is no DNS-1123 label, in Kubernetes' words.
pub(super) fn dns_label(text: &str) -> Option<String> {
    if text.len() > LABEL_CHARS {
        return Some(format!("must be no more than {LABEL_CHARS} characters"));
    }
    (!is_label(text)).then(|| {
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
         with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            .to_owned()
    })
}

/// Why a text is no DNS-1123 subdomain, in Kubernetes' words.
pub(super) fn dns_subdomain(text: &str) -> Option<String> {
    if text.len() > SUBDOMAIN_CHARS {
        return Some(format!("must be no more than {SUBDOMAIN_CHARS} characters"));
    }
    (!text.split('.').all(is_label)).then(|| {
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
         and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            .to_owned()
    })
}

fn is_label(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(plain) && text.ends_with(plain) && text.chars().all(|c| plain(c) || c == '-')
}

/// Why a text is no label value, in Kubernetes' words.
pub(super) fn label_value(text: &str) -> Option<String> {
    if text.len() > LABEL_CHARS {
        return Some(format!("must be no more than {LABEL_CHARS} characters"));
    }
    (!text.is_empty() && !is_label_name(text)).then(|| {
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
         and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
         validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            .to_owned()
    })
}

/// Why a text is no label key (`[domain/]name`), in Kubernetes' words.
pub(super) fn label_key(text: &str) -> Option<String> {
    let (domain, name) = text
        .split_once('/')
        .map_or((None, text), |(domain, name)| (Some(domain), name));
    if let Some(reason) = domain.and_then(dns_subdomain) {
        return Some(format!("prefix part {reason}"));
    }
    if name.len() > LABEL_CHARS {
        return Some(format!("name part must be no more than {LABEL_CHARS} characters"));
    }
    (!is_label_name(name)).then(|| {
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
         alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
         '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            .to_owned()
    })
}

fn is_label_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(plain) && text.ends_with(plain) && text.chars().all(|c| plain(c) || matches!(c, '-' | '_' | '.'))
}

/// Why a text is no image reference (`[host[:port]/]path[:tag][@digest]`).
pub(super) fn image(text: &str) -> Result<(), &'static str> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if let Some(digest) = digest
        && !is_digest(digest)
    {
        return Err("invalid digest");
    }
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        Some(_) | None => (rest, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err("invalid tag");
    }
    let path = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
            if !is_host(host) {
                return Err("invalid registry host");
            }
            path
        }
        Some(_) | None => name,
    };
    if path.is_empty() || name.len() > 255 {
        return Err("invalid reference format");
    }
    if path.chars().any(|c| c.is_ascii_uppercase()) {
        return Err("repository name must be lowercase");
    }
    if !path.split('/').all(is_path_component) {
        return Err("invalid reference format");
    }
    Ok(())
}

fn is_path_component(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separator = |c: char| matches!(c, '.' | '_' | '-');
    let good = text.chars().all(|c| plain(c) || separator(c));
    // Between two plain parts stand one dot, one or two underscores, or any number of dashes.
    let parts = text.split(plain).filter(|between| !between.is_empty());
    let mut joined = parts.map(|between| matches!(between, "." | "_" | "__") || between.chars().all(|c| c == '-'));
    text.starts_with(plain) && text.ends_with(plain) && good && joined.all(|fine| fine)
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let plain = |c: char| c.is_ascii_alphanumeric();
    let label =
        |part: &str| part.starts_with(plain) && part.ends_with(plain) && part.chars().all(|c| plain(c) || c == '-');
    host.split('.').all(label) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= 128 && text.starts_with(word) && text.chars().all(|c| word(c) || matches!(c, '.' | '-'))
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
            && algorithm
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '_' | '-'))
            && hex.len() >= 32
            && hex.chars().all(|c| c.is_ascii_hexdigit())
    })
}

/// Names that lead to the machine itself or to a cloud's metadata service.
const INNER_HOSTS: [&str; 4] = [
    "localhost",
    "metadata.google.internal",
    "metadata.google",
    "instance-data.ec2.internal",
];

/// Why an address must not be downloaded: a workload must not be made to read what only the cluster can reach.
/// Names are not resolved.
pub(super) fn url(text: &str) -> Result<(), String> {
    if text.chars().any(|c| c.is_control() || c == ' ' || c == '\\') {
        return Err("it holds blanks, backslashes or control characters".to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("it must be absolute".to_owned());
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err("its scheme must be http or https".to_owned());
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host_port.strip_prefix('[') {
        Some(six) => six.split_once(']').map_or("", |(host, _)| host),
        None => host_port.split_once(':').map_or(host_port, |(host, _)| host),
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() {
        return Err("it must name a host".to_owned());
    }
    if INNER_HOSTS.contains(&host.as_str()) || host.ends_with(".localhost") {
        return Err(format!("host {host} is not allowed"));
    }
    match literal_ip(&host) {
        Some(ip) if is_inner(ip) => Err(format!("address {ip} is not allowed (loopback, private or link-local)")),
        Some(_) | None => Ok(()),
    }
}

/// An IP address, also in the short, decimal, octal and hexadecimal forms that the C library (and so curl) takes.
fn literal_ip(host: &str) -> Option<IpAddr> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(ip);
    }
    if let Some((ip, _zone)) = host.split_once('%') {
        return ip.parse::<IpAddr>().ok();
    }
    let numbers: Option<Vec<u32>> = host.split('.').map(number).collect();
    let (last, first) = numbers.as_deref()?.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) {
        return None;
    }
    let bits = 32 - 8 * u32::try_from(first.len()).ok()?;
    if u64::from(*last) >= 1u64 << bits {
        return None;
    }
    let high = first
        .iter()
        .enumerate()
        .map(|(at, part)| part << (24 - 8 * at))
        .sum::<u32>();
    Some(IpAddr::V4(Ipv4Addr::from(high | last)))
}

fn number(text: &str) -> Option<u32> {
    match (text.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(hex), _) => u32::from_str_radix(hex, 16).ok(),
        (None, Some("")) => Some(0),
        (None, Some(octal)) => u32::from_str_radix(octal, 8).ok(),
        (None, None) => text.parse().ok(),
    }
}

fn is_inner(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => inner_v4(ip),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => inner_v4(ip),
            None => inner_v6(ip),
        },
    }
}

fn inner_v4(ip: Ipv4Addr) -> bool {
    ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()
}

fn inner_v6(ip: Ipv6Addr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local() || ip.is_unique_local()
}

/// A duration as Go writes it (`1h30m`, `-2s`, `0`), in nanoseconds.
pub(super) fn go_duration(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0.0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, after) = rest.split_at_checked(digits)?;
        let units = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(units)?;
        let nanoseconds = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        total += amount.parse::<f64>().ok()? * nanoseconds;
        rest = after;
    }
    Some(sign * total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_names() {
        for (text, label, subdomain) in [
            ("a", true, true),
            ("a-1", true, true),
            ("a.b", false, true),
            ("", false, false),
            ("-a", false, false),
            ("A", false, false),
            ("a..b", false, false),
            ("é", false, false),
        ] {
            assert_eq!(
                (dns_label(text).is_none(), dns_subdomain(text).is_none()),
                (label, subdomain),
                "{text}"
            );
        }
        assert_eq!(
            dns_label(&"a".repeat(64)).as_deref(),
            Some("must be no more than 63 characters")
        );
        assert_eq!(
            dns_subdomain(&"a".repeat(254)).as_deref(),
            Some("must be no more than 253 characters")
        );
    }

    #[test]
    fn labels() {
        for (key, value, good) in [
            ("app", "phi-3", true),
            ("example.com/My_app", "", true),
            ("app", "a,b=c", false),
            ("app", "-a", false),
            ("a/b/c", "x", false),
            ("", "x", false),
            ("Ex.com/a", "x", false),
            ("app", "é", false),
        ] {
            assert_eq!(
                label_key(key).is_none() && label_value(value).is_none(),
                good,
                "{key}={value}"
            );
        }
    }

    #[test]
    fn image_references() {
        let digest = format!("registry.io/a/b@sha256:{}", "0".repeat(64));
        for text in [
            "busybox",
            "busybox:1.36",
            "library/busybox",
            "acr.azurecr.io/team/phi:0.0.1",
            "localhost/x",
            "host:5000/a__b/c--d",
            "ACR.azurecr.io/x:latest",
            digest.as_str(),
        ] {
            assert_eq!(image(text), Ok(()), "{text}");
        }
        for text in [
            "",
            ":",
            "@",
            "/",
            "a/",
            "/a",
            "A",
            "acr.azurecr.io/Team/x",
            "a b",
            "a:b c",
            "a:",
            "a@sha256:12",
            "-.io/a",
            "a..b",
            "a___b",
            "https://acr.azurecr.io/x:1",
            "é/x",
            "acr.azurecr.io/",
            "h.io:99999/a",
        ] {
            assert!(image(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_that_only_the_cluster_reaches_are_refused() {
        for text in [
            "https://huggingface.co/datasets/x/resolve/main/a.parquet?download=true",
            "http://1.1.1.1/a",
            "HTTPS://a.b/",
            "http://user@example.com:8080/x",
            "http://[2606:4700::1111]/x",
            "http://metadata.example.com",
        ] {
            assert_eq!(url(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "a",
            "/etc/passwd",
            "file:///etc/passwd",
            "ftp://a.b/c",
            "http://",
            "http:///x",
            "http://localhost/x",
            "http://a.localhost",
            "http://LOCALHOST:80",
            "http://localhost./",
            "http://metadata.google.internal/",
            "http://169.254.169.254/metadata",
            "http://127.0.0.1",
            "http://127.1",
            "http://2130706433",
            "http://0x7f000001",
            "http://0177.0.0.1",
            "http://10.0.0.1",
            "http://192.168.1.1",
            "http://172.16.0.1",
            "http://[::1]/",
            "http://[fe80::1%25eth0]/",
            "http://[::ffff:127.0.0.1]/",
            "http://0.0.0.0",
            "http://[fd00::1]",
            "http://example.com@127.0.0.1/",
            "http://a b",
            "http://instance-data.ec2.internal",
            "http://[::1",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn go_durations() {
        for (text, seconds) in [
            ("4h", 14400.0),
            ("1h30m", 5400.0),
            ("-4h", -14400.0),
            ("0", 0.0),
            ("1.5s", 1.5),
        ] {
            assert_eq!(go_duration(text), Some(seconds * 1e9), "{text}");
        }
        for text in ["", "4", "h", "4 h", "4d", "1h-3m", "é", "4é", "-"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,40}", dense in "[a-z0-9:/@.%\\[\\]_-]{0,40}") {
            for text in [text, dense] {
                let _ = (dns_label(&text), dns_subdomain(&text), image(&text), go_duration(&text));
                // What parses as an address inside is refused, whatever stands around the host.
                if let Ok(ip) = text.parse::<Ipv4Addr>() {
                    proptest::prop_assert_eq!(url(&format!("http://{ip}/x")).is_err(), inner_v4(ip));
                }
                let _ = url(&text);
                let _ = url(&format!("http://{text}"));
            }
        }

        #[test]
        fn every_spelling_of_an_inner_address_is_refused(last in 0u32..1 << 24, form in 0usize..4) {
            let ip = Ipv4Addr::from((127 << 24) | last);
            let [_, b, c, d] = ip.octets();
            let host = match form {
                0 => ip.to_string(),
                1 => u32::from(ip).to_string(),
                2 => format!("0x{:x}", u32::from(ip)),
                _ => format!("0177.{b}.{}", u32::from(c) << 8 | u32::from(d)),
            };
            proptest::prop_assert!(url(&format!("http://{host}/")).is_err(), "{}", host);
        }
    }
}

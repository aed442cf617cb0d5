//! Numbers, ports, percentages and addresses in the words of the server.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

use super::super::formats;
use super::problems::{NEGATIVE, Path, Problems};

/// The largest 32-bit number.
pub(super) const I32_MAX: i64 = i32::MAX as i64;

const BAD_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const BAD_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// A port given as a number or by name.
pub(super) fn port_or_name(problems: &mut Problems, path: &Path<'_>, port: &Value) {
    match port {
        Value::String(name) => problems.format(path, name, formats::port_name),
        _ => port_number(problems, path, port.as_i64().unwrap_or(0)),
    }
}

/// A port number.
pub(super) fn port_number(problems: &mut Problems, path: &Path<'_>, port: i64) {
    if let Some(detail) = formats::port_number(port) {
        problems.invalid(path, &port.into(), detail);
    }
}

/// `42` or `"42%"`: a count that is not negative, or a percentage.
pub(super) fn count_or_percent(problems: &mut Problems, path: &Path<'_>, value: &Value) {
    match value {
        Value::String(text) if percent(text).is_none() => {
            let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
                          '93%', regex used for validation is '[0-9]+%')";
            problems.invalid(path, value, detail);
        }
        Value::Number(number) if number.as_i64().is_some_and(|number| number < 0) => {
            problems.invalid(path, value, NEGATIVE);
        }
        _ => {}
    }
}

/// A percentage above 100 is refused.
pub(super) fn at_most_all(problems: &mut Problems, path: &Path<'_>, value: &Value) {
    if value.as_str().and_then(percent).is_some_and(|percent| percent > 100) {
        problems.invalid(path, value, "must not be greater than 100%");
    }
}

/// The number of a percentage.
pub(super) fn percent(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('%')?;
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(i64::MAX))
}

/// Whether a count or percentage comes to nothing (`0`, `"0%"`).
pub(super) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::String(text) => percent(text) == Some(0),
        _ => value.as_i64().unwrap_or(0) == 0,
    }
}

/// An IP address of a field that also takes leading zeros.
pub(super) fn legacy_ip(problems: &mut Problems, path: &Path<'_>, text: &str) {
    if parse_ip(text).is_none() {
        problems.invalid_text(path, text, BAD_IP);
    }
}

/// An IP address; IPv4 may have leading zeros.
pub(super) fn parse_ip(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    let mut parts = text.split('.').map(|part| {
        let digits = !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<u8>().ok()).flatten()
    });
    let mut next = || parts.next().flatten();
    let address = Ipv4Addr::new(next()?, next()?, next()?, next()?);
    parts.next().is_none().then_some(IpAddr::V4(address))
}

/// An address range of a field that takes sloppy ones.
pub(super) fn legacy_cidr(problems: &mut Problems, path: &Path<'_>, text: &str) {
    if parse_cidr(text).is_none() {
        problems.invalid_text(path, text, BAD_CIDR);
    }
}

/// Address and prefix length.
pub(super) fn parse_cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address = parse_ip(address)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.parse::<u8>().ok().filter(|length| *length <= most)?;
    Some((address, length))
}

/// Whether `inner` lies strictly inside `outer`.
pub(super) fn strictly_inside(outer: (IpAddr, u8), inner: (IpAddr, u8)) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, true),
        IpAddr::V6(address) => (u128::from(address), false),
    };
    let ((a, four), (b, also_four)) = (bits(outer.0), bits(inner.0));
    let shared = u32::from(outer.1);
    let differ = if shared == 0 { 0 } else { (a ^ b) >> (128 - shared) };
    four == also_four && differ == 0 && inner.1 > outer.1
}

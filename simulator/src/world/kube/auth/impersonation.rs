//! Acting as someone else: the `Impersonate-*` headers and what they need. As in 1.36, the constrained verbs
//! (`impersonate-on:MODE:VERB` with `impersonate:MODE`) are asked first, then the old `impersonate`.

use std::collections::BTreeMap;

use super::super::api_error::ApiError;
use super::rbac::check;
use super::{AUTHENTICATED, Attributes, RoleSource, UserInfo};

const UNAUTHENTICATED: &str = "system:unauthenticated";
const AUTHENTICATION: &str = "authentication.k8s.io";
const EXTRA_PREFIX: &str = "impersonate-extra-";

/// Who a request wants to be, from its headers; None where it wants nothing.
///
/// # Errors
/// 400 for groups, uid or extra without a user.
pub fn impersonated<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Option<UserInfo>, ApiError> {
    let mut wanted = UserInfo::default();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "impersonate-user" if wanted.username.is_empty() => wanted.username = value.into(),
            "impersonate-uid" if wanted.uid.is_empty() => wanted.uid = value.into(),
            "impersonate-group" => wanted.groups.push(value.into()),
            other => {
                if let Some(key) = other.strip_prefix(EXTRA_PREFIX) {
                    wanted.extra.entry(percent_decode(key)).or_default().push(value.into());
                }
            }
        }
    }
    if !wanted.username.is_empty() {
        return Ok(Some(wanted));
    }
    if wanted == UserInfo::default() {
        return Ok(None);
    }
    Err(ApiError::bad_request(format!(
        "requested {} without impersonating a user name",
        go_value(&wanted)
    )))
}

/// The user that a request acts as once `requestor` is found allowed to be `wanted` for it, and whether that was by the
/// old verb alone. `legacy_first`: this requestor went that way before.
///
/// # Errors
/// 403 for what the requestor may not do.
pub fn impersonate(
    source: &dyn RoleSource,
    requestor: &UserInfo,
    wanted: &UserInfo,
    request: &Attributes,
    legacy_first: bool,
) -> Result<(UserInfo, bool), ApiError> {
    let legacy = || check_parts(source, requestor, wanted, "impersonate", "");
    if legacy_first {
        // The way that this requestor went last is tried first, and if all fail it is the one that is told of.
        let denied = match legacy() {
            Ok(()) => return Ok((completed(wanted.clone()), true)),
            Err(denied) => denied,
        };
        return impersonate(source, requestor, wanted, request, false).map_err(|_| denied);
    }
    let constrained = mode(wanted).map(|mode| {
        let on = Attributes {
            verb: format!("impersonate-on:{mode}:{}", request.verb),
            ..request.clone()
        };
        check(source, requestor, &on)?;
        check_parts(
            source,
            requestor,
            wanted,
            &format!("impersonate:{mode}"),
            AUTHENTICATION,
        )
    });
    let is_legacy = match constrained {
        Some(Ok(())) => false,
        Some(Err(denied)) => legacy().map_err(|_| denied).map(|()| true)?,
        None => legacy().map(|()| true)?,
    };
    Ok((completed(wanted.clone()), is_legacy))
}

/// The constrained mode for a user; None where only the old verb can help.
fn mode(wanted: &UserInfo) -> Option<&'static str> {
    let plain = wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
    if wanted.username.starts_with("system:node:") {
        plain.then_some("arbitrary-node")
    } else if account(&wanted.username).is_some() {
        plain.then_some("serviceaccount")
    } else {
        Some("user-info")
    }
}

fn account(username: &str) -> Option<(&str, &str)> {
    username.strip_prefix("system:serviceaccount:")?.split_once(':')
}

fn check_parts(
    source: &dyn RoleSource,
    requestor: &UserInfo,
    wanted: &UserInfo,
    verb: &str,
    group: &str,
) -> Result<(), ApiError> {
    let ask = |group: &str, resource: &str, subresource: &str, namespace: &str, name: &str| {
        let attributes = Attributes::resource(verb, group, resource, namespace, name);
        check(
            source,
            requestor,
            &Attributes {
                subresource: subresource.into(),
                ..attributes
            },
        )
    };
    match (account(&wanted.username), wanted.username.strip_prefix("system:node:")) {
        (Some((namespace, name)), _) => ask("", "serviceaccounts", "", namespace, name)?,
        (None, Some(node)) if !group.is_empty() => ask("", "nodes", "", "", node)?,
        (None, _) => ask(group, "users", "", "", &wanted.username)?,
    }
    if !wanted.uid.is_empty() {
        ask(AUTHENTICATION, "uids", "", "", &wanted.uid)?;
    }
    for name in &wanted.groups {
        ask(group, "groups", "", "", name)?;
    }
    for (key, values) in &wanted.extra {
        for value in values {
            ask(AUTHENTICATION, "userextras", key, "", value)?;
        }
    }
    Ok(())
}

/// Adds the groups that go without saying.
fn completed(mut user: UserInfo) -> UserInfo {
    if user.groups.is_empty()
        && let Some((namespace, _)) = account(&user.username)
    {
        user.groups = vec![
            "system:serviceaccounts".into(),
            format!("system:serviceaccounts:{namespace}"),
        ];
    }
    let has = |user: &UserInfo, wanted: &str| user.groups.iter().any(|group| group == wanted);
    let implied = if user.username == "system:anonymous" {
        UNAUTHENTICATED
    } else {
        AUTHENTICATED
    };
    if !has(&user, implied) && !has(&user, UNAUTHENTICATED) {
        user.groups.push(implied.into());
    }
    user
}

/// The user as Go's `%#v` prints it, for the one message that shows it so.
fn go_value(user: &UserInfo) -> String {
    let list = |texts: &[String]| {
        let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
        format!("[]string{{{}}}", quoted.join(", "))
    };
    let groups = if user.groups.is_empty() {
        "[]string(nil)".to_owned()
    } else {
        list(&user.groups)
    };
    let pairs: BTreeMap<&String, String> = user.extra.iter().map(|(key, values)| (key, list(values))).collect();
    let pairs: Vec<String> = pairs.iter().map(|(key, values)| format!("{key:?}:{values}")).collect();
    let extra = if pairs.is_empty() {
        "(nil)".to_owned()
    } else {
        format!("{{{}}}", pairs.join(", "))
    };
    let (name, uid) = (&user.username, &user.uid);
    format!("&user.DefaultInfo{{Name:{name:?}, UID:{uid:?}, Groups:{groups}, Extra:map[string][]string{extra}}}")
}

/// Decodes `%2f`; a text that is badly encoded stays as it is.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return text.to_owned();
        };
        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

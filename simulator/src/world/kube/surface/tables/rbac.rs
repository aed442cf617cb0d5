//! Role bindings and certificate requests.

use serde_json::Value;

use super::super::duration::human_duration;
use super::cell::{age, items, name, string, string_or};
use super::column::{AGE, NAME, text};
use super::{Printer, printer};

pub(super) const ROLE_BINDING: Printer = printer(
    &[
        NAME,
        text("Role", "@io.k8s.api.rbac.v1.RoleBinding#roleRef"),
        AGE,
        text("Users", "Users in the roleBinding").wide(),
        text("Groups", "Groups in the roleBinding").wide(),
        text("ServiceAccounts", "ServiceAccounts in the roleBinding").wide(),
    ],
    |object, now| binding(object, age(object, now)),
);

pub(super) const CLUSTER_ROLE_BINDING: Printer = printer(
    &[
        NAME,
        text("Role", "@io.k8s.api.rbac.v1.ClusterRoleBinding#roleRef"),
        AGE,
        text("Users", "Users in the clusterRoleBinding").wide(),
        text("Groups", "Groups in the clusterRoleBinding").wide(),
        text("ServiceAccounts", "ServiceAccounts in the clusterRoleBinding").wide(),
    ],
    |object, now| binding(object, age(object, now)),
);

pub(super) const CERTIFICATE_SIGNING_REQUEST: Printer = printer(
    &[
        NAME,
        AGE,
        text(
            "SignerName",
            "@io.k8s.api.certificates.v1.CertificateSigningRequestSpec#signerName",
        ),
        text("Requestor", "Base64-encoded PKCS#10 CSR data"),
        text(
            "RequestedDuration",
            "@io.k8s.api.certificates.v1.CertificateSigningRequestSpec#expirationSeconds",
        ),
        text(
            "Condition",
            "Conditions applied to the request, such as approval or denial.",
        ),
    ],
    |object, now| {
        let spec = &object["spec"];
        let lasting = spec["expirationSeconds"]
            .as_i64()
            .map_or_else(|| "<none>".to_owned(), human_duration);
        vec![
            name(object),
            age(object, now),
            string_or(&spec["signerName"], "<none>").into(),
            string(&spec["username"]).into(),
            lasting.into(),
            request_status(&object["status"]).into(),
        ]
    },
);

fn binding(object: &Value, age: Value) -> Vec<Value> {
    let role = &object["roleRef"];
    let subjects = |kind: &str| {
        let of_kind = items(&object["subjects"])
            .iter()
            .filter(|subject| subject["kind"] == kind);
        let shown: Vec<String> = of_kind
            .map(|subject| match kind {
                "ServiceAccount" => format!("{}/{}", string(&subject["namespace"]), string(&subject["name"])),
                _ => string(&subject["name"]).to_owned(),
            })
            .collect();
        Value::from(shown.join(", "))
    };
    let role = format!("{}/{}", string(&role["kind"]), string(&role["name"]));
    vec![
        name(object),
        role.into(),
        age,
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}

fn request_status(status: &Value) -> String {
    let has = |kind: &str| {
        items(&status["conditions"])
            .iter()
            .any(|condition| condition["type"] == kind)
    };
    let mut shown = if has("Denied") {
        "Denied".to_owned()
    } else if has("Approved") {
        "Approved".to_owned()
    } else {
        "Pending".to_owned()
    };
    if has("Failed") {
        shown.push_str(",Failed");
    }
    if !string(&status["certificate"]).is_empty() {
        shown.push_str(",Issued");
    }
    shown
}

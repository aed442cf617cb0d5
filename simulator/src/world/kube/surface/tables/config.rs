//! Configuration that pods read, and quotas.

use std::fmt::Write as _;

use super::cell::{age, count, name, quantity, sorted, string};
use super::column::{AGE, NAME, text};
use super::{Printer, printer};

pub(super) const NAME_AND_AGE: Printer = printer(&[NAME, AGE], |object, now| vec![name(object), age(object, now)]);

pub(super) const CONFIG_MAP: Printer = printer(
    &[NAME, text("Data", "@io.k8s.api.core.v1.ConfigMap#data"), AGE],
    |object, now| {
        let entries = count(&object["data"]) + count(&object["binaryData"]);
        vec![name(object), entries.into(), age(object, now)]
    },
);

pub(super) const SECRET: Printer = printer(
    &[
        NAME,
        text("Type", "@io.k8s.api.core.v1.Secret#type"),
        text("Data", "@io.k8s.api.core.v1.Secret#data"),
        AGE,
    ],
    |object, now| {
        vec![
            name(object),
            string(&object["type"]).into(),
            count(&object["data"]).into(),
            age(object, now),
        ]
    },
);

pub(super) const RESOURCE_QUOTA: Printer = printer(
    &[
        NAME,
        text(
            "Request",
            "Request represents a minimum amount of cpu/memory that a container may consume.",
        ),
        text(
            "Limit",
            "Limits control the maximum amount of cpu/memory that a container may use independent of contention on \
             the node.",
        ),
        AGE,
    ],
    |object, now| {
        let status = &object["status"];
        let (mut requests, mut limits) = (String::new(), String::new());
        for (resource, hard) in sorted(&status["hard"]) {
            let cell = if resource.starts_with("limits.") {
                &mut limits
            } else {
                &mut requests
            };
            let separator = if cell.is_empty() { "" } else { ", " };
            let used = quantity(&status["used"][resource]);
            // Writing to a String cannot fail.
            let _ = write!(cell, "{separator}{resource}: {used}/{}", quantity(hard));
        }
        vec![name(object), requests.into(), limits.into(), age(object, now)]
    },
);

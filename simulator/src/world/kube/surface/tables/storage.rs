//! Volumes, claims and storage classes.

use serde_json::Value;

use super::cell::{age, count, items, name, quantity, string};
use super::column::{AGE, NAME, boolean, integer, text};
use super::{Printer, printer};

pub(super) const PERSISTENT_VOLUME: Printer = printer(
    &[
        NAME,
        text("Capacity", "@io.k8s.api.core.v1.PersistentVolumeSpec#capacity"),
        text("Access Modes", "@io.k8s.api.core.v1.PersistentVolumeSpec#accessModes"),
        text(
            "Reclaim Policy",
            "@io.k8s.api.core.v1.PersistentVolumeSpec#persistentVolumeReclaimPolicy",
        ),
        text("Status", "@io.k8s.api.core.v1.PersistentVolumeStatus#phase"),
        text("Claim", "@io.k8s.api.core.v1.PersistentVolumeSpec#claimRef"),
        text("StorageClass", "StorageClass of the pv"),
        text("VolumeAttributesClass", "VolumeAttributesClass of the pv"),
        text("Reason", "@io.k8s.api.core.v1.PersistentVolumeStatus#reason"),
        AGE,
        text("VolumeMode", "@io.k8s.api.core.v1.PersistentVolumeSpec#volumeMode").wide(),
    ],
    |object, now| {
        let (spec, status) = (&object["spec"], &object["status"]);
        let claim = &spec["claimRef"];
        let claim = if claim.is_null() {
            String::new()
        } else {
            format!("{}/{}", string(&claim["namespace"]), string(&claim["name"]))
        };
        vec![
            name(object),
            quantity(&spec["capacity"]["storage"]).into(),
            access_modes(&spec["accessModes"]).into(),
            string(&spec["persistentVolumeReclaimPolicy"]).into(),
            phase(object).into(),
            claim.into(),
            storage_class(object).into(),
            unset(&spec["volumeAttributesClassName"]).into(),
            string(&status["reason"]).into(),
            age(object, now),
            unset(&spec["volumeMode"]).into(),
        ]
    },
);

pub(super) const PERSISTENT_VOLUME_CLAIM: Printer = printer(
    &[
        NAME,
        text("Status", "@io.k8s.api.core.v1.PersistentVolumeClaimStatus#phase"),
        text("Volume", "@io.k8s.api.core.v1.PersistentVolumeClaimSpec#volumeName"),
        text("Capacity", "@io.k8s.api.core.v1.PersistentVolumeClaimStatus#capacity"),
        text(
            "Access Modes",
            "@io.k8s.api.core.v1.PersistentVolumeClaimStatus#accessModes",
        ),
        text("StorageClass", "StorageClass of the pvc"),
        text("VolumeAttributesClass", "VolumeAttributesClass of the pvc"),
        AGE,
        text("VolumeMode", "@io.k8s.api.core.v1.PersistentVolumeClaimSpec#volumeMode").wide(),
    ],
    |object, now| {
        let (spec, status) = (&object["spec"], &object["status"]);
        // Size and modes are those of the bound volume; an unbound claim shows none.
        let (capacity, modes) = if string(&spec["volumeName"]).is_empty() {
            (String::new(), String::new())
        } else {
            (
                quantity(&status["capacity"]["storage"]),
                access_modes(&status["accessModes"]),
            )
        };
        vec![
            name(object),
            phase(object).into(),
            string(&spec["volumeName"]).into(),
            capacity.into(),
            modes.into(),
            storage_class(object).into(),
            unset(&spec["volumeAttributesClassName"]).into(),
            age(object, now),
            unset(&spec["volumeMode"]).into(),
        ]
    },
);

pub(super) const STORAGE_CLASS: Printer = printer(
    &[
        NAME,
        text("Provisioner", "@io.k8s.api.storage.v1.StorageClass#provisioner"),
        text("ReclaimPolicy", "@io.k8s.api.storage.v1.StorageClass#reclaimPolicy"),
        text(
            "VolumeBindingMode",
            "@io.k8s.api.storage.v1.StorageClass#volumeBindingMode",
        ),
        text(
            "AllowVolumeExpansion",
            "@io.k8s.api.storage.v1.StorageClass#allowVolumeExpansion",
        ),
        AGE,
    ],
    |object, now| {
        vec![
            name_with_default(object, "storageclass.kubernetes.io/is-default-class"),
            string(&object["provisioner"]).into(),
            object["reclaimPolicy"].as_str().unwrap_or("Delete").into(),
            object["volumeBindingMode"].as_str().unwrap_or("Immediate").into(),
            (object["allowVolumeExpansion"] == true).into(),
            age(object, now),
        ]
    },
);

pub(super) const CSI_DRIVER: Printer = printer(
    &[
        NAME,
        boolean("AttachRequired", "@io.k8s.api.storage.v1.CSIDriverSpec#attachRequired"),
        boolean("PodInfoOnMount", "@io.k8s.api.storage.v1.CSIDriverSpec#podInfoOnMount"),
        boolean(
            "StorageCapacity",
            "@io.k8s.api.storage.v1.CSIDriverSpec#storageCapacity",
        ),
        text("TokenRequests", "@io.k8s.api.storage.v1.CSIDriverSpec#tokenRequests"),
        boolean(
            "RequiresRepublish",
            "@io.k8s.api.storage.v1.CSIDriverSpec#requiresRepublish",
        ),
        text("Modes", "@io.k8s.api.storage.v1.CSIDriverSpec#volumeLifecycleModes"),
        AGE,
    ],
    |object, now| {
        let spec = &object["spec"];
        let modes: Vec<&str> = items(&spec["volumeLifecycleModes"]).iter().map(string).collect();
        let audiences = items(&spec["tokenRequests"])
            .iter()
            .map(|request| string(&request["audience"]));
        let tokens = if spec["tokenRequests"].is_null() {
            "<unset>".to_owned()
        } else {
            audiences.collect::<Vec<_>>().join(",")
        };
        vec![
            name(object),
            (spec["attachRequired"] != false).into(),
            (spec["podInfoOnMount"] == true).into(),
            (spec["storageCapacity"] == true).into(),
            tokens.into(),
            (spec["requiresRepublish"] == true).into(),
            if modes.is_empty() {
                "<none>".into()
            } else {
                modes.join(",").into()
            },
            age(object, now),
        ]
    },
);

pub(super) const CSI_NODE: Printer = printer(
    &[
        NAME,
        integer(
            "Drivers",
            "Drivers indicates the number of CSI drivers registered on the node",
        ),
        AGE,
    ],
    |object, now| vec![name(object), count(&object["spec"]["drivers"]).into(), age(object, now)],
);

pub(super) const VOLUME_ATTACHMENT: Printer = printer(
    &[
        NAME,
        text("Attacher", "@io.k8s.api.storage.v1.VolumeAttachmentSpec#attacher").format("name"),
        text(
            "PV",
            "@io.k8s.api.storage.v1.VolumeAttachmentSource#persistentVolumeName",
        ),
        text("Node", "@io.k8s.api.storage.v1.VolumeAttachmentSpec#nodeName"),
        boolean("Attached", "@io.k8s.api.storage.v1.VolumeAttachmentStatus#attached"),
        AGE,
    ],
    |object, now| {
        let spec = &object["spec"];
        vec![
            name(object),
            string(&spec["attacher"]).into(),
            string(&spec["source"]["persistentVolumeName"]).into(),
            string(&spec["nodeName"]).into(),
            (object["status"]["attached"] == true).into(),
            age(object, now),
        ]
    },
);

pub(super) const VOLUME_ATTRIBUTES_CLASS: Printer = printer(
    &[
        NAME,
        text("DriverName", "@io.k8s.api.storage.v1.VolumeAttributesClass#driverName"),
        AGE,
    ],
    |object, now| vec![name(object), string(&object["driverName"]).into(), age(object, now)],
);

/// The name, marked where an annotation makes the class the default one.
pub(super) fn name_with_default(object: &Value, annotation: &str) -> Value {
    let marked = object["metadata"]["annotations"][annotation] == "true";
    if marked {
        format!("{} (default)", string(&object["metadata"]["name"])).into()
    } else {
        name(object)
    }
}

fn phase(object: &Value) -> &str {
    let deleted = !object["metadata"]["deletionTimestamp"].is_null();
    if deleted {
        "Terminating"
    } else {
        string(&object["status"]["phase"])
    }
}

fn unset(value: &Value) -> &str {
    value.as_str().unwrap_or("<unset>")
}

/// The class of a volume or claim; the annotation is older than the field and wins.
fn storage_class(object: &Value) -> &str {
    let annotated = object["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"].as_str();
    annotated.unwrap_or_else(|| string(&object["spec"]["storageClassName"]))
}

fn access_modes(modes: &Value) -> String {
    let short = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let shown = short
        .iter()
        .filter(|(mode, _)| items(modes).iter().any(|given| given == mode));
    shown.map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

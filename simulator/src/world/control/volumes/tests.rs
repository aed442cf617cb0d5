//! Claims that are bound, provisioned, delayed, protected and lost.

use serde_json::json;

use super::super::Controller;
use super::super::harness::Cluster;
use super::super::object::{is_deleting, put};
use super::*;

#[derive(Default)]
struct Room {
    binder: VolumeBinder,
    provisioner: Provisioner,
    claims: ClaimProtection,
    volumes: VolumeProtection,
}

impl Room {
    fn advance(&mut self, cluster: &mut Cluster, secs: i64) {
        let controllers: &mut [&mut dyn Controller] = &mut [
            &mut self.binder,
            &mut self.provisioner,
            &mut self.claims,
            &mut self.volumes,
        ];
        cluster.advance(secs, controllers);
    }
}

fn claim(cluster: &mut Cluster, name: &str, class: &Value) -> ObjectKey {
    let spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": class, "resources": {"requests": {"storage": "10Gi"}}});
    let metadata = json!({"namespace": "default", "name": name, "finalizers": ["kubernetes.io/pvc-protection"]});
    cluster.create(
        Kind::PVC,
        json!({"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}),
    )
}

fn class(cluster: &mut Cluster, name: &str, mode: &str, default: bool) {
    cluster.create(Kind::STORAGE_CLASS, json!({
        "metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": default.to_string()}},
        "provisioner": "disk.csi.azure.com", "reclaimPolicy": "Delete", "volumeBindingMode": mode,
    }));
}

fn volume(cluster: &mut Cluster, name: &str, size: &str, class: &str) -> ObjectKey {
    let spec = json!({
        "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": class,
        "persistentVolumeReclaimPolicy": "Retain",
    });
    let metadata = json!({"name": name, "finalizers": ["kubernetes.io/pv-protection"]});
    cluster.create(Kind::PV, json!({"metadata": metadata, "spec": spec}))
}

fn phase(cluster: &Cluster, kind: Kind, key: &ObjectKey) -> String {
    text(cluster.get(kind, key), "/status/phase").to_owned()
}

fn told(cluster: &Cluster, event: &str) -> bool {
    cluster.events.iter().any(|have| have == event)
}

#[test]
fn a_claim_takes_the_smallest_volume_that_fits_and_releases_it() {
    let (mut cluster, mut room) = (Cluster::new(), Room::default());
    volume(&mut cluster, "small", "5Gi", "hand");
    let large = volume(&mut cluster, "large", "100Gi", "hand");
    let right = volume(&mut cluster, "right", "10Gi", "hand");
    volume(&mut cluster, "other", "10Gi", "");
    let key = claim(&mut cluster, "data", &json!("hand"));
    room.advance(&mut cluster, 0);
    let held = cluster.get(Kind::PVC, &key);
    assert_eq!(
        (text(held, "/spec/volumeName"), text(held, "/status/phase")),
        ("right", "Bound")
    );
    assert_eq!(held["status"]["capacity"], json!({"storage": "10Gi"}));
    let annotations = json!({"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"});
    assert_eq!(held["metadata"]["annotations"], annotations);
    assert_eq!(
        (phase(&cluster, Kind::PV, &right), phase(&cluster, Kind::PV, &large)),
        ("Bound".into(), "Available".into())
    );
    cluster.delete(Kind::PVC, &key);
    room.advance(&mut cluster, 0);
    assert!(cluster.view.get(Kind::PVC, &key).is_none());
    assert_eq!(phase(&cluster, Kind::PV, &right), "Released");
}

#[test]
fn a_volume_is_made_at_once_and_goes_with_its_claim() {
    let (mut cluster, mut room) = (Cluster::new(), Room::default());
    let key = claim(&mut cluster, "data", &Value::Null);
    room.advance(&mut cluster, 0);
    assert!(told(
        &cluster,
        "Normal FailedBinding no persistent volumes available for this claim and no storage class is set"
    ));
    class(&mut cluster, "managed", "Immediate", true);
    room.advance(&mut cluster, 0);
    assert!(cluster.events.iter().any(|event| event.starts_with("Normal ExternalProvisioning Waiting for a volume to be created either by the external provisioner 'disk.csi.azure.com'")));
    room.advance(&mut cluster, 2);
    let held = cluster.get(Kind::PVC, &key);
    let made = ObjectKey::new("", text(held, "/spec/volumeName"));
    assert_eq!(
        (class_name(held), text(held, "/status/phase")),
        (Some("managed"), "Bound")
    );
    assert_eq!(phase(&cluster, Kind::PV, &made), "Bound");
    cluster.delete(Kind::PVC, &key);
    room.advance(&mut cluster, 0);
    assert_eq!(cluster.view.count(Kind::PV), 0);
}

#[test]
fn a_delayed_claim_waits_for_its_node_and_gets_a_disk_in_its_zone() {
    let (mut cluster, mut room) = (Cluster::new(), Room::default());
    class(&mut cluster, "managed", "WaitForFirstConsumer", false);
    cluster.create(
        Kind::NODE,
        json!({"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "eastus-2"}}}),
    );
    let key = claim(&mut cluster, "data", &json!("managed"));
    room.advance(&mut cluster, 5);
    assert!(told(
        &cluster,
        "Normal WaitForFirstConsumer waiting for first consumer to be created before binding"
    ));
    let volumes = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]);
    cluster.create(
        Kind::POD,
        json!({"metadata": {"namespace": "default", "name": "p"}, "spec": {"volumes": volumes}}),
    );
    room.advance(&mut cluster, 5);
    assert!(told(
        &cluster,
        "Normal WaitForPodScheduled waiting for pod p to be scheduled"
    ));
    cluster.edit(Kind::PVC, &key, |claim| {
        put(claim, &["metadata", "annotations", SELECTED_NODE], "n1".into());
    });
    room.advance(&mut cluster, 0);
    room.advance(&mut cluster, 2);
    assert_eq!(phase(&cluster, Kind::PVC, &key), "Bound");
    let made = cluster
        .view
        .all(Kind::PV)
        .next()
        .map(|(_, volume)| volume["spec"]["nodeAffinity"].clone());
    let rule = json!({"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["eastus-2"]});
    assert_eq!(
        made,
        Some(json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [rule]}]}}))
    );
}

#[test]
fn claims_in_use_stay_and_lost_ones_say_so() {
    let (mut cluster, mut room) = (Cluster::new(), Room::default());
    let held = volume(&mut cluster, "held", "10Gi", "hand");
    let key = claim(&mut cluster, "data", &json!("hand"));
    let volumes = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]);
    let spec = json!({"nodeName": "n1", "volumes": volumes});
    let pod = cluster.create(
        Kind::POD,
        json!({"metadata": {"namespace": "default", "name": "p"}, "spec": spec}),
    );
    room.advance(&mut cluster, 0);
    cluster.delete(Kind::PVC, &key);
    cluster.delete(Kind::PV, &held);
    room.advance(&mut cluster, 0);
    assert!(is_deleting(cluster.get(Kind::PVC, &key)) && is_deleting(cluster.get(Kind::PV, &held)));
    cluster.vanish(Kind::PV, &held);
    room.advance(&mut cluster, 0);
    assert_eq!(phase(&cluster, Kind::PVC, &key), "Lost");
    cluster.vanish(Kind::POD, &pod);
    room.advance(&mut cluster, 0);
    assert!(cluster.view.get(Kind::PVC, &key).is_none());
}

#[test]
fn unknown_classes_are_named() {
    let (mut cluster, mut room) = (Cluster::new(), Room::default());
    claim(&mut cluster, "data", &json!("dyn"));
    room.advance(&mut cluster, 0);
    assert_eq!(
        cluster.events,
        ["Warning ProvisioningFailed storageclass.storage.k8s.io \"dyn\" not found"]
    );
}

#[test]
fn claims_that_name_a_volume_get_that_one_or_are_told_why_not() {
    let (mut cluster, mut room) = (Cluster::new(), Room::default());
    let named = |cluster: &mut Cluster, name: &str, volume: &str| {
        let key = claim(cluster, name, &json!("hand"));
        cluster.edit(Kind::PVC, &key, |claim| {
            put(claim, &["spec", "volumeName"], volume.into())
        });
        key
    };
    let early = named(&mut cluster, "early", "later");
    let large = named(&mut cluster, "large", "small");
    let classless = named(&mut cluster, "classless", "other");
    volume(&mut cluster, "small", "5Gi", "hand");
    volume(&mut cluster, "other", "50Gi", "other");
    room.advance(&mut cluster, 0);
    assert_eq!(phase(&cluster, Kind::PVC, &early), "Pending");
    volume(&mut cluster, "later", "10Gi", "hand");
    room.advance(&mut cluster, 0);
    let late = named(&mut cluster, "late", "later");
    room.advance(&mut cluster, 0);
    let phases = [&early, &large, &classless, &late].map(|key| phase(&cluster, Kind::PVC, key));
    assert_eq!(phases, ["Bound", "Pending", "Pending", "Pending"]);
    let annotations = &cluster.get(Kind::PVC, &early)["metadata"]["annotations"];
    assert_eq!(*annotations, json!({"pv.kubernetes.io/bind-completed": "yes"}));
    for event in [
        "Warning VolumeMismatch Cannot bind to requested volume \"small\": requested PV is too small",
        "Warning VolumeMismatch Cannot bind to requested volume \"other\": storageClassName does not match",
        "Warning FailedBinding volume \"later\" already bound to a different claim.",
    ] {
        assert!(told(&cluster, event), "{event}: {:?}", cluster.events);
    }
    cluster.assert_still(&mut [
        &mut room.binder,
        &mut room.provisioner,
        &mut room.claims,
        &mut room.volumes,
    ]);
}

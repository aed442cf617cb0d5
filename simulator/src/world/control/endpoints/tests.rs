//! Endpoints and slices of one Service as its pods come and go.

use serde_json::json;

use super::super::Controller;
use super::super::harness::Cluster;
use super::*;

fn service(name: &str, spec: &Value) -> Value {
    let mut service = json!({
        "metadata": {"namespace": "default", "name": name, "labels": {"team": "a"}},
        "spec": {
            "selector": {"app": "web"}, "clusterIP": "10.0.0.9",
            "ports": [{"name": "http", "port": 80, "targetPort": "named"}, {"name": "m", "port": 90, "targetPort": 9090}],
        },
    });
    json_patch::merge(&mut service["spec"], spec);
    service
}

fn pod(name: &str, ip: &str, ready: bool, named: bool) -> Value {
    let ports = if named {
        json!([{"name": "named", "containerPort": 8080}])
    } else {
        json!([])
    };
    let status = if ready { "True" } else { "False" };
    json!({
        "metadata": {"namespace": "default", "name": name, "uid": name, "labels": {"app": "web"}},
        "spec": {"nodeName": "n1", "hostname": "h", "subdomain": "head", "containers": [{"name": "main", "ports": ports}]},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [{"type": "Ready", "status": status}]},
    })
}

fn cluster() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.create(
        Kind::NODE,
        json!({"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "z1"}}}),
    );
    cluster
}

fn settle(cluster: &mut Cluster, slices: &mut EndpointSlices) {
    cluster.settle(&mut [slices, &mut EndpointsObjects as &mut dyn Controller]);
}

fn slices(cluster: &Cluster) -> Vec<Value> {
    cluster
        .view
        .all(Kind::ENDPOINT_SLICE)
        .map(|(_, slice)| (**slice).clone())
        .collect()
}

fn ips(slice: &Value) -> Vec<&str> {
    list(slice, "/endpoints")
        .iter()
        .map(|endpoint| text(endpoint, "/addresses/0"))
        .collect()
}

#[test]
fn a_service_without_pods_has_an_empty_slice() {
    let (mut cluster, mut controller) = (cluster(), EndpointSlices::default());
    let key = cluster.create(Kind::SERVICE, service("web", &json!({})));
    settle(&mut cluster, &mut controller);
    let all = slices(&cluster);
    assert_eq!(
        (all.len(), &all[0]["endpoints"], &all[0]["ports"]),
        (1, &Value::Null, &Value::Null)
    );
    let labels = json!({"team": "a", "kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"});
    assert_eq!(all[0]["metadata"]["labels"], labels);
    assert_eq!(cluster.get(Kind::ENDPOINTS, &key)["subsets"], Value::Null);
    cluster.delete(Kind::SERVICE, &key);
    settle(&mut cluster, &mut controller);
    assert_eq!(cluster.names(Kind::ENDPOINTS), [""; 0]);
}

#[test]
fn pods_are_grouped_by_ports() {
    let (mut cluster, mut controller) = (cluster(), EndpointSlices::default());
    let key = cluster.create(Kind::SERVICE, service("web", &json!({})));
    cluster.create(Kind::POD, pod("p1", "10.9.0.1", true, true));
    cluster.create(Kind::POD, pod("p2", "10.9.0.2", false, false));
    settle(&mut cluster, &mut controller);
    let all = slices(&cluster);
    let by_ports: Vec<(usize, Vec<&str>)> = all
        .iter()
        .map(|slice| (list(slice, "/ports").len(), ips(slice)))
        .collect();
    assert!(
        by_ports.contains(&(2, vec!["10.9.0.1"])) && by_ports.contains(&(1, vec!["10.9.0.2"])),
        "{by_ports:?}"
    );
    let two = all.iter().find(|slice| list(slice, "/ports").len() == 2).unwrap();
    let endpoint = json!({
        "addresses": ["10.9.0.1"], "conditions": {"ready": true, "serving": true, "terminating": false},
        "nodeName": "n1", "zone": "z1", "targetRef": {"kind": "Pod", "namespace": "default", "name": "p1", "uid": "p1"},
    });
    assert_eq!(two["endpoints"][0], endpoint);
    assert_eq!(
        two["ports"][0],
        json!({"name": "http", "port": 8080, "protocol": "TCP"})
    );
    let subsets = cluster.get(Kind::ENDPOINTS, &key)["subsets"].clone();
    let address = |name: &str, ip: &str| json!({"ip": ip, "nodeName": "n1", "targetRef": {"kind": "Pod", "namespace": "default", "name": name, "uid": name}});
    let (p1, p2) = (address("p1", "10.9.0.1"), address("p2", "10.9.0.2"));
    let wanted = json!([
        {"addresses": [p1], "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]},
        {"addresses": [p1], "notReadyAddresses": [p2], "ports": [{"name": "m", "port": 9090, "protocol": "TCP"}]},
    ]);
    assert_eq!(subsets, wanted);
}

#[test]
fn headless_services_name_pods_and_may_publish_unready_ones() {
    let (mut cluster, mut controller) = (cluster(), EndpointSlices::default());
    let spec = json!({"clusterIP": "None", "ports": null, "publishNotReadyAddresses": true});
    cluster.create(Kind::SERVICE, service("head", &spec));
    cluster.create(Kind::POD, pod("p1", "10.9.0.1", false, true));
    settle(&mut cluster, &mut controller);
    let slice = &slices(&cluster)[0];
    assert_eq!(slice["metadata"]["labels"]["service.kubernetes.io/headless"], "");
    assert_eq!(
        (&slice["ports"], text(slice, "/endpoints/0/hostname")),
        (&Value::Null, "h")
    );
    assert_eq!(
        slice["endpoints"][0]["conditions"],
        json!({"ready": true, "serving": false, "terminating": false})
    );
}

#[test]
fn a_slice_holds_a_hundred_and_changes_stay_small() {
    let (mut cluster, mut controller) = (cluster(), EndpointSlices::default());
    cluster.create(Kind::SERVICE, service("web", &json!({})));
    for index in 0..150 {
        cluster.create(
            Kind::POD,
            pod(&format!("p{index:03}"), &format!("10.9.0.{index}"), true, true),
        );
    }
    settle(&mut cluster, &mut controller);
    let mut sizes: Vec<usize> = slices(&cluster).iter().map(|slice| ips(slice).len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 100]);
    let writes = cluster.writes;
    cluster.vanish(Kind::POD, &ObjectKey::new("default", "p000"));
    settle(&mut cluster, &mut controller);
    cluster.advance(1, &mut [&mut controller]);
    assert_eq!(
        slices(&cluster).iter().map(|slice| ips(slice).len()).sum::<usize>(),
        149
    );
    assert!(cluster.writes - writes <= 2, "one slice and the Endpoints");
}

#[test]
fn ending_pods_are_terminating_in_slices_and_gone_from_endpoints() {
    let (mut cluster, mut controller) = (cluster(), EndpointSlices::default());
    let key = cluster.create(Kind::SERVICE, service("web", &json!({})));
    let pod = cluster.create(Kind::POD, pod("p1", "10.9.0.1", true, true));
    settle(&mut cluster, &mut controller);
    cluster.delete(Kind::POD, &pod);
    settle(&mut cluster, &mut controller);
    let conditions = &slices(&cluster)[0]["endpoints"][0]["conditions"];
    assert_eq!(
        *conditions,
        json!({"ready": false, "serving": true, "terminating": true})
    );
    assert_eq!(cluster.get(Kind::ENDPOINTS, &key)["subsets"], Value::Null);
}

//! Quotas as their controller leaves them, and the server's words when they are exceeded.

use serde_json::json;

use super::*;

fn quota(hard: Value, used: Value) -> Value {
    json!({"metadata": {"name": "q"}, "spec": {"hard": hard}, "status": {"hard": hard, "used": used}})
}

fn pod(resources: Value) -> Value {
    json!({"spec": {"containers": [{"name": "c", "resources": resources}]}})
}

fn charged(group: &str, plural: &str, object: &Value, quota: Value) -> Result<Option<Value>, String> {
    let newcomer = Newcomer { group, plural, object };
    let quotas = [quota];
    let changed = charge(&newcomer, &quotas)?;
    Ok(changed.into_iter().next().map(|(_, used)| used))
}

#[test]
fn objects_are_counted() {
    let hard = json!({"count/configmaps": "1", "configmaps": "5", "pods": "1"});
    let used = json!({"count/configmaps": "0", "configmaps": "0", "pods": "1"});
    let after = json!({"count/configmaps": "1", "configmaps": "1", "pods": "1"});
    let object = json!({});
    let quota = |used: &Value| quota(hard.clone(), used.clone());
    assert_eq!(
        charged("", "configmaps", &object, quota(&used)),
        Ok(Some(after.clone()))
    );
    assert_eq!(
        charged("", "configmaps", &object, quota(&after)),
        Err(
            "exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=1, limited: count/configmaps=1"
                .to_owned()
        )
    );
    assert_eq!(charged("", "secrets", &object, quota(&after)), Ok(None));
}

#[test]
fn objects_of_any_group_are_counted() {
    let hard = json!({"count/widgets.example.com": "0"});
    let quota = quota(hard.clone(), hard);
    let refused = charged("example.com", "widgets", &json!({}), quota.clone());
    assert!(refused.is_err_and(|why| why.contains("requested: count/widgets.example.com=1,")));
    assert_eq!(charged("", "events", &json!({}), quota), Ok(None));
}

#[test]
fn pods_must_say_what_is_limited() {
    let hard = json!({"limits.cpu": "4", "requests.nvidia.com/gpu": "8"});
    let used = json!({"limits.cpu": "0", "requests.nvidia.com/gpu": "0"});
    let quota = || quota(hard.clone(), used.clone());
    assert_eq!(
        charged("", "pods", &pod(json!({})), quota()),
        Err("failed quota: q: must specify limits.cpu for: c".to_owned())
    );
    let devices = |number: &str| {
        pod(json!({"limits": {"cpu": "1", "nvidia.com/gpu": number}, "requests": {"nvidia.com/gpu": number}}))
    };
    assert_eq!(
        charged("", "pods", &devices("16"), quota()),
        Err(
            "exceeded quota: q, requested: requests.nvidia.com/gpu=16, used: requests.nvidia.com/gpu=0, \
             limited: requests.nvidia.com/gpu=8"
                .to_owned()
        )
    );
    assert_eq!(
        charged("", "pods", &devices("8"), quota()),
        Ok(Some(json!({"limits.cpu": "1", "requests.nvidia.com/gpu": "8"})))
    );
}

#[test]
fn a_quota_without_status_limits_nothing() {
    let unfilled = json!({"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}, "status": {}});
    assert_eq!(charged("", "pods", &pod(json!({})), unfilled), Ok(None));
    let unknown = quota(json!({"pods": "1", "cpu": "1"}), json!({}));
    assert_eq!(
        charged("", "pods", &pod(json!({"requests": {"cpu": "1"}})), unknown),
        Err("status unknown for quota: q, resources: cpu,pods".to_owned())
    );
}

#[test]
fn scopes_leave_others_out() {
    let mut scoped = quota(json!({"pods": "0"}), json!({"pods": "0"}));
    scoped["spec"]["scopes"] = json!(["BestEffort"]);
    let modest = pod(json!({"requests": {"cpu": "1"}}));
    assert_eq!(charged("", "pods", &modest, scoped.clone()), Ok(None));
    assert!(charged("", "pods", &pod(json!({})), scoped.clone()).is_err());
    scoped["spec"]["scopes"] = json!([]);
    scoped["spec"]["scopeSelector"] = json!({"matchExpressions": [
        {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]},
    ]});
    let mut high = modest.clone();
    high["spec"]["priorityClassName"] = "high".into();
    assert_eq!(charged("", "pods", &modest, scoped.clone()), Ok(None));
    assert!(charged("", "pods", &high, scoped).is_err());
}

#[test]
fn claims_and_services_take_more_than_one_thing() {
    let claim = json!({"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}});
    let hard = json!({"fast.storageclass.storage.k8s.io/requests.storage": "2Gi", "requests.storage": "9Gi"});
    let used = json!({"fast.storageclass.storage.k8s.io/requests.storage": "1Gi", "requests.storage": "0"});
    let after = json!({"fast.storageclass.storage.k8s.io/requests.storage": "2Gi", "requests.storage": "1Gi"});
    assert_eq!(
        charged("", "persistentvolumeclaims", &claim, quota(hard, used)),
        Ok(Some(after))
    );
    let service = json!({"spec": {"type": "LoadBalancer", "ports": [{}, {}]}});
    let hard = json!({"services.nodeports": "1", "services.loadbalancers": "1"});
    let used = json!({"services.nodeports": "0", "services.loadbalancers": "0"});
    assert_eq!(
        charged("", "services", &service, quota(hard, used)),
        Err(
            "exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, \
             limited: services.nodeports=1"
                .to_owned()
        )
    );
}

//! Strategic merges and refusals in the real server's words.

use serde_json::{Value, json};

use super::strategic_merge;
use crate::world::kube::api_error::ApiError;
use crate::world::kube::resources::Gvk;
use crate::world::kube::schema::builtin;

fn patched(spec: &Value, patch: &Value) -> Result<Value, ApiError> {
    let schema = builtin(&Gvk::new("apps", "v1", "Deployment")).expect("Deployment");
    strategic_merge(&schema, spec, patch)
}

fn pod(spec: Value) -> Value {
    json!({"spec": {"template": {"spec": spec}}})
}

#[test]
fn lists_merge_by_key_and_directives_are_carried_out() {
    let two = || json!({"containers": [{"name": "c1", "image": "i", "args": ["a"]}, {"name": "c2", "image": "i"}]});
    let table = [
        // A changed item is merged; its atomic lists are replaced.
        (
            two(),
            json!({"containers": [{"name": "c1", "args": ["b"]}]}),
            json!({"containers": [{"name": "c1", "image": "i", "args": ["b"]}, {"name": "c2", "image": "i"}]}),
        ),
        // A new item goes first: it was not there to stand behind anyone.
        (
            two(),
            json!({"containers": [{"name": "c3"}]}),
            json!({"containers": [{"name": "c3"}, {"name": "c1", "image": "i", "args": ["a"]}, {"name": "c2", "image": "i"}]}),
        ),
        (
            two(),
            json!({"containers": [{"name": "c1", "$patch": "delete"}]}),
            json!({"containers": [{"name": "c2", "image": "i"}]}),
        ),
        (
            two(),
            json!({"containers": [{"$patch": "replace"}, {"name": "c9"}]}),
            json!({"containers": [{"name": "c9"}]}),
        ),
        (
            two(),
            json!({"$setElementOrder/containers": [{"name": "c2"}, {"name": "c1"}]}),
            json!({"containers": [{"name": "c2", "image": "i"}, {"name": "c1", "image": "i", "args": ["a"]}]}),
        ),
        (
            two(),
            json!({"$setElementOrder/containers": [{"name": "c1"}, {"name": "c3"}, {"name": "c2"}], "containers": [{"name": "c3"}]}),
            json!({"containers": [{"name": "c1", "image": "i", "args": ["a"]}, {"name": "c3"}, {"name": "c2", "image": "i"}]}),
        ),
        (
            json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
            json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}),
            json!({"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}),
        ),
        (
            json!({"nodeSelector": {"a": "1"}}),
            json!({"nodeSelector": {"$patch": "replace", "b": "2"}}),
            json!({"nodeSelector": {"b": "2"}}),
        ),
        (
            json!({"tolerations": [{"key": "a"}]}),
            json!({"tolerations": [{"key": "b"}]}),
            json!({"tolerations": [{"key": "b"}]}),
        ),
        (
            json!({"hostname": "a"}),
            json!({"hostname": null, "affinity": {"podAffinity": null}}),
            json!({"affinity": {}}),
        ),
    ];
    for (spec, patch, expected) in table {
        let result = patched(&pod(spec), &pod(patch.clone())).expect("applies");
        assert_eq!(result, pod(expected), "{patch}");
    }
}

#[test]
fn lists_of_scalars_merge_as_sets() {
    let object = |finalizers: Value| json!({"metadata": {"finalizers": finalizers}});
    let table = [
        (json!({"finalizers": ["c", "a"]}), json!(["c", "a", "b"])),
        (json!({"$deleteFromPrimitiveList/finalizers": ["a"]}), json!(["b"])),
        (json!({"$setElementOrder/finalizers": ["b", "a"]}), json!(["b", "a"])),
        (json!({"$deleteFromPrimitiveList/finalizers": "x"}), json!(["a", "b"])),
    ];
    for (patch, expected) in table {
        let result = patched(&object(json!(["a", "b"])), &json!({"metadata": patch.clone()})).expect("applies");
        assert_eq!(result, object(expected), "{patch}");
    }
}

#[test]
fn what_does_not_fit_is_said_as_the_real_server_says_it() {
    let live = json!({
        "metadata": {"finalizers": ["a"]},
        "spec": {"strategy": {"type": "RollingUpdate"}, "template": {"spec": {"containers": [{"name": "c1"}, {"name": "c2"}]}}},
    });
    // Observed on a 1.36 server.
    let table = [
        (
            pod(json!({"containers": [{"image": "x"}]})),
            500,
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            pod(json!({"containers": ["x"]})),
            500,
            "list element types are not identical: [[map[name:c1] map[name:c2]] [x]]",
        ),
        (
            pod(json!({"$setElementOrder/containers": [{"name": "c2"}], "containers": [{"name": "c1", "image": "z"}]})),
            500,
            "The order in patch list:\n[map[image:z name:c1]]\n doesn't match $setElementOrder list:\n[map[name:c2]]\n",
        ),
        (
            pod(json!({"$setElementOrder/foo": [{"name": "c2"}], "foo": [{"name": "c1"}]})),
            500,
            "unable to find api field in struct PodSpec for the json field \"foo\"",
        ),
        (
            json!({"spec": {"$patch": "bogus"}}),
            500,
            "unknown patch type: bogus in map: map[$patch:bogus]",
        ),
        (
            pod(json!({"containers": [{"name": "c1", "$patch": "merge"}]})),
            500,
            "merging lists cannot yet be specified in the patch",
        ),
        (
            pod(json!({"containers": [{"$patch": "delete"}]})),
            500,
            "map: map[$patch:delete] does not contain declared merge key: name",
        ),
        (
            json!({"spec": {"strategy": {"$retainKeys": "x"}}}),
            400,
            "invalid patch format of retainKeys",
        ),
        (
            json!({"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}}),
            400,
            "invalid patch format of retainKeys",
        ),
        (
            json!({"metadata": {"$deleteFromPrimitiveList": ["x"]}}),
            400,
            "invalid patch format of primitive list",
        ),
        (
            json!({"metadata": {"$setElementOrder": ["x"]}}),
            400,
            "invalid patch format of setElementOrder list",
        ),
        (
            json!([]),
            400,
            "json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
    ];
    for (patch, code, message) in table {
        let error = patched(&live, &patch).expect_err("does not fit");
        assert_eq!((error.code, error.message.as_str()), (code, message), "{patch}");
    }
}

//! Every admission case against a whole API server with our definitions and our webhook: what `kubectl apply` meets.
//! The cases lie beside the operator's own tests, which ask the webhook alone.

#[cfg(test)]
#[allow(dead_code)] // the operator's tests use other parts of the same file
#[path = "../../operator/tests/support/cases.rs"]
mod cases;

#[cfg(test)]
mod cluster {
    use super::cases::{self, Case};
    use http::Request;
    use http_body_util::{BodyExt, Full};
    use operator::admission::{Admission, Lookup, router};
    use operator_api::{crd::Definition, validate::ModelFact};
    use serde_json::{Value, json};
    use simulator::world::{
        kube::{
            auth::UserInfo,
            server::{ApiServer, ServerConfig},
        },
        run::run,
    };
    use std::collections::BTreeMap;
    use tower::ServiceExt;

    /// An API server with the definitions and what the webhook looks up.
    struct Cluster {
        server: ApiServer,
        models: BTreeMap<String, Result<ModelFact, String>>,
    }

    impl Cluster {
        async fn start(world: simulator::world::run::World) -> Self {
            let facts = cases::cluster();
            let cluster = Self {
                server: ApiServer::new(ServerConfig::new(world)),
                models: facts.models(),
            };
            cluster
                .done("POST", "/api/v1/namespaces", &json!({"metadata": {"name": "team"}}))
                .await;
            for object in facts.config_map_objects() {
                cluster
                    .done("POST", "/api/v1/namespaces/team/configmaps", &object)
                    .await;
            }
            for object in facts.node_objects() {
                cluster.done("POST", "/api/v1/nodes", &object).await;
            }
            for definition in Definition::ALL {
                cluster.done("POST", DEFINITIONS, &definition.object()).await;
            }
            cluster
        }

        /// Status code and body of one request.
        async fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("content-type", "application/json")
                .body(Full::new(bytes::Bytes::from(body.to_string())))
                .unwrap();
            let response = self
                .server
                .service_as(UserInfo::admin())
                .oneshot(request)
                .await
                .unwrap();
            let code = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (code, serde_json::from_slice(&body).unwrap_or_default())
        }

        /// A request that must succeed.
        async fn done(&self, method: &str, path: &str, body: &Value) -> Value {
            let (code, answer) = self.send(method, path, body).await;
            assert!(code < 300, "{method} {path}: {code} {answer}");
            answer
        }

        /// Replaces the definitions, with or without what an earlier release did not have.
        async fn define(&self, edit: fn(&mut Value)) {
            for definition in Definition::ALL {
                let path = format!("{DEFINITIONS}/{}", definition.name());
                let mut live = self.done("GET", &path, &Value::Null).await;
                let mut spec = definition.object()["spec"].clone();
                edit(&mut spec);
                live["spec"] = spec;
                self.done("PUT", &path, &live).await;
            }
        }

        /// What the API server says of the case, up to the object that the webhook would see.
        async fn schema_verdict(&self, case: &Case) -> (u16, Value, Option<Value>) {
            let kept = case.old.as_ref().unwrap_or(&case.new);
            let path = collection(kept);
            let Some(old) = &case.old else {
                let (code, answer) = self
                    .send("POST", &format!("{path}?{STRICT}&dryRun=All"), &case.new)
                    .await;
                return (code, answer, None);
            };
            let name = old["metadata"]["name"].as_str().unwrap();
            let deleting = !old["metadata"]["deletionTimestamp"].is_null();
            if case.stored {
                self.define(loosen).await;
            }
            self.done("POST", &path, old).await;
            if case.stored {
                self.define(|_| ()).await;
            }
            if deleting {
                self.done("DELETE", &format!("{path}/{name}"), &Value::Null).await;
            }
            let stored = self.done("GET", &format!("{path}/{name}"), &Value::Null).await;
            let mut new = case.new.clone();
            new["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
            let (code, answer) = self
                .send("PUT", &format!("{path}/{name}?{STRICT}&dryRun=All"), &new)
                .await;
            let clear = json!([{"op": "add", "path": "/metadata/finalizers", "value": []}]);
            self.patch(&format!("{path}/{name}"), &clear).await;
            self.send("DELETE", &format!("{path}/{name}"), &Value::Null).await;
            (code, answer, Some(stored))
        }

        async fn patch(&self, path: &str, patch: &Value) {
            let request = Request::patch(path)
                .header("content-type", "application/json-patch+json")
                .body(Full::new(bytes::Bytes::from(patch.to_string())))
                .unwrap();
            self.server
                .service_as(UserInfo::admin())
                .oneshot(request)
                .await
                .unwrap();
        }

        /// What the webhook, which looks things up in this cluster, says of the object.
        async fn webhook_verdict(&self, case: &Case, new: &Value, old: Option<&Value>) -> Value {
            let lookup = Lookup::new(self.server.client(UserInfo::admin()));
            let admission = Admission::new(case.settings.clone(), self.models.clone(), lookup);
            let kind = new["kind"].as_str().unwrap();
            let (group, version) = new["apiVersion"].as_str().unwrap().split_once('/').unwrap();
            let plural = format!("{}s", kind.to_lowercase());
            let review = json!({
                "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                "request": {
                    "uid": "1", "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
                    "kind": {"group": group, "version": version, "kind": kind},
                    "resource": {"group": group, "version": version, "resource": plural},
                    "namespace": "team", "userInfo": {}, "object": new, "oldObject": old,
                },
            });
            let request = Request::post(format!("/validate/{}.kaito.sh", kind.to_lowercase()))
                .header("content-type", "application/json")
                .body(axum::body::Body::from(review.to_string()))
                .unwrap();
            let response = router(admission).oneshot(request).await.unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            serde_json::from_slice::<Value>(&body).unwrap()["response"].clone()
        }
    }

    const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    const STRICT: &str = "fieldValidation=Strict";

    fn collection(object: &Value) -> String {
        let group_version = object["apiVersion"].as_str().unwrap();
        let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
        match plural.as_str() {
            "nodeclaims" => format!("/apis/{group_version}/{plural}"),
            plural => format!("/apis/{group_version}/namespaces/team/{plural}"),
        }
    }

    /// Takes the rules out of a schema, as if it were that of a release that did not have them.
    fn loosen(schema: &mut Value) {
        match schema {
            Value::Object(fields) => {
                fields.remove("x-kubernetes-validations");
                fields.values_mut().for_each(loosen);
            }
            Value::Array(items) => items.iter_mut().for_each(loosen),
            _ => {}
        }
    }

    /// What differs from what the case expects.
    async fn mismatch(cluster: &Cluster, case: &Case, webhook: bool) -> Option<String> {
        let (code, answer, old) = cluster.schema_verdict(case).await;
        let message = answer["message"].as_str().unwrap_or_default();
        let told = |what: String| Some(format!("{}\n  {what}", case.title));
        match case.schema.as_ref().or(case.strict.as_ref()) {
            Some(text) if code < 300 => return told(format!("schema accepts, should say {text:?}")),
            Some(text) if !message.contains(text) => return told(format!("schema says {message:?}, not {text:?}")),
            Some(_) => return None,
            None if code >= 300 => return told(format!("schema refuses: {code} {message:?}")),
            None if !webhook => return None,
            None => {}
        }
        let response = cluster.webhook_verdict(case, &answer, old.as_ref()).await;
        let message = response["status"]["message"].as_str().unwrap_or_default();
        let right = response["allowed"] == case.webhook.is_empty()
            && case.webhook.iter().all(|text| message.contains(text))
            && response["warnings"].as_array().map_or(0, Vec::len) == case.warns.len();
        if right {
            None
        } else {
            told(format!("webhook says {response}"))
        }
    }

    fn judge(cases: fn() -> Vec<Case>, webhook: bool) {
        let wrong = run(1, move |world| async move {
            let cluster = Cluster::start(world).await;
            let mut wrong = Vec::new();
            for case in cases() {
                wrong.extend(mismatch(&cluster, &case, webhook).await);
            }
            wrong
        });
        let wrong = wrong.unwrap();
        assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn every_rule_accepts_and_rejects() {
        judge(cases::all, true);
    }

    #[test]
    fn claims_are_judged_by_their_schema() {
        judge(cases::schema_only, false);
    }
}

//! Every admission case against a whole API server with our definitions and our webhook: what `kubectl apply` meets.
//! The cases lie beside the operator's own tests, which ask the webhook alone.

#[cfg(test)]
#[allow(dead_code)] // the operator's tests use other parts of the same file
#[path = "../../operator/tests/support/cases.rs"]
mod cases;

#[cfg(test)]
mod cluster {
    use super::cases::{self, Case};
    use axum::{Json, Router};
    use http::Request;
    use http_body_util::{BodyExt, Full};
    use operator::admission::{Admission, Lookup, WebhookService, configurations, router};
    use operator_api::{crd::Definition, validate::ModelFact};
    use serde_json::{Value, json};
    use simulator::world::{
        kube::{
            admission::InProcessCaller,
            auth::UserInfo,
            server::{ApiServer, ServerConfig},
        },
        run::run,
    };
    use std::{collections::BTreeMap, sync::Arc};
    use tower::ServiceExt;

    /// An API server with the definitions and what the webhook looks up.
    struct Cluster {
        server: ApiServer,
        webhooks: InProcessCaller,
        models: BTreeMap<String, Result<ModelFact, String>>,
    }

    impl Cluster {
        async fn start(world: simulator::world::run::World) -> Self {
            let facts = cases::cluster();
            let cluster = Self {
                server: ApiServer::new(ServerConfig::new(world)),
                webhooks: InProcessCaller::new(),
                models: facts.models(),
            };
            cluster.server.plugs().set_webhooks(Arc::new(cluster.webhooks.clone()));
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
            for configuration in configurations(&HOOK) {
                cluster.done("POST", CONFIGURATIONS, &configuration).await;
            }
            cluster
        }

        /// From now on our webhook judges, set up as the case says.
        fn judge_by(&self, case: &Case) {
            let lookup = Lookup::new(self.server.client(UserInfo::admin()));
            let admission = Admission::new(case.settings.clone(), self.models.clone(), lookup);
            self.webhooks.add_service(HOOK.namespace, HOOK.name, router(admission));
        }

        /// From now on whatever the schema takes is accepted.
        fn judge_nothing(&self) {
            let allow = |Json(review): Json<Value>| async move {
                Json(json!({
                    "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                    "response": {"uid": review["request"]["uid"], "allowed": true},
                }))
            };
            self.webhooks.add_service(
                HOOK.namespace,
                HOOK.name,
                Router::new().fallback(axum::routing::post(allow)),
            );
        }

        /// Status code and body of one request.
        async fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
            let Answer { code, body, .. } = self.request(method, path, body).await;
            (code, body)
        }

        /// The whole answer to one request.
        async fn request(&self, method: &str, path: &str, body: &Value) -> Answer {
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
            let warnings = response.headers().get_all("warning").iter();
            let warnings = warnings
                .map(|text| String::from_utf8_lossy(text.as_bytes()).replace("\\\"", "\""))
                .collect();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            Answer {
                code,
                body: serde_json::from_slice(&body).unwrap_or_default(),
                warnings,
            }
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

        /// What the API server says of the case.
        async fn verdict(&self, case: &Case) -> Answer {
            let kept = case.old.as_ref().unwrap_or(&case.new);
            let path = collection(kept);
            let Some(old) = &case.old else {
                self.judge_by(case);
                return self
                    .request("POST", &format!("{path}?{STRICT}&dryRun=All"), &case.new)
                    .await;
            };
            let object = format!("{path}/{}", old["metadata"]["name"].as_str().unwrap());
            self.judge_nothing();
            if case.stored {
                self.define(loosen).await;
            }
            self.done("POST", &path, old).await;
            if case.stored {
                self.define(|_| ()).await;
            }
            if !old["metadata"]["deletionTimestamp"].is_null() {
                self.done("DELETE", &object, &Value::Null).await;
            }
            let stored = self.done("GET", &object, &Value::Null).await;
            let mut new = case.new.clone();
            new["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
            self.judge_by(case);
            let answer = self
                .request("PUT", &format!("{object}?{STRICT}&dryRun=All"), &new)
                .await;
            self.judge_nothing();
            self.patch(
                &object,
                &json!([{"op": "add", "path": "/metadata/finalizers", "value": []}]),
            )
            .await;
            self.send("DELETE", &object, &Value::Null).await;
            answer
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
    }

    struct Answer {
        code: u16,
        body: Value,
        warnings: Vec<String>,
    }

    const HOOK: WebhookService<'_> = WebhookService {
        name: "webhook",
        namespace: "drydock",
        port: 9443,
        ca_bundle: None,
    };
    const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
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
    async fn mismatch(cluster: &Cluster, case: &Case) -> Option<String> {
        let Answer { code, body, warnings } = cluster.verdict(case).await;
        let message = body["message"].as_str().unwrap_or_default();
        let right = match case.schema.as_ref().or(case.strict.as_ref()) {
            Some(text) => code >= 400 && message.contains(text) && !message.contains("admission webhook"),
            None if case.webhook.is_empty() => code < 300,
            None => {
                code == 400
                    && body["reason"] == "BadRequest"
                    && message.starts_with("admission webhook \"validation.")
                    && message.contains(".kaito.sh\" denied the request: ")
                    && case.webhook.iter().all(|text| message.contains(text))
            }
        };
        // What is refused says why; what is accepted must say what to look out for.
        let warned = code >= 400
            || (warnings.len() == case.warns.len()
                && case
                    .warns
                    .iter()
                    .all(|text| warnings.iter().any(|warning| warning.contains(text))));
        (!right || !warned).then(|| format!("{}\n  answered {code} {message:?} {warnings:?}", case.title))
    }

    fn judge(cases: fn() -> Vec<Case>) {
        let wrong = run(1, move |world| async move {
            let cluster = Cluster::start(world).await;
            let mut wrong = Vec::new();
            for case in cases() {
                wrong.extend(mismatch(&cluster, &case).await);
            }
            wrong
        });
        let wrong = wrong.unwrap();
        assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn every_rule_accepts_and_rejects() {
        judge(cases::all);
    }

    #[test]
    fn claims_are_judged_by_their_schema() {
        judge(cases::schema_only);
    }
}

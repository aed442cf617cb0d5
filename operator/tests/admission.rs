//! Every admission rule, through the webhook's own HTTP endpoint: the accept and reject cases, and hostile input.

#[cfg(test)]
#[allow(dead_code)] // the scenarios use the parts that the webhook's own tests do not
#[path = "support/cases.rs"]
mod cases;

#[cfg(test)]
mod webhook {
    use super::cases::{self, Case, Cluster};
    use axum::body::Body;
    use http::{Request, Response, StatusCode};
    use http_body_util::BodyExt;
    use operator::admission::{Admission, Lookup, router};
    use operator_api::{
        InferenceSet, InferenceSetV1alpha1, NodeClaim, Workspace, WorkspaceV1alpha1,
        validate::{Provisioner, Settings},
    };
    use serde_json::{Value, json};
    use std::{convert::Infallible, sync::Arc};
    use tower::{ServiceExt, service_fn};

    /// A client whose API server knows only what the webhook looks up.
    fn lookup(cluster: Arc<Cluster>) -> Lookup {
        let service = service_fn(move |request: Request<kube::client::Body>| {
            let answer = find(&cluster, request.uri());
            async move {
                let status = if answer["kind"] == "Status" {
                    StatusCode::NOT_FOUND
                } else {
                    StatusCode::OK
                };
                let response = Response::builder()
                    .status(status)
                    .body(Body::from(answer.to_string()))
                    .unwrap();
                Ok::<_, Infallible>(response)
            }
        });
        Lookup::new(kube::Client::new(service, "default"))
    }

    fn find(cluster: &Cluster, uri: &http::Uri) -> Value {
        let named = |name: &String| json!({"metadata": {"name": name}});
        let list = |items: Vec<Value>| json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items});
        match uri.path() {
            "/api/v1/nodes" => {
                let query = uri.query().unwrap_or_default().replace("%3D", "=");
                let wanted = query
                    .split("labelSelector=")
                    .nth(1)
                    .unwrap_or_default()
                    .split('&')
                    .next()
                    .unwrap_or_default();
                let fits = |node: &&cases::WrittenNode| {
                    wanted.split("%2C").filter(|term| !term.is_empty()).all(|term| {
                        let (key, value) = term.split_once('=').unwrap();
                        node.labels.get(key).is_some_and(|found| found == value)
                    })
                };
                let node = |node: &cases::WrittenNode| json!({"metadata": {"name": node.name, "labels": node.labels}});
                list(cluster.nodes.iter().filter(fits).map(node).collect())
            }
            "/apis/storage.k8s.io/v1/csidrivers" => list(cluster.csi_drivers.iter().map(named).collect()),
            path => {
                let name = path
                    .strip_prefix("/api/v1/namespaces/team/configmaps/")
                    .unwrap_or_default();
                match cluster.config_maps.get(name) {
                    Some(data) => {
                        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
                    }
                    None => json!({
                        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound",
                        "message": format!("configmaps \"{name}\" not found"),
                    }),
                }
            }
        }
    }

    fn review(new: &Value, old: Option<&Value>) -> Value {
        let kind = new["kind"].as_str().unwrap();
        let (group, version) = new["apiVersion"].as_str().unwrap().split_once('/').unwrap();
        let plural = format!("{}s", kind.to_lowercase());
        json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "1", "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
                "kind": {"group": group, "version": version, "kind": kind},
                "resource": {"group": group, "version": version, "resource": plural},
                "name": new["metadata"]["name"].as_str().unwrap_or_default(), "namespace": "team",
                "userInfo": {"username": "someone"}, "object": new, "oldObject": old,
            },
        })
    }

    async fn post(admission: Admission, path: &str, body: Vec<u8>) -> (StatusCode, String) {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
        let response = router(admission).oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// The response for one object.
    async fn judge(admission: Admission, new: &Value, old: Option<&Value>) -> Value {
        let path = format!("/validate/{}.kaito.sh", new["kind"].as_str().unwrap().to_lowercase());
        let (status, body) = post(admission, &path, review(new, old).to_string().into_bytes()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()["response"].clone()
    }

    /// What differs from what the case expects.
    fn mismatch(case: &Case, response: &Value) -> Option<String> {
        let message = response["status"]["message"].as_str().unwrap_or_default();
        let expected = case.webhook.len();
        let found = if message.is_empty() { 0 } else { message.lines().count() };
        let warnings: Vec<&str> = response["warnings"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let right = response["allowed"] == case.webhook.is_empty()
            && found == expected
            && case.webhook.iter().all(|text| message.contains(text))
            && warnings.len() == case.warns.len()
            && case
                .warns
                .iter()
                .all(|text| warnings.iter().any(|warning| warning.contains(text)));
        (!right).then(|| format!("{}\n  answered {message:?} {warnings:?}", case.title))
    }

    #[tokio::test]
    async fn every_rule_accepts_and_rejects() {
        let cluster = Arc::new(cases::cluster());
        let mut wrong = Vec::new();
        let cases = cases::all();
        for case in &cases {
            let admission = Admission::new(case.settings.clone(), cluster.models(), lookup(Arc::clone(&cluster)));
            let response = judge(admission, &case.new, case.old.as_ref()).await;
            assert_eq!(response["uid"], "1");
            wrong.extend(mismatch(case, &response));
        }
        assert!(
            wrong.is_empty(),
            "{} of {} cases:\n{}",
            wrong.len(),
            cases.len(),
            wrong.join("\n")
        );
    }

    /// A cluster that can't be asked skips its checks: what was accepted with it is accepted without it.
    #[tokio::test]
    async fn missing_facts_never_refuse() {
        for case in cases::all().iter().filter(|case| case.webhook.is_empty()) {
            let admission = Admission::new(case.settings.clone(), Default::default(), Lookup::blind());
            let response = judge(admission, &case.new, case.old.as_ref()).await;
            assert_eq!(response["allowed"], true, "{}: {response}", case.title);
        }
    }

    /// What is accepted comes out of the Rust types as it went in.
    #[test]
    fn types_lose_nothing() {
        fn through<T: serde::Serialize + serde::de::DeserializeOwned>(value: &Value) -> Value {
            serde_json::to_value(serde_json::from_value::<T>(value.clone()).unwrap()).unwrap()
        }
        let accepted = |case: &Case| case.webhook.is_empty() && case.schema.is_none() && case.strict.is_none();
        for case in cases::all().into_iter().chain(cases::schema_only()).filter(accepted) {
            let version = case.new["apiVersion"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned();
            let mut out = match (case.new["kind"].as_str().unwrap(), version.as_str()) {
                ("Workspace", "v1alpha1") => through::<WorkspaceV1alpha1>(&case.new),
                ("Workspace", _) => through::<Workspace>(&case.new),
                ("InferenceSet", "v1alpha1") => through::<InferenceSetV1alpha1>(&case.new),
                ("InferenceSet", _) => through::<InferenceSet>(&case.new),
                (_, _) => through::<NodeClaim>(&case.new),
            };
            let mut written = case.new.clone();
            prune(&mut written);
            prune(&mut out);
            assert_eq!(out, written, "{}", case.title);
        }
    }

    /// Leaves out what means the same as nothing.
    fn prune(value: &mut Value) {
        if let Value::Object(fields) = value {
            fields.values_mut().for_each(prune);
            fields.retain(|name, value| {
                let default = matches!(
                    (name.as_str(), value.as_str()),
                    ("accessMode", Some("public")) | ("strategy", Some("InPlace"))
                );
                // Quantities are texts in Rust, whichever way they were written.
                if value.is_number() && name.contains('/') {
                    *value = value.to_string().into();
                }
                let empty = value.as_object().is_some_and(serde_json::Map::is_empty) && name != "emptyDir";
                !default && !empty && !value.is_null() && *value != json!(false)
            });
        }
    }

    /// The published examples are accepted, apart from the one with placeholders, which names them.
    #[tokio::test]
    async fn examples_are_accepted_and_placeholders_are_named() {
        let folder = "../examples/manifests";
        let mut judged = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let mut object: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            object["metadata"]["namespace"] = "team".into();
            let own_nodes = path.to_string_lossy().contains("own_nodes");
            let provisioner = if own_nodes {
                Provisioner::Byo
            } else {
                Provisioner::AzureGpu
            };
            let settings = Settings {
                provisioner,
                ..Settings::default()
            };
            let models = cases::cluster().models();
            let response = judge(Admission::new(settings, models, Lookup::blind()), &object, None).await;
            let message = response["status"]["message"].as_str().unwrap_or_default();
            if path.ends_with("workspace_tuning_phi_3.yaml") {
                for (placeholder, belongs, field) in [
                    ("ACR_REPO_HERE", "Azure Container Registry", "tuning.output.image"),
                    ("IMAGE_NAME_HERE", "a name for the image", "tuning.output.image"),
                    (
                        "ACR_REGISTRY_SECRET_HERE",
                        "Secret of type",
                        "tuning.output.imagePushSecret",
                    ),
                ] {
                    let line = message
                        .lines()
                        .find(|line| line.contains(placeholder))
                        .unwrap_or_default();
                    assert!(
                        line.contains(belongs) && line.contains(field),
                        "{placeholder}: {message}"
                    );
                }
                assert_eq!(message.lines().count(), 3, "{message}");
                let text = object
                    .to_string()
                    .replace("ACR_REPO_HERE", "acme")
                    .replace("IMAGE_NAME_HERE", "phi-3");
                let filled = serde_json::from_str(&text.replace("ACR_REGISTRY_SECRET_HERE", "push")).unwrap();
                let admission = Admission::new(Settings::default(), Default::default(), Lookup::blind());
                assert_eq!(judge(admission, &filled, None).await["allowed"], true);
            } else {
                assert_eq!(response["allowed"], true, "{}: {message}", path.display());
            }
            judged += 1;
        }
        assert!(judged >= 8);
    }

    #[tokio::test]
    async fn a_refusal_is_a_bad_request_with_the_reason() {
        let case = cases::all().into_iter().find(|case| !case.webhook.is_empty()).unwrap();
        let admission = Admission::new(case.settings.clone(), Default::default(), Lookup::blind());
        let response = judge(admission, &case.new, None).await;
        assert_eq!(response["status"]["code"], 400);
        assert_eq!(response["status"]["reason"], "BadRequest");
        assert!(
            response["status"]["message"]
                .as_str()
                .unwrap()
                .starts_with("validation failed: "),
            "{response}"
        );
    }

    #[tokio::test]
    async fn status_writes_and_deletions_are_not_judged() {
        let mut review = review(
            &json!({"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {}}),
            None,
        );
        for (key, value) in [("subResource", "status"), ("operation", "DELETE")] {
            let before = review["request"][key].clone();
            review["request"][key] = value.into();
            let admission = Admission::new(Settings::default(), Default::default(), Lookup::blind());
            let (_, body) = post(
                admission,
                "/validate/workspace.kaito.sh",
                review.to_string().into_bytes(),
            )
            .await;
            assert_eq!(
                serde_json::from_str::<Value>(&body).unwrap()["response"]["allowed"],
                true,
                "{body}"
            );
            review["request"][key] = before;
        }
    }

    #[tokio::test]
    async fn hostile_input_is_answered_with_a_client_error() {
        let good = review(
            &json!({"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {}}),
            None,
        );
        let with = |key: &str, value: Value| {
            let mut review = good.clone();
            review[key] = value;
            review.to_string().into_bytes()
        };
        let mut other_kind = good.clone();
        other_kind["request"]["kind"]["kind"] = "Pod".into();
        let mut other_version = good.clone();
        other_version["request"]["kind"]["version"] = "v9".into();
        let bodies = [
            (Vec::new(), 400),
            (b"{".to_vec(), 400),
            (b"[]".to_vec(), 400),
            (b"\xff\xfe".to_vec(), 400),
            (vec![b'['; 1 << 20], 400),
            (vec![b' '; 9 << 20], 413),
            (with("apiVersion", "admission.k8s.io/v1beta1".into()), 400),
            (with("kind", "Pod".into()), 400),
            (with("request", Value::Null), 400),
            (with("request", json!({"uid": 1})), 400),
            (other_kind.to_string().into_bytes(), 400),
            (other_version.to_string().into_bytes(), 400),
        ];
        for (index, (body, expected)) in bodies.into_iter().enumerate() {
            let admission = Admission::new(Settings::default(), Default::default(), Lookup::blind());
            let (status, text) = post(admission, "/validate/workspace.kaito.sh", body).await;
            assert_eq!(status.as_u16(), expected, "body {index}: {text}");
        }
        let admission = Admission::new(Settings::default(), Default::default(), Lookup::blind());
        let plain = Request::post("/validate/workspace.kaito.sh")
            .body(Body::from("{}"))
            .unwrap();
        assert_eq!(
            router(admission).oneshot(plain).await.unwrap().status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        );
    }

    /// Whatever replaces any one field of a good object, an answer comes back.
    #[tokio::test]
    async fn any_value_in_any_place_is_answered() {
        let odd = [
            json!(null),
            json!(true),
            json!(-1),
            json!(1e300),
            json!(""),
            json!("é\u{0}\u{202e}"),
            json!([]),
            json!({}),
            json!([null]),
            json!({"": {}}),
            json!("x".repeat(100_000)),
        ];
        for case in cases::all()
            .iter()
            .filter(|case| case.title.contains("accepts a") || case.title.contains("adapters of"))
        {
            let mut paths = Vec::new();
            pointers(&case.new, String::new(), &mut paths);
            for path in paths
                .iter()
                .filter(|path| !path.is_empty() && *path != "/kind" && *path != "/apiVersion")
            {
                for value in &odd {
                    let mut object = case.new.clone();
                    *object.pointer_mut(path).unwrap() = value.clone();
                    let kind = case.new["kind"].as_str().unwrap().to_lowercase();
                    for old in [None, Some(&case.new)] {
                        let body = review(&object, old).to_string().into_bytes();
                        let admission = Admission::new(case.settings.clone(), Default::default(), Lookup::blind());
                        let (status, text) = post(admission, &format!("/validate/{kind}.kaito.sh"), body).await;
                        assert!(status == 200 || status == 400, "{path} {value}: {status} {text}");
                    }
                }
            }
        }
    }

    /// Whoever writes a great many faults gets a short answer, soon: nothing here grows faster than what was written.
    #[tokio::test]
    async fn a_flood_of_faults_is_answered_shortly() {
        let case = |title: &str| {
            cases::all()
                .into_iter()
                .find(|case| case.title.ends_with(title))
                .unwrap()
                .new
        };
        let mut urls = case("accepts a tuning");
        urls["tuning"]["input"]["urls"] = vec!["ACR_REPO_HERE"; 40_000].into();
        let mut fields = case("accepts a template");
        let unknown: serde_json::Map<String, Value> = (0..40_000).map(|n| (format!("f{n}"), Value::Null)).collect();
        fields["inference"]["template"]["spec"] = unknown.into();
        let mut long = case("accepts a preset");
        long["resource"]["instanceType"] = "x".repeat(2 << 20).into();
        long["resource"]["labelSelector"]["matchLabels"]["y".repeat(1 << 20)] = "x".into();
        for new in [urls, fields, long] {
            let mut old = new.clone();
            old["metadata"]["labels"] = json!({"a": "b"});
            for old in [None, Some(&old)] {
                let admission = Admission::new(Settings::default(), Default::default(), Lookup::blind());
                let response = judge(admission, &new, old).await;
                assert_eq!(response["allowed"], old.is_some());
                assert!(response.to_string().len() < 200_000);
            }
        }
    }

    fn pointers(value: &Value, path: String, out: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    pointers(
                        field,
                        format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")),
                        out,
                    );
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    pointers(item, format!("{path}/{index}"), out);
                }
            }
            _ => {}
        }
        out.push(path);
    }
}

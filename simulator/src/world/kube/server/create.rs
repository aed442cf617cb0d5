//! POST: a new object.

use bytes::Bytes;
use serde_json::{Value, json};

use super::ApiServer;
use super::call::{Call, Written, is_deleting, meta, set_meta};
use super::request::Verb;
use super::rules;
use super::state::State;
use crate::world::kube::admission::Operation;
use crate::world::kube::api_error::ApiError;
use crate::world::kube::auth;
use crate::world::kube::builtin::admit::{self, limit_range, quota, runtime_class};
use crate::world::kube::patch::managed;
use crate::world::kube::resources::GroupResource;
use crate::world::kube::store::Key;

/// Names are generated this often before the server gives up (`generateName` retries of the real server).
const GENERATE_ATTEMPTS: usize = 8;
/// Where quotas are.
const QUOTAS: &str = "resourcequotas";
/// Longest base of a generated name; the suffix adds five.
const GENERATED_BASE_MAX: usize = 58;

impl ApiServer {
    /// Creates one object.
    pub(super) async fn create(
        &self,
        call: &Call,
        mut object: Value,
        warnings: Vec<String>,
    ) -> Result<Written, ApiError> {
        address(call, &mut object)?;
        rules::check_type(&call.resource, &object)?;
        if !meta(&object, "resourceVersion").is_empty() {
            // A plain error of the registry: the real server has no better class for it.
            let text = "resourceVersion should not be set on objects to be created";
            return Err(ApiError::other(500, "", text));
        }
        let generated = meta(&object, "name").is_empty() && !meta(&object, "generateName").is_empty();
        let mut named = call.clone();
        if !generated {
            meta(&object, "name").clone_into(&mut named.name);
            return self.attempt(&named, object, warnings).await;
        }
        let base: String = meta(&object, "generateName").chars().take(GENERATED_BASE_MAX).collect();
        for _ in 1..GENERATE_ATTEMPTS {
            self.generate_name(&base, &mut named, &mut object);
            match self.attempt(&named, object.clone(), warnings.clone()).await {
                Err(error) if error.reason == "AlreadyExists" => {}
                outcome => return outcome,
            }
        }
        self.generate_name(&base, &mut named, &mut object);
        self.attempt(&named, object, warnings).await
    }

    fn generate_name(&self, base: &str, call: &mut Call, object: &mut Value) {
        call.name = format!("{base}{}", self.world().entropy.suffix(5));
        set_meta(object, "name", Some(call.name.as_str().into()));
    }

    async fn attempt(&self, call: &Call, object: Value, warnings: Vec<String>) -> Result<Written, ApiError> {
        let outcome = self.create_named(call, object, warnings).await;
        self.trace(call, Verb::Create, &outcome);
        outcome
    }

    async fn create_named(
        &self,
        call: &Call,
        mut object: Value,
        mut warnings: Vec<String>,
    ) -> Result<Written, ApiError> {
        self.check_namespace(call)?;
        self.stamp(&mut object);
        rules::default(&call.resource, &mut object);
        rules::unite_owners(&mut object, "", &mut warnings);
        if call.resource.gvk.kind == "DaemonSet" && call.group() == "apps" {
            // Comes with the conversion of the real server, before anybody looks who set what.
            object["metadata"]["annotations"]["deprecated.daemonset.template.generation"] = "1".into();
        }
        let (time, schema) = (self.now(), rules::merge_schema(&call.resource));
        let api_version = call.resource.gvk.api_version();
        managed::update(&schema, None, &mut object, &rules::stamp(call, &api_version, &time));
        self.finish_new(call, object, warnings).await
    }

    /// A new object by server-side apply; its managedFields are made already.
    pub(super) async fn create_applied(
        &self,
        call: &Call,
        mut object: Value,
        warnings: Vec<String>,
    ) -> Result<Written, ApiError> {
        self.check_namespace(call)?;
        self.stamp(&mut object);
        rules::default(&call.resource, &mut object);
        let outcome = self.finish_new(call, object, warnings).await;
        self.trace(call, Verb::Create, &outcome);
        outcome
    }

    async fn finish_new(&self, call: &Call, mut object: Value, mut warnings: Vec<String>) -> Result<Written, ApiError> {
        self.check_grant(call, &object, None)?;
        self.admit_mutating(call, Operation::Create, &mut object, None, &mut warnings)
            .await?;
        self.admit_builtin(call, &mut object)?;
        rules::prepare_create(&call.resource, &mut object);
        rules::validate_create(call, &object)?;
        self.check_builtin(call, &object)?;
        self.admit_validating(call, Operation::Create, Some(&object), None, &mut warnings)
            .await?;
        warnings.extend(rules::warnings(&call.resource, &object));
        let (object, text) = self.commit_new(call, object)?;
        Ok(Written {
            object,
            text,
            code: 201,
            warnings,
        })
    }

    /// Stores a new object, unless one is there or the call is a dry run. Its text too, where that is at hand.
    fn commit_new(&self, call: &Call, mut object: Value) -> Result<(Value, Option<Bytes>), ApiError> {
        let dry_run = call.options.is_dry_run();
        let mut state = self.state();
        // Last of all admission, and under the lock: no two objects get the same rest of a quota.
        let charged = charge_quotas(&state, call, &object)?;
        if let Some(there) = state.store.get(&call.resource.group_resource(), &call.key()) {
            let mut error = ApiError::already_exists(call.group(), &call.resource.plural, &call.name);
            if serde_json::from_slice::<Value>(&there.json).is_ok_and(|there| is_deleting(&there)) {
                error.message = format!("object is being deleted: {}", error.message);
            }
            return Err(error);
        }
        rules::allocate(&mut state, call, &mut object)?;
        if dry_run {
            return Ok((object, None));
        }
        write_quotas(&mut state, charged, &self.now());
        rules::to_storage(&call.resource, &mut object);
        let stored = state.write(&call.resource, &call.key(), &mut object);
        rules::settle(&mut state, call, &self.now());
        drop(state);
        rules::from_storage(&call.resource, &mut object);
        Ok((object, rules::text_as_served(&call.resource, stored)))
    }

    /// What the server alone decides about a new object.
    fn stamp(&self, object: &mut Value) {
        for field in [
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "resourceVersion",
        ] {
            set_meta(object, field, None);
        }
        set_meta(object, "uid", Some(self.world().entropy.uid().into()));
        set_meta(object, "creationTimestamp", Some(self.now().into()));
    }

    /// The namespace must be there and stay.
    fn check_namespace(&self, call: &Call) -> Result<(), ApiError> {
        if !call.resource.namespaced || call.namespace.is_empty() {
            return Ok(());
        }
        let state = self.state();
        let namespaces = GroupResource {
            group: String::new(),
            plural: "namespaces".into(),
        };
        let Some(stored) = state.store.get(&namespaces, &Key::new("", &call.namespace)) else {
            return Err(ApiError::not_found("", "namespaces", &call.namespace));
        };
        // Parsed only when it may be terminating: this runs on every create.
        if !contains(&stored.json, b"\"deletionTimestamp\"") {
            return Ok(());
        }
        let why = format!(
            "unable to create new content in namespace {} because it is being terminated",
            call.namespace
        );
        let mut error = ApiError::forbidden(call.group(), &call.resource.plural, &call.name, &why);
        if let Some(details) = &mut error.details {
            details.causes.push(crate::world::kube::api_error::Cause {
                reason: "NamespaceTerminating".into(),
                message: format!("namespace {} is being terminated", call.namespace),
                field: "metadata.namespace".into(),
            });
        }
        Err(error)
    }

    /// Nobody gives away what he does not have.
    pub(super) fn check_grant(&self, call: &Call, object: &Value, old: Option<&Value>) -> Result<(), ApiError> {
        if call.group() != "rbac.authorization.k8s.io" || call.user.is_master() {
            return Ok(());
        }
        auth::check_grant(
            &*self.state(),
            &call.user,
            &call.resource.plural,
            &call.namespace,
            object,
            old,
        )
    }

    /// The admission plug-ins of the real server that act on built-in kinds.
    fn admit_builtin(&self, call: &Call, object: &mut Value) -> Result<(), ApiError> {
        if !call.group().is_empty() {
            return Ok(());
        }
        match call.resource.plural.as_str() {
            "pods" => self.admit_pod(call, object),
            "nodes" => {
                admit::admit_node(object);
                Ok(())
            }
            "persistentvolumeclaims" => {
                admit::protect_storage(object, true);
                Ok(())
            }
            "persistentvolumes" => {
                admit::protect_storage(object, false);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn admit_pod(&self, call: &Call, object: &mut Value) -> Result<(), ApiError> {
        let suffix = self.world().entropy.suffix(admit::SUFFIX_LEN);
        let state = self.state();
        limit_range::fill_in(object, &in_namespace(&state, "limitranges", &call.namespace));
        let read = |group: &str, plural: &str, namespace: &str, name: &str| {
            let place = GroupResource {
                group: group.into(),
                plural: plural.into(),
            };
            let found = state.read(&place, &Key::new(namespace, name));
            found.map(|(object, _)| object)
        };
        let account_name = admit::service_account_name(object);
        let account = read("", "serviceaccounts", &call.namespace, account_name);
        let class_name = object["spec"]["priorityClassName"].as_str().unwrap_or_default();
        let class = read("scheduling.k8s.io", "priorityclasses", "", class_name);
        let runtime_class = read("node.k8s.io", "runtimeclasses", "", runtime_class::name(object));
        drop(state);
        let context = admit::PodContext {
            suffix: &suffix,
            service_account: account.as_ref(),
            priority_class: class.as_ref(),
        };
        admit::admit_pod(object, &context)?;
        runtime_class::apply(object, runtime_class.as_ref()).map_err(|why| forbidden(call, &why))?;
        // The class has had its say on its pods: what is left is overhead that comes from nowhere.
        runtime_class::refusal(object, runtime_class.as_ref()).map_or(Ok(()), |why| Err(forbidden(call, &why)))
    }

    /// The plug-ins of the real server that look at a valid object once more.
    fn check_builtin(&self, call: &Call, object: &Value) -> Result<(), ApiError> {
        let plural = call.resource.plural.as_str();
        if !call.group().is_empty() || !matches!(plural, "pods" | "persistentvolumeclaims") {
            return Ok(());
        }
        let ranges = in_namespace(&self.state(), "limitranges", &call.namespace);
        limit_range::refusal(plural, object, &ranges).map_or(Ok(()), |why| Err(forbidden(call, &why)))
    }
}

fn forbidden(call: &Call, why: &str) -> ApiError {
    ApiError::forbidden(call.group(), &call.resource.plural, &call.name, why)
}

/// All objects of a core resource in a namespace, in name order.
fn in_namespace(state: &State, plural: &str, namespace: &str) -> Vec<Value> {
    let place = GroupResource {
        group: String::new(),
        plural: plural.to_owned(),
    };
    let all = state.store.list(&place, Some(namespace), None);
    all.filter_map(|(_, stored)| serde_json::from_slice(&stored.json).ok())
        .collect()
}

/// Quotas as they are, and as they are once the new object is there; or the one that is exceeded.
fn charge_quotas(state: &State, call: &Call, object: &Value) -> Result<Vec<(Value, Value)>, ApiError> {
    if call.namespace.is_empty() {
        return Ok(Vec::new());
    }
    let quotas = in_namespace(state, QUOTAS, &call.namespace);
    if quotas.is_empty() {
        return Ok(Vec::new());
    }
    let newcomer = quota::Newcomer {
        group: call.group(),
        plural: &call.resource.plural,
        object,
    };
    let charged = quota::charge(&newcomer, &quotas).map_err(|why| forbidden(call, &why))?;
    let changed = charged.into_iter().map(|(old, used)| {
        let mut new = old.clone();
        new["status"]["used"] = used;
        (old.clone(), new)
    });
    Ok(changed.collect())
}

/// Writes charged quotas as the real server does: as a client of its own, through their status.
fn write_quotas(state: &mut State, charged: Vec<(Value, Value)>, now: &str) {
    if charged.is_empty() {
        return;
    }
    let Some(resource) = state.registry.get("", "v1", QUOTAS).cloned() else {
        return;
    };
    let schema = rules::merge_schema(&resource);
    let stamp = managed::Stamp {
        manager: "kube-apiserver",
        subresource: "status",
        api_version: "v1",
        kind: &resource.gvk.kind,
        time: now,
    };
    for (old, mut new) in charged {
        managed::update(&schema, Some(&old), &mut new, &stamp);
        let key = Key::new(meta(&old, "namespace"), meta(&old, "name"));
        state.write(&resource, &key, &mut new);
    }
}

/// Fills the namespace and type in from the path, or says how they differ.
pub(super) fn address(call: &Call, object: &mut Value) -> Result<(), ApiError> {
    if !object.is_object() {
        return Err(ApiError::bad_request(format!(
            "the body must be an object of kind {}",
            call.resource.gvk.kind
        )));
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let namespace = meta(object, "namespace");
    if namespace.is_empty() {
        if call.resource.namespaced {
            set_meta(object, "namespace", Some(call.namespace.as_str().into()));
        }
    } else if !call.resource.namespaced {
        set_meta(object, "namespace", None);
    } else if namespace != call.namespace {
        return Err(ApiError::bad_request(OTHER_NAMESPACE));
    }
    let name = meta(object, "name");
    if !call.name.is_empty() && name.is_empty() {
        set_meta(object, "name", Some(call.name.as_str().into()));
    } else if !call.name.is_empty() && name != call.name {
        return Err(other_name(call, name));
    }
    Ok(())
}

/// 400 for an object of another namespace.
pub(super) const OTHER_NAMESPACE: &str =
    "the namespace of the provided object does not match the namespace sent on the request";

/// 400 for an object of another name, or of none.
pub(super) fn other_name(call: &Call, name: &str) -> ApiError {
    ApiError::bad_request(if name.is_empty() {
        format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            call.name
        )
    } else {
        format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.name
        )
    })
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

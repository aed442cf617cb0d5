//! The built-in kinds whose types the server knows, and their OpenAPI definitions.
//!
//! Knows `k8s-openapi`'s generated schemas and the fact table; must not know how they are used.

use std::collections::BTreeMap;

use k8s_openapi::{ListableResource, Resource};
use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::facts::Facts;
use crate::world::kube::resources::Gvk;

/// Where definitions refer to each other, as in the published OpenAPI v3 documents.
pub(super) const REF_PREFIX: &str = "#/components/schemas/";

/// Definitions by name, and which of them are kinds.
pub(super) struct Definitions {
    pub(super) schemas: BTreeMap<String, Value>,
    pub(super) kinds: BTreeMap<Gvk, String>,
}

struct Collector {
    generator: SchemaGenerator,
    kinds: BTreeMap<Gvk, String>,
    lists: BTreeMap<String, Value>,
}

impl Collector {
    /// A kind that is stored or answered: its definition, and its list's.
    fn listed<T: ListableResource + JsonSchema>(&mut self) {
        let name = self.single::<T>();
        let Some((package, _)) = name.rsplit_once('.') else {
            return;
        };
        let list_name = format!("{package}.{}", T::LIST_KIND);
        let definition = list_definition(&name, T::LIST_KIND);
        let gvk = Gvk::new(T::GROUP, T::VERSION, T::LIST_KIND);
        self.kinds.insert(gvk, list_name.clone());
        self.lists.insert(list_name, definition);
    }

    /// A kind without a list.
    fn single<T: Resource + JsonSchema>(&mut self) -> String {
        self.generator.subschema_for::<T>();
        let name = T::schema_name().into_owned();
        self.kinds.insert(Gvk::new(T::GROUP, T::VERSION, T::KIND), name.clone());
        name
    }

    /// A type that is no kind but is referred to by the OpenAPI documents.
    fn plain<T: JsonSchema>(&mut self) {
        self.generator.subschema_for::<T>();
    }
}

fn list_definition(item: &str, kind: &str) -> Value {
    json!({
        "description": format!("{kind} is a list of objects."),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of the schema of this object."},
            "kind": {"type": "string", "description": "Kind of this object."},
            "items": {
                "type": "array",
                "description": "The objects.",
                "items": {"$ref": format!("{REF_PREFIX}{item}")},
            },
            "metadata": {
                "description": "Metadata of the list.",
                "$ref": format!("{REF_PREFIX}io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"),
            },
        },
    })
}

macro_rules! collect {
    ($collector:ident, $method:ident, $($path:ident)::+ { $($kind:ident),+ $(,)? }) => {
        {
            use k8s_openapi::$($path)::+ as group;
            $( $collector.$method::<group::$kind>(); )+
        }
    };
}

fn collect_core(c: &mut Collector) {
    collect!(
        c,
        listed,
        api::core::v1 {
            ConfigMap,
            Endpoints,
            Event,
            LimitRange,
            Namespace,
            Node,
            PersistentVolume,
            PersistentVolumeClaim,
            Pod,
            PodTemplate,
            ReplicationController,
            ResourceQuota,
            Secret,
            Service,
            ServiceAccount,
            ComponentStatus,
        }
    );
    collect!(c, single, api::core::v1 { Binding });
}

fn collect_workloads(c: &mut Collector) {
    collect!(
        c,
        listed,
        api::apps::v1 {
            ControllerRevision,
            DaemonSet,
            Deployment,
            ReplicaSet,
            StatefulSet
        }
    );
    collect!(c, listed, api::batch::v1 { CronJob, Job });
    collect!(
        c,
        listed,
        api::autoscaling::v1 {
            HorizontalPodAutoscaler
        }
    );
    collect!(c, single, api::autoscaling::v1 { Scale });
    collect!(
        c,
        listed,
        api::autoscaling::v2 {
            HorizontalPodAutoscaler
        }
    );
    collect!(c, listed, api::policy::v1 { PodDisruptionBudget });
    collect!(c, single, api::policy::v1 { Eviction });
    collect!(
        c,
        listed,
        api::networking::v1 {
            Ingress,
            IngressClass,
            IPAddress,
            NetworkPolicy,
            ServiceCIDR
        }
    );
    collect!(c, listed, api::discovery::v1 { EndpointSlice });
    collect!(c, listed, api::coordination::v1 { Lease });
    collect!(c, listed, api::events::v1 { Event });
    collect!(c, listed, api::node::v1 { RuntimeClass });
    collect!(c, listed, api::scheduling::v1 { PriorityClass });
    collect!(
        c,
        listed,
        api::storage::v1 {
            CSIDriver,
            CSINode,
            CSIStorageCapacity,
            StorageClass,
            VolumeAttachment,
            VolumeAttributesClass,
        }
    );
    collect!(
        c,
        listed,
        api::resource::v1 {
            DeviceClass,
            ResourceClaim,
            ResourceClaimTemplate,
            ResourceSlice
        }
    );
}

fn collect_control(c: &mut Collector) {
    collect!(
        c,
        listed,
        api::rbac::v1 {
            ClusterRole,
            ClusterRoleBinding,
            Role,
            RoleBinding
        }
    );
    collect!(
        c,
        listed,
        api::admissionregistration::v1 {
            MutatingAdmissionPolicy,
            MutatingAdmissionPolicyBinding,
            MutatingWebhookConfiguration,
            ValidatingAdmissionPolicy,
            ValidatingAdmissionPolicyBinding,
            ValidatingWebhookConfiguration,
        }
    );
    collect!(
        c,
        listed,
        api::certificates::v1 {
            CertificateSigningRequest
        }
    );
    collect!(
        c,
        listed,
        api::flowcontrol::v1 {
            FlowSchema,
            PriorityLevelConfiguration
        }
    );
}

fn collect_reviews_and_meta(c: &mut Collector) {
    collect!(
        c,
        single,
        api::authentication::v1 {
            SelfSubjectReview,
            TokenRequest,
            TokenReview
        }
    );
    collect!(
        c,
        single,
        api::authorization::v1 {
            LocalSubjectAccessReview,
            SelfSubjectAccessReview,
            SelfSubjectRulesReview,
            SubjectAccessReview,
        }
    );
    collect!(
        c,
        listed,
        apiextensions_apiserver::pkg::apis::apiextensions::v1 {
            CustomResourceDefinition
        }
    );
    collect!(
        c,
        listed,
        kube_aggregator::pkg::apis::apiregistration::v1 { APIService }
    );
    collect!(
        c,
        single,
        apimachinery::pkg::apis::meta::v1 {
            APIGroup,
            APIGroupList,
            APIResourceList,
            Status
        }
    );
    collect!(c, plain, apimachinery::pkg::apis::meta::v1 { DeleteOptions, Patch });
    c.plain::<k8s_openapi::apimachinery::pkg::apis::meta::v1::WatchEvent<k8s_openapi::apimachinery::pkg::runtime::RawExtension>>();
}

/// All definitions, with the facts written in as `x-kubernetes-*` extensions.
pub(super) fn definitions(facts: &Facts) -> Definitions {
    let settings = SchemaSettings::openapi3().with(|s| {
        s.definitions_path = "/components/schemas".into();
        s.transforms.clear();
    });
    let mut collector = Collector {
        generator: settings.into_generator(),
        kinds: BTreeMap::new(),
        lists: BTreeMap::new(),
    };
    collect_core(&mut collector);
    collect_workloads(&mut collector);
    collect_control(&mut collector);
    collect_reviews_and_meta(&mut collector);
    let Collector {
        mut generator,
        kinds,
        lists,
    } = collector;
    let generated = generator.take_definitions(false);
    let mut schemas: BTreeMap<String, Value> = generated.into_iter().chain(lists).collect();
    for (name, schema) in &mut schemas {
        facts.write_into(name, schema);
        tidy(name, schema);
    }
    for (gvk, name) in &kinds {
        if let Some(schema) = schemas.get_mut(name) {
            let entry = json!({"group": gvk.group, "version": gvk.version, "kind": gvk.kind});
            schema["x-kubernetes-group-version-kind"] = json!([entry]);
        }
    }
    Definitions { schemas, kinds }
}

/// Types that hold any JSON, which the generator calls objects or unions.
const ANY_JSON: &[&str] = &[
    "JSON",
    "JSONSchemaPropsOrArray",
    "JSONSchemaPropsOrBool",
    "JSONSchemaPropsOrStringArray",
];

/// Brings generated schemas into the form that the server publishes.
fn tidy(name: &str, schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    let short = name.rsplit('.').next().unwrap_or_default();
    if ANY_JSON.contains(&short) {
        object.remove("type");
        object.remove("oneOf");
    }
    if short == "IntOrString" || short == "Quantity" {
        object.remove("x-kubernetes-int-or-string");
        object.insert("type".into(), "string".into());
    }
    if short == "IntOrString" {
        object.insert("format".into(), "int-or-string".into());
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for property in properties.values_mut() {
            wrap_reference(property);
        }
    }
}

/// `{"$ref", "description"}` becomes `{"allOf": [{"$ref"}], "description"}`: siblings of `$ref` are ignored in OpenAPI 3.0.
fn wrap_reference(property: &mut Value) {
    let Some(object) = property.as_object_mut() else { return };
    if object.len() < 2 {
        return;
    }
    if let Some(reference) = object.remove("$ref") {
        let target: Map<String, Value> = [("$ref".to_owned(), reference)].into_iter().collect();
        object.insert("allOf".into(), json!([target]));
    }
}

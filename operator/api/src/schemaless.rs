//! A field whose shape Kubernetes owns (a pod template, a volume source) and that the CRD therefore does not describe.
//!
//! The value is kept as it was written, so that nothing of a newer Kubernetes is lost and one odd object can't make a
//! whole list unreadable. [`Schemaless::decode`] gives the typed form when a controller needs it. The strict decoder
//! of admission still checks the inside against the real type, see [`STRICT`].

use k8s_openapi::api::core::v1::Volume;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{borrow::Cow, marker::PhantomData};

/// Schema keyword (dropped from the CRD) under which the schema of the typed form travels to the strict decoder.
pub const STRICT: &str = "x-strict";

/// A value of type `T` that is stored as written.
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Schemaless<T> {
    value: Value,
    #[serde(skip)]
    typed: PhantomData<fn() -> T>,
}

impl<T> Schemaless<T> {
    /// Wraps a value as it was written.
    pub fn new(value: Value) -> Self {
        Self {
            value,
            typed: PhantomData,
        }
    }

    /// The value as it was written.
    pub fn raw(&self) -> &Value {
        &self.value
    }
}

impl<T: DeserializeOwned> Schemaless<T> {
    /// The typed form. Fields that `T` does not know are ignored.
    pub fn decode(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.value)
    }
}

impl<T> Clone for Schemaless<T> {
    fn clone(&self) -> Self {
        Self::new(self.value.clone())
    }
}

impl<T> PartialEq for Schemaless<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> Default for Schemaless<T> {
    fn default() -> Self {
        Self::new(Value::Object(serde_json::Map::new()))
    }
}

impl<T> std::fmt::Debug for Schemaless<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: JsonSchema> JsonSchema for Schemaless<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Schemaless{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let strict = generator.subschema_for::<T>().to_value();
        json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true, STRICT: strict })
    }
}

/// A volume without its name: the part of a pod's volume that says where the data lies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VolumeSource(pub Volume);

impl JsonSchema for VolumeSource {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "VolumeSource".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Volume::json_schema(generator);
        schema.remove("required");
        if let Some(Value::Object(fields)) = schema.get_mut("properties") {
            fields.remove("name");
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keeps_what_it_does_not_know_and_decodes_what_it_does() {
        let written = json!({"persistentVolumeClaim": {"claimName": "data"}, "futureSource": {"x": 1}});
        let volume: Schemaless<VolumeSource> = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&volume).unwrap(), written);
        assert_eq!(
            volume.decode().unwrap().0.persistent_volume_claim.unwrap().claim_name,
            "data"
        );
        assert!(Schemaless::<VolumeSource>::new(json!("text")).decode().is_err());
    }
}

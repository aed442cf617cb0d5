//! How a Rust struct becomes a Kubernetes kind.
//!
//! Knows: `apiVersion`, `kind`, plural and scope of our kinds. `kube-derive` is not used because it insists on a
//! `spec` field, which `Workspace` does not have.

/// API group of the Workspace family.
pub const GROUP: &str = "kaito.sh";

/// Declares one version of a kind: the struct with its `TypeMeta` and metadata, its [`kube_core::Resource`] and its
/// `Default` (which carries the right `apiVersion` and `kind`).
#[macro_export]
#[doc(hidden)]
macro_rules! api_kind {
    (
        $(#[$meta:meta])*
        $name:ident { group: $group:expr, version: $version:expr, plural: $plural:expr, scope: $scope:ty }
        { $( $(#[$field_meta:meta])* $field:ident : $type:ty ),* $(,)? }
    ) => {
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        $(#[$meta])*
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// Version of the schema that this object is written in.
            #[serde(default = "api_version")]
            pub api_version: String,
            /// Kind of this object.
            #[serde(default = "kind")]
            pub kind: String,
            /// Standard object metadata.
            #[serde(default)]
            pub metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
            $( $(#[$field_meta])* pub $field: $type, )*
        }

        fn api_version() -> String {
            format!("{}/{}", $group, $version)
        }

        fn kind() -> String {
            stringify!($name).to_owned()
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    api_version: api_version(),
                    kind: kind(),
                    metadata: Default::default(),
                    $( $field: Default::default(), )*
                }
            }
        }

        impl kube_core::Resource for $name {
            type DynamicType = ();
            type Scope = $scope;

            fn kind(_: &()) -> std::borrow::Cow<'_, str> {
                stringify!($name).into()
            }
            fn group(_: &()) -> std::borrow::Cow<'_, str> {
                $group.into()
            }
            fn version(_: &()) -> std::borrow::Cow<'_, str> {
                $version.into()
            }
            fn plural(_: &()) -> std::borrow::Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

/// True when a value equals its default: such a value is left out when an object is written.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

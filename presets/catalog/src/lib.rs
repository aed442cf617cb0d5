//! The models that Drydock knows by name: their sizes, and the arithmetic from sizes to nodes.
//!
//! Knows: what is in `models/*.yaml`. Must not know: a cluster, a cloud or a runtime.

mod files;
mod model;
mod sizing;

use std::collections::BTreeMap;
use std::sync::OnceLock;

pub use model::{Model, Tuning};
pub use sizing::{DoesNotFit, bytes_per_token, disk_gib, nodes_needed};

/// The model of that Hugging Face id (`organisation/model`, upper and lower case are the same).
pub fn find(id: &str) -> Option<&'static Model> {
    catalogue().get(&id.to_lowercase())
}

/// Every model, in the order of their ids.
pub fn all() -> impl Iterator<Item = &'static Model> {
    catalogue().values()
}

fn catalogue() -> &'static BTreeMap<String, Model> {
    static CATALOGUE: OnceLock<BTreeMap<String, Model>> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        // A file that does not parse is left out here; a test sees to it that there is none.
        let models = files::FILES.iter().filter_map(|(_, text)| model::parse(text).ok());
        models.map(|model| (model.id(), model)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_parses_and_is_named_after_its_model() {
        for (file, text) in files::FILES {
            let model = model::parse(text).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert_eq!(model.id().rsplit('/').next(), Some(*file));
        }
        assert_eq!(all().count(), files::FILES.len(), "two files have the same model");
        let folder = std::fs::read_dir("models").unwrap().count();
        assert_eq!(folder, files::FILES.len(), "a file of models/ is not in the list");
    }

    #[test]
    fn every_number_is_one_that_a_model_can_have() {
        for model in all() {
            let counts = [model.context_tokens, model.layers, model.kv_heads, model.head_dim];
            assert!(counts.iter().all(|count| (1..=1 << 20).contains(count)), "{model:?}");
            assert!((0.1..2_000.0).contains(&model.weights_gib), "{model:?}");
            let tuning = model.tuning.iter().flat_map(|it| [it.disk_gib, it.gpu_memory_gib]);
            assert!(tuning.into_iter().all(|gib| (1..2_000).contains(&gib)), "{model:?}");
            assert!(
                !model.source.is_empty() && model.name.split('/').count() == 2,
                "{model:?}"
            );
        }
    }

    #[test]
    fn models_are_found_whatever_the_case() {
        let model = find("Microsoft/phi-3-mini-128K-instruct").unwrap();
        assert_eq!(model.name, "microsoft/Phi-3-mini-128k-instruct");
        assert!(find("phi-3-mini-128k-instruct").is_none() && find("").is_none());
    }
}

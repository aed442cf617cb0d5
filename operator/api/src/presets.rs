//! Model names: which are accepted, and which model of Hugging Face each means.
//!
//! Knows: the short names of KAITO, past and present. Must not know: sizes or parameters of a model (the catalog does).

/// Short name and the model it means, in lower case as the registry keys it. All are accepted by both versions.
pub const ALIASES: [(&str, &str); 25] = [
    ("phi-4", "microsoft/phi-4"),
    ("phi-4-mini-instruct", "microsoft/phi-4-mini-instruct"),
    ("llama-3.1-8b-instruct", "meta-llama/llama-3.1-8b-instruct"),
    ("llama-3.3-70b-instruct", "meta-llama/llama-3.3-70b-instruct"),
    (
        "deepseek-r1-distill-llama-8b",
        "deepseek-ai/deepseek-r1-distill-llama-8b",
    ),
    (
        "deepseek-r1-distill-qwen-14b",
        "deepseek-ai/deepseek-r1-distill-qwen-14b",
    ),
    ("deepseek-r1-0528", "deepseek-ai/deepseek-r1-0528"),
    ("deepseek-v3-0324", "deepseek-ai/deepseek-v3-0324"),
    ("phi-3-mini-4k-instruct", "microsoft/phi-3-mini-4k-instruct"),
    ("phi-3-mini-128k-instruct", "microsoft/phi-3-mini-128k-instruct"),
    ("phi-3-medium-4k-instruct", "microsoft/phi-3-medium-4k-instruct"),
    ("phi-3-medium-128k-instruct", "microsoft/phi-3-medium-128k-instruct"),
    ("phi-3.5-mini-instruct", "microsoft/phi-3.5-mini-instruct"),
    ("qwen2.5-coder-7b-instruct", "qwen/qwen2.5-coder-7b-instruct"),
    ("qwen2.5-coder-32b-instruct", "qwen/qwen2.5-coder-32b-instruct"),
    ("gpt-oss-20b", "openai/gpt-oss-20b"),
    ("gpt-oss-120b", "openai/gpt-oss-120b"),
    ("gemma-3-4b-instruct", "google/gemma-3-4b-it"),
    ("gemma-3-27b-instruct", "google/gemma-3-27b-it"),
    ("mistral-7b", "mistralai/mistral-7b-v0.3"),
    ("mistral-7b-instruct", "mistralai/mistral-7b-instruct-v0.3"),
    ("ministral-3-3b-instruct", "mistralai/ministral-3-3b-instruct-2512"),
    ("ministral-3-8b-instruct", "mistralai/ministral-3-8b-instruct-2512"),
    ("ministral-3-14b-instruct", "mistralai/ministral-3-14b-instruct-2512"),
    (
        "mistral-large-3-675b-instruct",
        "mistralai/mistral-large-3-675b-instruct-2512",
    ),
];

/// Names of the 2024 releases that KAITO dropped. v1alpha1 still takes them, as it did then.
pub const SEED: [(&str, &str); 11] = [
    ("falcon-7b", "tiiuae/falcon-7b"),
    ("falcon-7b-instruct", "tiiuae/falcon-7b-instruct"),
    ("falcon-40b", "tiiuae/falcon-40b"),
    ("falcon-40b-instruct", "tiiuae/falcon-40b-instruct"),
    ("phi-2", "microsoft/phi-2"),
    ("llama-2-7b", "meta-llama/llama-2-7b-hf"),
    ("llama-2-7b-chat", "meta-llama/llama-2-7b-chat-hf"),
    ("llama-2-13b", "meta-llama/llama-2-13b-hf"),
    ("llama-2-13b-chat", "meta-llama/llama-2-13b-chat-hf"),
    ("llama-2-70b", "meta-llama/llama-2-70b-hf"),
    ("llama-2-70b-chat", "meta-llama/llama-2-70b-chat-hf"),
];

/// Names that KAITO marks as deprecated: v1beta1 refuses them with a text of their own.
pub const DEPRECATED: [&str; 1] = ["phi-2"];

/// Last segments of the models that the transformers runtime has parameters for.
pub const TRANSFORMERS: [&str; 21] = [
    "phi-4",
    "phi-3-mini-4k-instruct",
    "phi-3-mini-128k-instruct",
    "phi-3-medium-4k-instruct",
    "phi-3-medium-128k-instruct",
    "phi-3.5-mini-instruct",
    "mistral-7b-v0.3",
    "mistral-7b-instruct-v0.3",
    // KAITO's table lacks the suffix, so that its entry never matches; ours has the model's real name.
    "mistral-large-3-675b-instruct-2512",
    "gemma-3-4b-it",
    "gemma-3-27b-it",
    "qwen2.5-coder-7b-instruct",
    "qwen2.5-coder-32b-instruct",
    "llama-3.1-8b-instruct",
    "llama-3.3-70b-instruct",
    "gpt-oss-20b",
    "gpt-oss-120b",
    "deepseek-r1-distill-llama-8b",
    "deepseek-r1-distill-qwen-14b",
    "deepseek-r1-0528",
    "deepseek-v3-0324",
];

/// Last segments of the models that can be tuned.
pub const TUNABLE: [&str; 10] = [
    "phi-4",
    "phi-4-mini-instruct",
    "phi-3-mini-4k-instruct",
    "phi-3-mini-128k-instruct",
    "phi-3-medium-4k-instruct",
    "phi-3-medium-128k-instruct",
    "phi-3.5-mini-instruct",
    "mistral-7b-v0.3",
    "qwen2.5-coder-7b-instruct",
    "qwen2.5-coder-32b-instruct",
];

/// The model that a name means, as `organisation/model` in lower case. None when the name means nothing.
pub fn resolve(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    if let Some((_, model)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Some((*model).to_owned());
    }
    match name.split_once('/') {
        Some((organisation, model)) if !organisation.is_empty() && !model.is_empty() => Some(name),
        Some(_) | None => None,
    }
}

/// As [`resolve`], with the names that only v1alpha1 takes.
pub fn resolve_seed(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let seed = SEED
        .iter()
        .find(|(alias, _)| *alias == lower)
        .map(|(_, model)| (*model).to_owned());
    seed.or_else(|| resolve(name))
}

/// Last segment of a model's name.
pub fn short(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}

/// True for the models of 2024 whose image the user had to bring.
pub fn private_image_only(name: &str) -> bool {
    name.to_lowercase().starts_with("llama-2-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_they_mean() {
        for (name, model) in [
            ("phi-4", Some("microsoft/phi-4")),
            ("PHI-4", Some("microsoft/phi-4")),
            ("mistral-7b", Some("mistralai/mistral-7b-v0.3")),
            ("Acme/Tiny-Chat-0.6b", Some("acme/tiny-chat-0.6b")),
            ("falcon-7b", None),
            ("acme/", None),
            ("/chat", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(resolve(name).as_deref(), model, "{name}");
        }
        assert_eq!(resolve_seed("falcon-7b").as_deref(), Some("tiiuae/falcon-7b"));
        assert_eq!(resolve_seed("nothing"), None);
    }

    #[test]
    fn every_runtime_and_tuning_entry_can_be_reached_by_a_name() {
        for entry in TRANSFORMERS.iter().chain(&TUNABLE) {
            assert!(ALIASES.iter().any(|(_, model)| short(model) == *entry), "{entry}");
        }
    }
}

//! The files of the catalogue, embedded when this crate is built.

/// Name of each file without its ending, and its text.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("falcon-7b-instruct", include_str!("../models/falcon-7b-instruct.yaml")),
    ("gemma-3-27b-it", include_str!("../models/gemma-3-27b-it.yaml")),
    ("gemma-3-4b-it", include_str!("../models/gemma-3-4b-it.yaml")),
    (
        "llama-3.1-8b-instruct",
        include_str!("../models/llama-3.1-8b-instruct.yaml"),
    ),
    (
        "llama-3.3-70b-instruct",
        include_str!("../models/llama-3.3-70b-instruct.yaml"),
    ),
    (
        "mistral-7b-instruct-v0.3",
        include_str!("../models/mistral-7b-instruct-v0.3.yaml"),
    ),
    ("mistral-7b-v0.3", include_str!("../models/mistral-7b-v0.3.yaml")),
    (
        "phi-3-medium-128k-instruct",
        include_str!("../models/phi-3-medium-128k-instruct.yaml"),
    ),
    (
        "phi-3-medium-4k-instruct",
        include_str!("../models/phi-3-medium-4k-instruct.yaml"),
    ),
    (
        "phi-3-mini-128k-instruct",
        include_str!("../models/phi-3-mini-128k-instruct.yaml"),
    ),
    (
        "phi-3-mini-4k-instruct",
        include_str!("../models/phi-3-mini-4k-instruct.yaml"),
    ),
    (
        "phi-3.5-mini-instruct",
        include_str!("../models/phi-3.5-mini-instruct.yaml"),
    ),
    ("phi-4", include_str!("../models/phi-4.yaml")),
    (
        "phi-4-mini-instruct",
        include_str!("../models/phi-4-mini-instruct.yaml"),
    ),
    (
        "qwen2.5-coder-32b-instruct",
        include_str!("../models/qwen2.5-coder-32b-instruct.yaml"),
    ),
    (
        "qwen2.5-coder-7b-instruct",
        include_str!("../models/qwen2.5-coder-7b-instruct.yaml"),
    ),
    (
        "smollm2-135m-instruct",
        include_str!("../models/smollm2-135m-instruct.yaml"),
    ),
];

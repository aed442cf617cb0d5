//! One model, as its file says.

use serde::Deserialize;

/// A model.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Model {
    /// Hugging Face id, spelled as there.
    pub name: String,
    /// Weights on disk, in GiB.
    pub weights_gib: f64,
    /// Longest context that the model was made for, in tokens.
    pub context_tokens: u64,
    /// Transformer layers.
    pub layers: u64,
    /// Heads of keys and values (all heads where they are not shared).
    pub kv_heads: u64,
    /// Numbers in one head.
    pub head_dim: u64,
    /// Whether Hugging Face asks for a token.
    #[serde(default)]
    pub gated: bool,
    /// What tuning needs; None: it cannot be tuned.
    #[serde(default)]
    pub tuning: Option<Tuning>,
    /// Where these numbers come from.
    pub source: String,
}

/// What tuning a model needs.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tuning {
    /// Disk of the node, in GiB.
    pub disk_gib: u64,
    /// GPU memory with LoRA in bfloat16, in GiB (less with QLoRA).
    pub gpu_memory_gib: u64,
}

impl Model {
    /// The id by which it is found: lower case.
    pub fn id(&self) -> String {
        self.name.to_lowercase()
    }

    /// Whether it can be tuned.
    pub fn tunable(&self) -> bool {
        self.tuning.is_some()
    }
}

/// Reads a model's file. An unknown key is an error.
pub(crate) fn parse(text: &str) -> Result<Model, serde_saphyr::Error> {
    serde_saphyr::from_str(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_an_error() {
        let text = "name: a/b\nweightsGib: 1.0\ncontextTokens: 1\nlayers: 1\nkvHeads: 1\nheadDim: 1\nsource: x\n";
        assert!(parse(text).is_ok());
        assert!(parse(&format!("{text}wieghts: 2\n")).is_err());
    }
}

//! From a model's size to nodes and disks. The formula and its constants are those of KAITO v0.12's estimator.

use crate::Model;

/// Part of a GPU's memory that the runtime uses; the rest is left for its graphs and for others.
const GPU_MEMORY_UTILIZATION: f64 = 0.84;
/// Weights in memory to weights on disk.
const WEIGHT_FACTOR: f64 = 1.02;
/// Memory of one GPU that the runtime takes beside weights and KV cache, in GiB.
const BASE_OVERHEAD_GIB: f64 = 2.3;
/// Memory for activations, as a part of the weights.
const OVERHEAD_PER_WEIGHT: f64 = 0.05;
/// Context that is reserved for when nobody says how long it is to be, in tokens.
const DEFAULT_CONTEXT_TOKENS: u64 = 2048;
/// Bytes of one number of the KV cache (bfloat16).
const BYTES_PER_ELEMENT: u64 = 2;
/// Disk beside the weights: images, logs, room for a second copy of a shard, in GiB.
const DISK_BESIDE_WEIGHTS_GIB: f64 = 80.0;
/// Bytes of a GiB.
const GIB: f64 = 1_073_741_824.0;

/// A model that no number of these nodes can hold.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "{model} does not fit: one GPU offers {offered_gib:.1} GiB, of which {reserved_gib:.1} GiB go to the runtime and to a \
     context of {context_tokens} tokens; choose a larger GPU or a shorter context"
)]
pub struct DoesNotFit {
    model: String,
    offered_gib: f64,
    reserved_gib: f64,
    context_tokens: u64,
}

/// Bytes of KV cache for one token: keys and values of every layer.
pub fn bytes_per_token(model: &Model) -> u64 {
    BYTES_PER_ELEMENT * model.layers * 2 * model.kv_heads * model.head_dim
}

/// Disk that a node needs to serve a model, in GiB.
pub fn disk_gib(model: &Model) -> u64 {
    // Sizes are far below 2^53.
    (model.weights_gib + DISK_BESIDE_WEIGHTS_GIB) as u64
}

/// Nodes of this size that hold a model: `gpu_memory_gib` is that of all GPUs of one node together.
///
/// # Errors
/// When one GPU cannot even hold its share of the KV cache.
pub fn nodes_needed(
    model: &Model,
    gpus_per_node: u32,
    gpu_memory_gib: u32,
    context_tokens: Option<u64>,
) -> Result<u32, DoesNotFit> {
    let gpus = f64::from(gpus_per_node.max(1));
    let context_tokens = context_tokens.unwrap_or(DEFAULT_CONTEXT_TOKENS);
    let offered = f64::from(gpu_memory_gib) / gpus * GPU_MEMORY_UTILIZATION;
    let cache = context_tokens as f64 * bytes_per_token(model) as f64 / gpus / GIB;
    let reserved = BASE_OVERHEAD_GIB + cache;
    if offered <= reserved {
        return Err(DoesNotFit {
            model: model.name.clone(),
            offered_gib: offered,
            reserved_gib: reserved,
            context_tokens,
        });
    }
    let for_weights = (offered - reserved) / (1.0 + OVERHEAD_PER_WEIGHT);
    let min_gpus = (model.weights_gib * WEIGHT_FACTOR / for_weights).floor() + 1.0;
    Ok((min_gpus / gpus).ceil() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;

    #[test]
    fn nodes_follow_memory() {
        let cases = [
            ("microsoft/phi-4-mini-instruct", 1, 80, None, 1),
            ("microsoft/phi-3-mini-128k-instruct", 1, 16, None, 1),
            ("meta-llama/llama-3.3-70b-instruct", 1, 80, None, 3),
            ("meta-llama/llama-3.3-70b-instruct", 4, 320, None, 1),
            ("meta-llama/llama-3.3-70b-instruct", 8, 640, Some(131_072), 1),
            ("microsoft/phi-4", 1, 24, None, 2),
        ];
        for (id, gpus, memory, context, nodes) in cases {
            let model = find(id).unwrap();
            assert_eq!(
                nodes_needed(model, gpus, memory, context),
                Ok(nodes),
                "{id} on {gpus} GPUs, {memory} GiB"
            );
        }
    }

    #[test]
    fn a_context_that_does_not_fit_says_so() {
        let model = find("microsoft/phi-3-mini-128k-instruct").unwrap();
        let error = nodes_needed(model, 1, 16, Some(131_072)).unwrap_err().to_string();
        assert!(error.contains("13.4 GiB") && error.contains("131072 tokens"), "{error}");
    }

    #[test]
    fn cache_and_disk_are_those_of_the_reference() {
        let of = |id| find(id).unwrap();
        assert_eq!(bytes_per_token(of("microsoft/phi-4")), 204_800);
        assert_eq!(bytes_per_token(of("google/gemma-3-4b-it")), 139_264);
        assert_eq!(disk_gib(of("microsoft/phi-4")), 107);
        assert_eq!(disk_gib(of("meta-llama/llama-3.1-8b-instruct")), 94);
    }

    proptest::proptest! {
        /// Nothing overflows, and a larger GPU or a shorter context never costs a node more.
        #[test]
        fn more_memory_never_needs_more_nodes(
            at in 0..crate::all().count(),
            gpus in 0_u32..20,
            memory in 0_u32..2_000,
            context in proptest::prelude::any::<u64>(),
        ) {
            let model = crate::all().nth(at).unwrap();
            if let Ok(nodes) = nodes_needed(model, gpus, memory, Some(context)) {
                proptest::prop_assert!(nodes >= 1);
                proptest::prop_assert!(nodes_needed(model, gpus, memory + 8, Some(context)).unwrap() <= nodes);
                proptest::prop_assert!(nodes_needed(model, gpus, memory, Some(context / 2)).unwrap() <= nodes);
            }
        }
    }
}

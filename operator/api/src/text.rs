//! The texts that both nets (CEL in the schema, the webhook) say, word for word as KAITO says them where it does.

pub(crate) const TUNING_MULTINODE: &str = "Tuning does not currently support multinode configurations. Please set the \
     node count to 1. Future support with DeepSpeed will allow this.";
pub(crate) const TUNING_PARTITION: &str = "GPU partitioning is not supported for tuning workloads";
pub(crate) const ONLY_IN: &str = "Only allow matchLabels or 'IN' matchExpression";
pub(crate) const ONLY_RESERVED: &str = "matchLabels must contain at least one non-reserved label";
pub(crate) const COUNT_NEEDS_ACCELERATOR: &str = "count is only valid for accelerator mode";
pub(crate) const PROFILE_NEEDS_MIG: &str = "profile is only valid for mig mode";
pub(crate) const ACCELERATOR_NEEDS_COUNT: &str = "count is required for accelerator mode";
pub(crate) const BAD_PROFILE: &str = "profile must be a MIG profile such as 1g.10gb";
pub(crate) const TOO_MANY_ADAPTERS: &str = "Number of Adapters exceeds the maximum limit, maximum of 10 allowed";
pub(crate) const ONE_SOURCE: &str = "Exactly one of URLs, Volume, or Image must be specified";
pub(crate) const ONE_DESTINATION: &str = "Exactly one of Volume or Image must be specified";
pub(crate) const PUSH_SECRET: &str = "Must specify imagePushSecret with destination image";
pub(crate) const NEGATIVE_COUNT: &str = "count must not be negative";

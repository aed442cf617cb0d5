//! The engine contract: what the runtime asks of whatever runs a model. Every engine is a room of its own.
//!
//! Knows: prompts, tokens, sampling. Must not know: HTTP, Kubernetes, files of configuration.

pub mod fake;

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user`, `assistant` or what else the model knows.
    pub role: String,
    /// What was said.
    pub content: String,
}

/// How the next token is chosen. An engine refuses what it cannot honour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Flattens (above 1) or sharpens the choice; 0 takes the likeliest.
    pub temperature: f64,
    /// Only the likeliest so many tokens; 0: all.
    pub top_k: u32,
    /// Only the likeliest tokens up to this probability; 1: all.
    pub top_p: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
        }
    }
}

/// What is to be generated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The text to go on from.
    pub prompt: String,
    /// At most so many new tokens.
    pub max_new_tokens: u32,
    /// How they are chosen.
    pub sampling: Sampling,
    /// Texts that end the generation; they are not part of the answer.
    pub stop: Vec<String>,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model was done, or a stop text came.
    Stop,
    /// The tokens were used up.
    Length,
}

/// What was generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The new text, without the prompt.
    pub text: String,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// New tokens.
    pub completion_tokens: u32,
    /// Why it ended.
    pub finish: Finish,
}

/// Why there is no completion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The asker's fault: the text says what to change.
    #[error("{0}")]
    Refused(String),
    /// The engine's fault.
    #[error("the engine failed: {0}")]
    Failed(String),
}

/// Runs one model. Calls may block: the runtime makes them on threads for that.
pub trait Engine: Send + Sync {
    /// Who answers, as `/v1/models` says it. An engine without a model behind it says so here.
    fn owned_by(&self) -> &'static str;

    /// How many tokens a text has.
    fn count_tokens(&self, text: &str) -> u32;

    /// A conversation as one prompt, as the model was trained to read it.
    fn chat_prompt(&self, messages: &[Message]) -> String;

    /// Generates.
    ///
    /// # Errors
    /// When the request cannot be honoured, or the engine breaks.
    fn generate(&self, request: &Request) -> Result<Completion, EngineError>;
}

//! `/v1`: OpenAI's interface, without streaming so far.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use preset_engine::{Completion, EngineError, Finish, Message, Request, Sampling};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Body, Served, Shared};

/// Answers and prompts of one request, at most.
const MAX_CHOICES: usize = 16;
/// Tokens of a completion when nothing is said (OpenAI's default).
const USUAL_COMPLETION_TOKENS: u32 = 16;

/// A refusal in OpenAI's shape.
pub(crate) struct Refusal {
    code: StatusCode,
    message: String,
    param: Option<&'static str>,
    kind: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            param: None,
            kind: None,
        }
    }

    fn of(param: &'static str, message: impl Into<String>) -> Self {
        Self {
            param: Some(param),
            ..Self::new(StatusCode::BAD_REQUEST, message)
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self {
            code,
            message,
            param,
            kind,
        } = self;
        let type_ = match code.is_server_error() {
            true => "server_error",
            false => "invalid_request_error",
        };
        let error = json!({ "message": message, "type": type_, "param": param, "code": kind });
        (code, Json(json!({ "error": error }))).into_response()
    }
}

/// What both kinds of requests share. Unknown fields change nothing.
#[derive(Deserialize)]
struct Common {
    model: Option<String>,
    stream: Option<bool>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    n: Option<usize>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u32>,
    stop: Option<OneOrMore>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}

#[derive(Deserialize)]
struct ChatAsk {
    messages: Vec<Said>,
    #[serde(flatten)]
    common: Common,
}

#[derive(Deserialize)]
struct Said {
    role: String,
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    type_: String,
    text: Option<String>,
}

#[derive(Deserialize)]
struct CompletionAsk {
    prompt: OneOrMore,
    echo: Option<bool>,
    #[serde(flatten)]
    common: Common,
}

pub(crate) async fn models(State(served): Shared) -> Json<Value> {
    let one = |id: &str, parent: Option<&str>| {
        json!({
            "id": id, "object": "model", "created": served.created, "owned_by": served.engine.owned_by(),
            "root": served.model, "parent": parent, "max_model_len": served.context_tokens,
        })
    };
    let adapters = served.adapters.iter().map(|name| one(name, Some(&served.name)));
    let data: Vec<Value> = std::iter::once(one(&served.name, None)).chain(adapters).collect();
    Json(json!({ "object": "list", "data": data }))
}

pub(crate) async fn chat_completions(State(served): Shared, body: Body) -> Result<Json<Value>, Refusal> {
    let ask: ChatAsk = read(body)?;
    if ask.messages.is_empty() {
        return Err(Refusal::of("messages", "messages must not be empty"));
    }
    let messages = ask.messages.into_iter().map(message).collect::<Result<Vec<_>, _>>()?;
    let prompt = served.engine.chat_prompt(&messages);
    let (model, completions) = generate(&served, vec![prompt], ask.common, None).await?;
    let choice = |(index, one): (usize, &Completion)| {
        json!({
            "index": index, "logprobs": null, "finish_reason": finish(one.finish),
            "message": { "role": "assistant", "content": one.text },
        })
    };
    let choices: Vec<Value> = completions.iter().enumerate().map(choice).collect();
    Ok(answer(
        &served,
        "chatcmpl",
        "chat.completion",
        &model,
        &choices,
        &completions,
    ))
}

pub(crate) async fn completions(State(served): Shared, body: Body) -> Result<Json<Value>, Refusal> {
    let ask: CompletionAsk = read(body)?;
    let prompts = ask.prompt.into_vec();
    if prompts.is_empty() || prompts.len() > MAX_CHOICES {
        return Err(Refusal::of(
            "prompt",
            format!("prompt must be 1 to {MAX_CHOICES} texts"),
        ));
    }
    let each = ask.common.n.unwrap_or(1).max(1);
    let echo = ask.echo.unwrap_or(false);
    let asked = prompts.clone();
    let (model, completions) = generate(&served, prompts, ask.common, Some(USUAL_COMPLETION_TOKENS)).await?;
    let choice = |(index, one): (usize, &Completion)| {
        let prompt = asked.get(index / each).filter(|_| echo);
        let text = format!("{}{}", prompt.map_or("", String::as_str), one.text);
        json!({ "index": index, "logprobs": null, "finish_reason": finish(one.finish), "text": text })
    };
    let choices: Vec<Value> = completions.iter().enumerate().map(choice).collect();
    Ok(answer(
        &served,
        "cmpl",
        "text_completion",
        &model,
        &choices,
        &completions,
    ))
}

fn read<T: DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    let body = body.map_err(|rejection| Refusal::new(rejection.status(), rejection.body_text()))?;
    serde_json::from_slice(&body).map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))
}

fn message(said: Said) -> Result<Message, Refusal> {
    let content = match said.content {
        None => String::new(),
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => {
            if let Some(other) = parts.iter().find(|part| part.type_ != "text") {
                let text = format!("content of type {:?} is not taken: only text", other.type_);
                return Err(Refusal::of("messages", text));
            }
            parts
                .into_iter()
                .filter_map(|part| part.text)
                .collect::<Vec<_>>()
                .join("\n")
        }
    };
    Ok(Message {
        role: said.role,
        content,
    })
}

/// The model's name and the completions of every prompt, `n` for each.
async fn generate(
    served: &Served,
    prompts: Vec<String>,
    common: Common,
    usual_tokens: Option<u32>,
) -> Result<(String, Vec<Completion>), Refusal> {
    let model = common.model.clone().unwrap_or_else(|| served.name.clone());
    if model != served.name && !served.adapters.contains(&model) {
        let mut refusal = Refusal::of("model", format!("The model `{model}` does not exist."));
        (refusal.code, refusal.kind) = (StatusCode::NOT_FOUND, Some("model_not_found"));
        return Err(refusal);
    }
    if common.stream == Some(true) {
        return Err(Refusal::of("stream", "streaming is not there yet: leave stream out"));
    }
    let each = common.n.unwrap_or(1);
    if each == 0 || each.saturating_mul(prompts.len()) > MAX_CHOICES {
        let text = format!("n times the number of prompts must be 1 to {MAX_CHOICES}");
        return Err(Refusal::of("n", text));
    }
    let sampling = sampling(&common)?;
    let wanted = common.max_completion_tokens.or(common.max_tokens).or(usual_tokens);
    if wanted == Some(0) {
        return Err(Refusal::of("max_tokens", "max_tokens must be at least 1"));
    }
    let stop = common.stop.map(OneOrMore::into_vec).unwrap_or_default();
    let mut completions = Vec::new();
    for prompt in prompts {
        let room = room(served, &prompt, wanted)?;
        let request = Request {
            prompt,
            max_new_tokens: wanted.unwrap_or(room),
            sampling,
            stop: stop.clone(),
        };
        for _ in 0..each {
            let generated = served.generate(request.clone()).await;
            completions.push(generated.map_err(|error| match error {
                EngineError::Refused(_) => Refusal::new(StatusCode::BAD_REQUEST, error.to_string()),
                EngineError::Failed(_) => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            })?);
        }
    }
    Ok((model, completions))
}

/// How many tokens the answer may have.
fn room(served: &Served, prompt: &str, wanted: Option<u32>) -> Result<u32, Refusal> {
    let (limit, used) = (served.context_tokens, served.engine.count_tokens(prompt));
    let room = limit.saturating_sub(used);
    if room >= wanted.unwrap_or(1) {
        return Ok(room);
    }
    let text = format!(
        "This model's maximum context length is {limit} tokens; the prompt has {used} and {} are wanted for the answer.",
        wanted.unwrap_or(1)
    );
    Err(Refusal {
        kind: Some("context_length_exceeded"),
        ..Refusal::new(StatusCode::BAD_REQUEST, text)
    })
}

fn sampling(common: &Common) -> Result<Sampling, Refusal> {
    let temperature = common.temperature.unwrap_or(1.0);
    if !(0.0..=2.0).contains(&temperature) {
        return Err(Refusal::of("temperature", "temperature must be 0 to 2"));
    }
    let top_p = common.top_p.unwrap_or(1.0);
    if !(top_p > 0.0 && top_p <= 1.0) {
        return Err(Refusal::of("top_p", "top_p must be above 0 and at most 1"));
    }
    Ok(Sampling {
        temperature,
        top_k: common.top_k.unwrap_or(0),
        top_p,
    })
}

fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    }
}

fn answer(
    served: &Served,
    id_prefix: &str,
    object: &str,
    model: &str,
    choices: &[Value],
    completions: &[Completion],
) -> Json<Value> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let total = |of: fn(&Completion) -> u32| completions.iter().map(|one| u64::from(of(one))).sum::<u64>();
    let (prompt, completion) = (total(|one| one.prompt_tokens), total(|one| one.completion_tokens));
    Json(json!({
        "id": format!("{id_prefix}-{number:016x}"),
        "object": object,
        "created": (served.now)(),
        "model": model,
        "choices": choices,
        "usage": { "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion },
    }))
}

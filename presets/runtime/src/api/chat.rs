//! `POST /chat`: the interface of early KAITO runtimes, which the quick start asks.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use preset_engine::{EngineError, Message, Request, Sampling};
use serde::Deserialize;
use serde_json::json;

use super::{Body, Served, Shared, detail};
use crate::args::Pipeline;

/// Answers at once, at most.
const MAX_SEQUENCES: u32 = 16;

/// A request. What is absent has the defaults of KAITO 0.3; `null` counts as absent. Other fields
/// (`prefix`, `clean_up_tokenization_spaces`, `handle_long_generation`) are taken and change nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Ask {
    prompt: Option<String>,
    return_full_text: Option<bool>,
    messages: Option<Vec<Said>>,
    generate_kwargs: Option<Generate>,
}

#[derive(Deserialize)]
struct Said {
    role: String,
    content: String,
}

/// How to generate; any other key is taken and changes nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Generate {
    /// Tokens of prompt and answer together.
    max_length: Option<u32>,
    /// Tokens of the answer alone; wins.
    max_new_tokens: Option<u32>,
    do_sample: Option<bool>,
    temperature: Option<f64>,
    top_k: Option<u32>,
    top_p: Option<f64>,
    num_return_sequences: Option<u32>,
}

/// `max_length` when nothing is said, in tokens.
const MAX_LENGTH: u32 = 200;
/// `top_k` when nothing is said.
const TOP_K: u32 = 10;

pub(crate) async fn chat(State(served): Shared, body: Body) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return detail(rejection.status(), rejection.body_text()),
    };
    let ask: Ask = match serde_json::from_slice(&body) {
        Ok(ask) => ask,
        Err(error) => {
            let kind = if error.is_data() { "value_error" } else { "json_invalid" };
            let one = json!({ "type": kind, "loc": ["body"], "msg": error.to_string() });
            return detail(StatusCode::UNPROCESSABLE_ENTITY, json!([one]));
        }
    };
    match result(&served, ask).await {
        Ok(text) => Json(json!({ "Result": text })).into_response(),
        Err((code, text)) => detail(code, text),
    }
}

async fn result(served: &Served, ask: Ask) -> Result<String, (StatusCode, String)> {
    let required = |what: &str| (StatusCode::BAD_REQUEST, what.to_owned());
    let kwargs = ask.generate_kwargs.unwrap_or_default();
    let (prompt, echo) = match served.pipeline {
        Pipeline::TextGeneration => {
            let prompt = ask.prompt.filter(|prompt| !prompt.is_empty());
            let prompt = prompt.ok_or_else(|| required("Text generation parameter prompt required"))?;
            (prompt, ask.return_full_text.unwrap_or(true))
        }
        Pipeline::Conversational => {
            let messages = ask.messages.filter(|messages| !messages.is_empty());
            let messages = messages.ok_or_else(|| required("Conversational parameter messages required"))?;
            let messages: Vec<Message> = messages.into_iter().map(Message::from).collect();
            (served.engine.chat_prompt(&messages), false)
        }
    };
    let mut results = String::new();
    for _ in 0..kwargs.num_return_sequences.unwrap_or(1).clamp(1, MAX_SEQUENCES) {
        let generated = served.generate(request(served, &prompt, &kwargs)).await;
        let completion = generated.map_err(|error| {
            let code = match error {
                EngineError::Refused(_) => StatusCode::BAD_REQUEST,
                EngineError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (code, error.to_string())
        })?;
        if echo {
            results.push_str(&prompt);
            results.push(' ');
        }
        results.push_str(&completion.text);
    }
    Ok(match served.pipeline {
        Pipeline::TextGeneration => results,
        Pipeline::Conversational => format!("{{'role': 'assistant', 'content': {}}}", python_text(&results)),
    })
}

fn request(served: &Served, prompt: &str, kwargs: &Generate) -> Request {
    let used = served.engine.count_tokens(prompt);
    let room = served.context_tokens.saturating_sub(used);
    let wanted = kwargs.max_new_tokens;
    let wanted = wanted.unwrap_or_else(|| kwargs.max_length.unwrap_or(MAX_LENGTH).saturating_sub(used));
    let temperature = match kwargs.do_sample {
        Some(false) => 0.0,
        _ => kwargs.temperature.unwrap_or(1.0),
    };
    Request {
        prompt: prompt.to_owned(),
        // A prompt that is too long already is gone on with by one token, as transformers does.
        max_new_tokens: wanted.min(room).max(1),
        sampling: Sampling {
            temperature,
            top_k: kwargs.top_k.unwrap_or(TOP_K),
            top_p: kwargs.top_p.unwrap_or(1.0),
        },
        stop: Vec::new(),
    }
}

/// A text as Python shows it.
fn python_text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for char in text.chars() {
        match char {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            char if char == quote => out.extend(['\\', char]),
            char => out.push(char),
        }
    }
    out.push(quote);
    out
}

impl From<Said> for Message {
    fn from(Said { role, content }: Said) -> Self {
        Self { role, content }
    }
}

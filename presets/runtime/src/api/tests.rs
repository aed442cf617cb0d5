//! Requests and answers, over the router.

use axum::body::Body as HttpBody;
use axum::http::Request as HttpRequest;
use http_body_util::BodyExt;
use preset_engine::fake::{FakeEngine, OWNED_BY};
use tower::ServiceExt;

use super::*;

fn served(pipeline: Pipeline) -> Arc<Served> {
    Arc::new(Served {
        model: "microsoft/Phi-3-mini-128k-instruct".into(),
        name: "phi".into(),
        adapters: vec!["tuned".into()],
        pipeline,
        context_tokens: 100,
        created: 1,
        now: || 2,
        engine: Arc::new(FakeEngine),
    })
}

async fn ask_with(pipeline: Pipeline, method: &str, path: &str, body: impl Into<HttpBody>) -> (u16, Value) {
    let request = HttpRequest::builder()
        .method(method)
        .uri(path)
        .body(body.into())
        .unwrap();
    let response = router(served(pipeline)).oneshot(request).await.unwrap();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (
        code,
        serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{path}: {error}: {bytes:?}")),
    )
}

async fn ask(method: &str, path: &str, body: impl Into<HttpBody>) -> (u16, Value) {
    ask_with(Pipeline::TextGeneration, method, path, body).await
}

#[tokio::test]
async fn fixed_answers() {
    let cases = [
        ("GET", "/", 200, json!({ "message": "Server is running" })),
        ("GET", "/health", 200, json!({ "status": "Healthy" })),
        ("GET", "/healthz", 200, json!({ "status": "Healthy" })),
        ("GET", "/version", 200, json!({ "version": env!("CARGO_PKG_VERSION") })),
        ("GET", "/nothing", 404, json!({ "detail": "Not Found" })),
        ("GET", "/chat", 405, json!({ "detail": "Method Not Allowed" })),
    ];
    for (method, path, code, body) in cases {
        assert_eq!(ask(method, path, "").await, (code, body), "{method} {path}");
    }
    let (code, body) = ask("GET", "/v1/nothing", "").await;
    assert_eq!((code, &body["error"]["type"]), (404, &json!("invalid_request_error")));
    let (_, models) = ask("GET", "/v1/models", "").await;
    let ids: Vec<&Value> = models["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids, ["phi", "tuned"]);
    assert_eq!(models["data"][0]["owned_by"], OWNED_BY);
}

#[tokio::test]
async fn chat_echoes_the_prompt_unless_told_not_to() {
    let (code, body) = ask("POST", "/chat", r#"{"prompt":"What is a drydock?","prefix":null}"#).await;
    let text = body["Result"].as_str().unwrap();
    assert_eq!(code, 200);
    assert!(text.starts_with("What is a drydock? (drydock's fake engine"), "{text}");
    let short = r#"{"prompt":"a b","return_full_text":false,"generate_kwargs":{"max_length":4,"other":[1]}}"#;
    assert_eq!(ask("POST", "/chat", short).await.1["Result"], "(drydock's fake");
    let twice =
        r#"{"prompt":"a","return_full_text":false,"generate_kwargs":{"max_new_tokens":1,"num_return_sequences":2}}"#;
    assert_eq!(ask("POST", "/chat", twice).await.1["Result"], "(drydock's(drydock's");
}

#[tokio::test]
async fn chat_of_messages_answers_the_last_one() {
    let body = r#"{"messages":[{"role":"user","content":"hi"}],"generate_kwargs":{"max_new_tokens":1}}"#;
    let (code, body) = ask_with(Pipeline::Conversational, "POST", "/chat", body).await;
    assert_eq!(
        (code, &body["Result"]),
        (200, &json!("{'role': 'assistant', 'content': \"(drydock's\"}"))
    );
    let (code, body) = ask_with(Pipeline::Conversational, "POST", "/chat", r#"{"prompt":"hi"}"#).await;
    assert_eq!(
        (code, &body["detail"]),
        (400, &json!("Conversational parameter messages required"))
    );
}

#[tokio::test]
async fn chat_refuses() {
    let required = json!("Text generation parameter prompt required");
    for body in ["{}", r#"{"prompt":""}"#, r#"{"prompt":null,"messages":[]}"#] {
        let (code, answer) = ask("POST", "/chat", body).await;
        assert_eq!((code, &answer["detail"]), (400, &required), "{body}");
    }
    let deep = "[".repeat(100_000);
    let wrong = [
        "",
        "nonsense",
        "{",
        r#"{"prompt":1}"#,
        r#"{"prompt":"a","generate_kwargs":{"max_length":-1}}"#,
        deep.as_str(),
    ];
    for body in wrong {
        let (code, answer) = ask("POST", "/chat", body.to_owned()).await;
        assert_eq!(code, 422, "{answer}");
        assert_eq!(answer["detail"][0]["loc"], json!(["body"]));
    }
    assert_eq!(ask("POST", "/chat", vec![b'a'; MAX_BODY_BYTES + 1]).await.0, 413);
    assert_eq!(ask("POST", "/chat", vec![0xff, 0xfe]).await.0, 422);
}

#[tokio::test]
async fn chat_completions() {
    let body = r#"{"model":"phi","max_tokens":2,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}"#;
    let (code, answer) = ask("POST", "/v1/chat/completions", body).await;
    assert_eq!(code, 200, "{answer}");
    assert_eq!(
        (&answer["object"], &answer["created"], &answer["model"]),
        (&json!("chat.completion"), &json!(2), &json!("phi"))
    );
    let choice = json!({
        "index": 0, "logprobs": null, "finish_reason": "length",
        "message": { "role": "assistant", "content": "(drydock's fake" },
    });
    assert_eq!(answer["choices"], json!([choice]));
    let usage = json!({ "prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4 });
    assert_eq!(answer["usage"], usage);
}

#[tokio::test]
async fn completions_of_several_prompts() {
    let body = r#"{"model":"tuned","prompt":["a","b"],"n":2,"echo":true,"max_tokens":1}"#;
    let (code, answer) = ask("POST", "/v1/completions", body).await;
    assert_eq!(code, 200, "{answer}");
    let texts: Vec<&Value> = answer["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["text"])
        .collect();
    assert_eq!(texts, ["a(drydock's", "a(drydock's", "b(drydock's", "b(drydock's"]);
}

#[tokio::test]
async fn openai_refusals_have_its_shape() {
    let chat = |extra: &str| format!(r#"{{"messages":[{{"role":"user","content":"hi"}}]{extra}}}"#);
    let long = format!(r#"{{"prompt":"{}"}}"#, "a ".repeat(100));
    let cases = [
        ("chat/completions", "{".to_owned(), 400, Value::Null, Value::Null),
        (
            "chat/completions",
            r#"{"messages":[]}"#.to_owned(),
            400,
            json!("messages"),
            Value::Null,
        ),
        (
            "chat/completions",
            chat(r#","model":"other""#),
            404,
            json!("model"),
            json!("model_not_found"),
        ),
        (
            "chat/completions",
            chat(r#","stream":true"#),
            400,
            json!("stream"),
            Value::Null,
        ),
        ("chat/completions", chat(r#","n":17"#), 400, json!("n"), Value::Null),
        ("chat/completions", chat(r#","n":0"#), 400, json!("n"), Value::Null),
        (
            "chat/completions",
            chat(r#","temperature":3"#),
            400,
            json!("temperature"),
            Value::Null,
        ),
        (
            "chat/completions",
            chat(r#","top_p":0"#),
            400,
            json!("top_p"),
            Value::Null,
        ),
        (
            "chat/completions",
            chat(r#","max_tokens":0"#),
            400,
            json!("max_tokens"),
            Value::Null,
        ),
        (
            "chat/completions",
            chat(r#","max_tokens":-1"#),
            400,
            Value::Null,
            Value::Null,
        ),
        (
            "completions",
            r#"{"prompt":[]}"#.to_owned(),
            400,
            json!("prompt"),
            Value::Null,
        ),
        (
            "completions",
            r#"{"prompt":[1,2]}"#.to_owned(),
            400,
            Value::Null,
            Value::Null,
        ),
        ("completions", long, 400, Value::Null, json!("context_length_exceeded")),
    ];
    for (path, body, code, param, kind) in cases {
        let (found, answer) = ask("POST", &format!("/v1/{path}"), body.clone()).await;
        let error = &answer["error"];
        assert_eq!(
            (found, &error["param"], &error["code"]),
            (code, &param, &kind),
            "{body}: {answer}"
        );
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    }
}

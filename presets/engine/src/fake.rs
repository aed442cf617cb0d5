//! An engine without a model, for rehearsals: it says in every answer that it is none. The same prompt has the same answer.

use crate::{Completion, Engine, EngineError, Finish, Message, Request};

/// `owned_by` of its models.
pub const OWNED_BY: &str = "drydock-fake";
/// So much of a prompt is repeated in an answer, in characters.
const ECHO_CHARS: usize = 60;

/// The engine. Its tokens are words.
#[derive(Clone, Copy, Debug, Default)]
pub struct FakeEngine;

impl Engine for FakeEngine {
    fn owned_by(&self) -> &'static str {
        OWNED_BY
    }

    fn count_tokens(&self, text: &str) -> u32 {
        u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX)
    }

    fn chat_prompt(&self, messages: &[Message]) -> String {
        let line = |message: &Message| format!("{}: {}", message.role, message.content);
        messages.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn generate(&self, request: &Request) -> Result<Completion, EngineError> {
        let prompt_tokens = self.count_tokens(&request.prompt);
        let answer = answer(&request.prompt, prompt_tokens);
        let stops = request.stop.iter().filter(|stop| !stop.is_empty());
        let end = stops.filter_map(|stop| answer.find(stop.as_str())).min();
        let whole = end.and_then(|end| answer.get(..end)).unwrap_or(&answer);
        let words: Vec<&str> = whole.split_inclusive(' ').collect();
        let allowed = usize::try_from(request.max_new_tokens).unwrap_or(usize::MAX);
        let is_cut = words.len() > allowed;
        let text: String = words.into_iter().take(allowed).collect();
        Ok(Completion {
            completion_tokens: self.count_tokens(&text),
            text: if is_cut { text.trim_end().to_owned() } else { text },
            prompt_tokens,
            finish: if is_cut { Finish::Length } else { Finish::Stop },
        })
    }
}

/// What it says about a prompt.
fn answer(prompt: &str, words: u32) -> String {
    let words_text = if words == 1 { "word" } else { "words" };
    let plain: String = prompt.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut echo: String = plain.chars().take(ECHO_CHARS).collect();
    if plain.chars().count() > ECHO_CHARS {
        echo.push('…');
    }
    format!(
        "(drydock's fake engine: no model runs here.) The prompt has {words} {words_text}: \"{echo}\". \
         A real engine would go on from there."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generate(prompt: &str, max_new_tokens: u32, stop: &[&str]) -> Completion {
        let request = Request {
            prompt: prompt.into(),
            max_new_tokens,
            stop: stop.iter().map(|text| (*text).to_owned()).collect(),
            ..Request::default()
        };
        FakeEngine.generate(&request).unwrap()
    }

    #[test]
    fn it_says_that_it_is_fake_and_what_it_was_asked() {
        let one = generate("What is\na drydock?", 100, &[]);
        assert!(one.text.starts_with("(drydock's fake engine: no model runs here.)"));
        assert!(one.text.contains("4 words: \"What is a drydock?\""), "{}", one.text);
        assert_eq!((one.prompt_tokens, one.finish), (4, Finish::Stop));
        assert_eq!(one, generate("What is\na drydock?", 100, &[]));
    }

    #[test]
    fn tokens_and_stops_end_it() {
        let two = generate("hi", 2, &[]);
        assert_eq!((two.text.as_str(), two.completion_tokens), ("(drydock's fake", 2));
        assert_eq!(two.finish, Finish::Length);
        let stopped = generate("hi", 100, &["", " engine", "no such text"]);
        assert_eq!(
            (stopped.text.as_str(), stopped.finish),
            ("(drydock's fake", Finish::Stop)
        );
        assert_eq!(generate("hi", 0, &[]).text, "");
    }

    #[test]
    fn long_prompts_are_cut_by_characters() {
        let text = generate(&"ä".repeat(100), 100, &[]).text;
        assert!(text.contains(&format!("\"{}…\"", "ä".repeat(60))), "{text}");
    }
}

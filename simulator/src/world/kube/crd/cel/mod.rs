//! The Common Expression Language as Kubernetes uses it: parser, type checker, cost model, evaluator.
//!
//! Why not the evaluator of the `cel` crate: it neither checks types nor counts costs, and it copies the whole object for
//! each rule. Its values and `kube-cel`'s functions are used for the libraries. `rules` ties expressions to schemas;
//! `admission` uses `check` and `eval` directly. Must not know requests or definitions.
//!
//! Bounds: source length and nesting are limited; the static estimate refuses expressions that could cost more than
//! 10,000,000 at the sizes their schema allows; at run time every step is counted, and a rule stops at 1,000,000, the
//! rules of one object together at 10,000,000 (the numbers of `k8s.io/apiserver/pkg/apis/cel`).

mod ast;
pub(crate) mod check;
mod cost;
pub(crate) mod duration;
pub(crate) mod eval;
pub(crate) mod field_path;
mod functions;
mod lexer;
mod library;
mod parser;
pub(crate) mod rules;
#[cfg(test)]
mod tests;
mod time;
pub(crate) mod types;
pub(crate) mod value;

/// Most that one evaluation may cost.
pub(crate) const PER_CALL_LIMIT: u64 = 1_000_000;

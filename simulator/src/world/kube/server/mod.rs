//! The API server: requests in, responses out; joins store, rules and surface.
//!
//! `route` takes a request apart and picks the verb; `create`, `modify`, `delete`, `list`, `watch` and `subresources`
//! are the verbs; `rules` asks the pure rooms what a kind allows; `doors` are the same verbs without HTTP.
//! The state's lock is held for store access only, never across an await.

mod admit;
mod body;
mod bootstrap;
mod call;
mod create;
mod delete;
mod doors;
pub mod faults;
mod list;
mod modify;
mod negotiate;
mod options;
mod paths;
pub mod plugs;
mod request;
mod respond;
mod route;
mod rules;
mod service;
mod state;
mod subresources;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::body::Body;
use self::call::Call;
pub use self::doors::{Door, Feed};
use self::faults::Faults;
pub use self::options::Options;
use self::plugs::Plugs;
pub use self::request::Verb;
pub use self::service::KubeService;
use self::state::State;
use super::api_error::ApiError;
use super::auth::{Tokens, UserInfo};
use crate::world::run::World;

/// What an API server is made with.
pub struct ServerConfig {
    /// Its time, randomness and trace.
    pub world: World,
    /// Bearer tokens and who they are.
    pub tokens: BTreeMap<String, UserInfo>,
    /// `host:port` that discovery tells clients.
    pub address: String,
    /// Writes that each resource remembers for watches.
    pub history: usize,
}

impl ServerConfig {
    /// For in-process use: no tokens, a long memory.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self {
            world,
            tokens: BTreeMap::new(),
            address: "127.0.0.1:6443".into(),
            history: 8_192,
        }
    }
}

/// A Kubernetes API server. Clones are the same server.
#[derive(Clone)]
pub struct ApiServer {
    shared: Arc<Shared>,
}

struct Shared {
    world: World,
    tokens: Tokens,
    address: String,
    state: Mutex<State>,
    faults: Faults,
    plugs: Plugs,
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiServer")
            .field("address", &self.shared.address)
            .finish_non_exhaustive()
    }
}

impl ApiServer {
    /// A server with the built-in resources, the usual namespaces and the bootstrap roles.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        let ServerConfig {
            world,
            tokens,
            address,
            history,
        } = config;
        // Whoever can read the seed can forge service accounts' tokens: this server guards nothing but a simulation.
        let tokens = Tokens::new(
            tokens,
            &world.entropy.stream("service-account-key").next_u64().to_le_bytes(),
        );
        let state = Mutex::new(State::new(history));
        let shared = Shared {
            world,
            tokens,
            address,
            state,
            faults: Faults::default(),
            plugs: Plugs::default(),
        };
        let server = Self {
            shared: Arc::new(shared),
        };
        bootstrap::populate(&server);
        server
    }

    /// The world that it lives in.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.shared.world
    }

    /// Where faults are planted.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Where logs, proxies and webhooks are plugged in.
    #[must_use]
    pub fn plugs(&self) -> &Plugs {
        &self.shared.plugs
    }

    /// A panic inside the lock would be a bug, but must not stop the server: the state is whole between statements.
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a write, or the refusal of one, in the world's trace.
    fn trace<T>(&self, call: &Call, verb: Verb, outcome: &Result<T, ApiError>) {
        let world = self.world();
        if world.trace.is_on() {
            let result = match outcome {
                Ok(_) => "ok".to_owned(),
                Err(error) => format!("{} {}", error.code, error.reason),
            };
            world.trace.record(
                world.clock.elapsed(),
                &call.user.username,
                verb.as_str(),
                &call.shown(),
                &result,
            );
        }
    }

    fn now(&self) -> String {
        self.shared.world.clock.now_rfc3339()
    }
}

//! What lies below an object: scale, log, binding, eviction, proxy, token, finalize; and the kinds that need care on
//! their way into the store.

pub(in crate::world::kube::server) mod events;
mod pods;
mod proxy;
mod scale;
pub(in crate::world::kube::server) mod services;
mod tokens;

pub(in crate::world::kube::server) use self::scale::scale_of;

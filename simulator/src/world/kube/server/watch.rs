//! GET with `watch`: what is there, then what changes, as a stream of events pulled from the store's history.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ApiServer;
use super::call::{Call, set_meta};
use super::list::{Selection, parse_revision, too_large};
use super::negotiate::{Accepted, Shape};
use super::{respond, rules};
use crate::world::kube::api_error::{ApiError, FieldError};
use crate::world::kube::resources::GroupResource;
use crate::world::kube::store::Event;

/// How often a watch that asked for bookmarks gets one (the watch cache of the real server: about a minute).
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// Life of a watch that names none, before its random part (`--min-request-timeout`).
const MIN_TIMEOUT_SECS: u64 = 1_800;
/// Events that one step of the stream sends at most, so that a long catch-up is not one huge piece.
const BATCH: usize = 256;

/// One watch, between two pieces of its stream.
struct Watch {
    server: ApiServer,
    call: Call,
    place: GroupResource,
    selection: Selection,
    accepted: Accepted,
    /// Revision of the last event sent.
    cursor: u64,
    changed: tokio::sync::watch::Receiver<u64>,
    ready: VecDeque<Bytes>,
    ends: Instant,
    next_bookmark: Option<Instant>,
    headed: bool,
    over: bool,
}

impl ApiServer {
    /// Opens a watch.
    pub(super) fn watch(&self, call: Call, accepted: Accepted) -> Result<BoxStream<'static, Bytes>, ApiError> {
        let mut call = call;
        if !call.name.is_empty() {
            // The old `watch` of one object: a watch of the collection by name.
            let name = std::mem::take(&mut call.name);
            call.options.set("fieldSelector", format!("metadata.name={name}"));
        }
        let selection = Selection::parse(&call.resource, &call.options)?;
        let bookmarks = call.options.flag("allowWatchBookmarks");
        let initial = initial_events(&call)?;
        let version = call.options.get("resourceVersion").unwrap_or("0").to_owned();
        let from = parse_revision(&version)?;
        let place = call.resource.group_resource();
        let mut state = self.state();
        let changed = state.store.subscribe(&place);
        let current = state.store.revision();
        let timeout_secs = self.timeout_secs(&call)?;
        let mut watch = Watch {
            server: self.clone(),
            place,
            selection,
            accepted,
            cursor: if from == 0 { current } else { from },
            changed,
            ready: VecDeque::new(),
            ends: Instant::now() + Duration::from_secs(timeout_secs),
            next_bookmark: bookmarks.then(|| Instant::now() + first_bookmark(timeout_secs)),
            headed: false,
            over: false,
            call,
        };
        if initial.is_some() && from > current {
            let mut error = too_large(from, current);
            error.message = format!("Timeout: {}", error.message);
            let status = error.to_status();
            watch.push("ERROR", status.to_string().as_bytes());
            watch.over = true;
        } else if initial.unwrap_or(from == 0) {
            watch.cursor = current;
            let namespace = (!watch.call.namespace.is_empty()).then_some(watch.call.namespace.as_str());
            let all: Vec<Bytes> = state
                .store
                .list(&watch.place, namespace, None)
                .map(|(_, stored)| stored.json.clone())
                .collect();
            drop(state);
            for text in all {
                if watch.selection.is_everything() || watch.selection.matches_text(&text) {
                    watch.send("ADDED", &text);
                }
            }
            if initial == Some(true) && bookmarks {
                watch.bookmark(true);
            }
        }
        Ok(stream::unfold(watch, |mut watch| async move {
            watch.next().await.map(|piece| (piece, watch))
        })
        .boxed())
    }

    fn timeout_secs(&self, call: &Call) -> Result<u64, ApiError> {
        let asked = call
            .options
            .number("timeoutSeconds")?
            .and_then(|secs| u64::try_from(secs).ok());
        Ok(asked
            .filter(|secs| *secs > 0)
            .unwrap_or_else(|| MIN_TIMEOUT_SECS + self.world().entropy.below(MIN_TIMEOUT_SECS)))
    }
}

/// From the beginning of a watch to its first bookmark: two seconds before its end, if that is soon.
fn first_bookmark(timeout_secs: u64) -> Duration {
    match timeout_secs {
        0..=2 => BOOKMARK_EVERY,
        secs => BOOKMARK_EVERY.min(Duration::from_secs(secs - 2)),
    }
}

/// `sendInitialEvents` with its rules; None when it is not given.
fn initial_events(call: &Call) -> Result<Option<bool>, ApiError> {
    let errors = match_errors(call);
    if errors.is_empty() {
        let given = call.options.get("sendInitialEvents").is_some();
        return Ok(given.then(|| call.options.flag("sendInitialEvents")));
    }
    Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", &errors))
}

/// All that is wrong with `resourceVersionMatch` and its company on a watch.
fn match_errors(call: &Call) -> Vec<FieldError> {
    let field = "resourceVersionMatch";
    let how = call.options.get(field);
    let mut errors = Vec::new();
    let initial = call.options.get("sendInitialEvents").is_some();
    match how {
        Some(_) if !initial => {
            let detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.push(FieldError::forbidden(field, detail));
        }
        _ if initial && how != Some("NotOlderThan") => {
            let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            errors.push(FieldError::forbidden(field, detail));
        }
        _ => {}
    }
    if let Some(how) = how.filter(|how| *how != "NotOlderThan") {
        errors.push(FieldError::not_supported(field, &how.into(), &["NotOlderThan"]));
    }
    if call.options.get("continue").is_some() {
        let detail = "resourceVersionMatch is forbidden when continue is provided";
        errors.push(FieldError::forbidden(field, detail));
    }
    errors
}

impl Watch {
    /// The next piece of the stream; None at its end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if !self.ready.is_empty() {
                return Some(self.piece());
            }
            if self.over || self.server.faults().drops_watch(&self.call) {
                return None;
            }
            self.changed.borrow_and_update();
            self.pull();
            if !self.ready.is_empty() || self.over {
                continue;
            }
            let bookmark_at = self.next_bookmark.unwrap_or(self.ends);
            tokio::select! {
                biased;
                changed = self.changed.changed() => {
                    if changed.is_err() {
                        return None;
                    }
                    if let Some(delay) = self.server.faults().watch_delay(&self.call) {
                        tokio::time::sleep(delay).await;
                    }
                }
                () = tokio::time::sleep_until(self.ends) => return None,
                () = tokio::time::sleep_until(bookmark_at), if self.next_bookmark.is_some() => {
                    self.next_bookmark = Some(Instant::now() + BOOKMARK_EVERY);
                    self.cursor = self.cursor.max(self.server.state().store.revision());
                    self.bookmark(false);
                }
            }
        }
    }

    fn piece(&mut self) -> Bytes {
        if self.ready.len() == 1 {
            return self.ready.pop_front().unwrap_or_default();
        }
        let mut piece = BytesMut::new();
        for event in self.ready.drain(..self.ready.len().min(BATCH)) {
            piece.put(event);
        }
        piece.freeze()
    }

    /// Takes what happened since the cursor.
    fn pull(&mut self) {
        let (changes, revision) = {
            let state = self.server.state();
            (state.store.changes(&self.place, self.cursor), state.store.revision())
        };
        match changes {
            Ok(events) => {
                for event in events {
                    self.cursor = event.revision;
                    if self.call.namespace.is_empty() || *event.key.namespace == *self.call.namespace {
                        self.take(&event);
                    }
                }
                self.cursor = self.cursor.max(revision);
            }
            Err(compacted) => {
                let text = format!("too old resource version: {} ({})", self.cursor, compacted.oldest);
                self.push("ERROR", ApiError::expired(text).to_status().to_string().as_bytes());
                self.over = true;
            }
        }
    }

    /// What an event is for this watch: an object may enter or leave the selection without being made or deleted.
    fn take(&mut self, event: &Arc<Event>) {
        let meant = |text: &Option<Bytes>| {
            let text = text.as_ref()?;
            (self.selection.is_everything() || self.selection.matches_text(text)).then(|| text.clone())
        };
        match (meant(&event.old), meant(&event.new)) {
            (None, Some(new)) => self.send("ADDED", &new),
            (Some(_), Some(new)) => self.send("MODIFIED", &new),
            (Some(old), None) => match &event.last {
                Some(last) => self.send("DELETED", &last.clone()),
                None => self.send("DELETED", &with_revision(&old, event.revision)),
            },
            (None, None) => {}
        }
    }

    fn send(&mut self, kind: &str, text: &Bytes) {
        let text = rules::text_from_storage(&self.call.resource, text);
        if self.accepted.shape == Shape::Plain {
            return self.push(kind, &text);
        }
        let Ok(object) = serde_json::from_slice::<Value>(&text) else {
            return;
        };
        let now = self.server.world().clock.now();
        let include = self.call.options.get("includeObject");
        let shaped = respond::watch_object(
            &self.call.resource,
            self.accepted.shape,
            &object,
            include,
            now,
            !self.headed,
        );
        self.headed = true;
        self.push(kind, shaped.to_string().as_bytes());
    }

    fn bookmark(&mut self, ends_initial: bool) {
        let gvk = &self.call.resource.gvk;
        let mut object = json!({ "kind": gvk.kind, "apiVersion": gvk.api_version(), "metadata": {} });
        set_meta(&mut object, "resourceVersion", Some(self.cursor.to_string().into()));
        if ends_initial {
            set_meta(
                &mut object,
                "annotations",
                Some(json!({ "k8s.io/initial-events-end": "true" })),
            );
        }
        if self.accepted.shape != Shape::Plain {
            let now = self.server.world().clock.now();
            let include = self.call.options.get("includeObject");
            object = respond::watch_object(
                &self.call.resource,
                self.accepted.shape,
                &object,
                include,
                now,
                !self.headed,
            );
        }
        self.push("BOOKMARK", object.to_string().as_bytes());
    }

    /// `{"type":…,"object":…}` and a line end, as clients expect.
    fn push(&mut self, kind: &str, object: &[u8]) {
        let mut line = BytesMut::with_capacity(object.len() + kind.len() + 24);
        line.put(&b"{\"type\":\""[..]);
        line.put(kind.as_bytes());
        line.put(&b"\",\"object\":"[..]);
        line.put(object);
        line.put(&b"}\n"[..]);
        self.ready.push_back(line.freeze());
    }
}

fn with_revision(text: &Bytes, revision: u64) -> Bytes {
    let Ok(mut object) = serde_json::from_slice::<Value>(text) else {
        return text.clone();
    };
    set_meta(&mut object, "resourceVersion", Some(revision.to_string().into()));
    Bytes::from(object.to_string())
}

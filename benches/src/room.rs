//! A server and the runtime that it lives in, driven from outside, one request at a time, on one thread.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use simulator::world::kube::auth::UserInfo;
use simulator::world::kube::server::{ApiServer, Body, KubeService, ServerConfig};
use simulator::world::run::World;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tower::Service;

use crate::objects::Sample;

/// A server without controllers, under paused time.
pub struct Room {
    runtime: Runtime,
    service: KubeService,
}

/// Watches that are open, each read by a task of its own.
pub struct Watchers {
    seen: Arc<Semaphore>,
    count: u32,
}

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

impl Room {
    /// An empty server.
    ///
    /// # Panics
    /// When there is no runtime to be had.
    #[must_use]
    pub fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.unwrap_or_else(|error| fail(&format!("no runtime: {error}")));
        let service = {
            let _inside = runtime.enter();
            ApiServer::new(ServerConfig::new(World::new(1, 1.0))).service_as(UserInfo::admin())
        };
        Self { runtime, service }
    }

    /// A server that holds `count` objects named `stored-<index>`.
    #[must_use]
    pub fn with_stored(sample: Sample, count: usize) -> Self {
        let room = Self::new();
        for index in 0..count {
            room.create(sample, text_of(sample, &format!("stored-{index:06}"), 0));
        }
        room
    }

    /// POST of one object.
    pub fn create(&self, sample: Sample, text: Bytes) {
        let request = request(Method::POST, sample.path().to_owned(), "application/json", text);
        self.send(request, 201);
    }

    /// Server-side apply of an object that is there.
    pub fn apply(&self, sample: Sample, name: &str, text: Bytes) {
        let path = format!("{}/{name}?fieldManager=bench&force=true", sample.path());
        self.send(request(Method::PATCH, path, "application/apply-patch+yaml", text), 200);
    }

    /// Server-side apply that makes an object.
    pub fn apply_new(&self, sample: Sample, name: &str, text: Bytes) {
        let path = format!("{}/{name}?fieldManager=bench&force=true", sample.path());
        self.send(request(Method::PATCH, path, "application/apply-patch+yaml", text), 201);
    }

    /// PUT of one object.
    pub fn update(&self, sample: Sample, name: &str, text: Bytes) {
        let path = format!("{}/{name}", sample.path());
        self.send(request(Method::PUT, path, "application/json", text), 200);
    }

    /// DELETE of one object.
    pub fn delete(&self, sample: Sample, name: &str) {
        let path = format!("{}/{name}", sample.path());
        self.send(request(Method::DELETE, path, "application/json", Bytes::new()), 200);
    }

    /// GET of the whole collection; its text.
    #[must_use]
    pub fn list(&self, sample: Sample) -> Bytes {
        let path = sample.path().to_owned();
        self.send(request(Method::GET, path, "application/json", Bytes::new()), 200)
    }

    /// Opens `count` watches that begin with the present.
    #[must_use]
    pub fn watch(&self, sample: Sample, count: u32) -> Watchers {
        let seen = Arc::new(Semaphore::new(0));
        let list: serde_json::Value = serde_json::from_slice(&self.list(sample)).unwrap_or_default();
        let version = list["metadata"]["resourceVersion"].as_str().unwrap_or("0").to_owned();
        for _ in 0..count {
            let (seen, mut service) = (Arc::clone(&seen), self.service.clone());
            let path = format!("{}?watch=true&resourceVersion={version}", sample.path());
            self.runtime.spawn(async move {
                let request = request(Method::GET, path, "application/json", Bytes::new());
                let mut body = match service.call(request).await {
                    Ok(response) => response.into_body(),
                    Err(never) => match never {},
                };
                while let Some(Ok(frame)) = body.frame().await {
                    if frame.data_ref().is_some() {
                        seen.add_permits(1);
                    }
                }
            });
        }
        // Each task opens its watch before the next write.
        self.runtime.block_on(async {
            for _ in 0..=count {
                tokio::task::yield_now().await;
            }
        });
        Watchers { seen, count }
    }

    /// Waits until each watch has one more event.
    pub fn until_all_have_it(&self, watchers: &Watchers) {
        self.runtime.block_on(async {
            if let Ok(permits) = watchers.seen.acquire_many(watchers.count).await {
                permits.forget();
            }
        });
    }

    fn send(&self, request: Request<Full<Bytes>>, wanted: u16) -> Bytes {
        let mut service = self.service.clone();
        let response: Response<Body> = match self.runtime.block_on(service.call(request)) {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let code = response.status().as_u16();
        let text = response.into_body().into_bytes();
        if code != wanted {
            fail(&format!("{code}: {}", String::from_utf8_lossy(&text)));
        }
        text
    }
}

/// The text of a sample, as a client sends it.
#[must_use]
pub fn text_of(sample: Sample, name: &str, mark: u64) -> Bytes {
    sample.object(name, mark).to_string().into()
}

fn request(method: Method, path: String, content_type: &str, body: Bytes) -> Request<Full<Bytes>> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", content_type)
        .header("user-agent", "bench/1.0")
        .body(Full::new(body));
    request.unwrap_or_else(|error| fail(&format!("no request: {error}")))
}

/// A bench that measures refusals measures nothing: it stops.
#[allow(clippy::panic, reason = "a bench has nobody to hand its error to")]
fn fail(why: &str) -> ! {
    panic!("{why}")
}

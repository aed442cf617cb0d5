//! The simulated Azure Resource Manager on a socket.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use tower::{Service, ServiceExt};

use crate::world::arm::ArmService;

/// Largest request that is read: an agent pool is a few KiB.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The service, for requests whose bodies come over a connection.
#[derive(Clone, Debug)]
pub struct ArmSocket {
    service: ArmService,
}

impl ArmSocket {
    /// Over this service.
    #[must_use]
    pub fn new(service: ArmService) -> Self {
        Self { service }
    }
}

impl Service<Request<Incoming>> for ArmSocket {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let service = self.service.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let status = |status: StatusCode| {
                let mut response = Response::new(Full::default());
                *response.status_mut() = status;
                Ok(response)
            };
            let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
                return status(StatusCode::PAYLOAD_TOO_LARGE);
            };
            match service.oneshot(Request::from_parts(parts, body.to_bytes())).await {
                Ok(response) => Ok(response.map(Full::new)),
                // A reply that is lost in-process is one that a gateway waited for in vain on a socket.
                Err(_) => status(StatusCode::GATEWAY_TIMEOUT),
            }
        })
    }
}

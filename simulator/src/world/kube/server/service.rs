//! The server as a tower service, for `kube::Client` in-process and for sockets.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, Limited};
use tower::Service;

use super::body::Body;
use super::negotiate::MAX_BODY_BYTES;
use super::{ApiServer, respond};
use crate::world::kube::api_error::ApiError;
use crate::world::kube::auth::UserInfo;

/// A way in. Requests come from `user`, or from whom their token names.
#[derive(Clone, Debug)]
pub struct KubeService {
    server: ApiServer,
    user: Option<UserInfo>,
}

impl ApiServer {
    /// A service for a socket: users are known by their tokens.
    #[must_use]
    pub fn service(&self) -> KubeService {
        KubeService {
            server: self.clone(),
            user: None,
        }
    }

    /// A service whose requests all come from `user`.
    #[must_use]
    pub fn service_as(&self, user: UserInfo) -> KubeService {
        KubeService {
            server: self.clone(),
            user: Some(user),
        }
    }

    /// A kube-rs client of `user`, in-process.
    #[must_use]
    pub fn client(&self, user: UserInfo) -> kube::Client {
        kube::Client::new(self.service_as(user), "default")
    }
}

impl<B> Service<Request<B>> for KubeService
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { server, user } = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let response = match Limited::new(body, MAX_BODY_BYTES).collect().await {
                Ok(body) => server.handle(user, Request::from_parts(head, body.to_bytes())).await,
                Err(error) => respond::error(&body_error(error.as_ref())),
            };
            Ok(response)
        })
    }
}

fn body_error(error: &(dyn std::error::Error + Send + Sync + 'static)) -> ApiError {
    if error.is::<http_body_util::LengthLimitError>() {
        return ApiError::too_large(format!("Request entity too large: limit is {MAX_BODY_BYTES}"));
    }
    ApiError::bad_request(format!("the request's body broke off: {error}"))
}

//! One HTTP request to a program on loopback.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::world::kube::server::plugs::{ProxyAnswer, ProxyRequest};

/// Longest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Longest wait for a whole answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// The answer; None when nothing listens. A program that answers badly or not at all is a bad gateway's fault.
pub(super) async fn ask(address: SocketAddr, request: ProxyRequest) -> Option<ProxyAnswer> {
    let stream = TcpStream::connect(address).await.ok()?;
    let answer = tokio::time::timeout(PATIENCE, exchange(stream, address, request)).await;
    let bad = |code, text: String| ProxyAnswer {
        code,
        content_type: "text/plain".into(),
        body: text.into(),
    };
    Some(match answer {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => bad(502, format!("the program's answer broke off: {error}")),
        Err(_) => bad(
            504,
            format!("the program did not answer within {} s", PATIENCE.as_secs()),
        ),
    })
}

async fn exchange(
    stream: TcpStream,
    address: SocketAddr,
    request: ProxyRequest,
) -> Result<ProxyAnswer, Box<dyn std::error::Error + Send + Sync>> {
    let ProxyRequest {
        method,
        path,
        body,
        port: _,
    } = request;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, address.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::<Bytes>::new(body))?;
    let asked = async move {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        Ok(ProxyAnswer {
            code: parts.status.as_u16(),
            content_type,
            body: Limited::new(body, MAX_ANSWER_BYTES).collect().await?.to_bytes(),
        })
    };
    tokio::pin!(asked);
    // The connection lives as long as this exchange, and no longer.
    tokio::select! {
        answer = &mut asked => answer,
        ended = connection => { ended?; asked.await }
    }
}

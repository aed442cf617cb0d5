//! Response bodies: a text that is there, or a stream of watch events.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::BoxStream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use serde_json::Value;

/// A value's JSON text, in memory of just its size. `scratch` is written over; who encodes often keeps one.
pub(super) fn text_in(scratch: &mut Vec<u8>, value: &Value) -> Bytes {
    scratch.clear();
    match serde_json::to_writer(&mut *scratch, value) {
        Ok(()) => Bytes::copy_from_slice(scratch),
        // A value with text keys, written to memory, cannot fail.
        Err(_) => Bytes::from(value.to_string()),
    }
}

/// A value's JSON text. Faster than its `Display`, which goes through a formatter piece by piece.
pub(super) fn text(value: &Value) -> Bytes {
    serde_json::to_vec(value).map_or_else(|_| Bytes::from(value.to_string()), Bytes::from)
}

/// An object's text without its `apiVersion` and `kind`; nothing is parsed.
pub(super) fn put_untyped(out: &mut BytesMut, text: &[u8]) {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    // Where the field begins that is being read, and whether anything was written.
    let (mut field, mut any) = (1, false);
    out.put_u8(b'{');
    for (at, byte) in text.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b',' | b'}' if depth == 1 => {
                let one = text.get(field..at).unwrap_or_default();
                if !one.is_empty() && !one.starts_with(b"\"apiVersion\":") && !one.starts_with(b"\"kind\":") {
                    if any {
                        out.put_u8(b',');
                    }
                    out.put(one);
                    any = true;
                }
                field = at + 1;
            }
            _ => {}
        }
    }
    out.put_u8(b'}');
}

/// The body of a response.
pub enum Body {
    /// A text; None once it is taken.
    Whole(Option<Bytes>),
    /// Pieces as they come.
    Stream(BoxStream<'static, Bytes>),
    /// Nothing: the connection breaks before the first byte.
    Lost,
}

/// The connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection broke before the reply was read")]
pub struct Broken;

impl Body {
    /// The whole text, for in-process callers; empty for a stream.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Whole(text) => text.unwrap_or_default(),
            Self::Stream(_) | Self::Lost => Bytes::new(),
        }
    }
}

impl From<Bytes> for Body {
    fn from(text: Bytes) -> Self {
        Self::Whole(Some(text))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Whole(text) => Poll::Ready(
                text.take()
                    .filter(|text| !text.is_empty())
                    .map(|text| Ok(Frame::data(text))),
            ),
            Self::Stream(stream) => stream
                .as_mut()
                .poll_next(cx)
                .map(|piece| piece.map(|piece| Ok(Frame::data(piece)))),
            Self::Lost => Poll::Ready(Some(Err(Broken))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(text) if text.as_ref().is_none_or(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Stream(_) | Self::Lost => SizeHint::default(),
        }
    }
}

//! gRPC, for example with `tonic`: its failures are responses with the HTTP status 200.
//!
//! A gRPC client reads `grpc-status` and not the HTTP status. [`reply`] is the hook that reports failures of sessions
//! this way. A response of the inner service whose head has `grpc-status` UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED,
//! INTERNAL, UNAVAILABLE or DATA_LOSS commits nothing, like a 5xx elsewhere: a method that returns `Err(Status)` makes
//! such a head. If a stream fails later, its status is in the trailers, and the edits are already committed.
//!
//! ```
//! use shared_session::{SessionLayer, SessionManager, store::MemoryStore, tower::grpc};
//!
//! let manager = SessionManager::new(MemoryStore::new()).with_on_error(grpc::reply);
//! let layer = SessionLayer::new(manager);
//! # let _ = layer;
//! ```
//!
//! With `tonic`, pass the layer to `Server::builder().layer(layer)`. A method finds its session in the request's
//! extensions, which tonic passes on. For a whole program see
//! [`examples/tonic.rs`](https://github.com/shared-session/shared-session/blob/main/shared-session/examples/tonic.rs).
//!
//! A gRPC-Web browser client sends the cookie by itself; other clients keep the `set-cookie` metadata of the response
//! and send it back as `cookie`.

use http::{HeaderName, Response};

use crate::{
    engine::outcome::Ending,
    error::ErrorKind,
    reply::{Failure, Reply},
};

/// The gRPC status code of an error: UNAVAILABLE (14), ABORTED (10) for a request refused because another request was
/// faster, RESOURCE_EXHAUSTED (8) for a full session and too many
/// attempts, UNAUTHENTICATED (16), PERMISSION_DENIED (7), else INTERNAL (13).
#[must_use]
pub const fn status(kind: ErrorKind) -> i32 {
    match kind.status() {
        400 => 3,
        401 => 16,
        403 => 7,
        409 => 10,
        413 | 429 => 8,
        503 => 14,
        _ => 13,
    }
}

/// The hook of a gRPC service: HTTP 200 with [`status`] and the [sentence](crate::Error::public_message) for clients.
///
/// ```
/// use shared_session::{ErrorKind, Failure, tower::grpc};
///
/// let reply = grpc::reply(&Failure::new(&ErrorKind::Unavailable.into(), "POST", "/shop.Carts/Add"));
/// assert_eq!(reply.status, 200);
/// assert!(reply.headers.contains(&("grpc-status", "14".to_owned())));
/// ```
#[must_use]
pub fn reply(failure: &Failure<'_>) -> Reply {
    let mut reply = Reply::new(200, "application/grpc", "");
    reply.headers.push(("grpc-status", status(failure.error.kind()).to_string()));
    reply.headers.push(("grpc-message", failure.error.public_message().replace('%', "%25")));
    reply
}

static STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The outcome of the request of `response`, by its HTTP status and its gRPC status.
pub(super) fn ending<B>(response: &Response<B>) -> Ending {
    let failed = |code: &[u8]| matches!(code, b"2" | b"4" | b"12" | b"13" | b"14" | b"15");
    match response.headers().get(&STATUS) {
        Some(code) if failed(code.as_bytes()) => Ending::Failed,
        _ => Ending::of_status(response.status().as_u16()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_status_like_a_5xx_is_a_failure_and_one_like_a_4xx_is_not() {
        for (code, ending) in [
            ("0", Ending::Completed),
            ("3", Ending::Completed),
            ("16", Ending::Completed),
            ("2", Ending::Failed),
            ("13", Ending::Failed),
            ("14", Ending::Failed),
        ] {
            let response = Response::builder().header("grpc-status", code).body(()).unwrap();
            assert_eq!(super::ending(&response), ending, "{code}");
        }
        assert_eq!(super::ending(&Response::new(())), Ending::Completed);
        assert_eq!(super::ending(&Response::builder().status(500).body(()).unwrap()), Ending::Failed);
    }
}

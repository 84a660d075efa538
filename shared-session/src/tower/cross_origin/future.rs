//! The response of the cross-origin layer.

use std::{
    fmt,
    future::{self, Future, Ready},
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use super::super::body::{ResponseBody, inner};

pin_project! {
    /// The future of [`CrossOriginService`](super::CrossOriginService): the inner service's, or a ready refusal.
    #[must_use = "futures do nothing unless polled"]
    pub struct CrossOriginFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        Inner { #[pin] future: F },
        Refused { response: Ready<Response<ResponseBody<B>>> },
    }
}

impl<F, B> CrossOriginFuture<F, B> {
    pub(super) fn inner(future: F) -> Self {
        Self { state: State::Inner { future } }
    }

    pub(super) fn refused(response: Response<ResponseBody<B>>) -> Self {
        Self { state: State::Refused { response: future::ready(response) } }
    }
}

impl<F, B, E> Future for CrossOriginFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Inner { future } => future.poll(cx).map_ok(inner),
            StateProj::Refused { response } => Poll::Ready(Ok(ready!(Pin::new(response).poll(cx)))),
        }
    }
}

impl<F, B> fmt::Debug for CrossOriginFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = matches!(self.state, State::Refused { .. });
        f.debug_struct("CrossOriginFuture").field("refused", &refused).finish_non_exhaustive()
    }
}

//! The response of the session layer: runs the handler, closes the session, commits.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Method, Response, Uri};
use pin_project_lite::pin_project;

use crate::{
    cookie::{RequestUrl, Transport},
    engine::{
        outcome::Outcome,
        request::{commit::Close, end::RequestGuard},
    },
    reply::Rejected,
    store::BoxFuture,
    tower::{ResponseBody, apply, grpc, inner, into_response},
};

pin_project! {
    /// The future of a [`SessionService`](super::SessionService).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, B> {
        #[pin]
        stage: Stage<F, B>,
        // `None` inside of a layer of the same manager, which does the work.
        own: Option<Own>,
    }
}

/// The request of a layer.
pub(super) struct Own {
    pub(super) guard: RequestGuard,
    pub(super) asked: Asked,
}

/// The parts of the request that the response needs.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) host: Option<HeaderValue>,
    pub(super) uri: Uri,
    pub(super) transport: Transport,
}

impl Asked {
    fn url(&self) -> RequestUrl<'_> {
        let in_header = || self.host.as_ref().and_then(|host| host.to_str().ok());
        RequestUrl::new(self.uri.host().or_else(in_header), self.uri.path()).with_transport(self.transport)
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F, B> {
        Handling { #[pin] handler: F },
        Committing { commit: BoxFuture<'static, Outcome>, response: Option<Response<B>> },
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(super) fn new(handler: F, own: Option<Own>) -> Self {
        Self { stage: Stage::Handling { handler }, own }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        loop {
            let (outcome, response) = match this.stage.as_mut().project() {
                StageProjection::Handling { handler } => {
                    let Some(own) = this.own else { return Poll::Ready(Ok(inner(ready!(handler.poll(cx))?))) };
                    own.guard.enter();
                    let response = ready!(handler.poll(cx))?;
                    match own.guard.inner().close(grpc::ending(&response)) {
                        Close::Done(outcome) => (outcome, response),
                        Close::Commit(commit) => {
                            let commit = Box::pin(commit.run());
                            this.stage.set(Stage::Committing { commit, response: Some(response) });
                            continue;
                        }
                    }
                }
                StageProjection::Committing { commit, response } => {
                    let outcome = ready!(commit.as_mut().poll(cx));
                    match response.take() {
                        Some(response) => (outcome, response),
                        // Polled again after completion, which is a bug of the caller.
                        None => return Poll::Pending,
                    }
                }
            };
            // Only a layer with a request of its own gets here.
            let Some(Own { guard, asked }) = this.own else { return Poll::Ready(Ok(inner(response))) };
            let rejected = response.extensions().get::<Rejected>();
            let answer = if outcome.error().is_some() || rejected.is_some() {
                let path = asked.uri.path_and_query().map_or("/", |path| path.as_str());
                guard.session().answer(outcome.error(), rejected, asked.method.as_str(), path)
            } else {
                None
            };
            let mut response = match answer {
                None => inner(response),
                Some((reply, error)) => {
                    let mut response = into_response(reply);
                    response.extensions_mut().insert(error);
                    response
                }
            };
            apply(outcome, || asked.url(), &mut response);
            return Poll::Ready(Ok(response));
        }
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

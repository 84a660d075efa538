//! The body of a response: the handler's, or that of a failure.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response: the inner service's, or the text of a [`Reply`](crate::Reply) that replaces it.
    ///
    /// It is a [`Body`] for every inner body whose data can be made from [`Bytes`], and passes on size, end and
    /// trailers. It boxes and copies nothing. [`Default`] is an empty one, for outer layers that respond by themselves.
    #[project = ResponseBodyProjection]
    #[derive(Clone)]
    pub struct ResponseBody<B> {
        #[pin]
        body: Either<B>,
    }
}

pin_project! {
    #[project = EitherProjection]
    #[derive(Clone)]
    enum Either<B> {
        Inner { #[pin] body: B },
        Reply { text: Option<Bytes> },
    }
}

impl<B> ResponseBody<B> {
    /// The inner service's body.
    #[must_use]
    pub fn new(body: B) -> Self {
        Self { body: Either::Inner { body } }
    }

    fn reply(text: String) -> Self {
        let text = (!text.is_empty()).then(|| Bytes::from(text));
        Self { body: Either::Reply { text } }
    }

    /// The inner service's body; `None` if a reply replaces it.
    #[must_use]
    pub fn into_inner(self) -> Option<B> {
        match self.body {
            Either::Inner { body } => Some(body),
            Either::Reply { .. } => None,
        }
    }

    /// The text that replaces the inner service's body, if there is one.
    pub(crate) fn as_reply(&self) -> Option<&[u8]> {
        match &self.body {
            Either::Inner { .. } => None,
            Either::Reply { text } => Some(text.as_deref().unwrap_or_default()),
        }
    }
}

impl<B> From<String> for ResponseBody<B> {
    fn from(text: String) -> Self {
        Self::reply(text)
    }
}

impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::reply(String::new())
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().body.project() {
            EitherProjection::Inner { body } => body.poll_frame(cx),
            EitherProjection::Reply { text } => Poll::Ready(text.take().map(|text| Ok(Frame::data(text.into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Either::Inner { body } => body.is_end_stream(),
            Either::Reply { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Either::Inner { body } => body.size_hint(),
            Either::Reply { text } => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("is_reply", &self.as_reply().is_some()).finish_non_exhaustive()
    }
}

/// The same response, with its body as the inner service's variant.
pub(crate) fn inner<B>(response: Response<B>) -> Response<ResponseBody<B>> {
    response.map(ResponseBody::new)
}

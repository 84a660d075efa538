//! Work that runs to its end once it has begun.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::future::{CatchUnwind, FutureExt as _};
use tokio::runtime::Handle;

use crate::{error::Error, store::BoxFuture};

/// A future that is polled in place, and continues as a separate task if it is dropped between its first poll and its
/// end. Most requests wait for their commits, and a task for each would cost more than the commit.
#[must_use = "nothing has begun before it is polled"]
pub(crate) struct ToEnd<T: Send + 'static>(Stage<T>);

type Work<T> = CatchUnwind<AssertUnwindSafe<BoxFuture<'static, Result<T, Error>>>>;

enum Stage<T> {
    New(Work<T>),
    /// On the runtime that it was begun on, if there is one.
    Begun(Work<T>, Option<Handle>),
    Done,
}

impl<T: Send + 'static> ToEnd<T> {
    pub(crate) fn new(work: impl Future<Output = Result<T, Error>> + Send + 'static) -> Self {
        let work: BoxFuture<'static, Result<T, Error>> = Box::pin(work);
        Self(Stage::New(AssertUnwindSafe(work).catch_unwind()))
    }
}

impl<T: Send + 'static> Future for ToEnd<T> {
    /// `None` if the work panicked.
    type Output = Option<Result<T, Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Stage::New(_) = &self.0
            && let Stage::New(work) = std::mem::replace(&mut self.0, Stage::Done)
        {
            self.0 = Stage::Begun(work, Handle::try_current().ok());
        }
        let Stage::Begun(work, _) = &mut self.0 else { return Poll::Ready(None) };
        let polled = work.poll_unpin(cx);
        if polled.is_ready() {
            self.0 = Stage::Done;
        }
        polled.map(Result::ok)
    }
}

impl<T: Send + 'static> Drop for ToEnd<T> {
    fn drop(&mut self) {
        if let Stage::Begun(work, Some(runtime)) = std::mem::replace(&mut self.0, Stage::Done) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use tokio::{sync::Notify, task::yield_now};

    use super::*;
    use crate::error::ErrorKind;

    /// Counts its two steps, and waits for `go` between them.
    fn work(steps: &Arc<AtomicUsize>, go: &Arc<Notify>) -> ToEnd<usize> {
        let (steps, go) = (Arc::clone(steps), Arc::clone(go));
        ToEnd::new(async move {
            steps.fetch_add(1, SeqCst);
            go.notified().await;
            Ok(steps.fetch_add(1, SeqCst) + 1)
        })
    }

    #[tokio::test]
    async fn work_that_has_ended_is_not_begun_again() {
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&polls);
        let mut done = ToEnd::new(std::future::poll_fn(move |_| {
            counted.fetch_add(1, SeqCst);
            Poll::Ready(Ok(()))
        }));
        assert!((&mut done).await.is_some_and(|result| result.is_ok()));
        drop(done);
        yield_now().await;
        assert_eq!(polls.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn work_that_is_dropped_after_it_has_begun_runs_to_its_end() {
        let (steps, go) = <(Arc<AtomicUsize>, Arc<Notify>)>::default();
        let mut begun = work(&steps, &go);
        assert!((&mut begun).now_or_never().is_none());
        drop(begun);
        go.notify_one();
        while steps.load(SeqCst) < 2 {
            yield_now().await;
        }
        drop(work(&steps, &go));
        yield_now().await;
        assert_eq!(steps.load(SeqCst), 2, "work that was never polled does not begin");
    }

    #[tokio::test]
    async fn work_that_is_waited_for_runs_once() {
        let (steps, go) = <(Arc<AtomicUsize>, Arc<Notify>)>::default();
        go.notify_one();
        let mut waited = work(&steps, &go);
        assert!(matches!((&mut waited).await, Some(Ok(2))));
        drop(waited);
        yield_now().await;
        assert_eq!(steps.load(SeqCst), 2);
    }

    #[tokio::test]
    async fn a_panic_is_no_result_and_an_error_is() {
        assert!(ToEnd::<()>::new(async { panic!("a test panics") }).await.is_none());
        let failed = ToEnd::<()>::new(async { Err(ErrorKind::Gone.into()) }).await;
        assert!(matches!(failed, Some(Err(error)) if error.kind() == ErrorKind::Gone));
    }
}

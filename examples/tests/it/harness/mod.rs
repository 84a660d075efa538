//! Starting the services, and talking to them.

pub(crate) mod browser;
pub(crate) mod html;
pub(crate) mod http;
pub(crate) mod pair;
pub(crate) mod scopes;
pub(crate) mod service;
mod temp_dir;

use std::time::{Duration, Instant};

pub(crate) use browser::Browser;
pub(crate) use http::{Answer, COOKIE, Request};
pub(crate) use pair::{Backend, Pair};
pub(crate) use service::{Kind, Service};
pub(crate) use temp_dir::TempDir;

/// How long anything may take that is waited for. Far above what it takes, so that a slow machine fails no test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Runs all at once and returns their results in order.
pub(crate) async fn all<T, F>(tasks: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

/// Asks again and again until the answer is `Some`.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

//! Starts the example services, and talks to them like a browser.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    missing_debug_implementations,
    reason = "used only by tests"
)]

pub mod browser;
mod documented;
pub mod html;
pub mod http;
pub mod pair;
pub mod scopes;
pub mod service;

use std::time::{Duration, Instant};

pub use browser::Browser;
pub use http::{Answer, COOKIE, Request};
pub use pair::{Backend, Pair};
pub use service::{Kind, Service};
pub use tempfile::TempDir;

/// The longest wait for anything. Far longer than needed, so that tests pass on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Runs all tasks at once and returns their results in order.
pub async fn all<T, F>(tasks: impl IntoIterator<Item = F>) -> Vec<T>
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

/// Asks repeatedly until the answer is `Some`.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

//! Metrics, in the text format of Prometheus.

use std::{sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use shared_session::{Error, ErrorKind};

use crate::settings::{SessionUrl, Settings};

/// Upper bounds in seconds. Most calls take less than a millisecond; a call to Redis ends after 0.3 s, and a commit may
/// need several.
const SECONDS: &[f64] = &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
/// The interval at which latencies are summed up; a request for the metrics does so too.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The content type of [`render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The recorder of this process: there can be only one.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Records the metrics of the session crates from now on. Needs a Tokio runtime.
///
/// # Errors
/// [`ErrorKind::Config`] if the process has another recorder.
pub fn start(settings: &Settings) -> Result<(), Error> {
    if RECORDER.get().is_none() {
        let refused =
            |error| Error::new(ErrorKind::Config, "the metrics cannot be recorded").with_source(Box::new(error));
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(refused)?;
        let handle = RECORDER.get_or_init(|| recorder).clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP_EVERY).await;
                handle.run_upkeep();
            }
        });
    }
    shared_session::metrics::describe();
    metrics::describe_gauge!("shared_session_info", "Where sessions are kept, and in which format.");
    metrics::gauge!("shared_session_info", "store" => store(settings), "profile" => settings.profile.name()).set(1);
    Ok(())
}

/// The body of `/metrics`; empty before [`start`].
#[must_use]
pub fn render() -> String {
    // Without the blank lines between families: they are allowed, but not every reader accepts them.
    RECORDER.get().map(|recorder| recorder.render().replace("\n\n", "\n")).unwrap_or_default()
}

/// The number of session reads and writes by the upper bounds of their times, from the body of `/metrics`.
#[must_use]
pub fn latencies(metrics: &str) -> Vec<(String, u64)> {
    let mut up_to: Vec<(String, u64)> = Vec::new();
    for line in metrics.lines() {
        let is_ours = ["shared_session_load_seconds_bucket{", "shared_session_commit_seconds_bucket{"];
        let Some(rest) = is_ours.iter().find_map(|start| line.strip_prefix(start)) else { continue };
        let Some((bound, count)) = rest.split_once("le=\"").and_then(|(_, rest)| rest.split_once("\"} ")) else {
            continue;
        };
        let Some((bound, count)) = milliseconds(bound).zip(count.trim().parse::<u64>().ok()) else { continue };
        match up_to.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, sum)) => *sum += count,
            None => up_to.push((bound, count)),
        }
    }
    // Each bucket includes the ones before it.
    let mut before = 0;
    for (_, count) in &mut up_to {
        let own = count.saturating_sub(before);
        before = *count;
        *count = own;
    }
    up_to
}

fn milliseconds(bound: &str) -> Option<String> {
    if bound == "+Inf" {
        return Some("∞".to_owned());
    }
    Some(format!("≤ {} ms", bound.parse::<f64>().ok()? * 1_000.0))
}

fn store(settings: &Settings) -> &'static str {
    match settings.session_url {
        _ if settings.durable => "tiered",
        SessionUrl::Embedded | SessionUrl::Sqlite(_) => "sqlite",
        SessionUrl::Postgres(_) => "postgres",
        SessionUrl::Redis(_) => "redis",
        SessionUrl::RedisSentinel(_) => "redis-sentinel",
        SessionUrl::RedisCluster(_) => "redis-cluster",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_summed_over_outcomes_and_each_call_is_in_one_bar() {
        let metrics = "# TYPE shared_session_load_seconds histogram\n\
            shared_session_load_seconds_bucket{outcome=\"ok\",le=\"0.0005\"} 2\n\
            shared_session_load_seconds_bucket{outcome=\"ok\",le=\"0.001\"} 5\n\
            shared_session_load_seconds_bucket{outcome=\"ok\",le=\"+Inf\"} 6\n\
            shared_session_load_seconds_sum{outcome=\"ok\"} 0.1\n\
            shared_session_commit_seconds_bucket{outcome=\"refused\",le=\"0.0005\"} 1\n\
            shared_session_commit_seconds_bucket{outcome=\"refused\",le=\"0.001\"} 1\n\
            shared_session_commit_seconds_bucket{outcome=\"refused\",le=\"+Inf\"} 1\n\
            other_seconds_bucket{le=\"0.0005\"} 9\n";
        let expected = [("≤ 0.5 ms", 3), ("≤ 1 ms", 3), ("∞", 1)];
        let expected = expected.map(|(bound, count)| (bound.to_owned(), count));
        assert_eq!(latencies(metrics), expected);
        assert_eq!(latencies("# nothing\nshared_session_load_seconds_bucket{broken"), []);
    }
}

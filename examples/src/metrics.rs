//! What happens, as numbers, in the text format of Prometheus.

use std::{sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use shared_session::{Error, ErrorKind};

use crate::settings::{SessionUrl, Settings};

/// Upper bounds in seconds. Most calls take less than a millisecond; a call to Redis ends after 0.3 s, and a commit may
/// need several.
const SECONDS: &[f64] = &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
/// Latencies are summed up so often, or whenever somebody asks.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The recorder of this process: there can be but one.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Records from now on what the session crates report. On a Tokio runtime.
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
    // Without the blank lines between families: they are allowed, but not every reader knows.
    RECORDER.get().map(|recorder| recorder.render().replace("\n\n", "\n")).unwrap_or_default()
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

//! The connection limit and the stop signal of both services.

use crate::settings::HttpLimits;

/// The limit of open connections: as configured, but at most three quarters of the files that this process may open
/// (Linux), because accepted connections must not keep the process from reaching its stores.
#[must_use]
pub fn connections(limits: &HttpLimits) -> usize {
    let configured = usize::try_from(limits.connections).unwrap_or(usize::MAX);
    let Some(files) = std::fs::read_to_string("/proc/self/limits").ok().and_then(|text| open_files(&text)) else {
        return configured;
    };
    let most = (files / 4 * 3).max(1);
    if configured > most {
        tracing::warn!(
            "HTTP_CONNECTIONS is {configured}, of which {most} are used: the process may open {files} files"
        );
    }
    configured.min(most)
}

/// The soft limit in `/proc/self/limits`.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Completes at SIGTERM or Ctrl-C.
pub async fn stop_signal() {
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "cannot listen for Ctrl-C");
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(error) => {
                tracing::error!(%error, "cannot listen for SIGTERM");
                std::future::pending::<()>().await;
            }
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
    tracing::info!("stopping; requests under way are finished first");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_of_open_files_is_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max processes             95000                95000                processes\n\
                    Max open files            64                   1048576              files\n";
        assert_eq!(open_files(text), Some(64));
        assert_eq!(open_files("Max open files            unlimited            unlimited            files\n"), None);
        assert_eq!(open_files(""), None);
    }
}

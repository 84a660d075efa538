//! The log, on stderr.
//!
//! Clients cannot flood it: of each warning and error that other crates write, only a few lines are kept in ten
//! seconds. The session layer limits its own lines, and writes the number of lines left out into the next one. Other
//! crates do not, so the limit writes the number on a line of its own.

use std::{
    collections::HashMap,
    fmt::Display,
    io::{IsTerminal as _, stderr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use shared_session::{Error, ErrorKind};
use tracing::{Event, Level, Metadata, callsite::Identifier};
use tracing_subscriber::{
    EnvFilter,
    filter::FilterExt as _,
    fmt,
    layer::{Context, Filter, Layer as _, SubscriberExt as _},
    registry,
    util::SubscriberInitExt as _,
};

use crate::settings::Settings;

/// The number of lines of a kind that are written in each [`INTERVAL`].
const MAX_LINES: u32 = 10;
const INTERVAL: Duration = Duration::from_secs(10);

/// Starts logging to stderr, filtered by `RUST_LOG`. A flood of warnings is cut, as described above.
///
/// # Errors
/// One line, if the filter is invalid or logging was started before.
pub fn start(settings: &Settings) -> Result<(), Error> {
    let refused = |error: &dyn Display| Error::new(ErrorKind::Config, format!("RUST_LOG: {error}"));
    // Actix Web writes three lines about its workers at each start. A filter that names it still shows them.
    let filter = format!("actix_server=warn,{}", settings.log_filter);
    let filter = EnvFilter::try_new(filter).map_err(|error| refused(&error))?;
    let lines = fmt::layer()
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .with_filter(filter.and(LineLimit::default()));
    registry().with(lines).try_init().map_err(|error| refused(&error))
}

/// Counts the lines of each place in the code that writes warnings or errors.
#[derive(Debug, Default)]
struct LineLimit(Mutex<HashMap<Identifier, Count>>);

/// The lines of one kind in the interval that began at `start`.
#[derive(Debug, Default)]
struct Count {
    start: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl LineLimit {
    /// `None` if a line of this kind is left out; otherwise the number of lines left out since the last written one.
    fn line(&self, kind: Identifier) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, now) = (kinds.entry(kind).or_default(), Instant::now());
        if count.start.is_none_or(|start| now.duration_since(start) >= INTERVAL) {
            (count.start, count.written) = (Some(now), 0);
        }
        if count.written == MAX_LINES {
            count.left_out += 1;
            return None;
        }
        count.written += 1;
        Some(std::mem::take(&mut count.left_out))
    }
}

fn is_limited(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::WARN && !metadata.target().starts_with("shared_session")
}

impl<S> Filter<S> for LineLimit {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        if !is_limited(event.metadata()) {
            return true;
        }
        match self.line(event.metadata().callsite()) {
            None => false,
            Some(0) => true,
            Some(left_out) => {
                // Not an event, because this runs inside of one.
                eprintln!("{left_out} lines like the next one were left out");
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::Arc,
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_few_warnings_of_each_kind_are_written_and_all_lower_levels() {
        let written = Written::default();
        let writer = written.clone();
        let lines = fmt::layer().with_ansi(false).with_writer(move || writer.clone()).with_filter(LineLimit::default());
        tracing::subscriber::with_default(registry().with(lines), || {
            for _ in 0..1000 {
                tracing::error!(target: "other", "malformed");
                tracing::warn!(target: "other", "slow");
                tracing::info!(target: "other", "answered");
                tracing::warn!(target: "shared_session::reply", "limits itself");
            }
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let count = |word: &str| text.matches(word).count();
        let most = usize::try_from(MAX_LINES).unwrap();
        assert!((most..5 * most).contains(&count("malformed")) && (most..5 * most).contains(&count("slow")), "{text}");
        assert_eq!((count("answered"), count("limits itself")), (1000, 1000));
    }
}

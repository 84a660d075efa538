//! Keeps clients from flooding the log: of each warning and error that other crates write, a few lines in ten seconds.
//!
//! The session layer limits its own lines, and writes the number of lines left out into the next one. Other crates do
//! not, so this filter writes the number on a line of its own.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tracing::{Event, Level, Metadata, callsite::Identifier};
use tracing_subscriber::layer::{Context, Filter};

/// How many lines of a kind are written in each [`INTERVAL`].
const FEW: u32 = 10;
const INTERVAL: Duration = Duration::from_secs(10);

/// Counts the lines of each place in the code that writes warnings or errors.
#[derive(Debug, Default)]
pub struct FewOfAKind(Mutex<HashMap<Identifier, Count>>);

/// The lines of one kind in the interval that began at `start`.
#[derive(Debug, Default)]
struct Count {
    start: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl FewOfAKind {
    /// `None` if a line of this kind is left out; otherwise the number of lines left out since the last written one.
    fn line(&self, kind: Identifier) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, now) = (kinds.entry(kind).or_default(), Instant::now());
        if count.start.is_none_or(|start| now.duration_since(start) >= INTERVAL) {
            (count.start, count.written) = (Some(now), 0);
        }
        if count.written == FEW {
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

impl<S> Filter<S> for FewOfAKind {
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

    use tracing_subscriber::{
        fmt,
        layer::{Layer as _, SubscriberExt as _},
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
        let lines =
            fmt::layer().with_ansi(false).with_writer(move || writer.clone()).with_filter(FewOfAKind::default());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            for _ in 0..1000 {
                tracing::error!(target: "other", "malformed");
                tracing::warn!(target: "other", "slow");
                tracing::info!(target: "other", "answered");
                tracing::warn!(target: "shared_session::reply", "limits itself");
            }
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let count = |word: &str| text.matches(word).count();
        let few = usize::try_from(FEW).unwrap();
        assert!((few..5 * few).contains(&count("malformed")) && (few..5 * few).contains(&count("slow")), "{text}");
        assert_eq!((count("answered"), count("limits itself")), (1000, 1000));
    }
}

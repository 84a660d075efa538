//! With the feature `metrics`: passes everything to the program's recorder.

use std::time::Instant;

pub(super) use metrics::Label;
use metrics::{Counter, Gauge, Histogram, Key, Level, Metadata, Recorder, Unit, with_recorder};

static METADATA: Metadata<'static> = Metadata::new("shared_session", Level::INFO, Some("shared_session"));

pub(super) const fn label(key: &'static str, value: &'static str) -> Label {
    Label::from_static_parts(key, value)
}

/// A time series. Each use looks it up in the recorder, so the recorder may be installed at any time.
pub(super) struct Series {
    key: Key,
    kind: Kind,
    help: &'static str,
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Series {
    pub(super) const fn counter(name: &'static str, labels: &'static [Label], help: &'static str) -> Self {
        Self::new(Kind::Counter, name, labels, help)
    }

    pub(super) const fn gauge(name: &'static str, labels: &'static [Label], help: &'static str) -> Self {
        Self::new(Kind::Gauge, name, labels, help)
    }

    pub(super) const fn histogram(name: &'static str, labels: &'static [Label], help: &'static str) -> Self {
        Self::new(Kind::Histogram, name, labels, help)
    }

    const fn new(kind: Kind, name: &'static str, labels: &'static [Label], help: &'static str) -> Self {
        Self { key: Key::from_static_parts(name, labels), kind, help }
    }

    pub(super) fn add_one(&self) {
        with_recorder(|recorder| self.as_counter(recorder).increment(1));
    }

    pub(super) fn enter(&self) {
        with_recorder(|recorder| self.as_gauge(recorder).increment(1.0));
    }

    pub(super) fn leave(&self) {
        with_recorder(|recorder| self.as_gauge(recorder).decrement(1.0));
    }

    pub(super) fn record(&self, since: Clock) {
        with_recorder(|recorder| self.as_histogram(recorder).record(since.0.elapsed()));
    }

    fn as_counter(&self, recorder: &dyn Recorder) -> Counter {
        recorder.register_counter(&self.key, &METADATA)
    }

    fn as_gauge(&self, recorder: &dyn Recorder) -> Gauge {
        recorder.register_gauge(&self.key, &METADATA)
    }

    fn as_histogram(&self, recorder: &dyn Recorder) -> Histogram {
        recorder.register_histogram(&self.key, &METADATA)
    }

    fn describe(&self, recorder: &dyn Recorder) {
        let (name, help) = (self.key.name_shared(), self.help.into());
        match self.kind {
            Kind::Counter => {
                recorder.describe_counter(name, Some(Unit::Count), help);
                self.as_counter(recorder).increment(0);
            }
            Kind::Gauge => {
                recorder.describe_gauge(name, Some(Unit::Count), help);
                self.as_gauge(recorder).increment(0.0);
            }
            Kind::Histogram => {
                recorder.describe_histogram(name, Some(Unit::Seconds), help);
                drop(self.as_histogram(recorder));
            }
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn now() -> Self {
        Self(Instant::now())
    }
}

/// Describes `series` to the installed recorder, if there is one.
pub(super) fn describe<'a>(series: impl Iterator<Item = &'a Series>) {
    with_recorder(|recorder| series.for_each(|series| series.describe(recorder)));
}

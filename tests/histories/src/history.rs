//! Operations, and their file: JSON lines ordered by time.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use serde::{Deserialize, Serialize};

/// A process of the history; each performs one operation at a time.
pub type Process = u32;
/// The process that causes faults.
pub const NEMESIS: Process = 0;

/// One line of a history: an operation begins or ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Nanoseconds since the start of the run, by a monotonic clock.
    pub time: u64,
    /// The process.
    pub process: Process,
    /// Whether the operation begins, or how it ended.
    #[serde(flatten)]
    pub phase: Phase,
    /// The request.
    #[serde(flatten)]
    pub call: Call,
}

/// Whether an operation begins, or how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum Phase {
    /// It begins.
    Invoke,
    /// The operation was done, with this answer.
    Ok(Value),
    /// The operation was refused: it was certainly not done.
    Fail,
    /// The outcome is unknown.
    Info,
}

impl Phase {
    /// The answer, if the session existed and the operation was done.
    fn answer(&self) -> Option<&Value> {
        match self {
            Self::Ok(Value::Anonymous | Value::Unexpected(_)) | Self::Fail | Self::Info | Self::Invoke => None,
            Self::Ok(value) => Some(value),
        }
    }
}

/// A request, and its service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The service.
    pub service: String,
    /// The session; sessions are never reused.
    pub session: u32,
    /// The number of the cookie within the session.
    pub cookie: u32,
    /// The operation.
    #[serde(flatten)]
    pub op: Op,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", content = "with", rename_all = "snake_case")]
pub enum Op {
    /// Signs in; the session begins.
    Begin,
    /// Stores the entry that every session has; answers never show it.
    Mark,
    /// Stores an entry that no other operation stores.
    Add(u32),
    /// Removes an entry of the same client.
    Remove(u32),
    /// Adds one to the counter: returns the stored number.
    Increment,
    /// Returns the entries.
    Read,
    /// Returns the counter.
    ReadCounter,
    /// Asks for the signed-in user.
    Who,
    /// Signs in again: the next cookie replaces this one.
    Rotate,
    /// Ends the session.
    End(Ending),
    /// Asks Redis for the lifetime of the session's key.
    Key,
    /// A fault, from its beginning (`invoke`) to its repair.
    Fault(String),
}

/// The way in which a session is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Its own cookie signs out.
    SignOut,
    /// Another session of the user ends it by its handle.
    Revoke,
    /// Another session of the user signs out everywhere else.
    Everywhere,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Done.
    Done,
    /// The service found no session for this cookie; a write started a new one.
    Anonymous,
    /// A number: the counter, or a lifetime in seconds (-1: none, -2: no key).
    Number(i64),
    /// The entries, sorted.
    Entries(Vec<u32>),
    /// A status that the request should not have.
    Unexpected(u16),
}

/// An operation from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The process.
    pub process: Process,
    /// The request.
    pub call: Call,
    /// When it began.
    pub invoked: u64,
    /// When it ended; the maximum if it never did.
    pub completed: u64,
    /// How it ended. Never [`Phase::Invoke`].
    pub end: Phase,
}

impl Operation {
    /// The answer, if the session existed and the operation was done.
    #[must_use]
    pub fn answer(&self) -> Option<&Value> {
        self.end.answer()
    }

    /// The number in the answer.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self.answer()? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether the operation may have been done.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        self.end == Phase::Info || self.answer().is_some()
    }

    /// Whether this ended before that began.
    #[must_use]
    pub fn is_before(&self, that: &Self) -> bool {
        self.completed < that.invoked
    }
}

/// The operations of a history, ordered by their beginning. Operations without an end are `info`.
#[must_use]
pub fn operations(events: &[Event]) -> Vec<Operation> {
    let mut open = std::collections::BTreeMap::<Process, usize>::new();
    let mut all = Vec::<Operation>::new();
    for event in events {
        if event.phase == Phase::Invoke {
            open.insert(event.process, all.len());
            all.push(Operation {
                process: event.process,
                call: event.call.clone(),
                invoked: event.time,
                completed: u64::MAX,
                end: Phase::Info,
            });
        } else if let Some(operation) = open.remove(&event.process).and_then(|index| all.get_mut(index)) {
            operation.completed = event.time;
            operation.end = event.phase.clone();
        }
    }
    all
}

/// The recorder of the processes' operations.
#[derive(Debug)]
pub struct Recorder {
    start: Instant,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    events: Vec<Event>,
    answers: usize,
    file: BufWriter<File>,
}

impl Recorder {
    /// Starts a history that is written to a file.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let log = Log { events: Vec::new(), answers: 0, file: BufWriter::new(File::create(path)?) };
        Ok(Self { start: Instant::now(), log: Mutex::new(log) })
    }

    /// Records that an operation begins or ends now.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn note(&self, process: Process, phase: Phase, call: Call) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that the lines are ordered by time.
        let time = u64::try_from(self.start.elapsed().as_nanos()).unwrap();
        let event = Event { time, process, phase, call };
        serde_json::to_writer(&mut log.file, &event).unwrap();
        log.file.write_all(b"\n").unwrap();
        if event.process != NEMESIS && event.phase.answer().is_some() {
            log.answers += 1;
        }
        log.events.push(event);
    }

    /// The number of requests that a live session answered so far.
    #[must_use]
    pub fn answers(&self) -> usize {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).answers
    }

    /// All events so far.
    ///
    /// # Panics
    /// If the file cannot be written.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.file.flush().unwrap();
        log.events.clone()
    }
}

/// Reads a history.
///
/// # Errors
/// If the file cannot be read or is not a history.
pub fn read(path: &Path) -> io::Result<Vec<Event>> {
    BufReader::new(File::open(path)?)
        .lines()
        .map(|line| serde_json::from_str(&line?).map_err(io::Error::from))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(op: Op) -> Call {
        Call { service: "api".into(), session: 1, cookie: 1, op }
    }

    #[test]
    fn an_event_survives_its_line() {
        let ops = [Op::Begin, Op::Add(7), Op::End(Ending::Everywhere), Op::Fault("pause".into())];
        let phases = [
            Phase::Invoke,
            Phase::Ok(Value::Done),
            Phase::Ok(Value::Number(-2)),
            Phase::Ok(Value::Entries(vec![1, 2])),
            Phase::Fail,
            Phase::Info,
        ];
        for op in ops {
            for phase in &phases {
                let event = Event { time: 3, process: 2, phase: phase.clone(), call: call(op.clone()) };
                let line = serde_json::to_string(&event).unwrap();
                assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event, "{line}");
            }
        }
    }

    #[test]
    fn beginnings_and_ends_are_paired_by_process() {
        let event = |time, process, phase, op| Event { time, process, phase, call: call(op) };
        let operations = operations(&[
            event(1, 1, Phase::Invoke, Op::Increment),
            event(2, 2, Phase::Invoke, Op::Read),
            event(3, 1, Phase::Ok(Value::Number(1)), Op::Increment),
            event(4, 1, Phase::Invoke, Op::Increment),
        ]);
        let spans: Vec<_> = operations.iter().map(|o| (o.process, o.invoked, o.completed, o.number())).collect();
        assert_eq!(spans, [(1, 1, 3, Some(1)), (2, 2, u64::MAX, None), (1, 4, u64::MAX, None)]);
        assert!(operations.iter().skip(1).all(|operation| operation.end == Phase::Info));
    }
}

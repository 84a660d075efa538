//! The checkers: pure functions that find contradictions between answers.
//!
//! They use only the answers and times that clients saw. An operation that ended before another began came first;
//! overlapping ones may have happened in either order. An `info` operation may or may not have happened, so it can
//! explain other answers and is never a violation itself.

mod counter;
mod entries;
mod keys_and_statuses;
mod revocation;

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::history::{Ending, Op, Operation};

/// The name of a checker, and the checker.
pub type Checker = (&'static str, fn(&[Operation]) -> Vec<Violation>);

/// The checker for reads of data that no replica had yet: Redis returns such data, and a failover undoes it.
pub const TAKEN_BACK: &str = "reads taken back";

/// Every checker.
pub const ALL: [Checker; 11] = [
    ("lost update", entries::lost_updates),
    ("read your writes", entries::read_your_writes),
    ("entries from nowhere", entries::from_nowhere),
    ("counter exactness", counter::exactness),
    ("duplicate numbers", counter::duplicates),
    ("monotonic counter", counter::monotonic),
    (TAKEN_BACK, counter::taken_back),
    ("resurrection", revocation::resurrections),
    ("stale after rotation", revocation::stale_cookies),
    ("mistaken sign-out", revocation::mistaken_sign_outs),
    ("keys and statuses", keys_and_statuses::all),
];

/// An impossible answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The session.
    pub session: u32,
    /// The answer, and why it is impossible.
    pub what: String,
    /// The time of the answer in nanoseconds, to find it in the file.
    pub at: u64,
}

impl Violation {
    fn of(operation: &Operation, what: impl Into<String>) -> Self {
        Self { session: operation.call.session, what: what.into(), at: operation.completed }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.at / 1_000_000;
        write!(f, "session {} at {}.{:03} s: {}", self.session, millis / 1000, millis % 1000, self.what)
    }
}

/// The operations for the checkers when services cache: a read that may be outdated by `bound` counts as one that began
/// that much earlier.
#[must_use]
pub fn relaxed(operations: &[Operation], bound: Duration) -> Vec<Operation> {
    let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    let mut relaxed = operations.to_vec();
    for operation in &mut relaxed {
        if matches!(operation.call.op, Op::Read | Op::ReadCounter | Op::Who) {
            operation.invoked = operation.invoked.saturating_sub(bound);
        }
    }
    relaxed
}

/// The violations that each checker found, by its name.
#[must_use]
pub fn all(operations: &[Operation]) -> BTreeMap<&'static str, Vec<Violation>> {
    ALL.iter().map(|(name, check)| (*name, check(operations))).collect()
}

/// The number of acknowledged entries missing from the last reads of their sessions.
#[must_use]
pub fn lost_entries(operations: &[Operation]) -> usize {
    entries::lost(operations).len()
}

/// The operations of each session.
fn sessions(operations: &[Operation]) -> BTreeMap<u32, Vec<&Operation>> {
    let mut sessions = BTreeMap::<u32, Vec<&Operation>>::new();
    for operation in operations {
        if !matches!(operation.call.op, Op::Fault(_)) {
            sessions.entry(operation.call.session).or_default().push(operation);
        }
    }
    sessions
}

/// The times from which a cookie may be, or must be, refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    /// Before this time no request had asked for the end.
    possible: u64,
    /// After this time the end had been acknowledged.
    certain: u64,
}

impl End {
    const NEVER: Self = Self { possible: u64::MAX, certain: u64::MAX };

    fn note(&mut self, by: &Operation) {
        if by.may_have_happened() {
            self.possible = self.possible.min(by.invoked);
        }
        if by.answer().is_some() {
            self.certain = self.certain.min(by.completed);
        }
    }
}

/// When a session of these operations was ended; `everywhere` also counts endings that are stored only in the user row.
fn end_of_session(operations: &[&Operation], everywhere: bool) -> End {
    let mut end = End::NEVER;
    for operation in operations {
        match operation.call.op {
            Op::End(Ending::Everywhere) if !everywhere => {}
            Op::End(_) => end.note(operation),
            _ => {}
        }
    }
    end
}

/// When a cookie was replaced: by a rotation of it or of an earlier one.
fn end_of_cookie(operations: &[&Operation], cookie: u32) -> End {
    let mut end = End::NEVER;
    let rotations = operations.iter().filter(|operation| operation.call.op == Op::Rotate);
    rotations.filter(|rotation| rotation.call.cookie >= cookie).for_each(|rotation| end.note(rotation));
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Call, Phase, Value};

    /// An operation of session 1 from `invoked` to `completed`.
    pub(super) fn operation(span: (u64, u64), cookie: u32, op: Op, end: Phase) -> Operation {
        let call = Call { service: "api".into(), session: 1, cookie, op };
        Operation { process: 1, call, invoked: span.0, completed: span.1, end }
    }

    pub(super) fn done(span: (u64, u64), op: Op) -> Operation {
        operation(span, 1, op, Phase::Ok(Value::Done))
    }

    pub(super) fn unknown(span: (u64, u64), op: Op) -> Operation {
        operation(span, 1, op, Phase::Info)
    }

    pub(super) fn number(span: (u64, u64), op: Op, number: i64) -> Operation {
        operation(span, 1, op, Phase::Ok(Value::Number(number)))
    }

    pub(super) fn read(span: (u64, u64), entries: &[u32]) -> Operation {
        operation(span, 1, Op::Read, Phase::Ok(Value::Entries(entries.to_vec())))
    }

    #[test]
    fn a_quiet_history_violates_nothing() {
        let history = [
            done((0, 1), Op::Begin),
            done((2, 3), Op::Add(1)),
            number((4, 5), Op::Increment, 1),
            read((6, 7), &[1]),
            operation((8, 9), 1, Op::Rotate, Phase::Ok(Value::Done)),
            operation((10, 11), 2, Op::Add(2), Phase::Ok(Value::Done)),
            operation((10, 11), 1, Op::Add(3), Phase::Fail),
            operation((12, 13), 2, Op::End(Ending::SignOut), Phase::Ok(Value::Done)),
            operation((14, 15), 2, Op::Read, Phase::Ok(Value::Anonymous)),
            number((16, 17), Op::Key, -2),
        ];
        for (name, violations) in all(&history) {
            assert_eq!(violations, [], "{name}");
        }
    }

    #[test]
    fn a_cached_read_may_be_as_old_as_its_bound_and_no_older() {
        let bound = Duration::from_nanos(10);
        let ended = |at| vec![done((0, 3), Op::End(Ending::SignOut)), read((at, at + 1), &[])];
        assert_eq!(revocation::resurrections(&relaxed(&ended(13), bound)), []);
        assert_eq!(revocation::resurrections(&relaxed(&ended(14), bound)).len(), 1);
        let written = [done((0, 3), Op::End(Ending::SignOut)), done((5, 6), Op::Add(1))];
        assert_eq!(revocation::resurrections(&relaxed(&written, bound)).len(), 1, "a write is never old");
    }

    #[test]
    fn an_end_is_possible_once_requested_and_certain_once_acknowledged() {
        let history = [
            unknown((5, 9), Op::Rotate),
            done((20, 29), Op::End(Ending::Everywhere)),
            unknown((30, 39), Op::End(Ending::Revoke)),
            operation((35, 36), 1, Op::End(Ending::SignOut), Phase::Fail),
            done((40, 49), Op::End(Ending::SignOut)),
        ];
        let history: Vec<_> = history.iter().collect();
        assert_eq!(end_of_session(&history, false), End { possible: 30, certain: 49 });
        assert_eq!(end_of_session(&history, true), End { possible: 20, certain: 29 });
        assert_eq!(end_of_cookie(&history, 1), End { possible: 5, certain: u64::MAX });
        assert_eq!(end_of_cookie(&history, 2), End::NEVER);
    }
}

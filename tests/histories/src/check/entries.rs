//! Entries: each is added once and removed at most once, by one process.

use std::collections::{BTreeMap, BTreeSet};

use super::{Violation, end_of_cookie, end_of_session, sessions};
use crate::history::{Op, Operation, Value};

/// An acknowledged change to an entry is missing from the last look at the session.
pub(super) fn lost_updates(operations: &[Operation]) -> Vec<Violation> {
    contradictions(operations, true, "is lost: the last look at the session")
}

/// An acknowledged change to an entry is missing from a later look, at any service.
pub(super) fn read_your_writes(operations: &[Operation]) -> Vec<Violation> {
    contradictions(operations, false, "is not seen: a later look")
}

/// An entry is seen that no request has tried to add before.
pub(super) fn from_nowhere(operations: &[Operation]) -> Vec<Violation> {
    let mut found = Vec::new();
    for all in sessions(operations).values() {
        let added: BTreeMap<u32, u64> = all
            .iter()
            .filter_map(|operation| match operation.call.op {
                Op::Add(entry) if operation.may_have_happened() => Some((entry, operation.invoked)),
                _ => None,
            })
            .collect();
        for (look, entries) in looks(all) {
            for entry in entries {
                if added.get(entry).is_none_or(|at| *at > look.completed) {
                    found.push(Violation::of(look, format!("entry {entry} is there, and nobody had added it")));
                }
            }
        }
    }
    found
}

fn looks<'a>(all: &[&'a Operation]) -> impl Iterator<Item = (&'a Operation, &'a Vec<u32>)> {
    all.iter().filter_map(|operation| match operation.answer()? {
        Value::Entries(entries) => Some((*operation, entries)),
        _ => None,
    })
}

fn contradictions(operations: &[Operation], only_last: bool, why: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for all in sessions(operations).values() {
        let mut looks: Vec<_> = looks(all).collect();
        if only_last {
            looks = looks.into_iter().max_by_key(|(look, _)| look.invoked).into_iter().collect();
        }
        for change in all.iter().filter(|operation| operation.answer().is_some()) {
            for (look, entries) in looks.iter().filter(|(look, _)| change.is_before(look)) {
                let seen = |entry: &u32| entries.binary_search(entry).is_ok();
                match change.call.op {
                    Op::Add(entry) if !seen(&entry) && !may_be_removed(all, entry, look) => {
                        found.push(Violation::of(look, format!("the added entry {entry} {why} lacks it")));
                    }
                    Op::Remove(entry) if seen(&entry) && had_its_session(all, change) => {
                        found.push(Violation::of(look, format!("the removal of entry {entry} {why} has it")));
                    }
                    _ => {}
                }
            }
        }
    }
    found
}

/// Whether the removal certainly had its session: with a cookie that may have been replaced, a removal of nothing
/// succeeds.
fn had_its_session(all: &[&Operation], removal: &Operation) -> bool {
    let possible = end_of_session(all, true).possible.min(end_of_cookie(all, removal.call.cookie).possible);
    removal.completed < possible
}

fn may_be_removed(all: &[&Operation], entry: u32, look: &Operation) -> bool {
    let removals = all.iter().filter(|operation| operation.call.op == Op::Remove(entry));
    removals.filter(|removal| removal.may_have_happened()).any(|removal| removal.invoked < look.completed)
}

/// The acknowledged entries missing from the last read, for counting the losses of a failover.
pub(super) fn lost(operations: &[Operation]) -> BTreeSet<(u32, u32)> {
    let mut lost = BTreeSet::new();
    for (session, all) in sessions(operations) {
        let Some((look, entries)) = looks(&all).max_by_key(|(look, _)| look.invoked) else { continue };
        for change in all.iter().filter(|operation| operation.answer().is_some() && operation.is_before(look)) {
            if let Op::Add(entry) = change.call.op
                && entries.binary_search(&entry).is_err()
                && !may_be_removed(&all, entry, look)
            {
                lost.insert((session, entry));
            }
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{done, operation, read, unknown},
        *,
    };
    use crate::history::Phase;

    #[test]
    fn an_acknowledged_entry_that_is_missing_is_lost() {
        let history = [done((0, 1), Op::Add(1)), done((2, 3), Op::Add(2)), read((4, 5), &[2])];
        assert_eq!(lost_updates(&history).len(), 1);
        assert_eq!(read_your_writes(&history).len(), 1);
        assert_eq!(lost(&history), [(1, 1)].into());
    }

    #[test]
    fn an_entry_that_is_late_is_not_lost_but_was_not_seen() {
        let history = [done((0, 1), Op::Add(1)), read((2, 3), &[]), read((4, 5), &[1])];
        assert_eq!(lost_updates(&history), []);
        assert_eq!(read_your_writes(&history).len(), 1);
        assert!(lost(&history).is_empty());
    }

    #[test]
    fn a_read_that_overlaps_a_change_may_see_either_state() {
        for seen in [&[][..], &[1]] {
            let history = [done((0, 4), Op::Add(1)), read((3, 9), seen)];
            assert_eq!(read_your_writes(&history), []);
            let history = [done((0, 1), Op::Add(1)), done((2, 4), Op::Remove(1)), read((3, 9), seen)];
            assert_eq!(read_your_writes(&history), []);
        }
    }

    #[test]
    fn an_acknowledged_removal_that_comes_back_is_lost() {
        let history = [done((0, 1), Op::Add(1)), done((2, 3), Op::Remove(1)), read((4, 5), &[1])];
        assert_eq!(lost_updates(&history).len(), 1);
        assert_eq!(read_your_writes(&history).len(), 1);
        // Removed with a cookie that may have been replaced, which removes nothing.
        let replaced = [unknown((0, 1), Op::Rotate), history.to_vec()[1].clone(), read((4, 5), &[1])];
        assert_eq!(lost_updates(&replaced), []);
    }

    #[test]
    fn an_entry_of_unknown_outcome_may_be_seen_or_not() {
        for seen in [&[][..], &[1]] {
            let history = [unknown((0, 1), Op::Add(1)), read((2, 3), seen)];
            assert_eq!((lost_updates(&history), from_nowhere(&history)), (vec![], vec![]));
            let history = [done((0, 1), Op::Add(1)), unknown((2, 3), Op::Remove(1)), read((4, 5), seen)];
            assert_eq!(lost_updates(&history), []);
        }
    }

    #[test]
    fn a_refused_entry_must_not_be_there() {
        let history = [operation((0, 1), 1, Op::Add(1), Phase::Fail), read((2, 3), &[1])];
        assert_eq!(from_nowhere(&history).len(), 1);
        // The entry went into another session.
        let history = [operation((0, 1), 1, Op::Add(1), Phase::Ok(Value::Anonymous)), read((2, 3), &[1])];
        assert_eq!(from_nowhere(&history).len(), 1);
        assert_eq!(from_nowhere(&[read((0, 1), &[1]), done((2, 3), Op::Add(1))]).len(), 1);
    }
}

//! The counter: every acknowledged increment is counted once.

use std::collections::BTreeMap;

use super::{Violation, sessions};
use crate::history::{Op, Operation};

/// A number is smaller than the increments acknowledged before, or larger than those requested.
pub(super) fn exactness(operations: &[Operation]) -> Vec<Violation> {
    let mut found = Vec::new();
    for all in sessions(operations).values() {
        let increments = || all.iter().filter(|operation| operation.call.op == Op::Increment);
        let mut completed: Vec<_> = increments().filter(|o| o.answer().is_some()).map(|o| o.completed).collect();
        let mut invoked: Vec<_> = increments().filter(|o| o.may_have_happened()).map(|o| o.invoked).collect();
        completed.sort_unstable();
        invoked.sort_unstable();
        for (look, number) in numbers(all) {
            let own = i64::from(look.call.op == Op::Increment);
            let least = count(&completed, |at| *at < look.invoked) + own;
            let most = count(&invoked, |at| *at < look.completed);
            if number < least {
                let what = format!("the counter is {number} after {least} acknowledged increments");
                found.push(Violation::of(look, what));
            }
            if number > most {
                let what = format!("the counter is {number}, and no more than {most} increments were asked for");
                found.push(Violation::of(look, what));
            }
        }
    }
    found
}

/// Two increments were answered with the same number.
pub(super) fn duplicates(operations: &[Operation]) -> Vec<Violation> {
    let mut found = Vec::new();
    for all in sessions(operations).values() {
        let mut seen = BTreeMap::new();
        for (look, number) in numbers(all).filter(|(look, _)| look.call.op == Op::Increment) {
            if let Some(first) = seen.insert(number, look.invoked) {
                let what = format!("the number {number} was given before, to an increment begun at {first} ns");
                found.push(Violation::of(look, what));
            }
        }
    }
    found
}

/// The counter is behind an increment that was acknowledged before the look began.
pub(super) fn monotonic(operations: &[Operation]) -> Vec<Violation> {
    behind(operations, |look| look.call.op == Op::Increment)
}

/// The counter is behind a number that was read before the look began, although the increment may not have been
/// acknowledged.
pub(super) fn taken_back(operations: &[Operation]) -> Vec<Violation> {
    behind(operations, |look| look.call.op == Op::ReadCounter)
}

/// Reads below a number that was seen before, and increments that do not exceed one.
fn behind(operations: &[Operation], is_seen: impl Fn(&Operation) -> bool) -> Vec<Violation> {
    let mut found = Vec::new();
    for all in sessions(operations).values() {
        let mut ended: Vec<_> = numbers(all).filter(|(look, _)| is_seen(look)).collect();
        let mut begun: Vec<_> = numbers(all).collect();
        ended.sort_by_key(|(look, _)| look.completed);
        begun.sort_by_key(|(look, _)| look.invoked);
        let (mut ended, mut highest) = (ended.into_iter().peekable(), 0);
        for (look, number) in begun {
            while let Some((_, seen)) = ended.next_if(|(earlier, _)| earlier.completed < look.invoked) {
                highest = highest.max(seen);
            }
            if number < highest + i64::from(look.call.op == Op::Increment) {
                found.push(Violation::of(look, format!("the counter is {number} after it was {highest}")));
            }
        }
    }
    found
}

fn numbers<'a>(all: &[&'a Operation]) -> impl Iterator<Item = (&'a Operation, i64)> {
    let counted = all.iter().filter(|operation| matches!(operation.call.op, Op::Increment | Op::ReadCounter));
    counted.filter_map(|operation| Some((*operation, operation.number()?)))
}

fn count(sorted: &[u64], is_counted: impl Fn(&u64) -> bool) -> i64 {
    i64::try_from(sorted.partition_point(is_counted)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{number, operation, unknown},
        *,
    };
    use crate::history::Phase;

    #[test]
    fn an_increment_that_is_not_counted_is_missed() {
        let history =
            [number((0, 1), Op::Increment, 1), number((2, 3), Op::Increment, 2), number((4, 5), Op::ReadCounter, 1)];
        assert_eq!(exactness(&history).len(), 1);
        assert_eq!(monotonic(&history).len(), 1);
        assert_eq!((duplicates(&history), taken_back(&history)), (vec![], vec![]));
    }

    #[test]
    fn an_increment_that_is_counted_twice_is_noticed() {
        let history = [number((0, 1), Op::Increment, 2), number((2, 3), Op::ReadCounter, 2)];
        assert_eq!(exactness(&history).len(), 2);
        // An increment with an unknown outcome is counted twice.
        let history = [unknown((0, 1), Op::Increment), number((2, 3), Op::ReadCounter, 2)];
        assert_eq!(exactness(&history).len(), 1);
    }

    #[test]
    fn an_increment_of_unknown_outcome_may_count_and_a_refused_one_does_not() {
        for counted in [0, 1] {
            let history = [unknown((0, 1), Op::Increment), number((2, 3), Op::ReadCounter, counted)];
            assert_eq!(exactness(&history), []);
        }
        let history = [operation((0, 1), 1, Op::Increment, Phase::Fail), number((2, 3), Op::ReadCounter, 1)];
        assert_eq!(exactness(&history).len(), 1);
    }

    #[test]
    fn two_increments_with_one_number_are_duplicates() {
        let history = [number((0, 9), Op::Increment, 1), number((1, 8), Op::Increment, 1)];
        assert_eq!(duplicates(&history).len(), 1);
        assert_eq!(monotonic(&history), [], "they overlap");
    }

    #[test]
    fn overlapping_increments_may_be_counted_in_either_order() {
        let history = [
            number((0, 9), Op::Increment, 2),
            number((1, 8), Op::Increment, 1),
            number((5, 20), Op::ReadCounter, 0),
            number((10, 11), Op::ReadCounter, 2),
        ];
        assert_eq!((exactness(&history), monotonic(&history)), (vec![], vec![]));
    }

    #[test]
    fn an_increment_must_exceed_the_numbers_seen_before() {
        let history = [
            number((0, 1), Op::Increment, 1),
            unknown((0, 9), Op::Increment),
            number((2, 3), Op::ReadCounter, 2),
            number((4, 5), Op::Increment, 2),
        ];
        assert_eq!(taken_back(&history).len(), 1);
        assert_eq!((monotonic(&history), exactness(&history)), (vec![], vec![]), "only the read reveals it");
    }
}

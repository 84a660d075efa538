//! The figures of a run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use crate::{
    check,
    history::{Op, Operation, Phase, Value},
    plan::Plan,
};

/// How many violations of each kind are shown.
const SHOWN: usize = 5;

/// The figures of a history, and its number of violations. If failovers may lose data, losses are counted but are not
/// violations. With failovers it is never a violation that they undo data that was read but not acknowledged.
#[must_use]
pub fn report(operations: &[Operation], plan: &Plan) -> (String, usize) {
    let mut text = String::new();
    figures(&mut text, operations);
    let found = check::all(&check::relaxed(operations, plan.bound()));
    losses(&mut text, operations, &found);
    let mut total = 0;
    let _ = writeln!(text, "\n{}", if plan.may_lose() { "what losses look like" } else { "violations" });
    let is_excused = |name: &str| plan.may_lose() || name == check::TAKEN_BACK && plan.topology.replicas() > 0;
    for (name, violations) in found {
        let counted = if is_excused(name) { " (counted, no violation)" } else { "" };
        total += if is_excused(name) { 0 } else { violations.len() };
        let _ = writeln!(text, "  {name:22} {}{counted}", violations.len());
        for violation in violations.iter().take(SHOWN) {
            let _ = writeln!(text, "    {violation}");
        }
    }
    (text, total)
}

/// Acknowledged data that is lost.
fn losses(text: &mut String, operations: &[Operation], found: &BTreeMap<&str, Vec<check::Violation>>) {
    let acknowledged =
        |is: fn(&Op) -> bool| operations.iter().filter(|o| is(&o.call.op) && o.answer().is_some()).count();
    let sessions = |name: &str| {
        let violations = found.get(name).map(Vec::as_slice).unwrap_or_default();
        violations.iter().map(|violation| violation.session).collect::<BTreeSet<_>>().len()
    };
    let _ = writeln!(
        text,
        "\nlost: {} of {} acknowledged entries (in sessions that were looked at once more)\n\
         of {} sessions, {} as a whole; in {} the counter went back, in {} an end was undone, in {} a rotation",
        check::lost_entries(operations),
        acknowledged(|op| matches!(op, Op::Add(_))),
        acknowledged(|op| *op == Op::Begin),
        sessions("mistaken sign-out"),
        sessions("monotonic counter"),
        sessions("resurrection"),
        sessions("stale after rotation"),
    );
}

fn figures(text: &mut String, operations: &[Operation]) {
    let asked: Vec<_> = operations.iter().filter(|o| !matches!(o.call.op, Op::Fault(_) | Op::Key)).collect();
    let end = operations.iter().map(|o| o.invoked).max().unwrap_or(0);
    let seconds = end / 1_000_000_000;
    let rate = asked.len() as u64 / seconds.max(1);
    let sessions = asked.iter().filter(|o| o.call.op == Op::Begin && o.answer().is_some()).count();
    let _ = writeln!(text, "{} operations on {sessions} sessions in {seconds} s, {rate} a second", asked.len());

    let mut kinds = BTreeMap::<&str, [usize; 4]>::new();
    for operation in &asked {
        let column = match &operation.end {
            Phase::Ok(Value::Anonymous) => 1,
            Phase::Ok(_) => 0,
            Phase::Fail => 2,
            Phase::Info | Phase::Invoke => 3,
        };
        kinds.entry(name(&operation.call.op)).or_default()[column] += 1;
    }
    let _ = writeln!(text, "\n  {:14}{:>9}{:>11}{:>9}{:>9}", "operation", "ok", "anonymous", "refused", "unknown");
    for (kind, [ok, anonymous, refused, unknown]) in kinds {
        let _ = writeln!(text, "  {kind:14}{ok:>9}{anonymous:>11}{refused:>9}{unknown:>9}");
    }

    let mut faults = BTreeMap::<&str, usize>::new();
    for operation in operations {
        if let Op::Fault(fault) = &operation.call.op {
            *faults.entry(fault.split(['(', '{', ' ']).next().unwrap_or_default()).or_default() += 1;
        }
    }
    let all: Vec<_> = faults.iter().map(|(fault, count)| format!("{fault} {count}")).collect();
    let _ = writeln!(text, "\nfaults: {}", all.join(", "));

    let mut times: Vec<u64> = asked
        .iter()
        .filter(|operation| operation.end != Phase::Info)
        .map(|operation| (operation.completed - operation.invoked) / 1_000_000)
        .collect();
    times.sort_unstable();
    let at = |share: usize| times.get((times.len() * share / 1000).min(times.len().saturating_sub(1))).unwrap_or(&0);
    let _ = writeln!(
        text,
        "answers that are no 5xx took {} ms (median), {} ms (99 %), {} ms (99.9 %)",
        at(500),
        at(990),
        at(999)
    );
}

fn name(op: &Op) -> &'static str {
    match op {
        Op::Begin => "begin",
        Op::Mark => "mark",
        Op::Add(_) => "add",
        Op::Remove(_) => "remove",
        Op::Increment => "increment",
        Op::Read => "read",
        Op::ReadCounter => "read counter",
        Op::Who => "who",
        Op::Rotate => "rotate",
        Op::End(_) => "end",
        Op::Key => "key",
        Op::Fault(_) => "fault",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{history::Call, plan::Topology};

    fn operation(at: u64, op: Op, value: Value) -> Operation {
        let call = Call { service: "api".into(), session: 1, cookie: 1, op };
        Operation { process: 1, call, invoked: at, completed: at + 1, end: Phase::Ok(value) }
    }

    #[test]
    fn a_lost_entry_is_a_violation_unless_a_server_may_take_over_that_lacks_it() {
        let history = [operation(0, Op::Add(1), Value::Done), operation(2, Op::Read, Value::Entries(vec![]))];
        for (topology, replicas, violations) in [
            (Topology::Single, 0, 2),
            (Topology::Sentinel, 2, 2),
            (Topology::Sentinel, 1, 0),
            (Topology::Cluster, 1, 2),
            (Topology::Cluster, 0, 0),
        ] {
            let (text, total) = report(&history, &Plan { topology, replicas, ..Plan::default() });
            assert_eq!(total, violations, "{topology:?} {replicas}");
            assert!(text.contains("lost: 1 of 1 acknowledged entries"), "{text}");
        }
    }

    #[test]
    fn a_value_that_was_read_and_is_gone_is_a_violation_unless_there_are_failovers() {
        let read = |at, number| operation(at, Op::ReadCounter, Value::Number(number));
        let mut unknown = operation(0, Op::Increment, Value::Done);
        unknown.end = Phase::Info;
        let history = [unknown, read(2, 1), read(4, 0)];
        for (topology, violations) in [(Topology::Single, 1), (Topology::Sentinel, 0), (Topology::Cluster, 0)] {
            let plan = Plan { topology, replicas: topology.replicas(), ..Plan::default() };
            assert_eq!(report(&history, &plan).1, violations, "{topology:?}");
        }
    }
}

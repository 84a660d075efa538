//! What came of a run, in figures.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use crate::{
    check,
    history::{Op, Operation, Phase, Value},
};

/// How many violations of each kind are shown.
const SHOWN: usize = 5;

/// The figures of a history, and how many violations it has where a look may be `bound` old.
#[must_use]
pub fn report(operations: &[Operation], bound: Duration) -> (String, usize) {
    let mut text = String::new();
    figures(&mut text, operations);
    let mut total = 0;
    let _ = writeln!(text, "\nviolations");
    for (name, violations) in check::all(&check::relaxed(operations, bound)) {
        total += violations.len();
        let _ = writeln!(text, "  {name:22} {}", violations.len());
        for violation in violations.iter().take(SHOWN) {
            let _ = writeln!(text, "    {violation}");
        }
    }
    (text, total)
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

//! Keys that should be gone or should expire, and answers that should not occur.

use super::{Violation, end_of_session, sessions};
use crate::history::{Ending, Op, Operation, Phase, Value};

/// A session ended and left its key behind; a key has no lifetime; an answer has an impossible status.
pub(super) fn all(operations: &[Operation]) -> Vec<Violation> {
    let mut found = Vec::new();
    for all in sessions(operations).values() {
        let end = end_of_session(all, false);
        // If a cookie was replaced unnoticed, a sign-out with it ends nothing: the session lives until it expires, and
        // no cookie opens it. Signing out everywhere may leave records.
        let is_unsure = all.iter().any(|operation| match operation.call.op {
            Op::Rotate => operation.end == Phase::Info,
            Op::End(Ending::Everywhere) => operation.may_have_happened(),
            _ => false,
        });
        for operation in all {
            match (&operation.call.op, &operation.end) {
                (_, Phase::Ok(Value::Unexpected(status))) => {
                    found.push(Violation::of(operation, format!("the answer has the status {status}")));
                }
                (Op::Key, Phase::Ok(Value::Number(-1))) => {
                    found.push(Violation::of(operation, "the key of the session has no lifetime"));
                }
                (Op::Key, Phase::Ok(Value::Number(0..))) if operation.invoked > end.certain && !is_unsure => {
                    found.push(Violation::of(operation, "the session had ended, and its key is there"));
                }
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{done, number, operation, unknown},
        *,
    };

    const END: Op = Op::End(Ending::SignOut);

    #[test]
    fn keys_end_with_their_sessions_and_have_a_lifetime() {
        assert_eq!(super::all(&[number((0, 1), Op::Key, -1)]).len(), 1);
        assert_eq!(super::all(&[number((0, 1), Op::Key, 60)]), []);
        assert_eq!(super::all(&[done((0, 1), END), number((2, 3), Op::Key, 60)]).len(), 1);
        assert_eq!(super::all(&[done((0, 1), END), number((2, 3), Op::Key, -2)]), []);
        assert_eq!(super::all(&[unknown((0, 1), END), number((2, 3), Op::Key, 60)]), []);
        let unsure = [unknown((0, 1), Op::Rotate), done((2, 3), END), number((4, 5), Op::Key, 60)];
        assert_eq!(super::all(&unsure), []);
    }

    #[test]
    fn a_status_that_cannot_be_is_a_violation() {
        let answer = Phase::Ok(Value::Unexpected(500));
        assert_eq!(super::all(&[operation((0, 1), 1, Op::Read, answer)]).len(), 1);
    }
}

//! Sessions and cookies after their end, and before it.

use super::{Violation, end_of_cookie, end_of_session, sessions};
use crate::history::{Op, Operation, Phase, Value};

/// A session answers, or accepts a write, after its end was acknowledged. After a sign-out everywhere it must not sign
/// a user in; its record may remain for a while.
pub(super) fn resurrections(operations: &[Operation]) -> Vec<Violation> {
    let mut found = Vec::new();
    for all in sessions(operations).values() {
        let (by_itself, everywhere) = (end_of_session(all, false), end_of_session(all, true));
        for operation in uses(all).filter(|operation| operation.answer().is_some()) {
            let end = if operation.call.op == Op::Who { everywhere } else { by_itself };
            if operation.invoked > end.certain {
                found.push(Violation::of(operation, "the session had ended, and is there"));
            }
        }
    }
    found
}

/// A cookie is accepted after it was replaced. No service caches this, so it must be refused at once.
pub(super) fn stale_cookies(operations: &[Operation]) -> Vec<Violation> {
    let mut found = Vec::new();
    for all in sessions(operations).values() {
        for operation in uses(all).filter(|operation| operation.answer().is_some()) {
            if operation.invoked > end_of_cookie(all, operation.call.cookie).certain {
                found.push(Violation::of(operation, "the cookie had been replaced, and is accepted"));
            }
        }
    }
    found
}

/// A service reports no session, or refuses to write to it, although no request had tried to end it: it mistook an
/// outage for an end.
pub(super) fn mistaken_sign_outs(operations: &[Operation]) -> Vec<Violation> {
    let mut found = Vec::new();
    for all in sessions(operations).values() {
        let session = end_of_session(all, true);
        for operation in uses(all) {
            let denied = match &operation.end {
                Phase::Ok(Value::Anonymous) => "the service knows no session",
                Phase::Fail => "the service says that the session ended or changed hands",
                _ => continue,
            };
            let possible = session.possible.min(end_of_cookie(all, operation.call.cookie).possible);
            if operation.completed < possible {
                found.push(Violation::of(operation, format!("{denied}, and nobody had ended it")));
            }
        }
    }
    found
}

/// The operations that need a live session. This includes a rotation that ends in a new session, but not a removal,
/// because removing nothing succeeds.
fn uses<'a>(all: &[&'a Operation]) -> impl Iterator<Item = &'a Operation> {
    all.iter().copied().filter(|operation| {
        matches!(operation.call.op, Op::Add(_) | Op::Increment | Op::Read | Op::ReadCounter | Op::Who | Op::Rotate)
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{done, number, operation, read, unknown},
        *,
    };
    use crate::history::Ending;

    const END: Op = Op::End(Ending::SignOut);

    #[test]
    fn a_session_that_answers_after_its_end_is_a_resurrection() {
        let later = [
            read((4, 5), &[]),
            number((4, 5), Op::Increment, 1),
            done((4, 5), Op::Add(1)),
            done((4, 5), Op::Who),
            done((4, 5), Op::Rotate),
        ];
        for operation in later {
            assert_eq!(resurrections(&[done((0, 3), END), operation]).len(), 1);
        }
    }

    #[test]
    fn an_answer_that_overlaps_the_end_or_denies_is_no_resurrection() {
        assert_eq!(resurrections(&[done((0, 3), END), read((2, 5), &[])]), []);
        assert_eq!(resurrections(&[unknown((0, 3), END), read((4, 5), &[])]), []);
        let denied = [Phase::Fail, Phase::Info, Phase::Ok(Value::Anonymous)];
        for end in denied {
            assert_eq!(resurrections(&[done((0, 3), END), operation((4, 5), 1, Op::Add(1), end)]), []);
        }
    }

    #[test]
    fn signing_out_everywhere_ends_signed_in_sessions() {
        let everywhere = done((0, 3), Op::End(Ending::Everywhere));
        assert_eq!(resurrections(&[everywhere.clone(), done((4, 5), Op::Who)]).len(), 1);
        assert_eq!(resurrections(&[everywhere, read((4, 5), &[])]), []);
    }

    #[test]
    fn a_cookie_that_was_replaced_is_refused_at_once() {
        let history = [done((0, 3), Op::Rotate), read((4, 5), &[])];
        assert_eq!(stale_cookies(&history).len(), 1);
        let by_the_next = [done((0, 3), Op::Rotate), operation((4, 5), 2, Op::Who, Phase::Ok(Value::Done))];
        assert_eq!(stale_cookies(&by_the_next), []);
        assert_eq!(stale_cookies(&[done((0, 3), Op::Rotate), read((2, 5), &[])]), []);
        assert_eq!(stale_cookies(&[unknown((0, 3), Op::Rotate), read((4, 5), &[])]), []);
    }

    #[test]
    fn a_sign_out_that_no_user_asked_for_is_found() {
        for end in [Phase::Fail, Phase::Ok(Value::Anonymous)] {
            let denied = operation((4, 5), 1, Op::Read, end);
            assert_eq!(mistaken_sign_outs(std::slice::from_ref(&denied)).len(), 1);
            assert_eq!(mistaken_sign_outs(&[denied.clone(), done((6, 7), END)]).len(), 1, "it ended only later");
            for possible in [unknown((0, 1), END), unknown((0, 1), Op::Rotate), done((3, 9), END)] {
                assert_eq!(mistaken_sign_outs(&[possible, denied.clone()]), []);
            }
            // Another cookie was replaced.
            let earlier = operation((0, 1), 0, Op::Rotate, Phase::Ok(Value::Done));
            assert_eq!(mistaken_sign_outs(&[earlier, denied]).len(), 1);
        }
    }
}

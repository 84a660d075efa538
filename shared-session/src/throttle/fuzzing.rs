//! Properties that must hold for any bytes as a stored count, and for any cookie of a device.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, reason = "only tests use it")]

use std::time::Duration;

use super::{
    known_device,
    policy::{Attempts, Decision, Policy, decide, give_back},
};
use crate::{keys::SecretKeys, store::StoreTime};

/// A policy, the time, and the stored count of one subject.
///
/// The first eight bytes are the policy: the free attempts, the two waits and the recovery. The next four are the time,
/// counted from the last attempt, or from the beginning if the first bit is set. The rest is the stored count.
pub fn throttle_count(bytes: &[u8]) {
    let Some((&[free, a, b, c, d, e, f, g], rest)) = bytes.split_first_chunk() else { return };
    let Some((&time, stored)) = rest.split_first_chunk() else { return };
    let millis = |high, low| Duration::from_millis(u64::from(u16::from_be_bytes([high, low])));
    let recovery = millis(e, f) * u32::from(g);
    let longest = millis(a, b).max(millis(c, d)).max(Duration::from_millis(1));
    let policy = Policy::new(free.into()).with_waits(millis(a, b), millis(c, d)).with_recovery(recovery);
    let stored = Attempts::read(stored);
    let time = u32::from_be_bytes(time);
    let from = stored.filter(|_| time >> 31 == 0).map_or(0, |stored| stored.last.0);
    let now = StoreTime(from.saturating_add((time & 0x7fff_ffff).into()));
    if let Some(stored) = stored {
        assert_eq!(Attempts::read(&stored.text()), Some(stored));
    }
    let is_past = stored.is_none_or(|stored| stored.last.max(stored.since) <= now) && now.0 < u64::MAX / 2;
    match decide(policy, stored, now) {
        Decision::Wait(wait) => {
            let stored = stored.expect("the first attempt never waits");
            assert!(!wait.is_zero() && wait <= longest);
            let later = decide(policy, Some(stored), now.after(wait));
            assert!(!is_past || matches!(later, Decision::Go(..)), "the wait is not enough");
            let Decision::Wait(longer) =
                decide(policy, Some(Attempts { count: stored.count.saturating_add(1), ..stored }), now)
            else {
                panic!("one more attempt needs no wait")
            };
            assert!(longer >= wait);
        }
        Decision::Go(next, lifetime) => {
            let before = stored.map_or(0, |stored| stored.count);
            assert!(next.count >= 1 && next.count <= before.saturating_add(1));
            assert!(lifetime >= Duration::from_secs(1));
            assert_eq!(Attempts::read(&next.text()), Some(next));
            if is_past {
                let Decision::Go(fresh, _) = decide(policy, Some(next), now.after(lifetime)) else {
                    panic!("it counts longer than it is stored")
                };
                assert_eq!(fresh.count, 1);
            }
            let left = give_back(policy, next, now).map_or(0, |(left, _)| left.count);
            assert!(left < next.count && left <= before, "it is not given back");
        }
    }
    let Some(stored) = stored else { return };
    if let Some((left, lifetime)) = give_back(policy, stored, now) {
        assert!(left.count >= 1 && left.count < stored.count && lifetime >= Duration::from_secs(1));
    }
}

/// The cookie of a known device, after the name of an account and a line break: made up, and changed from a genuine one
/// by pairs of a position and a character.
pub fn device_cookie(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (account, cookie) = text.split_once('\n').unwrap_or((&text, ""));
    let keys = SecretKeys::new([7; 32]).unwrap();
    // The other keys issue nothing here: the fuzzer learns the values it is compared with, and a corpus may contain
    // genuine cookies.
    let others = SecretKeys::new([8; 32]).unwrap();
    assert!(known_device::verify(&others, account, cookie).is_none(), "a made-up cookie is accepted");
    let genuine = known_device::issue(&keys, account).unwrap();
    let known = known_device::verify(&keys, &account.to_uppercase().to_lowercase(), &genuine);
    assert!(known.is_some() || account.to_uppercase().to_lowercase() != account.to_lowercase());
    assert!(known_device::verify(&keys, account, &genuine).is_some());
    assert!(known_device::verify(&keys, &[account, "x"].concat(), &genuine).is_none());
    let mut bent = genuine.clone().into_bytes();
    for pair in cookie.as_bytes().chunks_exact(2) {
        let len = bent.len();
        bent[usize::from(pair[0]) % len] = pair[1];
    }
    let is_genuine = bent == genuine.as_bytes();
    let Ok(bent) = std::str::from_utf8(&bent) else { return };
    assert_eq!(known_device::verify(&keys, account, bent).is_some(), is_genuine);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_counts_keep_their_promises() {
        let policy = [3, 0, 10, 0, 60, 0, 100, 2];
        for stored in ["", "1 3 1000 1000", "1 9 1000 500", "1 4294967295 5 5", "1 1 18446744073709551615 0", "1 0 0 0"]
        {
            for time in [0, 1, 10, 59, 60, 200, 100_000, 1 << 31, u32::MAX] {
                throttle_count(&[&policy[..], &time.to_be_bytes(), stored.as_bytes()].concat());
            }
        }
        throttle_count(b"");
    }

    #[test]
    fn known_devices_keep_their_promises() {
        let genuine = "\nnq7cCStbgZiOEzATiBH8NQwFDSKSSVW-qdANJXRMiuXu9Lh43-Bozrsbl1hlOHfIk";
        for text in ["", "ann", "Ann\nAAAA", " \u{130}\u{df} \n\u{1}A", genuine] {
            device_cookie(text.as_bytes());
        }
    }
}

//! Lifetime and end.

use std::{
    thread::{self, sleep},
    time::{Duration, Instant},
};

use super::{Check, Seen, seen};
use crate::{
    http::Browser,
    stage::{Stage, entry_at, is_signed_in_at},
};

const IDLE: Duration = Duration::from_secs(3);
const ABSOLUTE: Duration = Duration::from_secs(6);

pub fn checks() -> Vec<Check> {
    vec![
        Check::new("idle", "L1", "A session that is not used ends, whatever cookie comes", idle),
        Check::new("reading", "L1", "A session that is only read goes on", reading),
        Check::new(
            "absolute",
            "L2",
            "There is an absolute limit besides the idle one, which use does not extend",
            absolute,
        ),
        Check::new("sign-out", "L4", "A sign-out holds at once in another process that knew the session", sign_out),
        Check::new("refused", "L4", "A sign-out that the store refuses is not acknowledged", refused),
        Check::new("late", "L5", "A write under way does not revive a session that the same process signed out", late),
        Check::new(
            "late-elsewhere",
            "L5",
            "A write under way does not revive a session that another process signed out",
            late_elsewhere,
        ),
        Check::new("password", "L6", "A new password ends the user's sessions", password),
        Check::new("list", "L7", "Users see and end their own sessions", list),
        Check::new("fresh", "L8", "A route can ask for a recent sign-in", fresh),
    ]
}

fn idle(stage: &Stage) -> Seen {
    let stage = stage.living(IDLE, None);
    let browser = stage.signed_in("ann");
    sleep(Duration::from_secs(1));
    let alive = is_signed_in_at(stage.a.port, &browser);
    // The same time again, in case the read has extended it.
    sleep(IDLE + Duration::from_millis(1_200));
    let after = is_signed_in_at(stage.a.port, &browser);
    seen(alive && !after, format!("signed in after a second: {alive}, after the idle time: {after}"))
}

fn reading(stage: &Stage) -> Seen {
    let stage = stage.living(IDLE, None);
    let mut browser = stage.signed_in("ann");
    let until = Instant::now() + IDLE + Duration::from_secs(2);
    while Instant::now() < until {
        browser.get(stage.a.port, "/read?name=a");
        sleep(Duration::from_millis(600));
    }
    let alive = is_signed_in_at(stage.a.port, &browser);
    seen(alive, format!("signed in after {} s of reading: {alive}", IDLE.as_secs() + 2))
}

fn absolute(stage: &Stage) -> Seen {
    let stage = stage.living(IDLE, Some(ABSOLUTE));
    let mut browser = stage.signed_in("ann");
    let start = Instant::now();
    let mut last = Duration::ZERO;
    while start.elapsed() < ABSOLUTE + Duration::from_millis(1_500) {
        browser.post(stage.a.port, &format!("/write?name=b&value={}", start.elapsed().as_millis()));
        if is_signed_in_at(stage.a.port, &browser) {
            last = start.elapsed();
        }
        sleep(Duration::from_millis(600));
    }
    let in_use = last > IDLE && last < ABSOLUTE + Duration::from_millis(300);
    seen(in_use, format!("signed in {:.0} s after the sign-in, used all the time", last.as_secs_f64()))
}

fn sign_out(stage: &Stage) -> Seen {
    let mut browser = stage.signed_in("ann");
    let old = browser.clone();
    let before = is_signed_in_at(stage.b.port, &old);
    let status = browser.post(stage.a.port, "/logout").status;
    let after = is_signed_in_at(stage.b.port, &old);
    seen(before && status < 300 && !after, format!("{status}; signed in there before: {before}, after: {after}"))
}

fn refused(stage: &Stage) -> Seen {
    let mut browser = stage.signed_in("ann");
    let old = browser.clone();
    stage.redis.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let answer = browser.post(stage.a.port, "/logout");
    stage.redis.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    let alive = stage.is_signed_in(&old);
    seen(!answer.is_success() || !alive, format!("{}; signed in afterwards: {alive}", answer.status))
}

/// Signs out at A during a write at a process.
fn revived(stage: &Stage, port: u16) -> Seen {
    let mut browser = stage.signed_in("ann");
    let old = browser.clone();
    assert!(is_signed_in_at(port, &old), "{}", stage.layer.name());
    let mut slow = browser.clone();
    let late = thread::spawn(move || (slow.post(port, "/write?name=late&value=1&ms=800"), slow));
    sleep(Duration::from_millis(300));
    let status = browser.post(stage.a.port, "/logout").status;
    let (late, slow) = late.join().expect("an answer");
    let keys = stage.session_keys().len();
    let signed_in: Vec<_> = [("the old cookie", &old), ("the cookie of the late answer", &slow)]
        .into_iter()
        .filter(|(_, browser)| stage.is_signed_in(browser))
        .map(|(which, _)| which)
        .collect();
    seen(
        status < 300 && signed_in.is_empty() && keys == 0,
        format!("sign-out {status}, write {}; signed in: {signed_in:?}; keys: {keys}", late.status),
    )
}

fn late(stage: &Stage) -> Seen {
    revived(stage, stage.a.port)
}

fn late_elsewhere(stage: &Stage) -> Seen {
    revived(stage, stage.b.port)
}

fn password(stage: &Stage) -> Seen {
    let browser = stage.signed_in("ann");
    Browser::default().post(stage.a.port, "/password");
    let alive = is_signed_in_at(stage.a.port, &browser);
    seen(!alive, format!("signed in afterwards: {alive}"))
}

fn list(stage: &Stage) -> Seen {
    let (mut here, there) = (stage.signed_in("ann"), stage.signed_in("ann"));
    stage.signed_in("bob");
    let listed = here.get(stage.a.port, "/sessions");
    here.post(stage.a.port, "/end-others");
    let ended = !stage.is_signed_in(&there) && stage.is_signed_in(&here);
    seen(listed.body == "2" && ended, format!("{} {:?}; the others ended: {ended}", listed.status, listed.body))
}

fn fresh(stage: &Stage) -> Seen {
    let mut browser = stage.signed_in("ann");
    let first = browser.get(stage.a.port, "/fresh").status;
    sleep(crate::services::FRESH + Duration::from_millis(300));
    let later = browser.get(stage.a.port, "/fresh").status;
    let read = entry_at(stage.a.port, &browser, "a").status;
    browser.post(stage.a.port, "/login?user=ann");
    let again = browser.get(stage.a.port, "/fresh").status;
    let holds = first == 200 && [401, 403].contains(&later) && read == 200 && again == 200;
    seen(holds, format!("{first}, later {later}, after another sign-in {again}"))
}

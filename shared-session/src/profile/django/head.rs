//! What a Django session says about itself: who is signed in, when it ends, and where it was started.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    super::{Head, Identity},
    document::Document,
};
use crate::{Client, Error, Lifetime, data::Json, lifetime::Limits, store::StoreTime};

const USER_ID: &str = "_auth_user_id";
const BACKEND: &str = "_auth_user_backend";
const AUTH_HASH: &str = "_auth_user_hash";
const EXPIRY: &str = "_session_expiry";
const DEVICE: &str = "_shared_session";

/// Entries that handlers neither see nor set. `_session_expiry` is not among them: setting it is how an application gives
/// one session a lifetime of its own.
pub(super) fn is_reserved(name: &str) -> bool {
    matches!(name, USER_ID | BACKEND | AUTH_HASH | DEVICE)
}

/// Our own entry, made when we start a session or sign a user in.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Device {
    /// When the session started, in milliseconds.
    created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
}

pub(super) fn read(document: &Document, lifetime: &Lifetime, now: StoreTime) -> Head {
    let device: Device = document.get(DEVICE).and_then(|value| value.decode().ok()).unwrap_or_default();
    Head {
        limits: limits(document.get(EXPIRY).as_ref(), StoreTime(device.created), lifetime, now),
        user: user(document),
        client: Client { address: device.address, user_agent: device.agent },
    }
}

/// The user of the three entries. Their backend is not checked: only the fleet knows its `AUTHENTICATION_BACKENDS`.
fn user(document: &Document) -> Option<Identity> {
    let id = document.get(USER_ID)?;
    // Django writes text and accepts numbers.
    let id = id.decode::<String>().ok().or_else(|| Some(id.decode::<i64>().ok()?.to_string()))?;
    let text = |name| document.get(name).and_then(|value| value.decode::<String>().ok());
    text(BACKEND)?;
    Some(Identity::new(id, text(AUTH_HASH).unwrap_or_default(), 0))
}

/// `SessionBase.get_expiry_age`: a number of seconds from the last write, a point in time, or else the default. There is
/// no absolute limit; the deadline merely bounds how long the session is kept in lists.
fn limits(expiry: Option<&Json>, created: StoreTime, lifetime: &Lifetime, now: StoreTime) -> Limits {
    let by_default = Limits {
        created,
        touched: now,
        idle: lifetime.idle(),
        deadline: now.after(lifetime.absolute().max(lifetime.idle())),
    };
    let Some(expiry) = expiry else { return by_default };
    if let Ok(seconds) = expiry.decode::<i64>() {
        return match u64::try_from(seconds) {
            // The browser's session: the cookie ends with it, the record lives for the default time.
            Ok(0) => by_default,
            Ok(seconds) => {
                let idle = Duration::from_secs(seconds);
                Limits { idle, deadline: by_default.deadline.max(now.after(idle)), ..by_default }
            }
            Err(_) => Limits { idle: Duration::ZERO, ..by_default },
        };
    }
    match expiry.decode::<String>().ok().as_deref().and_then(parse_time) {
        Some(deadline) => Limits { idle: deadline.since(now), deadline, ..by_default },
        None => by_default,
    }
}

pub(super) fn write(document: &mut Document, before: Option<&Head>, head: &Head, backend: &str) -> Result<(), Error> {
    if before.is_none_or(|before| before.user != head.user)
        && let Some(user) = &head.user
    {
        document.set(USER_ID, &Json::encode(&user.user_id)?)?;
        let is_same = before.and_then(|before| before.user.as_ref()).is_some_and(|was| was.user_id == user.user_id);
        if !is_same || document.get(BACKEND).is_none() {
            document.set(BACKEND, &Json::encode(backend)?)?;
        }
        document.set(AUTH_HASH, &Json::encode(&user.auth_hash)?)?;
    }
    // Sessions that Django made stay as Django made them.
    if before.is_none_or(|before| before.client != head.client) && head.client != Client::default() {
        let created = if head.limits.created.0 == 0 { head.limits.touched } else { head.limits.created };
        let client = head.client.clone();
        let device = Device { created: created.0, address: client.address, agent: client.user_agent };
        document.set(DEVICE, &Json::encode(&device)?)?;
    }
    Ok(())
}

/// `datetime.isoformat()`: `2026-11-22T18:00:00.123456+00:00`. Without an offset it is taken as UTC.
fn parse_time(text: &str) -> Option<StoreTime> {
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    if !matches!(text.as_bytes().get(10), Some(b'T' | b' ')) {
        return None;
    }
    let zone = rest.find(['+', '-', 'Z']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at_checked(zone)?;
    let mut date = date.splitn(3, '-').map(digits);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':').map(digits);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next().unwrap_or(Some(0))?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let millis = digits(format!("{fraction:0<3}").get(..3)?)?;
    let offset = match zone.as_bytes().first() {
        None | Some(b'Z') => 0,
        Some(sign) => {
            let mut parts = zone.get(1..)?.splitn(3, ':').map(digits);
            let seconds = parts.next()?? * 3600 + parts.next()?? * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(StoreTime(u64::try_from(seconds.checked_mul(1000)? + millis).unwrap_or(0)))
}

fn digits(text: &str) -> Option<i64> {
    let all = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    if all { text.parse().ok() } else { None }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar: years begin in March, so that the leap day is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: StoreTime = StoreTime(1_700_000_000_000);

    fn limits_of(expiry: &str) -> Limits {
        let json = Json::from_text(expiry.to_owned().into());
        limits(Some(&json), StoreTime::default(), &Lifetime::default(), NOW)
    }

    #[test]
    fn times_are_read_as_python_writes_them() {
        for (text, millis) in [
            ("1970-01-01T00:00:00+00:00", 0),
            ("2023-11-14T22:13:20+00:00", 1_700_000_000_000),
            ("2023-11-14T22:13:20.123456+00:00", 1_700_000_000_123),
            ("2023-11-14T23:43:20+01:30", 1_700_000_000_000),
            ("2023-11-14T14:13:20-08:00", 1_700_000_000_000),
            ("2023-11-14T22:13:20", 1_700_000_000_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("2000-03-01 00:00:00", 951_868_800_000),
        ] {
            assert_eq!(parse_time(text), Some(StoreTime(millis)), "{text}");
        }
        for text in [
            "",
            "2023",
            "2023-13-01T00:00:00",
            "2023-01-01T24:00:00",
            "2023-01-01T00",
            "2023-01-01X00:00:00",
            "ä023-01-01T0",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn an_expiry_is_seconds_a_time_or_the_default() {
        assert_eq!(limits_of("300").left(NOW), Some(Duration::from_secs(300)));
        assert_eq!(limits_of("0").left(NOW), Some(Lifetime::default().idle()));
        assert_eq!(limits_of("-1").left(NOW), None);
        assert_eq!(limits_of("31536000").left(NOW), Some(Duration::from_secs(31_536_000)));
        assert_eq!(limits_of(r#""2023-11-14T22:14:20+00:00""#).left(NOW), Some(Duration::from_secs(60)));
        assert_eq!(limits_of(r#""2023-11-14T22:12:20+00:00""#).left(NOW), None);
        assert_eq!(limits_of("[]").left(NOW), Some(Lifetime::default().idle()));
    }
}

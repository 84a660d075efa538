//! The metadata of a Django session: its user, its expiry, and its origin.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{TimeZone, document::Document};
use crate::{
    django::{zone, zone::Moment},
    error::{Error, ErrorKind},
    record::{
        Head, Identity,
        client::Client,
        entries::Json,
        expiry::Expiry,
        lifetime::{Lifetime, Limits},
        time::StoreTime,
    },
};

const USER_ID: &str = "_auth_user_id";
const BACKEND: &str = "_auth_user_backend";
const AUTH_HASH: &str = "_auth_user_hash";
const EXPIRY: &str = "_session_expiry";
const DEVICE: &str = "_shared_session";

/// Entries that handlers can neither see nor set.
pub(super) fn is_reserved(name: &str) -> bool {
    matches!(name, USER_ID | BACKEND | AUTH_HASH | EXPIRY | DEVICE)
}

/// Our own entry, added when we start a session or sign a user in.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Device {
    /// When the session started, in milliseconds.
    created: u64,
    /// When the user signed in with us, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed_in: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
}

/// [`ErrorKind::Config`] for a session that ends at a local time if no zone is configured.
pub(super) fn read(
    document: &Document,
    lifetime: &Lifetime,
    now: StoreTime,
    zone: Option<&TimeZone>,
) -> Result<Head, Error> {
    let device: Device = document.get(DEVICE).and_then(|value| value.decode().ok()).unwrap_or_default();
    let user = user(document);
    let lifetime = lifetime.of_django(user.is_some());
    let limits = limits(document.get(EXPIRY).as_ref(), StoreTime(device.created), &lifetime, now, zone)?;
    Ok(Head {
        limits: limits.signed_in_at(StoreTime(device.signed_in.unwrap_or_default())),
        user,
        client: Client::from_stored(device.address, device.agent),
    })
}

/// The user of the three entries. The backend is not checked: the fleet's `AUTHENTICATION_BACKENDS` are not known here.
fn user(document: &Document) -> Option<Identity> {
    let id = document.get(USER_ID)?;
    // Django writes text and accepts numbers.
    let id = id.decode::<String>().ok().or_else(|| Some(id.decode::<i64>().ok()?.to_string()))?;
    let text = |name| document.get(name).and_then(|value| value.decode::<String>().ok());
    text(BACKEND)?;
    Some(Identity::new(id, text(AUTH_HASH).unwrap_or_default(), 0))
}

/// `SessionBase.get_expiry_age`: a number of seconds from the last write, a point in time, or else the default. There
/// is no absolute limit; the deadline only bounds how long the session stays in lists.
fn limits(
    expiry: Option<&Json>,
    created: StoreTime,
    lifetime: &Lifetime,
    now: StoreTime,
    zone: Option<&TimeZone>,
) -> Result<Limits, Error> {
    let deadline = now.after(lifetime.absolute().max(lifetime.idle()));
    let by_default = Limits {
        created,
        touched: now,
        idle: lifetime.idle(),
        deadline,
        expiry: Expiry::Configured,
        absolute: deadline,
        signed_in: StoreTime::default(),
    };
    let Some(expiry) = expiry else { return Ok(by_default) };
    if let Ok(seconds) = expiry.decode::<i64>() {
        return Ok(match u64::try_from(seconds) {
            // The session ends with the browser: the cookie has no lifetime, the record lives for the default time.
            Ok(0) => Limits { expiry: Expiry::OnBrowserClose, ..by_default },
            // A negative number has passed.
            seconds => {
                let idle = Duration::from_secs(seconds.unwrap_or_default());
                let expiry = Expiry::OnInactivity(idle);
                Limits { idle, expiry, deadline: deadline.max(now.after(idle)), ..by_default }
            }
        });
    }
    match expiry.decode::<String>().map_or(Moment::Unknown, |text| zone::parse(&text, zone)) {
        Moment::At(end) => {
            Ok(Limits { idle: end.since(now), deadline: end, expiry: Expiry::At(end.into()), ..by_default })
        }
        Moment::Unknown => Ok(by_default),
        // The time could be hours off in either direction: a live session would be refused, or an ended one opened.
        Moment::Local => Err(Error::new(
            ErrorKind::Config,
            "a session ends at a local time (USE_TZ = False), but no time zone is configured",
        )),
    }
}

/// The value that `SessionBase.set_expiry` stores; `None`: it removes the entry.
fn stored(expiry: Expiry, zone: Option<&TimeZone>) -> Result<Option<Json>, Error> {
    match expiry {
        Expiry::Configured => Ok(None),
        Expiry::OnBrowserClose => Json::encode(&0).map(Some),
        Expiry::OnInactivity(idle) => Json::encode(&idle.as_secs()).map(Some),
        Expiry::At(time) => Json::encode(&zone::isoformat(time.into(), zone)).map(Some),
    }
}

pub(super) fn write(
    document: &mut Document,
    before: Option<&Head>,
    head: &Head,
    backend: &str,
    zone: Option<&TimeZone>,
) -> Result<(), Error> {
    let expiry = head.limits.expiry;
    if expiry != before.map_or(Expiry::Configured, |before| before.limits.expiry) {
        match stored(expiry, zone)? {
            Some(stored) => document.set(EXPIRY, &stored)?,
            None => document.remove(EXPIRY),
        }
    }
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
    let Limits { created, touched, signed_in, .. } = head.limits;
    let is_news = |before: &Head| before.client != head.client || before.limits.signed_in != signed_in;
    // Django's own sessions stay unchanged.
    let is_known = head.client != Client::default() || signed_in != StoreTime::default();
    if before.is_none_or(is_news) && is_known {
        let device = Device {
            created: if created == StoreTime::default() { touched.0 } else { created.0 },
            signed_in: Some(signed_in.0).filter(|at| *at != 0),
            address: head.client.stored_address(),
            agent: head.client.user_agent.clone(),
        };
        document.set(DEVICE, &Json::encode(&device)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: StoreTime = StoreTime(1_700_000_000_000);

    fn limits_in(zone: Option<&TimeZone>, expiry: &str) -> Result<Limits, Error> {
        let json = Json::from_text(expiry.to_owned().into());
        limits(Some(&json), StoreTime::default(), &Lifetime::default(), NOW, zone)
    }

    fn limits_of(expiry: &str) -> Limits {
        limits_in(None, expiry).unwrap()
    }

    #[test]
    fn an_expiry_is_read_as_it_is_stored() {
        let at = Expiry::At(StoreTime(1_700_000_060_000).into());
        for (expiry, json) in [
            (Expiry::OnBrowserClose, "0"),
            (Expiry::OnInactivity(Duration::from_secs(300)), "300"),
            (at, r#""2023-11-14T22:14:20+00:00""#),
        ] {
            assert_eq!(stored(expiry, None).unwrap().unwrap().text().unwrap(), json.as_bytes());
            assert_eq!(limits_of(json).expiry, expiry);
        }
        let new_york = TimeZone::named("America/New_York").unwrap();
        let local = r#""2023-11-14T17:14:20""#;
        assert_eq!(stored(at, Some(&new_york)).unwrap().unwrap().text().unwrap(), local.as_bytes());
        assert_eq!(limits_in(Some(&new_york), local).unwrap().expiry, at);
        assert_eq!(stored(Expiry::Configured, None).unwrap(), None);
        for none in ["[]", "null", r#""soon""#] {
            assert_eq!(limits_of(none).expiry, Expiry::Configured, "{none}");
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

    #[test]
    fn a_local_expiry_is_read_in_the_zone_of_the_site_and_refused_without_one() {
        let minute_ahead = [
            ("America/New_York", r#""2023-11-14T17:14:20""#),
            ("Asia/Shanghai", r#""2023-11-15T06:14:20""#),
            ("Europe/Berlin", r#""2023-11-14T23:14:20""#),
            ("UTC", r#""2023-11-14T22:14:20""#),
        ];
        for (name, expiry) in minute_ahead {
            let zone = TimeZone::named(name).unwrap();
            let left = limits_in(Some(&zone), expiry).unwrap().left(NOW);
            assert_eq!(left, Some(Duration::from_secs(60)), "{name}");
            assert_eq!(limits_in(None, expiry).unwrap_err().kind(), ErrorKind::Config, "{name}");
        }
    }
}

//! The cookie of Django's `CookieStorage` and `FallbackStorage`.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Message, written};
use crate::{django::signing::Signer, keys::SecretKeys};

/// The name of the cookie. Its attributes are those of the site's session cookie, without a maximum age.
pub const COOKIE: &str = "messages";

const SALT: &str = "django.contrib.messages";
/// Follows the last message if the session holds more.
const NOT_FINISHED: &str = "__messagesnotfinished__";
/// The longest value, Django's.
const MAX_LEN: usize = 2048;

/// The content of the cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CookieMessages {
    /// The oldest messages, in order.
    pub messages: Vec<Message>,
    /// Whether the session holds more messages, which [`take`](super::take) returns. If this is false, Django ignores
    /// them.
    pub more_in_session: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Item {
    Message(Message),
    NotFinished(String),
}

/// The messages in the value of the [`COOKIE`]; `None` if no key verifies it or the content is invalid: then remove the
/// cookie, as after showing the messages. No I/O.
///
/// ```
/// use shared_session::{SecretKeys, cookie::CookieConfig, django::messages::{self, COOKIE, Level, Message}};
///
/// let keys = SecretKeys::django("Django's SECRET_KEY")?;
/// let hello = [Message::new(Level::INFO, "Hello")];
/// let (value, rest) = messages::write_cookie(&keys, &hello, std::time::SystemTime::now());
/// assert!(rest.is_empty());
///
/// let shown = messages::read_cookie(&keys, &value).unwrap_or_default();
/// assert_eq!(shown.messages[0].text, "Hello");
/// let clear = CookieConfig::new(COOKIE).build()?.delete();
/// assert!(clear.starts_with("messages=;"));
/// # Ok::<(), shared_session::Error>(())
/// ```
#[must_use]
pub fn read_cookie(keys: &SecretKeys, value: &str) -> Option<CookieMessages> {
    let data = Signer::of_cookies(keys, SALT).unsign_data(value).ok()?;
    let mut items: Vec<Item> = serde_json::from_slice(&data).ok()?;
    let more_in_session = matches!(items.last(), Some(Item::NotFinished(mark)) if mark == NOT_FINISHED);
    if more_in_session {
        items.pop();
    }
    let messages = items.into_iter().map(|item| match item {
        Item::Message(message) => Some(message),
        Item::NotFinished(_) => None,
    });
    Some(CookieMessages { messages: messages.collect::<Option<_>>()?, more_in_session })
}

/// Returns the value of the [`COOKIE`] for the oldest of `messages`, as many as fit 2048 bytes, and the remaining
/// messages: [add](super::add) those to the session. The visitor can read the messages, which are not encrypted.
/// `now` dates its signature. No I/O; packs and signs the list once, or a few times if it is too long.
#[must_use]
pub fn write_cookie<'a>(keys: &SecretKeys, messages: &'a [Message], now: SystemTime) -> (String, &'a [Message]) {
    let unix_seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let value = |messages: &[Message], more: bool| {
        let items = messages.iter().cloned().map(Item::Message);
        let items: Vec<Item> = items.chain(more.then(|| Item::NotFinished(NOT_FINISHED.to_owned()))).collect();
        Signer::of_cookies(keys, SALT).sign_data(written(&items, ",").as_bytes(), unix_seconds)
    };
    let all = value(messages, false);
    if all.len() <= MAX_LEN {
        return (all, &[]);
    }
    // Search for the largest number that fits: `fitting` fit, `too_many` do not.
    let (mut fitting, mut too_many) = (0, messages.len());
    while too_many - fitting > 1 {
        let middle = fitting.midpoint(too_many);
        let fits = messages.get(..middle).is_some_and(|some| value(some, true).len() <= MAX_LEN);
        if fits { fitting = middle } else { too_many = middle }
    }
    let (stored, rest) = messages.split_at_checked(fitting).unwrap_or((messages, &[]));
    (value(stored, true), rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::django::messages::Level;

    const FIXTURE: &str = include_str!("../../../tests/fixtures/django/messages.json");
    const NOW: u64 = 1_700_000_000;

    fn now() -> SystemTime {
        UNIX_EPOCH + std::time::Duration::from_secs(NOW)
    }

    fn fixture(name: &str) -> String {
        let fixture: serde_json::Value = serde_json::from_str(FIXTURE).unwrap();
        fixture[name].as_str().unwrap().to_owned()
    }

    fn keys() -> SecretKeys {
        SecretKeys::django(fixture("secret_key")).unwrap()
    }

    fn all() -> Vec<Message> {
        super::super::decode(&fixture("session")).unwrap()
    }

    #[test]
    fn the_cookies_of_django_are_read() {
        let read = |name: &str| read_cookie(&keys(), &fixture(name)).unwrap();
        let (all, first) = (all(), all()[..1].to_vec());
        assert_eq!(read("cookie"), CookieMessages { messages: all, more_in_session: false });
        assert_eq!(read("cookie_of_first"), CookieMessages { messages: first.clone(), more_in_session: false });
        assert_eq!(read("cookie_not_finished"), CookieMessages { messages: first, more_in_session: true });
        let none = CookieMessages { messages: Vec::new(), more_in_session: true };
        assert_eq!(read("cookie_only_not_finished"), none);
    }

    #[test]
    fn a_cookie_has_the_bytes_of_django() {
        // zlib packs longer lists, and its output differs between builds.
        let all = all();
        assert_eq!(write_cookie(&keys(), &all[..1], now()).0, fixture("cookie_of_first"));
        let (value, rest) = write_cookie(&keys(), &all, now());
        assert!(rest.is_empty());
        assert_eq!(read_cookie(&keys(), &value).unwrap().messages, all);
    }

    #[test]
    fn a_cookie_holds_the_oldest_messages_that_it_has_room_for() {
        // A text that zlib cannot shorten.
        let text = |seed: u8| -> String {
            use base64::{Engine, engine::general_purpose::STANDARD};
            [1_u8, 2, 3].map(|part| STANDARD.encode(keys().sign("text", &[seed, part]))).concat()
        };
        let messages: Vec<Message> = (0..60).map(|seed| Message::new(Level::INFO, text(seed))).collect();
        let (value, rest) = write_cookie(&keys(), &messages, now());
        let read = read_cookie(&keys(), &value).unwrap();
        assert!(value.len() <= MAX_LEN && value.len() > MAX_LEN - 250, "{}", value.len());
        assert!(read.more_in_session && !rest.is_empty() && !read.messages.is_empty());
        assert_eq!([&read.messages, rest].concat(), messages);

        let huge: String = (0..100).map(text).collect();
        let huge = [Message::new(Level::INFO, huge)];
        let (value, rest) = write_cookie(&keys(), &huge, now());
        assert_eq!(value, fixture("cookie_only_not_finished"));
        assert_eq!(rest, huge);
    }

    #[test]
    fn a_cookie_that_the_keys_did_not_sign_is_refused() {
        let cookie = fixture("cookie_of_first");
        let rotated = SecretKeys::django("new").unwrap();
        assert_eq!(read_cookie(&rotated, &cookie), None);
        assert!(read_cookie(&rotated.with_fallback(fixture("secret_key")).unwrap(), &cookie).is_some());
        let other_salt = Signer::of_cookies(&keys(), "other").sign_data(b"[]", NOW);
        for bad in ["", "::", &cookie[1..], &cookie[..cookie.len() - 1], &other_salt] {
            assert_eq!(read_cookie(&keys(), bad), None, "{bad}");
        }
        for data in ["{}", "[1]", "[\"x\"]", "[\"__messagesnotfinished__\", \"x\"]", "no JSON"] {
            let signed = Signer::of_cookies(&keys(), SALT).sign_data(data.as_bytes(), NOW);
            assert_eq!(read_cookie(&keys(), &signed), None, "{data}");
        }
    }
}

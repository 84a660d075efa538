//! `django.contrib.messages`: one-time notices for the visitor, shown by the service that renders the next page.
//!
//! - With `SessionStorage` they are one entry of the session, `_messages`: [`add`] and [`take`] work on it.
//! - With `FallbackStorage`, Django's default, they are in a cookie first, and the entry holds those that do not fit.
//!   Without the cookie such a site ignores the entry: use [`read_cookie`] and [`write_cookie`].
//! - The bytes equal Django's.
//!
//! ```
//! # use shared_session::{SessionManager, store::MemoryStore};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
//! # let manager = SessionManager::new(MemoryStore::new());
//! # let session = manager.open(std::iter::empty()).load().await?;
//! use shared_session::django::messages::{self, Level, Message};
//!
//! messages::add(&session, Message::new(Level::SUCCESS, "Saved"))?;
//! let shown = messages::take(&session)?;
//! assert_eq!((shown[0].text.as_str(), shown[0].tags().as_str()), ("Saved", "success"));
//! assert!(messages::take(&session)?.is_empty());
//! # Ok(()) }
//! ```

mod cookie;

use std::{fmt, io};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, IgnoredAny, SeqAccess, Visitor},
    ser::SerializeSeq,
};

use crate::{
    engine::session::Session,
    error::{Error, ErrorKind},
};
pub use cookie::{COOKIE, CookieMessages, read_cookie, write_cookie};

/// The entry of the session that holds the messages, as JSON within a string.
const ENTRY: &str = "_messages";
const KEY: &str = "__json_message";

/// The importance of a message. A site may define its own levels in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(pub i64);

impl Level {
    /// For developers; Django drops these by default.
    pub const DEBUG: Self = Self(10);
    /// For information.
    pub const INFO: Self = Self(20);
    /// Something worked.
    pub const SUCCESS: Self = Self(25);
    /// Something may go wrong.
    pub const WARNING: Self = Self(30);
    /// Something did not work.
    pub const ERROR: Self = Self(40);

    /// Django's tag for the level, a CSS class; empty for a custom level.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::DEBUG => "debug",
            Self::INFO => "info",
            Self::SUCCESS => "success",
            Self::WARNING => "warning",
            Self::ERROR => "error",
            _ => "",
        }
    }
}

/// One message.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The importance.
    pub level: Level,
    /// The text. Escape it unless it [is safe](Self::is_safe).
    pub text: String,
    /// More CSS classes, separated by spaces.
    pub extra_tags: Option<String>,
    /// Whether the text is HTML that its author marked as safe to show.
    pub is_safe: bool,
}

impl Message {
    /// A message of plain text without extra tags.
    #[must_use]
    pub fn new(level: Level, text: impl Into<String>) -> Self {
        Self { level, text: text.into(), extra_tags: None, is_safe: false }
    }

    /// Adds CSS classes, separated by spaces. Default: none.
    #[must_use]
    pub fn with_extra_tags(mut self, extra_tags: impl Into<String>) -> Self {
        self.extra_tags = Some(extra_tags.into());
        self
    }

    /// Declares that the text is HTML, to be shown unescaped; it must not contain any input of a visitor. Default:
    /// plain text.
    #[must_use]
    pub fn marked_safe(mut self) -> Self {
        self.is_safe = true;
        self
    }

    /// The extra tags and the tag of the level, as in Django's templates.
    #[must_use]
    pub fn tags(&self) -> String {
        let tags = [self.extra_tags.as_deref().unwrap_or_default(), self.level.tag()];
        tags.into_iter().filter(|tag| !tag.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("level", &self.level).finish_non_exhaustive()
    }
}

/// Adds a message for the next page. Messages that other requests add at the same time are kept. No I/O.
///
/// # Errors
/// [`ErrorKind::Value`] if the entry holds no messages; the entry then stays unchanged. Otherwise as
/// [`Session::update`].
pub fn add(session: &Session, message: Message) -> Result<(), Error> {
    read(session)?;
    session
        .update(ENTRY, move |stored: Option<String>| match stored {
            None => Some(encode(std::slice::from_ref(&message))),
            // Another program may have stored something other than a list meanwhile; keep it.
            Some(stored) => Some(appended(&stored, &message).unwrap_or(stored)),
        })
        .map(drop)
}

/// Returns the messages without removing them. No I/O.
///
/// # Errors
/// [`ErrorKind::Value`] if the entry holds no messages. Otherwise as [`Session::get`].
pub fn read(session: &Session) -> Result<Vec<Message>, Error> {
    session.get::<String>(ENTRY)?.map_or(Ok(Vec::new()), |text| decode(&text))
}

/// Returns and removes the messages: show them now. No I/O; as with [`Session::take`], two requests may show the same
/// messages.
///
/// # Errors
/// As [`read`]; the messages are then not removed.
pub fn take(session: &Session) -> Result<Vec<Message>, Error> {
    let messages = read(session)?;
    session.take::<String>(ENTRY)?;
    Ok(messages)
}

/// The messages in the text of the [`ENTRY`]; an error if it is not a list of messages, or a text is not valid Unicode.
pub(super) fn decode(text: &str) -> Result<Vec<Message>, Error> {
    // serde's errors quote the text, so they are dropped.
    serde_json::from_str(text).map_err(|_| Error::new(ErrorKind::Value, "the session entry holds no Django messages"))
}

/// The text of the [`ENTRY`] for `messages`, byte for byte Django's.
pub(super) fn encode(messages: &[Message]) -> String {
    written(messages, ", ")
}

/// The list with one more message; the others keep their bytes. `None` if it is not a list of messages.
fn appended(list: &str, message: &Message) -> Option<String> {
    let is_empty = decode(list).ok()?.is_empty();
    let open = list.trim_end().strip_suffix(']')?;
    Some(format!("{open}{}{}]", if is_empty { "" } else { ", " }, written(message, ", ")))
}

/// JSON as written by Python's `json.dumps`: ASCII, with this separator between the items of a list.
fn written<T: Serialize + ?Sized>(value: &T, comma: &'static str) -> String {
    struct Python(&'static str);

    impl serde_json::ser::Formatter for Python {
        fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
            if first { Ok(()) } else { writer.write_all(self.0.as_bytes()) }
        }

        fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
            for character in fragment.chars() {
                if matches!(character, ' '..='~') {
                    write!(writer, "{character}")?;
                } else {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
            }
            Ok(())
        }
    }

    let mut text = Vec::new();
    let done = value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, Python(comma)));
    // Writing lists of numbers and strings to memory cannot fail, and the output is ASCII.
    debug_assert!(done.is_ok());
    String::from_utf8(text).unwrap_or_default()
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        list.serialize_element(KEY)?;
        list.serialize_element(&u8::from(self.is_safe))?;
        list.serialize_element(&self.level.0)?;
        list.serialize_element(&self.text)?;
        if let Some(extra_tags) = &self.extra_tags {
            list.serialize_element(extra_tags)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Message;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message of Django")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Message, A::Error> {
                let missing = || A::Error::custom("too short");
                if list.next_element::<String>()?.as_deref() != Some(KEY) {
                    return Err(A::Error::custom("not a message"));
                }
                let is_safe = list.next_element::<u8>()?.ok_or_else(missing)? != 0;
                let level = Level(list.next_element()?.ok_or_else(missing)?);
                let text = list.next_element()?.ok_or_else(missing)?;
                let extra_tags = list.next_element::<Option<String>>()?.flatten();
                if list.next_element::<IgnoredAny>()?.is_some() {
                    return Err(A::Error::custom("too long"));
                }
                Ok(Message { level, text, extra_tags, is_safe })
            }
        }

        deserializer.deserialize_seq(List)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::manager::SessionManager, store::MemoryStore};

    /// Made by Django 5.2.
    const FIXTURE: &str = include_str!("../../tests/fixtures/django/messages.json");

    fn fixture() -> (String, Vec<Message>) {
        let fixture: serde_json::Value = serde_json::from_str(FIXTURE).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let messages = fixture["messages"].as_array().unwrap().iter().map(|message| Message {
            level: Level(message["level"].as_i64().unwrap()),
            text: text(&message["text"]),
            extra_tags: message["extra_tags"].as_str().map(str::to_owned),
            is_safe: message["is_safe"].as_bool().unwrap(),
        });
        (text(&fixture["session"]), messages.collect())
    }

    async fn session() -> Session {
        SessionManager::new(MemoryStore::new()).open(std::iter::empty()).load().await.unwrap()
    }

    #[test]
    fn the_bytes_are_those_of_django() {
        let (text, messages) = fixture();
        assert!(messages.len() >= 6);
        assert_eq!(decode(&text).unwrap(), messages);
        assert_eq!(encode(&messages), text);
        let one_by_one = messages.iter().fold("[]".to_owned(), |list, message| appended(&list, message).unwrap());
        assert_eq!(one_by_one, text);
    }

    #[test]
    fn an_invalid_list_of_messages_is_refused_and_not_quoted() {
        for bad in [
            "",
            "null",
            "{}",
            "[1]",
            "[[]]",
            r#"[["secret", 0, 20, "x"]]"#,
            r#"[["__json_message", 0, 20]]"#,
            r#"[["__json_message", 0, "20", "secret"]]"#,
            r#"[["__json_message", 0, 20, "x", "y", "secret"]]"#,
            r#"[["__json_message", 0, 20, "\ud800"]]"#,
            r#"[["__json_message", 0, 20, "x"]] ["#,
        ] {
            let error = decode(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Value, "{bad}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
            assert_eq!(appended(bad, &Message::new(Level::INFO, "x")), None, "{bad}");
        }
    }

    #[test]
    fn messages_in_the_list_keep_their_bytes() {
        let list = "[[\"__json_message\",0,20,\"\u{e9}\", null]]\n";
        let appended = appended(list, &Message::new(Level::INFO, "x")).unwrap();
        assert_eq!(appended, format!("{}, [\"__json_message\", 0, 20, \"x\"]]", &list[..list.len() - 2]));
        assert_eq!(decode(&appended).unwrap().len(), 2);
    }

    #[test]
    fn tags_are_those_of_django() {
        assert_eq!(Message::new(Level::ERROR, "").with_extra_tags("a b").tags(), "a b error");
        assert_eq!(Message::new(Level(35), "").tags(), "");
    }

    #[tokio::test]
    async fn messages_are_taken_once_and_in_order() {
        let session = session().await;
        for text in ["one", "two"] {
            add(&session, Message::new(Level::INFO, text)).unwrap();
        }
        let texts = |messages: Vec<Message>| messages.into_iter().map(|message| message.text).collect::<Vec<_>>();
        assert_eq!(texts(read(&session).unwrap()), ["one", "two"]);
        assert_eq!(texts(take(&session).unwrap()), ["one", "two"]);
        assert!(read(&session).unwrap().is_empty());
        assert!(session.names().unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_entry_that_holds_something_else_stays() {
        for other in [serde_json::json!(["pickled"]), serde_json::json!("no JSON")] {
            let session = session().await;
            session.insert(ENTRY, &other).unwrap();
            assert_eq!(add(&session, Message::new(Level::INFO, "x")).unwrap_err().kind(), ErrorKind::Value);
            assert_eq!(take(&session).unwrap_err().kind(), ErrorKind::Value);
            assert_eq!(session.get::<serde_json::Value>(ENTRY).unwrap(), Some(other));
        }
    }

    #[tokio::test]
    async fn messages_that_two_requests_add_at_once_are_both_kept() {
        let manager = SessionManager::new(MemoryStore::new());
        let first = manager.open(std::iter::empty());
        let session = first.load().await.unwrap();
        session.insert("a", &1).unwrap();
        let crate::engine::request::commit::Close::Commit(commit) =
            manager.close(&first, crate::engine::outcome::Ending::Completed)
        else {
            panic!()
        };
        let outcome = manager.commit(commit).await;
        let cookie = outcome.set_cookie().unwrap().split(';').next().unwrap();
        let (one, two) = (manager.open([cookie.as_bytes()]), manager.open([cookie.as_bytes()]));
        let (left, right) = (one.load().await.unwrap(), two.load().await.unwrap());
        add(&left, Message::new(Level::INFO, "left")).unwrap();
        add(&right, Message::new(Level::INFO, "right")).unwrap();
        left.commit().await.unwrap();
        right.commit().await.unwrap();
        assert_eq!(read(&right).unwrap().len(), 2);
    }
}

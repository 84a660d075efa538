//! The behaviour of the server when its memory is full, and when it restarts.

use redis::Value;

use super::{
    RedisStore,
    wire::{
        connection::To,
        failure::{Effect, unexpected},
    },
};
use crate::error::Error;

/// The persistence of a server, which decides whether sessions outlive its restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Persistence {
    /// Nothing: a restart ends every session.
    Nothing,
    /// Snapshots from time to time (RDB): a crash loses the writes after the last one, including sign-outs.
    Snapshots,
    /// Every write (AOF): a crash loses about a second, with `appendfsync everysec`.
    Writes,
}

impl RedisStore {
    /// The behaviour of the server when its memory is full: the `maxmemory-policy` in `INFO memory`. Any policy except
    /// `noeviction` may drop sessions, which signs their users out: a service should warn about it at its start.
    ///
    /// One round trip. The user needs the permission for `INFO`, which sessions do not need.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if Redis cannot be reached, refuses the command, or
    /// does not report it.
    ///
    /// ```no_run
    /// use shared_session::store::RedisStore;
    ///
    /// # async fn example() -> Result<(), shared_session::Error> {
    /// let store = RedisStore::connect("redis://127.0.0.1:6379/0").await?;
    /// if store.eviction_policy().await? != "noeviction" {
    ///     eprintln!("this Redis may drop sessions");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn eviction_policy(&self) -> Result<String, Error> {
        let reply = self.send(To::Key(""), &[b"INFO", b"memory"], Effect::Read).await?;
        named(&reply, "maxmemory_policy:").ok_or_else(|| unexpected(Effect::Read))
    }

    /// The persistence of the server: `aof_enabled` in `INFO persistence`, and without that the setting `save`. A
    /// service should warn at its start if there is no persistence, because a restart of the server then signs all
    /// users out.
    ///
    /// One or two round trips. The user needs the permissions for `INFO` and `CONFIG GET`, which sessions do not need;
    /// many hosted servers refuse the second.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if Redis cannot be reached, refuses a command, or does
    /// not report it.
    ///
    /// ```no_run
    /// use shared_session::store::{Persistence, RedisStore};
    ///
    /// # async fn example() -> Result<(), shared_session::Error> {
    /// let store = RedisStore::connect("redis://127.0.0.1:6379/0").await?;
    /// if store.persistence().await? == Persistence::Nothing {
    ///     eprintln!("a restart of this Redis ends every session");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn persistence(&self) -> Result<Persistence, Error> {
        let reply = self.send(To::Key(""), &[b"INFO", b"persistence"], Effect::Read).await?;
        match named(&reply, "aof_enabled:").as_deref() {
            Some("1") => return Ok(Persistence::Writes),
            Some("0") => {}
            _ => return Err(unexpected(Effect::Read)),
        }
        let reply = self.send(To::Key(""), &[b"CONFIG", b"GET", b"save"], Effect::Read).await?;
        match setting_in(&reply) {
            Some("") => Ok(Persistence::Nothing),
            Some(_) => Ok(Persistence::Snapshots),
            None => Err(unexpected(Effect::Read)),
        }
    }
}

/// The value, a plain word, of the line of `INFO` that starts with `name`.
fn named(reply: &Value, name: &str) -> Option<String> {
    let word = text(reply)?.lines().find_map(|line| line.strip_prefix(name))?.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (!word.is_empty() && word.chars().all(is_plain)).then(|| word.to_owned())
}

/// The value in the reply to `CONFIG GET` of one setting, in either protocol.
fn setting_in(reply: &Value) -> Option<&str> {
    match reply {
        Value::Array(parts) if parts.len() == 2 => text(&parts[1]),
        Value::Map(parts) if parts.len() == 1 => text(&parts[0].1),
        _ => None,
    }
}

fn text(reply: &Value) -> Option<&str> {
    match reply {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_found_in_either_protocol() {
        let info = "# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\nmem_allocator:libc\r\n";
        let resp2 = Value::BulkString(info.into());
        let resp3 = Value::VerbatimString { format: redis::VerbatimFormat::Text, text: info.into() };
        for reply in [resp2, resp3] {
            assert_eq!(named(&reply, "maxmemory_policy:").as_deref(), Some("allkeys-lru"));
        }
    }

    #[test]
    fn other_text_is_not_taken_for_a_policy() {
        for text in ["", "maxmemory_policy:", "maxmemory_policy:a b", "x_maxmemory_policy:noeviction"] {
            assert_eq!(named(&Value::BulkString(text.into()), "maxmemory_policy:"), None, "{text}");
        }
        assert_eq!(named(&Value::Nil, "maxmemory_policy:"), None);
    }

    #[test]
    fn a_setting_is_read_in_either_protocol() {
        let word = |text: &str| Value::BulkString(text.into());
        assert_eq!(setting_in(&Value::Array(vec![word("save"), word("3600 1 300 100")])), Some("3600 1 300 100"));
        assert_eq!(setting_in(&Value::Map(vec![(word("save"), word(""))])), Some(""));
        for none in [Value::Array(vec![]), Value::Map(vec![]), Value::Nil, Value::Okay] {
            assert_eq!(setting_in(&none), None, "{none:?}");
        }
    }
}

//! What the server does when its memory is full.

use redis::Value;

use super::{
    RedisStore,
    wire::{
        connection::To,
        failure::{Effect, unexpected},
    },
};
use crate::error::Error;

const LINE: &str = "maxmemory_policy:";

impl RedisStore {
    /// What the server does when its memory is full: the `maxmemory-policy` in `INFO memory`. Anything but `noeviction`
    /// may drop sessions, which signs their users out: a service should say so when it starts.
    ///
    /// One round trip. The user needs the permission for `INFO`, which sessions do not need.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if Redis cannot be reached, refuses the command, or
    /// does not say.
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
        policy_in(&reply).ok_or_else(|| unexpected(Effect::Read))
    }
}

fn policy_in(reply: &Value) -> Option<String> {
    let text = match reply {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?,
        Value::VerbatimString { text, .. } => text,
        _ => return None,
    };
    let policy = text.lines().find_map(|line| line.strip_prefix(LINE))?.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (!policy.is_empty() && policy.chars().all(is_plain)).then(|| policy.to_owned())
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
            assert_eq!(policy_in(&reply).as_deref(), Some("allkeys-lru"));
        }
    }

    #[test]
    fn what_is_no_policy_is_not_taken_for_one() {
        for text in ["", "maxmemory_policy:", "maxmemory_policy:a b", "x_maxmemory_policy:noeviction"] {
            assert_eq!(policy_in(&Value::BulkString(text.into())), None, "{text}");
        }
        assert_eq!(policy_in(&Value::Nil), None);
    }
}

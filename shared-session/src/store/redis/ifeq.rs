//! Compare-and-set on the server: `SET … IFEQ`, since Valkey 8.1 and Redis 8.4.
//!
//! Redis' `IFDEQ` compares a hash of 64 bits instead: cheaper for large values, but two values may share one.

use std::time::Duration;

use redis::Value;

use super::wire::{
    connection::{Connection, To},
    encode::{Command, millis},
    failure::{CallFailure, Effect},
};
use crate::{
    error::Error,
    store::{Replaced, Seen},
};

/// The longest value that is compared this way. The command carries the whole old value, a script only the part that
/// changes with every write: for longer values the script is cheaper, here and on the server.
pub(crate) const MOST: usize = 8 * 1024;

/// Replaces a value if all of it is unchanged; `None` if the server lacks the command and has done nothing.
///
/// One command, and a `GET` if nothing was stored.
pub(crate) async fn replace(
    connection: &Connection,
    key: &str,
    seen: &Seen,
    value: &[u8],
    ttl: Duration,
) -> Result<Option<Replaced>, Error> {
    let deadline = connection.deadline();
    let ttl = millis(ttl);
    let set: Command<'_> = &[b"SET", key.as_bytes(), value, b"IFEQ", seen.whole(), b"PX", ttl.as_bytes()];
    match connection.send(To::Key(key), set, Effect::Write, deadline).await {
        Ok(Value::Okay) => Ok(Some(Replaced::Stored)),
        Ok(Value::Nil) => {
            // Absent or different. Nothing was written, so a failure from here on is unambiguous.
            match Box::pin(connection.get(key, deadline)).await? {
                Some(current) => Ok(Some(Replaced::Conflict(current))),
                None => Ok(Some(Replaced::Gone)),
            }
        }
        Ok(_) => Err(CallFailure::Unexpected.into_error(Effect::Write)),
        Err(CallFailure::Answered(answer)) if answer.is("ERR") => {
            tracing::debug!("this server has no native compare-and-set: using Lua");
            connection.capabilities().ifeq.refused();
            Ok(None)
        }
        Err(failure) => Err(failure.into_error(Effect::Write)),
    }
}

//! The Lua scripts: called by hash, sent in full only if the server does not have them.

use std::{sync::LazyLock, time::Duration};

use redis::Value;

use super::wire::{
    connection::{Connection, To},
    encode::millis,
    failure::{CallFailure, Effect, unexpected},
};
use crate::{
    decimal::Decimal,
    error::Error,
    store::{Replaced, Seen},
};

static REPLACE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("replace.lua")));
pub(super) static PATCH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("patch.lua")));
pub(super) static DELETE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("delete.lua")));
pub(super) static CONFIRM_ABSENT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("confirm_absent.lua")));
pub(super) static INDEX_ADD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("index_add.lua")));

/// A script that writes to one key.
pub(super) struct Script {
    source: &'static str,
    hash: String,
}

impl Script {
    fn new(source: &'static str) -> Self {
        Self { source, hash: redis::Script::new(source).get_hash().to_owned() }
    }

    /// One `EVALSHA`. After `NOSCRIPT` nothing has run, so the `EVAL` does not repeat a write. `EVAL` also loads the
    /// script into the server; `SCRIPT LOAD` would do that for one node only and until its next restart.
    pub(super) async fn call(&self, connection: &Connection, key: &str, args: &[&[u8]]) -> Result<Value, CallFailure> {
        let deadline = connection.deadline();
        let mut words: Vec<&[u8]> = Vec::with_capacity(4 + args.len());
        words.extend([b"EVALSHA", self.hash.as_bytes(), b"1", key.as_bytes()] as [&[u8]; 4]);
        words.extend(args);
        match connection.send(To::Key(key), &words, Effect::Write, deadline).await {
            Err(CallFailure::Answered(answer)) if answer.is("NOSCRIPT") => {
                words.splice(..2, [&b"EVAL"[..], self.source.as_bytes()]);
                Box::pin(connection.send(To::Key(key), &words, Effect::Write, deadline)).await
            }
            done => done,
        }
    }
}

/// Replaces a value and sends all of it.
pub(super) async fn replace_whole(
    connection: &Connection,
    key: &str,
    seen: &Seen,
    value: &[u8],
    ttl: Duration,
) -> Result<Replaced, Error> {
    let (offset, ttl) = (Decimal::of(seen.offset() as u64), millis(ttl));
    let args = [offset.as_bytes(), seen.part(), value, ttl.as_bytes()];
    replaced(REPLACE.call(connection, key, &args).await.map_err(|failure| failure.into_error(Effect::Write))?)
}

/// The result of a script that replaces a value.
pub(super) fn replaced(reply: Value) -> Result<Replaced, Error> {
    match reply {
        Value::Int(1) => Ok(Replaced::Stored),
        Value::Int(0) => Ok(Replaced::Gone),
        Value::BulkString(current) => Ok(Replaced::Conflict(current.into())),
        _ => Err(unexpected(Effect::Write)),
    }
}

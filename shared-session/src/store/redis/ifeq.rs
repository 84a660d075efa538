//! Compare-and-set by the server itself: `SET … IFEQ`, which Valkey has since 8.1 and Redis since 8.4.
//!
//! Redis' `IFDEQ` compares a hash of 64 bits instead: cheaper for large values, but two values may share one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{Cmd, Value};

use super::{
    millis,
    wire::{
        connection::{Connection, Effect, To},
        failure::CallFailure,
    },
};
use crate::{
    Error,
    store::{Replaced, Seen},
};

/// Whether the server may have it: yes until it says no, and again with every new connection, which may lead to another
/// server.
#[derive(Clone, Default)]
pub(crate) struct Native {
    refused: Arc<AtomicBool>,
}

impl Native {
    pub(crate) fn may_be_offered(&self) -> bool {
        !self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn connected(&self) {
        self.refused.store(false, Ordering::Relaxed);
    }

    fn refused(&self) {
        tracing::debug!("this server has no native compare-and-set: using Lua");
        self.refused.store(true, Ordering::Relaxed);
    }
}

/// Replaces a value that is wholly what was seen; `None` if the server knows no such command, and so has done nothing.
///
/// One command, and a `GET` when nothing was stored.
pub(crate) async fn replace(
    connection: &Connection,
    key: &str,
    seen: &Seen,
    value: &[u8],
    ttl: Duration,
) -> Result<Option<Replaced>, Error> {
    let deadline = connection.deadline();
    let size = 30 + key.len() + value.len() + seen.whole().len();
    let mut set = Cmd::with_capacity(7, size);
    set.arg("SET").arg(key).arg(value).arg("IFEQ").arg(&**seen.whole()).arg("PX").arg(millis(ttl));
    match connection.send(To::Key(key), &set, Effect::Write, deadline).await {
        Ok(Value::Okay) => Ok(Some(Replaced::Stored)),
        Ok(Value::Nil) => {
            // Absent or different. Nothing was written, so a failure from here on leaves no doubt.
            match super::get(connection, key, deadline).await? {
                Some(current) => Ok(Some(Replaced::Conflict(current))),
                None => Ok(Some(Replaced::Gone)),
            }
        }
        Ok(_) => Err(CallFailure::Unexpected.into_error(Effect::Write)),
        Err(CallFailure::Answered(answer)) if answer.is("ERR") => {
            connection.native().refused();
            Ok(None)
        }
        Err(failure) => Err(failure.into_error(Effect::Write)),
    }
}

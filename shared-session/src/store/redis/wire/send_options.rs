//! The commands that are sent together with a command, on the same connection and with nothing in between.

use std::time::Duration;

use redis::{RedisError, Value};

use super::{encode::Command, failure::CallFailure};
use crate::decimal::Decimal;

/// The number of replicas that must have a write, and how long to wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) replicas: u32,
    pub(crate) timeout: Duration,
}

/// Options for sending a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SendOptions {
    /// After `ASKING`, so that the new node of a slot in migration accepts it.
    pub(crate) asking: bool,
    /// Before `WAIT`, which counts the replicas that have all writes of this connection.
    pub(crate) wait: Option<Wait>,
}

impl SendOptions {
    /// The command without others.
    pub(crate) const PLAIN: Self = Self { asking: false, wait: None };

    /// Calls `f` with all commands to send.
    pub(crate) fn with<T>(self, command: Command<'_>, f: impl FnOnce(&[Command<'_>]) -> T) -> T {
        let Wait { replicas, timeout } = self.wait.unwrap_or(Wait { replicas: 0, timeout: Duration::ZERO });
        // Redis reads 0 as forever.
        let timeout = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).max(1);
        let (replicas, timeout) = (Decimal::of(replicas.into()), Decimal::of(timeout));
        let asking: Command<'_> = &[b"ASKING"];
        let wait: Command<'_> = &[b"WAIT", replicas.as_bytes(), timeout.as_bytes()];
        match (self.asking, self.wait) {
            (false, None) => f(&[command]),
            (true, None) => f(&[asking, command]),
            (false, Some(_)) => f(&[command, wait]),
            (true, Some(_)) => f(&[asking, command, wait]),
        }
    }

    /// The extra time for the reply, beyond that of the command alone.
    pub(crate) fn extra_time(self) -> Duration {
        self.wait.map_or(Duration::ZERO, |wait| wait.timeout)
    }

    /// The reply to the command, if enough replicas have its write.
    pub(crate) fn reply(self, replies: Result<Vec<Value>, RedisError>) -> Result<Value, CallFailure> {
        let mut replies = replies?.into_iter();
        let asked = if self.asking { replies.next() } else { None };
        let reply = match (asked, replies.next()) {
            // A refused ASKING only yields another redirect.
            (Some(Value::ServerError(error)), Some(Value::ServerError(_))) | (_, Some(Value::ServerError(error))) => {
                return Err(CallFailure::Answered((&error).into()));
            }
            (_, Some(reply)) => reply,
            (_, None) => return Err(CallFailure::Unexpected),
        };
        match (self.wait, replies.next()) {
            (None, _) => Ok(reply),
            (Some(wait), Some(Value::Int(replicas))) if replicas >= i64::from(wait.replicas) => Ok(reply),
            (Some(_), Some(Value::ServerError(error))) => Err(CallFailure::Unreplicated(Some((&error).into()))),
            (Some(_), _) => Err(CallFailure::Unreplicated(None)),
        }
    }
}

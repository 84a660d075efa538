//! The one way to read a value.

use bytes::Bytes;
use redis::Value;
use tokio::time::Instant;

use super::wire::{
    command::Command,
    connection::{Connection, To},
    failure::{Effect, unexpected},
};
use crate::error::Error;

pub(super) async fn get(connection: &Connection, key: &str, deadline: Instant) -> Result<Option<Bytes>, Error> {
    let get: Command<'_> = &[connection.get().as_bytes(), key.as_bytes()];
    match connection.send(To::Key(key), get, Effect::Read, deadline).await {
        Ok(Value::Nil) => Ok(None),
        Ok(Value::BulkString(value)) => Ok(Some(value.into())),
        Ok(_) => Err(unexpected(Effect::Read)),
        Err(failure) => Err(failure.into_error(Effect::Read)),
    }
}

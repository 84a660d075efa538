//! The closure of `Session::update`, with the type of its values.

use std::{marker::PhantomData, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    engine::{
        core::Core,
        draft::edits::{NextValue, next},
    },
    error::Error,
    record::entries::Json,
};

/// The closure of an `update`, of values of type `T`.
pub(super) struct TypedUpdate<T, F> {
    f: F,
    core: Arc<Core>,
    entry: Box<str>,
    value: PhantomData<fn() -> T>,
}

impl<T, F> TypedUpdate<T, F>
where
    T: Serialize + DeserializeOwned,
    F: Fn(Option<T>) -> Option<T>,
{
    pub(super) fn new(f: F, core: Arc<Core>, entry: &str) -> Self {
        Self { f, core, entry: entry.into(), value: PhantomData }
    }

    /// The next value, as JSON and as a `T`.
    pub(super) fn run(&self, stored: Option<&Json>) -> Result<Option<(Json, T)>, Error> {
        let next = next(&self.f, stored).map_err(|error| error.of_entry(&self.entry))?;
        // An unchanged value is in the session already, so it needs no check.
        if let Some((next, _)) = next.as_ref().filter(|(next, _)| stored != Some(next)) {
            self.core.profile.check(next).map_err(|error| error.of_entry(&self.entry))?;
        }
        Ok(next)
    }
}

impl<T, F> NextValue for TypedUpdate<T, F>
where
    T: Serialize + DeserializeOwned + 'static,
    F: Fn(Option<T>) -> Option<T> + Send + Sync,
{
    fn next(&self, stored: Option<&Json>) -> Result<Option<Json>, Error> {
        Ok(self.run(stored)?.map(|(json, _)| json))
    }
}

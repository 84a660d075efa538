//! One stored session, taken apart so that it can be edited and put together again.
#![allow(missing_docs, dead_code, clippy::all, clippy::pedantic, clippy::nursery)]
use super::pickle::Pickle;
use crate::{Error, ErrorKind, SecretKeys, data::Json};
use bytes::Bytes;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Codec(u8);
impl Codec {
    pub(crate) fn reads(self, other: Self) -> bool {
        true
    }
    pub fn pickle() -> Self {
        Self(5)
    }
    pub fn pickle_protocol(p: u8) -> Self {
        Self(p)
    }
}
#[derive(Clone)]
pub(crate) enum Layout {
    Cache(Codec),
    #[allow(dead_code)]
    Signed(SecretKeys),
}
impl Layout {
    pub(crate) fn signed(keys: SecretKeys) -> Self {
        Self::Signed(keys)
    }
    pub(crate) fn with_codec(self, codec: Codec) -> Self {
        match self {
            Self::Cache(_) => Self::Cache(codec),
            o => o,
        }
    }
    pub(crate) fn codec(&self) -> Codec {
        match self {
            Self::Cache(c) => *c,
            _ => Codec(5),
        }
    }
}
#[derive(Clone)]
pub(crate) struct Document(Pickle);
impl Document {
    pub(crate) fn new(l: &Layout) -> Self {
        Self(Pickle::new(l.codec().0))
    }
    pub(crate) fn read(_: &Layout, b: &Bytes) -> Result<Self, Error> {
        Ok(Self(Pickle::read(b)?))
    }
    pub(crate) fn entries(&self) -> Vec<(Box<str>, Json)> {
        self.0.entries().filter_map(|(n, v)| Some((n.into(), Json::from_text(v.to_json()?.into())))).collect()
    }
    pub(crate) fn get(&self, name: &str) -> Option<Json> {
        Some(Json::from_text(self.0.get(name)?.to_json()?.into()))
    }
    pub(crate) fn set(&mut self, name: &str, value: &Json) -> Result<(), Error> {
        self.0.set_json(name, std::str::from_utf8(value.text()).map_err(|_| ErrorKind::Value)?)
    }
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }
    pub(crate) fn write(&self, _: u64) -> Result<Bytes, Error> {
        self.0.to_bytes()
    }
    pub(crate) fn codec(&self) -> Codec {
        Codec(self.0.protocol())
    }
    pub(crate) fn to_cache(&self, _: Codec) -> Result<Self, Error> {
        Ok(self.clone())
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("pickle")
    }
}

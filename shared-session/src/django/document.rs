//! A Django session: its entries, in their original encoding.

use std::fmt;

use bytes::Bytes;

use super::{
    codec::{Codec, Compression, Format},
    json,
    json::Style,
    legacy,
    members::{Member, Members},
    pickle::Pickle,
    python::PyValue,
    refusal::{MAX_BYTES, Reason, Refusal},
    signing::Signer,
};
use crate::{
    error::{Error, ErrorKind},
    keys::SecretKeys,
    record::entries::Json,
};

#[cfg(feature = "django-redis")]
use super::msgpack;

/// `SessionBase.key_salt`
const SALT: &str = "django.contrib.sessions.SessionStore";

/// The encoding of the sessions of one Django fleet.
#[derive(Clone, Debug)]
pub(crate) enum Layout {
    /// The values of a cache. New ones use the codec; all variants can be read.
    Cache(Codec),
    /// `django_session.session_data`, and the values of django-redis-sessions: signed. New ones use the codec's format;
    /// signed and pre-3.1 values of both formats can be read.
    Signed(SecretKeys, Codec),
}

impl Layout {
    pub(super) fn codec(&self) -> Codec {
        match self {
            Self::Cache(codec) | Self::Signed(_, codec) => *codec,
        }
    }

    pub(super) fn with_codec(self, codec: Codec) -> Self {
        match self {
            Self::Cache(_) => Self::Cache(codec),
            Self::Signed(keys, _) => Self::Signed(keys, codec),
        }
    }
}

/// The entries of a session, to be edited and written back. Unedited entries keep their bytes.
#[derive(Clone)]
pub(crate) struct Document {
    body: Body,
    envelope: Envelope,
}

#[derive(Clone)]
enum Body {
    Pickle(Pickle),
    Json(Members),
    #[cfg(feature = "django-redis")]
    MsgPack(Members),
}

#[derive(Clone)]
enum Envelope {
    Cache(Compression),
    Signed(SecretKeys),
    /// Before Django 3.1.
    Legacy(SecretKeys),
}

impl Document {
    /// A session without entries.
    pub(crate) fn new(layout: &Layout) -> Self {
        let envelope = match layout {
            Layout::Cache(codec) => Envelope::Cache(codec.compression),
            Layout::Signed(keys, _) => Envelope::Signed(keys.clone()),
        };
        Self { body: Body::new(layout.codec().format), envelope }
    }

    /// Reads any variant of the layout. Takes linear time and, before it refuses a value, less than 16 MiB.
    pub(crate) fn read(layout: &Layout, bytes: &Bytes) -> Result<Self, Refusal> {
        if bytes.len() > MAX_BYTES {
            return Err(Refusal::TooLarge);
        }
        match layout {
            Layout::Cache(codec) => Self::read_cached(*codec, bytes),
            Layout::Signed(keys, _) => Self::read_signed(keys, bytes),
        }
    }

    fn read_cached(codec: Codec, bytes: &Bytes) -> Result<Self, Refusal> {
        if is_integer(bytes) {
            return Err(Refusal::Integer);
        }
        let (compression, body) = match Compression::of(bytes)? {
            // Too short to be compressed; compressed once it grows.
            Compression::None if bytes.len() <= codec.compression.threshold() => {
                (codec.compression, Body::read(bytes)?)
            }
            Compression::None => (Compression::None, Body::read(bytes)?),
            packed => (packed, Body::read(&packed.unpack(bytes)?.into())?),
        };
        Ok(Self { body, envelope: Envelope::Cache(compression) })
    }

    fn read_signed(keys: &SecretKeys, bytes: &Bytes) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(bytes).map_err(|_| Refusal::Unknown)?;
        // Base 64 has no colon.
        let (data, envelope) = if text.contains(':') {
            (Signer::new(keys, SALT).unsign_data(text)?, Envelope::Signed(keys.clone()))
        } else {
            (legacy::unsign(keys, text)?, Envelope::Legacy(keys.clone()))
        };
        let body = Body::read(&data.into())?;
        Ok(Self { body, envelope })
    }

    /// The entries whose key is a string, in their order.
    pub(crate) fn entries(&self) -> Vec<(Box<str>, Json)> {
        let raw = |members: &Members, value: fn(&Bytes) -> Option<Json>| {
            members.iter().filter_map(|member| Some((member.name.as_deref()?.into(), value(&member.raw)?))).collect()
        };
        match &self.body {
            Body::Pickle(pickle) => pickle.entries().map(|(name, value)| (name.into(), of_pickle(value))).collect(),
            Body::Json(members) => raw(members, of_json),
            #[cfg(feature = "django-redis")]
            Body::MsgPack(members) => raw(members, of_msgpack),
        }
    }

    /// One entry.
    pub(crate) fn get(&self, name: &str) -> Option<Json> {
        match &self.body {
            Body::Pickle(pickle) => pickle.get(name).map(of_pickle),
            Body::Json(members) => members.get(name).and_then(of_json),
            #[cfg(feature = "django-redis")]
            Body::MsgPack(members) => members.get(name).and_then(of_msgpack),
        }
    }

    /// Sets an entry: in its place, or at the end if it is new.
    ///
    /// [`ErrorKind::Value`] if a float would round a number of the value. In JSON and MessagePack a Python value is
    /// written as by `DjangoJSONEncoder`; [`ErrorKind::Value`] if that cannot write it. [`ErrorKind::TooLarge`] beyond
    /// the limits of the format.
    pub(crate) fn set(&mut self, name: &str, value: &Json) -> Result<(), Error> {
        value.check_floats()?;
        let value = value.to_python()?;
        let style = self.style();
        match &mut self.body {
            Body::Pickle(pickle) => pickle.set(name, value),
            Body::Json(members) => {
                members.add(json::member(&name.into(), &value, style).map_err(json::not_written)?);
                Ok(())
            }
            #[cfg(feature = "django-redis")]
            Body::MsgPack(members) => {
                members.add(msgpack::member(&name.into(), &value).map_err(json::not_written)?);
                Ok(())
            }
        }
    }

    /// Removes an entry.
    pub(crate) fn remove(&mut self, name: &str) {
        match &mut self.body {
            Body::Pickle(pickle) => {
                pickle.remove(name);
            }
            Body::Json(members) => members.remove(name),
            #[cfg(feature = "django-redis")]
            Body::MsgPack(members) => members.remove(name),
        }
    }

    /// The bytes, in the variant found; signed with the current key.
    ///
    /// [`ErrorKind::TooLarge`] above the read limit of 1 MiB, packed or not.
    pub(crate) fn write(&self, unix_seconds: u64) -> Result<Bytes, Error> {
        let body: Bytes = match &self.body {
            Body::Pickle(pickle) => pickle.to_bytes()?,
            Body::Json(members) => json::write_members(members, self.style()).into(),
            #[cfg(feature = "django-redis")]
            Body::MsgPack(members) => msgpack::write_members(members).into(),
        };
        // Members are checked one by one as they are set. A value that reading would refuse is never written.
        if body.len() > MAX_BYTES || Body::read(&body).is_err() {
            return Err(ErrorKind::TooLarge.into());
        }
        let bytes: Bytes = match &self.envelope {
            Envelope::Cache(compression) => compression.pack(body),
            Envelope::Signed(keys) => Signer::new(keys, SALT).sign_data(&body, unix_seconds).into(),
            Envelope::Legacy(keys) => legacy::sign(keys, &body).into(),
        };
        if bytes.len() > MAX_BYTES { Err(ErrorKind::TooLarge.into()) } else { Ok(bytes) }
    }

    /// The variant found. A signed session has no compression here, because each write chooses the shorter form.
    pub(crate) fn codec(&self) -> Codec {
        let compression = match &self.envelope {
            Envelope::Cache(compression) => *compression,
            Envelope::Signed(_) | Envelope::Legacy(_) => Compression::None,
        };
        let format = match &self.body {
            Body::Pickle(pickle) => Format::Pickle(pickle.protocol()),
            Body::Json(_) => Format::Json,
            #[cfg(feature = "django-redis")]
            Body::MsgPack(_) => Format::MsgPack,
        };
        Codec { format, compression }
    }

    /// The same entries as the value of a cache: Django's `cached_db` keeps them in both places. Pickles keep their
    /// protocol.
    pub(crate) fn to_cache(&self, codec: Codec) -> Result<Self, Error> {
        let body = match (&self.body, codec.format) {
            (Body::Pickle(pickle), Format::Pickle(_)) => Body::Pickle(pickle.clone()),
            (_, format) => Body::of(self.pairs(), format)?,
        };
        Ok(Self { body, envelope: Envelope::Cache(codec.compression) })
    }

    /// All entries as Python values.
    pub(super) fn pairs(&self) -> Vec<(PyValue, PyValue)> {
        let raw = |members: &Members, value: fn(&[u8]) -> Result<PyValue, Reason>| {
            members.iter().filter_map(|member| Some((value(&member.raw_key).ok()?, value(&member.raw).ok()?))).collect()
        };
        match &self.body {
            Body::Pickle(pickle) => pickle.to_pairs(),
            Body::Json(members) => raw(members, json::value),
            #[cfg(feature = "django-redis")]
            Body::MsgPack(members) => raw(members, msgpack::value),
        }
    }

    fn style(&self) -> Style {
        match self.envelope {
            Envelope::Cache(_) => json::SPACED,
            Envelope::Signed(_) | Envelope::Legacy(_) => json::COMPACT,
        }
    }
}

impl Body {
    fn new(format: Format) -> Self {
        match format {
            Format::Pickle(protocol) => Self::Pickle(Pickle::new(protocol)),
            Format::Json => Self::Json(Members::default()),
            #[cfg(feature = "django-redis")]
            Format::MsgPack => Self::MsgPack(Members::default()),
        }
    }

    /// Reads a dict in the format that its first byte indicates.
    fn read(bytes: &Bytes) -> Result<Self, Refusal> {
        match &bytes[..] {
            #[cfg(feature = "django-redis")]
            [0x80] | [0x81..=0x8f | 0xde | 0xdf, ..] => {
                msgpack::read_members(bytes).map(Self::MsgPack).map_err(Refusal::MsgPack)
            }
            #[cfg(not(feature = "django-redis"))]
            [0x80] | [0x81..=0x8f | 0xde | 0xdf, ..] => Err(Refusal::NeedsDjangoRedis),
            // Protocol 2 and above; protocols 0 and 1 begin with a mark or an empty dict.
            [0x80 | b'(' | b'}', ..] => Pickle::load(bytes).map(Self::Pickle).map_err(Refusal::Pickle),
            [b'{' | b' ' | b'\t' | b'\n' | b'\r', ..] => {
                json::read_members(bytes).map(Self::Json).map_err(Refusal::Json)
            }
            _ => Err(Refusal::Unknown),
        }
    }

    fn of(pairs: Vec<(PyValue, PyValue)>, format: Format) -> Result<Self, Error> {
        let members = |member: fn(&PyValue, &PyValue) -> Result<Member, Reason>| {
            let mut members = Members::default();
            for (key, value) in &pairs {
                members.add(member(key, value).map_err(json::not_written)?);
            }
            Ok(members)
        };
        match format {
            Format::Pickle(protocol) => Pickle::from_pairs(protocol, pairs).map(Self::Pickle),
            Format::Json => members(|key, value| json::member(key, value, json::SPACED)).map(Self::Json),
            #[cfg(feature = "django-redis")]
            Format::MsgPack => members(msgpack::member).map(Self::MsgPack),
        }
    }
}

/// `Debug` shows no content.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("codec", &self.codec()).finish_non_exhaustive()
    }
}

/// The inputs that Python's `int` accepts: caches try it first.
fn is_integer(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii();
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    digits.first().is_some_and(u8::is_ascii_digit) && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'_')
}

fn of_pickle(value: super::pickle::Value<'_>) -> Json {
    match value.to_json() {
        Some(text) => Json::from_text(text.into()),
        None => Json::python(value.to_python()),
    }
}

fn of_json(raw: &Bytes) -> Option<Json> {
    // It was checked when the document was read.
    match json::inexact_value(raw).ok()? {
        None => Some(Json::from_text(raw.clone())),
        Some(value) => Some(Json::python(value)),
    }
}

#[cfg(feature = "django-redis")]
fn of_msgpack(raw: &Bytes) -> Option<Json> {
    msgpack::value(raw).ok().map(Json::python)
}

#[cfg(test)]
pub(super) mod tests;

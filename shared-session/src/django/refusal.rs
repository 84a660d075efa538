//! The reasons for refusing invalid sessions, and the length limit.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// The longest value to read or write, packed or unpacked.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// The reason for refusing a value: a short code without any content.
pub(super) type Reason = &'static str;

/// The reason why bytes are not a valid session, without any of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// More than 1 MiB, packed or unpacked.
    TooLarge,
    /// Signed with another secret key, or changed after signing.
    Signature,
    /// An integer, which a cache stores as decimal text.
    Integer,
    /// No known format of a session.
    Unknown,
    /// A format of the feature `django-redis`.
    #[cfg(not(feature = "django-redis"))]
    NeedsDjangoRedis,
    Base64,
    Compression,
    Pickle(Reason),
    Json(Reason),
    #[cfg(feature = "django-redis")]
    MsgPack(Reason),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("it is too large"),
            Self::Signature => f.write_str("its signature is of another secret key"),
            Self::Integer => f.write_str("it is an integer"),
            Self::Unknown => f.write_str("its format is unknown"),
            #[cfg(not(feature = "django-redis"))]
            Self::NeedsDjangoRedis => f.write_str("its format needs the feature `django-redis`"),
            Self::Base64 => f.write_str("it is not Base64"),
            Self::Compression => f.write_str("it cannot be unpacked"),
            Self::Pickle(reason) => write!(f, "pickle refused: {reason}"),
            Self::Json(reason) => write!(f, "JSON refused: {reason}"),
            #[cfg(feature = "django-redis")]
            Self::MsgPack(reason) => write!(f, "MessagePack refused: {reason}"),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(ErrorKind::Unreadable, format!("a Django session is unreadable: {refusal}"))
    }
}

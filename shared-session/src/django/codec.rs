//! The encoding of a session.

use std::fmt;

/// The encoding of sessions that this service creates: the same as that of the fleet's Django services. Existing
/// sessions keep theirs.
///
/// | Django's cache backend | codec |
/// |---|---|
/// | `django.core.cache.backends.redis.RedisCache` | `Codec::pickle()` |
/// | django-redis by default | `Codec::pickle_protocol(4)` |
/// | … with `JSONSerializer`, `MSGPackSerializer` | `Codec::json()`, `Codec::msgpack()` |
/// | … with `ZlibCompressor` and so on | `.with_compression(Compression::Zlib)` |
///
/// ```
/// use shared_session::django::{Codec, Compression};
///
/// let codec = Codec::json().with_compression(Compression::Zlib);
/// assert_ne!(codec, Codec::pickle());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec {
    pub(super) format: Format,
    pub(super) compression: Compression,
}

/// The format of a session's dict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// In this protocol.
    Pickle(u8),
    Json,
    #[cfg(feature = "django-redis")]
    MsgPack,
}

/// The compression of a value. django-redis does not compress values of up to 15 bytes (100 with LZMA).
///
/// A value with many more blocks than these packers make is refused, as is a value that unpacks to more than 1 MiB (256
/// KiB with Zstandard and 128 KiB with LZMA, which are the slowest). Larger sessions are written without compression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// No compression: Django's own backends.
    #[default]
    None,
    /// `ZlibCompressor`
    Zlib,
    /// `GzipCompressor`
    Gzip,
    /// `LzmaCompressor`: the xz format
    #[cfg(feature = "django-redis")]
    Lzma,
    /// `Lz4Compressor`
    #[cfg(feature = "django-redis")]
    Lz4,
    /// `ZStdCompressor`
    #[cfg(feature = "django-redis")]
    Zstd,
}

impl Codec {
    /// Pickles of protocol 5, as Django's own cache backends write them.
    #[must_use]
    pub const fn pickle() -> Self {
        Self::pickle_protocol(5)
    }

    /// Pickles of another protocol: the nearest of 2 to 5. django-redis writes 4.
    #[must_use]
    pub const fn pickle_protocol(protocol: u8) -> Self {
        let protocol = match protocol {
            0..=2 => 2,
            3 => 3,
            4 => 4,
            _ => 5,
        };
        Self { format: Format::Pickle(protocol), compression: Compression::None }
    }

    /// JSON.
    #[must_use]
    pub const fn json() -> Self {
        Self { format: Format::Json, compression: Compression::None }
    }

    /// MessagePack.
    #[cfg(feature = "django-redis")]
    #[must_use]
    pub const fn msgpack() -> Self {
        Self { format: Format::MsgPack, compression: Compression::None }
    }

    /// The same format, compressed.
    #[must_use]
    pub const fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Whether programs that write this codec can also read `other`. Each pickle names its protocol, and every program
    /// reads uncompressed values.
    pub(super) fn reads(self, other: Self) -> bool {
        let same_format = match (self.format, other.format) {
            (Format::Pickle(_), Format::Pickle(_)) => true,
            (ours, theirs) => ours == theirs,
        };
        same_format && (other.compression == Compression::None || other.compression == self.compression)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.format {
            Format::Pickle(protocol) => write!(f, "pickles of protocol {protocol}")?,
            Format::Json => f.write_str("JSON")?,
            #[cfg(feature = "django-redis")]
            Format::MsgPack => f.write_str("MessagePack")?,
        }
        match self.compression {
            Compression::None => Ok(()),
            compression => write!(f, ", compressed with {compression:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_codec_also_reads_uncompressed_values() {
        let (json, zlib) = (Codec::json(), Codec::json().with_compression(Compression::Zlib));
        assert!(zlib.reads(json) && zlib.reads(zlib) && json.reads(json));
        assert!(!json.reads(zlib) && !json.reads(Codec::pickle()));
        assert!(Codec::pickle().reads(Codec::pickle_protocol(4)));
        assert_eq!(zlib.to_string(), "JSON, compressed with Zlib");
    }
}

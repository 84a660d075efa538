//! Compressed values. The first bytes identify each format, and a value unpacks to at most 1 MiB.

mod deflate;
#[cfg(feature = "django-redis")]
mod lz4;
#[cfg(feature = "django-redis")]
mod xz;
#[cfg(feature = "django-redis")]
mod zstd;

use bytes::Bytes;

use super::{
    codec::Compression,
    refusal::{MAX_BYTES, Refusal},
};
pub(super) use deflate::{unzlib, zlib};

impl Compression {
    /// The compression of a value.
    pub(super) fn of(value: &[u8]) -> Result<Self, Refusal> {
        match value {
            // RFC 1950: the two bytes are a multiple of 31, deflate with a window of 32 KiB.
            [0x78, flags, ..] if (0x7800 + u16::from(*flags)).is_multiple_of(31) => Ok(Self::Zlib),
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            #[cfg(feature = "django-redis")]
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Ok(Self::Lzma),
            #[cfg(feature = "django-redis")]
            [0x04, 0x22, 0x4d, 0x18, ..] => Ok(Self::Lz4),
            #[cfg(feature = "django-redis")]
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Self::Zstd),
            #[cfg(not(feature = "django-redis"))]
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] | [0x04, 0x22, 0x4d, 0x18, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                Err(Refusal::NeedsDjangoRedis)
            }
            _ => Ok(Self::None),
        }
    }

    /// The largest unpacked size. LZMA decodes bit by bit, and takes as long for 128 KiB as other formats for 1 MiB.
    const fn limit(self) -> usize {
        match self {
            #[cfg(feature = "django-redis")]
            Self::Lzma => 128 << 10,
            #[cfg(feature = "django-redis")]
            Self::Zstd => 256 << 10,
            _ => MAX_BYTES,
        }
    }

    /// Values of up to this length are not compressed.
    pub(super) const fn threshold(self) -> usize {
        match self {
            Self::None => usize::MAX,
            #[cfg(feature = "django-redis")]
            Self::Lzma => 100,
            _ => 15,
        }
    }

    pub(super) fn pack(self, data: Bytes) -> Bytes {
        // Never pack a value that unpacking would refuse; every reader accepts a plain value.
        if data.len() <= self.threshold() || data.len() > self.limit() {
            return data;
        }
        let packed = match self {
            Self::None => return data,
            Self::Zlib => Ok(zlib(&data)),
            Self::Gzip => deflate::gzip(&data),
            #[cfg(feature = "django-redis")]
            Self::Lzma => xz::pack(&data),
            #[cfg(feature = "django-redis")]
            Self::Lz4 => lz4::pack(&data),
            #[cfg(feature = "django-redis")]
            Self::Zstd => Ok(zstd::pack(&data)),
        };
        // Writing to memory does not fail.
        packed.map_or(data, Bytes::from)
    }

    /// The unpacked data, if no bytes follow it. Takes linear time in both lengths: data with more parts than any
    /// packer makes is refused, because each part has a cost.
    pub(super) fn unpack(self, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        match self {
            Self::None => Ok(data.to_vec()),
            Self::Zlib => unzlib(data),
            Self::Gzip => deflate::ungzip(data),
            #[cfg(feature = "django-redis")]
            Self::Lzma => xz::unpack(data),
            #[cfg(feature = "django-redis")]
            Self::Lz4 => lz4::unpack(data),
            #[cfg(feature = "django-redis")]
            Self::Zstd => zstd::unpack(data),
        }
    }
}

#[cfg(test)]
mod tests;

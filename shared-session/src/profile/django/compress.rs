//! Compressed values. Each is told by its first bytes, and unpacks to at most 1 MiB.

#[cfg(feature = "django-redis")]
use std::io;
use std::io::{Read, Write};

use bytes::Bytes;
use flate2::{
    bufread::{GzDecoder, ZlibDecoder},
    write::{GzEncoder, ZlibEncoder},
};

use super::{Compression, Refusal, document::MAX_BYTES};

/// The largest window that a decoder may ask for: zstd's level 19 and `xz -6` take 8 MiB.
#[cfg(feature = "django-redis")]
const MAX_WINDOW: u32 = 8 << 20;

impl Compression {
    /// What a value is compressed with.
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

    /// Values of up to this length stay as they are.
    pub(super) const fn threshold(self) -> usize {
        match self {
            Self::None => usize::MAX,
            #[cfg(feature = "django-redis")]
            Self::Lzma => 100,
            _ => 15,
        }
    }

    pub(super) fn pack(self, data: Bytes) -> Bytes {
        if data.len() <= self.threshold() {
            return data;
        }
        let packed = match self {
            Self::None => return data,
            Self::Zlib => Ok(zlib(&data)),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&data).and_then(|()| encoder.finish())
            }
            #[cfg(feature = "django-redis")]
            Self::Lzma => xz(&data),
            #[cfg(feature = "django-redis")]
            Self::Lz4 => {
                // As Python's module: the size is in the header.
                let info = lz4_flex::frame::FrameInfo::new().content_size(Some(data.len() as u64));
                let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
                encoder.write_all(&data).and_then(|()| encoder.finish().map_err(io::Error::other))
            }
            #[cfg(feature = "django-redis")]
            Self::Zstd => Ok(ruzstd::encoding::compress_to_vec(&data[..], ruzstd::encoding::CompressionLevel::Fastest)),
        };
        // Writing to memory does not fail; a plain value is read everywhere.
        packed.map_or(data, Bytes::from)
    }

    pub(super) fn unpack(self, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        match self {
            Self::None => Ok(data.to_vec()),
            Self::Zlib => unzlib(data),
            Self::Gzip => unpacked(GzDecoder::new(data), GzDecoder::into_inner),
            #[cfg(feature = "django-redis")]
            Self::Lzma => {
                // The decoder's own buffers take 104 KiB.
                let limit = MAX_WINDOW / 1024 + 104;
                unpacked(lzma_rust2::XzReader::new_mem_limit(data, false, limit), lzma_rust2::XzReader::into_inner)
            }
            #[cfg(feature = "django-redis")]
            Self::Lz4 => unlz4(data),
            #[cfg(feature = "django-redis")]
            Self::Zstd => unzstd(data),
        }
    }
}

/// `zlib.compress`, at its default level.
pub(super) fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing to memory does not fail.
    encoder.write_all(data).and_then(|()| encoder.finish()).unwrap_or_default()
}

pub(super) fn unzlib(data: &[u8]) -> Result<Vec<u8>, Refusal> {
    unpacked(ZlibDecoder::new(data), ZlibDecoder::into_inner)
}

#[cfg(feature = "django-redis")]
fn xz(data: &[u8]) -> io::Result<Vec<u8>> {
    // django-redis' preset.
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(4))?;
    encoder.write_all(data)?;
    encoder.finish()
}

#[cfg(feature = "django-redis")]
fn unlz4(data: &[u8]) -> Result<Vec<u8>, Refusal> {
    // The decoder takes the end of the input for the end mark: four zeros, and a check sum if the header says so.
    let checked = data.get(4).is_some_and(|flags| flags & 0b100 != 0);
    let end = data.len().saturating_sub(if checked { 4 } else { 0 });
    if !data.get(..end).is_some_and(|frame| frame.ends_with(&[0; 4])) {
        return Err(Refusal::Compression);
    }
    unpacked(lz4_flex::frame::FrameDecoder::new(data), lz4_flex::frame::FrameDecoder::into_inner)
}

#[cfg(feature = "django-redis")]
fn unzstd(data: &[u8]) -> Result<Vec<u8>, Refusal> {
    use ruzstd::decoding::StreamingDecoder;

    let decoder = StreamingDecoder::new_with_max_window_size(data, MAX_WINDOW.into());
    let mut decoder = decoder.map_err(|_| Refusal::Compression)?;
    let mut out = Vec::new();
    limited(&mut decoder, &mut out)?;
    // The decoder leaves the check to its user.
    let valid = match (decoder.decoder.get_checksum_from_data(), decoder.decoder.get_calculated_checksum()) {
        (Some(stored), Some(found)) => stored == found,
        _ => true,
    };
    if valid && decoder.into_inner().is_empty() { Ok(out) } else { Err(Refusal::Compression) }
}

/// All that `decoder` makes, if nothing of its input is left then.
fn unpacked<'a, D: Read>(mut decoder: D, rest: fn(D) -> &'a [u8]) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    limited(&mut decoder, &mut out)?;
    if rest(decoder).is_empty() { Ok(out) } else { Err(Refusal::Compression) }
}

fn limited(decoder: &mut impl Read, out: &mut Vec<u8>) -> Result<(), Refusal> {
    decoder.take(MAX_BYTES as u64 + 1).read_to_end(out).map_err(|_| Refusal::Compression)?;
    out.shrink_to_fit();
    if out.len() > MAX_BYTES { Err(Refusal::TooLarge) } else { Ok(()) }
}

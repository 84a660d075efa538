//! zlib and gzip: RFC 1950 to 1952.

use std::io::{self, Write as _};

use flate2::{
    Compression, Crc,
    write::{GzEncoder, ZlibEncoder},
};
use miniz_oxide::inflate::{
    TINFLStatus,
    core::{
        DecompressorOxide, decompress,
        inflate_flags::{
            TINFL_FLAG_COMPUTE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY,
            TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
        },
    },
};

use crate::django::refusal::{MAX_BYTES, Refusal};

/// The most blocks to read. zlib's hold 16 KiB or more, which makes 64 in 1 MiB. A decoder makes tables for each, so a
/// block without data, of ten bits, takes as long as a hundred bytes.
const MAX_BLOCKS: usize = 256;
/// The longest name and the longest comment in a head.
const MAX_TEXT: usize = 65_535;

/// `zlib.compress`, at its default level.
pub(in crate::django) fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    encoder.write_all(data).and_then(|()| encoder.finish()).unwrap_or_default()
}

pub(super) fn gzip(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data)?;
    encoder.finish()
}

pub(in crate::django) fn unzlib(data: &[u8]) -> Result<Vec<u8>, Refusal> {
    let (out, rest) = inflate(data, TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_COMPUTE_ADLER32)?;
    if rest.is_empty() { Ok(out) } else { Err(Refusal::Compression) }
}

/// One member.
pub(super) fn ungzip(data: &[u8]) -> Result<Vec<u8>, Refusal> {
    let (out, tail) = inflate(after_head(data).ok_or(Refusal::Compression)?, 0)?;
    let expected = [crc32(&out).to_le_bytes(), (out.len() as u32).to_le_bytes()];
    if tail == expected.as_flattened() { Ok(out) } else { Err(Refusal::Compression) }
}

pub(super) fn crc32(data: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(data);
    crc.sum()
}

/// The content of a stream, and the bytes after it.
fn inflate(data: &[u8], flags: u32) -> Result<(Vec<u8>, &[u8]), Refusal> {
    let flags = flags | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;
    let mut decoder = Box::new(DecompressorOxide::new());
    let mut out = vec![0; data.len().saturating_mul(4).min(MAX_BYTES)];
    let (mut rest, mut len, mut blocks) = (data, 0, 0);
    loop {
        let (status, read, written) = decompress(&mut decoder, rest, &mut out, len, flags);
        rest = rest.get(read..).unwrap_or_default();
        len += written;
        match status {
            TINFLStatus::Done => break,
            TINFLStatus::BlockBoundary if blocks < MAX_BLOCKS => blocks += 1,
            TINFLStatus::HasMoreOutput if len > MAX_BYTES => return Err(Refusal::TooLarge),
            // One byte more than allowed, to detect that there is more.
            TINFLStatus::HasMoreOutput => out.resize((2 * len).clamp(64, MAX_BYTES + 1), 0),
            _ => return Err(Refusal::Compression),
        }
    }
    out.truncate(len);
    out.shrink_to_fit();
    if len > MAX_BYTES { Err(Refusal::TooLarge) } else { Ok((out, rest)) }
}

/// The bytes after the head of a member.
fn after_head(data: &[u8]) -> Option<&[u8]> {
    const HEAD_CRC: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    let ([0x1f, 0x8b, 8, flags @ ..0x20, ..], mut rest) = data.split_first_chunk::<10>()? else { return None };
    if flags & EXTRA != 0 {
        let (len, after) = rest.split_first_chunk()?;
        rest = after.get(u16::from_le_bytes(*len).into()..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().take(MAX_TEXT + 1).position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & HEAD_CRC != 0 {
        let (head, (stored, after)) = (data.get(..data.len() - rest.len())?, rest.split_first_chunk()?);
        if crc32(head) as u16 != u16::from_le_bytes(*stored) {
            return None;
        }
        rest = after;
    }
    Some(rest)
}

//! LZ4 frames.

use std::io::{self, Read as _, Write as _};

use lz4_flex::frame::{FrameDecoder, FrameEncoder, FrameInfo};

use crate::django::refusal::{MAX_BYTES, Refusal};

/// The most blocks to read. All but the last hold 64 KiB or more, which makes 16 in 1 MiB.
const MAX_BLOCKS: usize = 256;

pub(super) fn pack(data: &[u8]) -> io::Result<Vec<u8>> {
    // As Python's module: the size is in the header.
    let info = FrameInfo::new().content_size(Some(data.len() as u64));
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(data)?;
    encoder.finish().map_err(io::Error::other)
}

pub(super) fn unpack(data: &[u8]) -> Result<Vec<u8>, Refusal> {
    // The decoder treats the end of the input as the end of the frame.
    if blocks(data).is_none_or(|count| count > MAX_BLOCKS) {
        return Err(Refusal::Compression);
    }
    let mut decoder = FrameDecoder::new(data);
    let mut out = Vec::new();
    decoder.by_ref().take(MAX_BYTES as u64 + 1).read_to_end(&mut out).map_err(|_| Refusal::Compression)?;
    out.shrink_to_fit();
    match () {
        () if out.len() > MAX_BYTES => Err(Refusal::TooLarge),
        () if decoder.into_inner().is_empty() => Ok(out),
        () => Err(Refusal::Compression),
    }
}

/// The number of blocks, if the data ends with the frame. Each size leads to the next block.
fn blocks(data: &[u8]) -> Option<usize> {
    const DICTIONARY: u8 = 1;
    const CHECKED: u8 = 1 << 2;
    const SIZED: u8 = 1 << 3;
    const BLOCKS_CHECKED: u8 = 1 << 4;
    let flags = *data.get(4)?;
    let has = |flag: u8, len: usize| if flags & flag != 0 { len } else { 0 };
    let mut rest = data.get(7 + has(SIZED, 8) + has(DICTIONARY, 4)..)?;
    for count in 0.. {
        let (size, after) = rest.split_first_chunk()?;
        // The highest bit: not compressed.
        match u32::from_le_bytes(*size) {
            0 => return (after.len() == has(CHECKED, 4)).then_some(count),
            size => rest = after.get((size & 0x7fff_ffff) as usize + has(BLOCKS_CHECKED, 4)..)?,
        }
    }
    None
}

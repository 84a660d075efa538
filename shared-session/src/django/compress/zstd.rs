//! Zstandard: RFC 8878.

use std::io::Read as _;

use ruzstd::{
    decoding::{BlockDecodingStrategy, FrameDecoder},
    encoding::{CompressionLevel, compress_to_vec},
};

use crate::django::{codec::Compression, refusal::Refusal};

/// The most blocks to read. The C library makes at most about 200 from 1 MiB, and each may have tables.
const MAX_BLOCKS: usize = 512;
/// Window descriptors: 8 MiB, as in level 19, and the largest unpacked size.
const MAX_WINDOW: u8 = 0x68;
const WHOLE: u8 = 0x40;
const LIMIT: usize = Compression::Zstd.limit();

pub(super) fn pack(data: &[u8]) -> Vec<u8> {
    compress_to_vec(data, CompressionLevel::Fastest)
}

/// One frame.
pub(super) fn unpack(data: &[u8]) -> Result<Vec<u8>, Refusal> {
    const SINGLE_SEGMENT: u8 = 1 << 5;
    let (head, mut rest) = data.split_first_chunk::<6>().ok_or(Refusal::Compression)?;
    let mut head = *head;
    let mut window = None;
    if head[4] & SINGLE_SEGMENT == 0 {
        if head[5] > MAX_WINDOW {
            return Err(Refusal::Compression);
        }
        // A larger window than the data works like one of the data's size.
        head[5] = head[5].min(WHOLE);
        let base = 1024 << (head[5] >> 3);
        window = Some(base + base / 8 * usize::from(head[5] & 7));
    }
    let mut source = (&head[..]).chain(&mut rest);
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(LIMIT as u64);
    decoder.init(&mut source).map_err(|_| Refusal::Compression)?;
    let window = window.unwrap_or(decoder.content_size() as usize);
    while !decoder.is_finished() {
        // The decoder retains one window.
        if decoder.can_collect() > LIMIT.saturating_sub(window) {
            return Err(Refusal::TooLarge);
        }
        if decoder.blocks_decoded() >= MAX_BLOCKS {
            return Err(Refusal::Compression);
        }
        let block = decoder.decode_blocks(&mut source, BlockDecodingStrategy::UptoBlocks(1));
        block.map_err(|_| Refusal::Compression)?;
    }
    let out = decoder.collect().unwrap_or_default();
    // The decoder leaves the check to its caller.
    let valid = match (decoder.get_checksum_from_data(), decoder.get_calculated_checksum()) {
        (Some(stored), Some(found)) => stored == found,
        _ => true,
    };
    match () {
        () if out.len() > LIMIT => Err(Refusal::TooLarge),
        () if valid && rest.is_empty() => Ok(out),
        () => Err(Refusal::Compression),
    }
}

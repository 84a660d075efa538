//! LZ4 frames.

use std::io::Write as _;

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::MIB;

pub(super) fn all(body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (size, name, len) in [(BlockSize::Max64KB, "64 KiB", 64 << 10), (BlockSize::Max4MB, "4 MiB", MIB)] {
        for mode in [BlockMode::Independent, BlockMode::Linked] {
            let info = || FrameInfo::new().block_size(size).block_mode(mode);
            let named = |what: &str| format!("{what}, {name}, {mode:?}, lz4");
            all.push((named("all"), frame(info(), body, MIB)));
            all.push((named("blocks of a byte"), frame(info(), body, 1)));
            let checked = info().block_checksums(true).content_checksum(true);
            all.push((named("blocks of a byte, checked"), frame(checked, body, 1)));
            let head = frame(info(), b"", 1);
            // A literal, and a match of 4 that overlaps; five literals end a block.
            let matches = [&[0x10, b'a', 1, 0][..], &[0, 1, 0].repeat(len / 4 - 4), &[0x50], b"aaaaa"].concat();
            all.push((named("short matches"), blocks(&head, &matches, MIB / len)));
            all.push((
                named("blocks of a match"),
                blocks(&head, &[0x10, b'a', 1, 0, 0x50, 97, 97, 97, 97, 97], 65_536),
            ));
            all.push((named("blocks of no data"), blocks(&head, &[0], 262_144)));
        }
    }
    all
}

fn frame(info: FrameInfo, body: &[u8], len: usize) -> Vec<u8> {
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    for part in body.chunks(len) {
        encoder.write_all(part).unwrap();
        if encoder.get_ref().len() > MIB - 64 {
            break;
        }
        encoder.flush().unwrap();
    }
    encoder.finish().unwrap()
}

/// A compressed block `count` times, after the header of an empty frame.
fn blocks(empty: &[u8], block: &[u8], count: usize) -> Vec<u8> {
    let one = [&(block.len() as u32).to_le_bytes()[..], block].concat();
    let count = count.min((MIB - 64) / one.len());
    [&empty[..7], &one.repeat(count), &[0; 4]].concat()
}

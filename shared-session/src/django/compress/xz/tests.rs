#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use crate::django::document::tests::unhex;

const DATA: &[u8] = br#"{"cart": [1, 2, 3], "cart again": [1, 2, 3]}"#;

/// `lzma.compress` of Python, with each check.
const NONE: &str = "\
    fd377a585a000000ff12d9410200210116000000742fe5a3e0002b00245d003d8888665463955312ef80241cda1cb98325058e210cc8e0847831\
    85a9461ffff9180000000001382c3365c10506729e7a010000000000595a";
const CRC32: &str = "\
    fd377a585a0000016922de360200210116000000742fe5a3e0002b00245d003d8888665463955312ef80241cda1cb98325058e210cc8e0847831\
    85a9461ffff918000000c89368c300013c2c37a0ad619042990d010000000001595a";
const CRC64_: &str = "\
    fd377a585a000004e6d6b4460200210116000000742fe5a3e0002b00245d003d8888665463955312ef80241cda1cb98325058e210cc8e0847831\
    85a9461ffff918000000a8afa758f8fcd5ee0001402ccd9627e21fb6f37d010000000004595a";
const SHA256: &str = "\
    fd377a585a00000ae1fb0ca10200210116000000742fe5a3e0002b00245d003d8888665463955312ef80241cda1cb98325058e210cc8e0847831\
    85a9461ffff918000000637328391e2317b2a1e7d8f3b84167f6c15b6bfef39ea7de594d0b4fd77880830001582c940e3c60189b4b9a01000000\
    000a595a";
/// `xz --block-size=16 -T2`: three blocks, with their sizes in their heads.
const BLOCKS: &str = "\
    fd377a585a000004e6d6b44602c01410210116002b87691601000f7b2263617274223a205b312c20322c200099939cac30fc899002c014102101\
    16002b87691601000f335d2c20226361727420616761696e2200f1f1dc303352ba9902c0100c21011600bebfe82801000b3a205b312c20322c20\
    335d7d00db7d1c849c0ec759000328102810240c015c2b5eb1c467fb020000000004595a";

const REFUSED: Result<Vec<u8>, Refusal> = Err(Refusal::Compression);

#[test]
fn data_packed_by_python_is_read_with_each_check() {
    for hex in [NONE, CRC32, CRC64_, SHA256, BLOCKS] {
        assert_eq!(unpack(&unhex(hex)).unwrap(), DATA);
    }
}

#[test]
fn only_whole_streams_are_read() {
    for hex in [NONE, CRC32, CRC64_, SHA256, BLOCKS] {
        let packed = unhex(hex);
        for len in 0..packed.len() {
            assert_eq!(unpack(&packed[..len]), REFUSED, "{len} bytes");
        }
        for more in [&b"\0"[..], b"\0\0\0\0", &packed] {
            assert_eq!(unpack(&[&packed, more].concat()), REFUSED, "and {} bytes", more.len());
        }
    }
}

#[test]
fn a_changed_bit_is_found() {
    for hex in [CRC32, CRC64_, SHA256, BLOCKS] {
        let packed = unhex(hex);
        for at in 0..packed.len() * 8 {
            let mut changed = packed.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert!(unpack(&changed).is_err(), "bit {at}");
        }
    }
}

/// The parts of a stream, with valid checksums.
#[derive(Clone)]
struct Parts {
    flags: [u8; 2],
    /// Without its size and checksum.
    block_head: Vec<u8>,
    chunks: Vec<u8>,
    block_padding: Vec<u8>,
    times: usize,
    /// Without its checksum.
    index: Vec<u8>,
    backward: Option<u32>,
    foot_flags: [u8; 2],
}

/// A chunk that is not compressed.
fn chunk(control: u8, data: &[u8]) -> Vec<u8> {
    [&[control][..], &(data.len() as u16 - 1).to_be_bytes(), data].concat()
}

impl Parts {
    /// One block of one chunk: three bytes.
    fn new() -> Self {
        Self {
            flags: [0, 1],
            block_head: vec![0, 0x21, 1, 22, 0, 0, 0],
            chunks: [chunk(1, b"abc"), vec![0]].concat(),
            block_padding: vec![0],
            times: 1,
            index: vec![0, 1, 12 + 7 + 4, 3],
            backward: None,
            foot_flags: [0, 1],
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let sum = |bytes: &[u8]| crc32(bytes).to_le_bytes();
        let head = [&[self.block_head.len() as u8 / 4 + 1][..], &self.block_head].concat();
        let data = b"abc";
        let block = [&head[..], &sum(&head), &self.chunks, &self.block_padding, &sum(data)].concat();
        let backward = self.backward.unwrap_or(self.index.len() as u32 / 4).to_le_bytes();
        let foot = [&backward[..], &self.foot_flags].concat();
        let start = [&b"\xfd7zXZ\0"[..], &self.flags, &sum(&self.flags)].concat();
        let end = [&self.index[..], &sum(&self.index), &sum(&foot), &foot, b"YZ"].concat();
        [start, block.repeat(self.times), end].concat()
    }

    fn read(change: impl Fn(&mut Self)) -> Result<Vec<u8>, Refusal> {
        let mut parts = Self::new();
        change(&mut parts);
        unpack(&parts.bytes())
    }
}

#[test]
fn each_field_is_checked() {
    assert_eq!(Parts::read(|_| ()).unwrap(), b"abc");
    let refused = |name: &str, change: &dyn Fn(&mut Parts)| assert_eq!(Parts::read(change), REFUSED, "{name}");
    refused("a reserved byte of the stream", &|parts| parts.flags[0] = 1);
    for check in [2, 3, 5, 11, 15, 16, 0x11] {
        refused("an unknown check", &|parts| {
            parts.flags[1] = check;
            parts.foot_flags[1] = check;
        });
    }
    refused("other flags at the end", &|parts| parts.foot_flags[1] = 0);
    refused("two filters", &|parts| parts.block_head[0] = 1);
    refused("a reserved bit of the block", &|parts| parts.block_head[0] = 4);
    refused("another filter", &|parts| parts.block_head[1] = 3);
    refused("no property", &|parts| parts.block_head = vec![0, 0x21, 0, 0, 0, 0, 0]);
    refused("two properties", &|parts| parts.block_head[2] = 2);
    refused("padding of the head", &|parts| parts.block_head[6] = 1);
    refused("padding of the block", &|parts| parts.block_padding[0] = 1);
    refused("no padding of the block", &|parts| parts.block_padding.clear());
    refused("a reserved control", &|parts| parts.chunks[0] = 3);
    refused("no new window", &|parts| parts.chunks[0] = 2);
    refused("a block too few", &|parts| parts.index[1] = 0);
    refused("a block too many", &|parts| parts.index = vec![0, 2, 23, 3, 23, 3, 0, 0]);
    refused("another length, packed", &|parts| parts.index[2] += 1);
    refused("another length, unpacked", &|parts| parts.index[3] += 1);
    refused("a needless byte", &|parts| parts.index = vec![0, 1, 23, 0x83, 0, 0, 0, 0]);
    refused("padding of the index", &|parts| parts.index = vec![0, 1, 23, 3, 0, 0, 0, 0]);
    refused("another length of the index", &|parts| parts.backward = Some(2));
}

#[test]
fn heads_may_tell_the_sizes_of_a_block() {
    let read = |head: &[u8]| {
        Parts::read(|parts| {
            parts.block_head = [head, &[0x21, 1, 22, 0, 0, 0, 0]].concat();
            parts.block_head.truncate(7);
        })
    };
    assert_eq!(read(&[0xc0, 7, 3]).unwrap(), b"abc");
    assert_eq!(read(&[0x40, 7]).unwrap(), b"abc");
    assert_eq!(read(&[0x80, 3]).unwrap(), b"abc");
    assert_eq!(read(&[0xc0, 8, 3]), REFUSED);
    assert_eq!(read(&[0xc0, 7, 4]), REFUSED);
    assert_eq!(read(&[0x40, 6]), REFUSED);
    assert_eq!(read(&[0x80, 2]), REFUSED);
    assert_eq!(read(&[0x80, 0x83, 0]), REFUSED, "a needless byte");
}

#[test]
fn a_window_is_8_mib_at_most() {
    assert_eq!(Parts::read(|parts| parts.block_head[3] = 0).unwrap(), b"abc");
    assert_eq!(Parts::read(|parts| parts.block_head[3] = 22).unwrap(), b"abc");
    for window in [23, 24, 40, 41, 255] {
        assert_eq!(Parts::read(|parts| parts.block_head[3] = window), REFUSED, "{window}");
    }
}

#[test]
fn a_stream_of_very_many_parts_is_refused() {
    let blocks = |count: usize| {
        Parts::read(|parts| {
            parts.times = count;
            parts.index = [&[0, 0x80 | (count & 0x7f) as u8, (count >> 7) as u8][..], &[23, 3].repeat(count)].concat();
            parts.index.resize(parts.index.len().next_multiple_of(4), 0);
        })
    };
    // Each block has a chunk.
    assert_eq!(blocks(128).unwrap(), b"abc".repeat(128));
    assert_eq!(blocks(129), REFUSED);
    let chunks = |count: usize| {
        let packed = [chunk(1, b"a"), chunk(2, b"b").repeat(count - 1), vec![0]].concat();
        unpack(&stream_without_check(&packed, count))
    };
    assert_eq!(chunks(255).unwrap().len(), 255);
    assert_eq!(chunks(256), REFUSED);
}

/// One block, with its length in two bytes, and no check.
fn stream_without_check(chunks: &[u8], len: usize) -> Vec<u8> {
    let head = [2, 0, 0x21, 1, 22, 0, 0, 0];
    let sum = |bytes: &[u8]| crc32(bytes).to_le_bytes();
    let two = |number: usize| [0x80 | (number & 0x7f) as u8, (number >> 7) as u8];
    let mut index = [&[0, 1][..], &two(head.len() + 4 + chunks.len()), &two(len)].concat();
    index.resize(8, 0);
    let padding = vec![0; chunks.len().next_multiple_of(4) - chunks.len()];
    let foot = [2, 0, 0, 0, 0, 0];
    let block = [&head[..], &sum(&head), chunks, &padding].concat();
    [&b"\xfd7zXZ\0\0\0"[..], &sum(&[0, 0]), &block, &index, &sum(&index), &sum(&foot), &foot, b"YZ"].concat()
}

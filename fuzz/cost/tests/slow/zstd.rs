//! Zstandard: RFC 8878.

use super::{Bits, MIB};

pub(super) fn all(body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![
        frame("no data in raw blocks", &[block(0, 0, &[])], &[]),
        frame("bytes in raw blocks", &[block(0, 1, b"a")], &[]),
        frame("bytes in RLE blocks", &[block(1, 1, b"a")], &[]),
        frame("RLE blocks of nothing", &[block(1, 0, b"a")], &[]),
        frame("no data in compressed blocks", &[compressed(&[0, 0])], &[]),
        frame("blocks of tables", &[compressed(&tables(1))], b"aaaa"),
        frame("blocks of tables and codes", &[compressed(&[&CODES[..], &tables(1)[1..]].concat())], b"aaaa"),
        frame("blocks of codes", &[compressed(&[&CODES[..], &[0]].concat())], b"aaaa"),
        frame("blocks of predefined tables", &[compressed(&[0, 1, 0, 0, 0, 0b10])], b"aaaa"),
    ];
    let literals: Vec<Vec<u8>> = body.chunks(32 << 10).map(|part| compressed(&literals(part))).collect();
    all.push(frame("literals", &literals, &[]));
    // Matches of 3 whose codes are given only once.
    let matches = [0, 255, (MATCHES - 0x7f00) as u8, ((MATCHES - 0x7f00) >> 8) as u8, 0b01_01_01_00, 0, 0, 0, 1];
    let matches = vec![compressed(&matches); 100];
    all.push(frame("short matches", &matches[..8], b"aaaa"));
    let (name, mut wide) = frame("short matches in a window of 8 MiB", &matches, b"aaaa");
    wide[5] = 0x68;
    all.push((name, wide));
    let pickle = vec![compressed(&far_matches()); 8];
    all.push(frame("short matches of a pickle", &pickle, b"\x80\x05}(]Na"));
    // The limit for data that Zstandard unpacks, after the largest number of blocks.
    let tables = vec![compressed(&[&CODES[..], &tables(1)[1..]].concat()); 500];
    for (name, block) in [("short matches", far_matches()), ("sequences", sequences())] {
        let last = [compressed(&block), compressed(&block)];
        let name = format!("tables and {name}, 256 KiB");
        all.push(frame(&name, &[&tables[..], &last[..1]].concat(), b"\x80\x05}(]Na"));
    }
    all.push(frame("runs", &vec![compressed(&runs()); 8], b"aaaa"));
    let sequences = vec![compressed(&sequences()); 8];
    all.push(frame("sequences", &sequences, b"aaaa"));
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18][..], &[0; 4]].concat().repeat(MIB / 8);
    all.push(("skippable frames, zstd".into(), skipped));
    let empty = [&HEAD[..], &[1, 0, 0]].concat();
    all.push(("empty frames, zstd".into(), empty.repeat(MIB / empty.len())));
    all
}

/// A frame with a window of 1 MiB, of unknown length.
const HEAD: [u8; 6] = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x50];
/// The number of matches of three bytes in a block.
const MATCHES: usize = (128 << 10) / 3;
/// One literal, and a table for codes of 11 bits.
const CODES: [u8; 6] = [0x12, 0xc0, 0, 128, 0xb0, 0b10];

/// A raw block of `first` if it is not empty, then `blocks` (a single block as often as it fits), and an empty last
/// block.
fn frame(name: &str, blocks: &[Vec<u8>], first: &[u8]) -> (String, Vec<u8>) {
    let mut all = HEAD.to_vec();
    if !first.is_empty() {
        all.extend(block(0, first.len(), first));
    }
    match blocks {
        [one] => all.extend(one.repeat((MIB - 64) / one.len())),
        blocks => all.extend(blocks.concat()),
    }
    all.extend([1, 0, 0]);
    (format!("{name}, zstd"), all)
}

fn block(kind: u32, size: usize, content: &[u8]) -> Vec<u8> {
    let head = (size as u32) << 3 | kind << 1;
    [&head.to_le_bytes()[..3], content].concat()
}

fn compressed(content: &[u8]) -> Vec<u8> {
    block(2, content.len(), content)
}

/// A table of `log` bits in which two symbols have half of the states each.
fn table(bits: &mut Bits, log: u32) {
    let half = 1 << (log - 1);
    bits.put(log - 5, 4);
    // A share is written plus one, in as few bits as the remaining range allows.
    let value = |bits: &mut Bits, value: u32, remaining: u32| {
        let max = remaining + 1;
        let count = 32 - max.leading_zeros();
        let low = (1 << count) - 1 - max;
        match value {
            value if value < low => bits.put(value, count - 1),
            value if value < 1 << (count - 1) => bits.put(value, count),
            value => bits.put(value + low, count),
        }
    };
    value(bits, half + 1, 2 * half);
    value(bits, half + 1, half);
}

/// No literals, and `count` sequences with three tables of the largest size, in which two symbols have half of the
/// states each.
fn tables(count: u8) -> Vec<u8> {
    let mut out = vec![0, count, 0b10_10_10_00];
    for log in [9, 8, 9] {
        let mut bits = Bits::default();
        table(&mut bits, log);
        out.extend(bits.finish());
    }
    // The states 0: no literals, the offset 1, a match of 3.
    out.extend([0, 0, 0, 0b100]);
    out
}

/// The largest number of sequences in a block, each with a bit for each of its three states.
fn sequences() -> Vec<u8> {
    let count = 40_000;
    let mut out = vec![0, 255, (count - 0x7f00) as u8, ((count - 0x7f00) >> 8) as u8, 0b10_10_10_00];
    for log in [9, 8, 9] {
        let mut bits = Bits::default();
        table(&mut bits, log);
        out.extend(bits.finish());
    }
    let bits = 26 + 3 * (count - 1);
    out.extend(vec![0; bits / 8]);
    out.push(1 << (bits % 8));
    out
}

/// The largest number of three-byte matches in a block, each at a distance of three bytes: two bits for the distance.
fn far_matches() -> Vec<u8> {
    let mut bits = Bits::default();
    (0..MATCHES).for_each(|_| bits.put(2, 2));
    bits.put(1, 1);
    let count = MATCHES - 0x7f00;
    [&[0, 255, count as u8, (count >> 8) as u8, 0b01_01_01_00, 0, 2, 0][..], &bits.finish()].concat()
}

/// Three matches of 43,690 bytes, each at a distance of one byte: two bits for the distance, and 15 for the length.
fn runs() -> Vec<u8> {
    let mut bits = Bits::default();
    for _ in 0..3 {
        bits.put(43_690 - 32_771, 15);
        bits.put(0, 2);
    }
    bits.put(1, 1);
    [&[0, 3, 0b01_01_01_00, 0, 2, 51][..], &bits.finish()].concat()
}

/// Huffman-coded literals in four streams, and no sequences.
fn literals(part: &[u8]) -> Vec<u8> {
    // 127 weights of 1 and one implied: codes of 7 bits that increase with the symbols.
    let tree = [&[254][..], &[0x11; 64]].concat();
    let quarter = part.len().div_ceil(4);
    let mut packed = Vec::new();
    let mut jumps = Vec::new();
    for (at, part) in part.chunks(quarter).enumerate() {
        // The decoder reads a stream from its end.
        let mut stream = Bits::default();
        for byte in part.iter().rev() {
            stream.put(u32::from(*byte & 0x7f), 7);
        }
        stream.put(1, 1);
        let stream = stream.finish();
        if at < 3 {
            jumps.extend((stream.len() as u16).to_le_bytes());
        }
        packed.extend(stream);
    }
    let size = (tree.len() + 6 + packed.len()) as u64;
    let head = 2 | 3 << 2 | (part.len() as u64) << 4 | size << 22;
    [&head.to_le_bytes()[..5], &tree, &jumps, &packed, &[0]].concat()
}

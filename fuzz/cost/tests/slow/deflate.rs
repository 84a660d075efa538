//! zlib and gzip: RFC 1950 to 1952.

use super::{Bits, MIB, Random};

/// The parts of a stream: its name, the blocks, and their unpacked data.
type Blocks = (&'static str, Bits, Vec<u8>);

const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// Leaves room for headers and checksums.
const MAX_BITS: usize = (MIB - 64) * 8;

pub(super) fn all(body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let blocks = [
        empty("no data in fixed blocks", |bits| bits.put(0b010, 10)),
        empty("no data in stored blocks", |bits| {
            bits.put(0, 8);
            bits.put(0xffff_0000, 32);
        }),
        empty("no data in dynamic blocks", |bits| codes(bits, &EMPTY, &[1], &|bits| bits.put(0, 1))),
        empty("no data in dynamic blocks of long codes", |bits| {
            codes(bits, &long_codes(), &DISTANCES, &|bits| bits.put(END, 15));
        }),
        stored(body),
        fixed(body, usize::MAX),
        fixed(body, 1),
        long(body, usize::MAX),
        long(body, 16),
        short_matches(),
    ];
    let mut all = Vec::new();
    for (name, mut bits, data) in blocks {
        // The last block is empty and fixed.
        bits.put(0b011, 10);
        let deflated = bits.finish();
        all.push((format!("{name}, zlib"), [&[0x78, 0x9c][..], &deflated, &adler(&data).to_be_bytes()].concat()));
        let mut crc = flate2::Crc::new();
        crc.update(&data);
        let tail = [crc.sum().to_le_bytes(), (data.len() as u32).to_le_bytes()].concat();
        all.push((format!("{name}, gzip"), [&gzip_head(0)[..], &deflated, &tail].concat()));
    }
    let member = [&gzip_head(0)[..], &[3, 0], &[0; 8]].concat();
    all.push(("empty members, gzip".into(), member.repeat(MIB / member.len())));
    for flag in [4, 8, 16] {
        let name = [&gzip_head(flag)[..], &[0xff; MIB - 10]].concat();
        all.push((format!("a head with flag {flag}, gzip"), name));
    }
    all
}

fn gzip_head(flags: u8) -> [u8; 10] {
    [0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3]
}

fn adler(data: &[u8]) -> u32 {
    let (a, b) = data.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

fn empty(name: &'static str, block: impl Fn(&mut Bits)) -> Blocks {
    let mut bits = Bits::default();
    while bits.bytes.len() * 8 < MAX_BITS - 4096 {
        block(&mut bits);
    }
    (name, bits, Vec::new())
}

/// Blocks of one byte.
fn stored(body: &[u8]) -> Blocks {
    let mut bits = Bits::default();
    let data = &body[..body.len().min(MAX_BITS / 48)];
    for byte in data {
        bits.put(0, 8);
        bits.put(0xfffe_0001, 32);
        bits.put(u32::from(*byte), 8);
    }
    ("stored bytes", bits, data.to_vec())
}

fn fixed(body: &[u8], len: usize) -> Blocks {
    let mut bits = Bits::default();
    let mut data = Vec::new();
    for block in body.chunks(len.min(body.len())) {
        if data.len() + block.len() > MIB || bits.bytes.len() * 8 > MAX_BITS - 64 {
            break;
        }
        bits.put(0b010, 3);
        for byte in block {
            if bits.bytes.len() * 8 > MAX_BITS - 64 {
                break;
            }
            data.push(*byte);
            match *byte {
                0..144 => bits.put(reversed(u32::from(*byte) + 0x30, 8), 8),
                byte => bits.put(reversed(u32::from(byte) + 256, 9), 9),
            }
        }
        bits.put(0, 7);
    }
    (if len == 1 { "blocks of a fixed literal" } else { "fixed literals" }, bits, data)
}

const EMPTY: [u8; 257] = {
    let mut lens = [0; 257];
    lens[256] = 1;
    lens
};

/// 256 codes of 12 bits, except for the first four; the end code has 15 bits.
fn long_codes() -> Vec<u8> {
    let mut lens = vec![12; 256];
    lens[..4].copy_from_slice(&[1, 2, 3, 4]);
    lens.extend([15; 28]);
    lens.extend([14; 2]);
    lens
}

/// The end code of `long_codes`, reversed: 252 codes of 12 bits and 2 of 14 come before it, after those of 1 to 4.
const END: u32 = {
    let code: u32 = ((0b1111 << 8 | 252) << 2 | 2) << 1;
    code.reverse_bits() >> 17
};

/// The code lengths of 30 distances.
const DISTANCES: [u8; 30] = {
    let mut lens = [5; 30];
    (lens[0], lens[1]) = (4, 4);
    lens
};

fn reversed(code: u32, len: u32) -> u32 {
    code.reverse_bits() >> (32 - len)
}

/// Literals, most of them with codes of 12 bits, in blocks of `len`.
fn long(body: &[u8], len: usize) -> Blocks {
    let mut bits = Bits::default();
    let mut data = Vec::new();
    for block in body.chunks(len.min(body.len())) {
        if bits.bytes.len() * 8 > MAX_BITS - 2048 {
            break;
        }
        codes(&mut bits, &long_codes(), &DISTANCES, &|_| ());
        for byte in block {
            if bits.bytes.len() * 8 > MAX_BITS - 64 {
                break;
            }
            data.push(*byte);
            match u32::from(*byte) {
                byte @ 0..4 => bits.put(reversed((1 << (byte + 1)) - 2, byte + 1), byte + 1),
                byte => bits.put(reversed(0b1111 << 8 | (byte - 4), 12), 12),
            }
        }
        bits.put(END, 15);
    }
    (if len == 16 { "blocks of long codes" } else { "long codes" }, bits, data)
}

/// The header of a dynamic block with these code lengths, followed by the output of `then`.
fn codes(bits: &mut Bits, literals: &[u8], distances: &[u8], then: &dyn Fn(&mut Bits)) {
    bits.put(0b100, 3);
    bits.put(literals.len() as u32 - 257, 5);
    bits.put(distances.len() as u32 - 1, 5);
    bits.put(15, 4);
    // Sixteen of the lengths, 0 to 15, have codes of 4 bits. Runs of zeros have a code of their own.
    for at in ORDER {
        bits.put(
            match at {
                16 | 17 => 0,
                18 => 1,
                _ => 5,
            },
            3,
        );
    }
    let mut lens = [literals, distances].concat();
    while let Some(len) = lens.first().copied() {
        let run = lens.iter().take_while(|other| **other == 0).count().min(138);
        if run >= 11 {
            bits.put(0, 1);
            bits.put(run as u32 - 11, 7);
            lens.drain(..run);
        } else {
            bits.put(1, 1);
            bits.put(reversed(len.into(), 4), 4);
            lens.remove(0);
        }
    }
    then(bits);
}

/// Matches of length 3 in one fixed block.
fn short_matches() -> Blocks {
    let mut bits = Bits::default();
    let mut random = Random(1);
    let mut data = vec![b'a'; 2];
    bits.put(0b010, 3);
    for byte in &data {
        bits.put(reversed(u32::from(*byte) + 0x30, 8), 8);
    }
    while data.len() + 3 <= MIB && bits.bytes.len() * 8 < MAX_BITS - 64 {
        // Distances of 1 and 2: one code each.
        let distance = random.below(2);
        bits.put(reversed(1, 7), 7);
        bits.put(reversed(distance, 5), 5);
        (0..3).for_each(|_| data.push(b'a'));
    }
    bits.put(0, 7);
    ("short matches", bits, data)
}

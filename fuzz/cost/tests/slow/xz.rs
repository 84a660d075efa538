//! The xz format, and LZMA2 in it.

use std::slice::from_ref;

use sha2::{Digest as _, Sha256};

use super::{MIB, Random};

/// The contents of a block: LZMA2 chunks, and their unpacked data.
type Block = (Vec<u8>, Vec<u8>);

pub(super) fn all(body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let widest = Model { lc: 4, lp: 0, pb: 4 };
    let zeros = vec![0; MIB];
    // Noise of 6 bits a byte, so that packing does not make it longer.
    let mut random = Random(2);
    let noise: Vec<u8> = (0..MIB).map(|_| random.below(64) as u8).collect();
    for (name, block) in [
        ("literals", lzma(widest, body, 16 << 10, literals)),
        ("literals of noise", lzma(widest, &noise, 16 << 10, literals)),
        ("likely literals", lzma(widest, &zeros, 16 << 10, literals)),
        ("short repeats", lzma(widest, &zeros, 16 << 10, repeats)),
        ("short matches", lzma(widest, &zeros, 16 << 10, matches)),
        ("chunks of 64 literals", lzma(widest, body, 64, literals)),
        ("chunks of a literal", lzma(widest, body, 1, literals)),
        ("plain", plain(body, 65_536)),
        ("plain chunks of a byte", plain(body, 1)),
    ] {
        for check in [0, 1, 4, 10] {
            all.push((format!("{name}, check {check}, xz"), stream(check, from_ref(&block), 1)));
        }
    }
    // The limit for data that LZMA unpacks.
    let len = 128 << 10;
    for (name, block) in [
        ("literals", lzma(widest, &body[..len], 16 << 10, literals)),
        ("literals of noise", lzma(widest, &noise[..len], 16 << 10, literals)),
        ("likely literals", lzma(widest, &zeros[..len], 16 << 10, literals)),
        ("short matches", lzma(widest, &zeros[..len], 1 << 10, matches)),
    ] {
        all.push((format!("{name}, 128 KiB, xz"), stream(10, &[block], 1)));
    }
    let small = plain(b"aaaa", 65_536);
    all.push(("blocks of no data, xz".into(), stream(0, &[(vec![0], vec![])], MIB / 32)));
    all.push(("blocks of four bytes, xz".into(), stream(4, from_ref(&small), MIB / 48)));
    all.push(("blocks of a literal, xz".into(), stream(4, &[lzma(widest, b"a", 1, literals)], MIB / 56)));
    let one = stream(4, &[small], 1);
    all.push(("streams, xz".into(), one.repeat(MIB / one.len())));
    let empty = stream(0, &[], 0);
    all.push(("empty streams, xz".into(), empty.repeat(MIB / empty.len())));
    let padding = vec![0; (MIB - 2 * one.len()) & !3];
    all.push(("stream padding, xz".into(), [&one[..], &padding, &one].concat()));
    all
}

// The container.

fn stream(check: u8, blocks: &[Block], times: usize) -> Vec<u8> {
    let flags = [0, check];
    let mut out = [&b"\xfd7zXZ\0"[..], &flags, &crc32(&flags).to_le_bytes()].concat();
    let mut records = Vec::new();
    for (chunks, data) in blocks {
        // One filter: LZMA2 with a window of 8 MiB.
        let head = [2, 0, 0x21, 1, 22, 0, 0, 0];
        let mut block = [&head[..], &crc32(&head).to_le_bytes(), chunks].concat();
        let sum = match check {
            1 => crc32(data).to_le_bytes().to_vec(),
            4 => crc64(data).to_le_bytes().to_vec(),
            10 => Sha256::digest(data).to_vec(),
            _ => Vec::new(),
        };
        number(&mut records, block.len() + sum.len());
        number(&mut records, data.len());
        padded(&mut block);
        block.extend(sum);
        out.extend(block.repeat(times));
    }
    let mut index = vec![0];
    number(&mut index, blocks.len() * times);
    index.extend(records.repeat(times));
    padded(&mut index);
    let sum = crc32(&index);
    index.extend(sum.to_le_bytes());
    let size = (index.len() as u32 / 4 - 1).to_le_bytes();
    let footer = [&size[..], &flags].concat();
    [&out[..], &index, &crc32(&footer).to_le_bytes(), &footer, b"YZ"].concat()
}

fn number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn padded(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn crc32(data: &[u8]) -> u32 {
    crc(data, 0xedb8_8320, u32::MAX.into()) as u32
}

fn crc64(data: &[u8]) -> u64 {
    crc(data, 0xc96c_5795_d787_0f42, u64::MAX)
}

fn crc(data: &[u8], polynomial: u64, ones: u64) -> u64 {
    let bit = |sum: u64, _| (sum >> 1) ^ (polynomial * (sum & 1));
    data.iter().fold(ones, |sum, byte| (0..8).fold(sum ^ u64::from(*byte), bit)) ^ ones
}

// LZMA2.

fn plain(data: &[u8], len: usize) -> Block {
    let mut chunks = Vec::new();
    let mut done = 0;
    for part in data.chunks(len) {
        if chunks.len() + part.len() > MIB - 128 {
            break;
        }
        chunks.push(if done == 0 { 1 } else { 2 });
        chunks.extend(((part.len() - 1) as u16).to_be_bytes());
        chunks.extend(part);
        done += part.len();
    }
    chunks.push(0);
    (chunks, data[..done].to_vec())
}

#[derive(Clone, Copy)]
struct Model {
    lc: usize,
    lp: usize,
    pb: usize,
}

/// Chunks of `len` bytes, each with a new state.
fn lzma(model: Model, data: &[u8], len: usize, encode: fn(&mut Encoder, &[u8])) -> Block {
    let mut chunks = Vec::new();
    let mut done = 0;
    for part in data.chunks(len) {
        let mut encoder = Encoder::new(model, done, data[..done].last().copied().unwrap_or(0));
        encode(&mut encoder, part);
        let packed = encoder.coder.finish();
        if chunks.len() + packed.len() > MIB - 128 {
            break;
        }
        chunks.push(if done == 0 { 0xe0 } else { 0xc0 });
        chunks.extend(((part.len() - 1) as u16).to_be_bytes());
        chunks.extend(((packed.len() - 1) as u16).to_be_bytes());
        chunks.push(((model.pb * 5 + model.lp) * 9 + model.lc) as u8);
        chunks.extend(packed);
        done += part.len();
    }
    chunks.push(0);
    (chunks, data[..done].to_vec())
}

fn literals(encoder: &mut Encoder, part: &[u8]) {
    for byte in part {
        encoder.literal(*byte);
    }
}

/// A zero, and short repeats of it.
fn repeats(encoder: &mut Encoder, part: &[u8]) {
    encoder.literal(0);
    (1..part.len()).for_each(|_| encoder.short_repeat());
}

/// Two bytes at a time, from a random distance; the first chunk consists of literals.
fn matches(encoder: &mut Encoder, part: &[u8]) {
    let mut random = Random(encoder.at as u64);
    if encoder.at == 0 {
        return literals(encoder, part);
    }
    for _ in 0..part.len() / 2 {
        let distance = random.below(encoder.at as u32);
        encoder.short_match(distance);
    }
}

/// A partial LZMA encoder, for these tests.
struct Encoder {
    model: Model,
    at: usize,
    state: usize,
    before: u8,
    coder: Coder,
    is_match: Vec<u16>,
    is_rep: [u16; 12],
    is_rep0: [u16; 12],
    is_rep0_long: Vec<u16>,
    literals: Vec<u16>,
    length: [u16; 2],
    low: Vec<u16>,
    slots: Vec<u16>,
    middle: Vec<u16>,
    align: Vec<u16>,
}

const HALF: u16 = 1024;

impl Encoder {
    fn new(model: Model, at: usize, before: u8) -> Self {
        Self {
            model,
            at,
            state: 0,
            before,
            coder: Coder { low: 0, range: u32::MAX, held: 0, count: 0, out: Vec::new() },
            is_match: vec![HALF; 12 << 4],
            is_rep: [HALF; 12],
            is_rep0: [HALF; 12],
            is_rep0_long: vec![HALF; 12 << 4],
            literals: vec![HALF; 0x300 << (model.lc + model.lp)],
            length: [HALF; 2],
            low: vec![HALF; 8 << 4],
            slots: vec![HALF; 64],
            middle: vec![HALF; 128],
            align: vec![HALF; 16],
        }
    }

    fn place(&self) -> usize {
        self.at & ((1 << self.model.pb) - 1)
    }

    fn literal(&mut self, byte: u8) {
        let place = self.place();
        self.coder.bit(&mut self.is_match[self.state << 4 | place], 0);
        // Only after a literal, when there is no match byte.
        assert!(self.state < 7);
        let before = usize::from(self.before) >> (8 - self.model.lc);
        let at = (self.at & ((1 << self.model.lp) - 1)) << self.model.lc;
        let probabilities = &mut self.literals[0x300 * (at + before)..];
        tree(&mut self.coder, probabilities, byte.into(), 8);
        self.state = self.state.saturating_sub(3);
        self.before = byte;
        self.at += 1;
    }

    fn short_repeat(&mut self) {
        let place = self.place();
        self.coder.bit(&mut self.is_match[self.state << 4 | place], 1);
        self.coder.bit(&mut self.is_rep[self.state], 1);
        self.coder.bit(&mut self.is_rep0[self.state], 0);
        self.coder.bit(&mut self.is_rep0_long[self.state << 4 | place], 0);
        self.state = if self.state < 7 { 9 } else { 11 };
        self.at += 1;
    }

    /// A match of two bytes.
    fn short_match(&mut self, distance: u32) {
        let place = self.place();
        self.coder.bit(&mut self.is_match[self.state << 4 | place], 1);
        self.coder.bit(&mut self.is_rep[self.state], 0);
        self.coder.bit(&mut self.length[0], 0);
        tree(&mut self.coder, &mut self.low[place << 3..], 0, 3);
        let bits = 32 - distance.leading_zeros();
        let slot = if bits < 2 { distance } else { (bits - 1) << 1 | distance >> (bits - 2) & 1 };
        tree(&mut self.coder, &mut self.slots, slot, 6);
        if (4..14).contains(&slot) {
            let count = (slot >> 1) - 1;
            let base = (2 | slot & 1) << count;
            reverse(&mut self.coder, &mut self.middle[(base - slot) as usize..], distance - base, count);
        } else if slot >= 14 {
            let count = (slot >> 1) - 1;
            let rest = distance & ((1 << count) - 1);
            self.coder.direct(rest >> 4, count - 4);
            reverse(&mut self.coder, &mut self.align, rest & 15, 4);
        }
        self.state = if self.state < 7 { 7 } else { 10 };
        self.at += 2;
    }
}

fn tree(coder: &mut Coder, probabilities: &mut [u16], symbol: u32, bits: u32) {
    let mut node = 1;
    for at in (0..bits).rev() {
        let bit = symbol >> at & 1;
        coder.bit(&mut probabilities[node], bit);
        node = node << 1 | bit as usize;
    }
}

fn reverse(coder: &mut Coder, probabilities: &mut [u16], symbol: u32, bits: u32) {
    let mut node = 1;
    for at in 0..bits {
        let bit = symbol >> at & 1;
        coder.bit(&mut probabilities[node], bit);
        node = node << 1 | bit as usize;
    }
}

/// The range encoder.
struct Coder {
    low: u64,
    range: u32,
    held: u8,
    count: usize,
    out: Vec<u8>,
}

impl Coder {
    fn bit(&mut self, probability: &mut u16, bit: u32) {
        let bound = (self.range >> 11) * u32::from(*probability);
        if bit == 0 {
            self.range = bound;
            *probability += (2048 - *probability) >> 5;
        } else {
            self.low += u64::from(bound);
            self.range -= bound;
            *probability -= *probability >> 5;
        }
        self.normalize();
    }

    fn direct(&mut self, bits: u32, count: u32) {
        for at in (0..count).rev() {
            self.range >>= 1;
            self.low += u64::from(self.range) * u64::from(bits >> at & 1);
            self.normalize();
        }
    }

    fn normalize(&mut self) {
        while self.range < 1 << 24 {
            self.range <<= 8;
            self.shift();
        }
    }

    /// Outputs a byte. Holds it back, with the 0xff bytes after it, until the carry is known.
    fn shift(&mut self) {
        let carry = (self.low >> 32) as u8;
        if self.low < 0xff00_0000 || carry > 0 {
            self.out.push(self.held.wrapping_add(carry));
            self.out.extend(vec![0xff_u8.wrapping_add(carry); self.count]);
            self.count = 0;
            self.held = (self.low >> 24) as u8;
        } else {
            self.count += 1;
        }
        self.low = self.low << 8 & 0xffff_ffff;
    }

    fn finish(mut self) -> Vec<u8> {
        (0..5).for_each(|_| self.shift());
        self.out
    }
}

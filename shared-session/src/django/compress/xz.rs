//! The container of xz (version 1.2.1 of the format) and an LZMA2 decoder.
//!
//! Reads one stream whose blocks use LZMA2 only, with any check that the format defines.

use std::io::{self, Read as _, Write as _};

use crc::{CRC_64_XZ, Crc, Table};
use lzma_rust2::{Lzma2Reader, XzOptions, XzWriter};
use sha2::{Digest as _, Sha256};

use super::deflate::crc32;
use crate::django::{codec::Compression, refusal::Refusal};

/// The most blocks and chunks to read. Python writes one block, with chunks of 64 KiB or more except for the last.
const MAX_CHUNKS: usize = 256;
/// The largest window: 8 MiB, as with `xz -6`, in the encoding of a block head.
const MAX_WINDOW: u8 = 22;

static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);

pub(super) fn pack(data: &[u8]) -> io::Result<Vec<u8>> {
    // django-redis' preset.
    let mut encoder = XzWriter::new(Vec::new(), XzOptions::with_preset(4))?;
    encoder.write_all(data)?;
    encoder.finish()
}

pub(super) fn unpack(data: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut stream = Stream { rest: data, out: Vec::new(), records: Vec::new(), chunks: 0 };
    let head = stream.head().ok_or(Refusal::Compression)?;
    while let Some(size) = stream.block_head_size().ok_or(Refusal::Compression)? {
        stream.block(size, head.check)?;
    }
    let index = stream.index().ok_or(Refusal::Compression)?;
    stream.foot(head, index).ok_or(Refusal::Compression)?;
    Ok(stream.out)
}

#[derive(Clone, Copy)]
struct Head {
    flags: [u8; 2],
    check: Check,
}

#[derive(Clone, Copy)]
enum Check {
    None,
    Crc32,
    Crc64,
    Sha256,
}

/// The sizes of a block: without its padding, and unpacked.
#[derive(PartialEq)]
struct Record {
    unpadded: u64,
    unpacked: u64,
}

struct Stream<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
    records: Vec<Record>,
    /// The number of chunks and blocks.
    chunks: usize,
}

impl<'a> Stream<'a> {
    fn head(&mut self) -> Option<Head> {
        let [magic @ .., reserved, check] = *self.take_array::<8>()?;
        let flags = [reserved, check];
        let check = match flags {
            [0, 0] => Check::None,
            [0, 1] => Check::Crc32,
            [0, 4] => Check::Crc64,
            [0, 10] => Check::Sha256,
            _ => return None,
        };
        let sum = u32::from_le_bytes(*self.take_array()?);
        (magic == *b"\xfd7zXZ\0" && sum == crc32(&flags)).then_some(Head { flags, check })
    }

    /// The size of the next block head; `Some(None)` at the start of the index.
    fn block_head_size(&self) -> Option<Option<usize>> {
        let size = usize::from(*self.rest.first()?);
        Some((size > 0).then_some((size + 1) * 4))
    }

    fn block(&mut self, head_size: usize, check: Check) -> Result<(), Refusal> {
        let head = self.take(head_size).and_then(block_head).ok_or(Refusal::Compression)?;
        let (packed, unpacked, chunks) = measure(self.rest).ok_or(Refusal::Compression)?;
        self.chunks += chunks + 1;
        let told = |told: Option<u64>, len: usize| told.is_none_or(|told| told == len as u64);
        if !told(head.packed, packed) || !told(head.unpacked, unpacked) || self.chunks > MAX_CHUNKS {
            return Err(Refusal::Compression);
        }
        let start = self.out.len();
        if unpacked > Compression::Lzma.limit() - start {
            return Err(Refusal::TooLarge);
        }
        self.out.resize(start + unpacked, 0);
        self.chunks(packed, head.window.min(unpacked as u32).max(4096), start).ok_or(Refusal::Compression)?;
        let sum = check.of(&self.out[start..]);
        let unpadded = head_size + packed + sum.len();
        self.padding(head_size + packed).ok_or(Refusal::Compression)?;
        if self.take(sum.len()) != Some(&sum) {
            return Err(Refusal::Compression);
        }
        self.records.push(Record { unpadded: unpadded as u64, unpacked: unpacked as u64 });
        Ok(())
    }

    fn chunks(&mut self, packed: usize, window: u32, start: usize) -> Option<()> {
        // The reader uses the same sizes as `measure`, so it ends at the same position.
        Lzma2Reader::new(self.take(packed)?, window, None).read_exact(&mut self.out[start..]).ok()
    }

    /// Checks the index and returns its length.
    fn index(&mut self) -> Option<usize> {
        let index = self.rest;
        self.take(1)?;
        if self.number()? != self.records.len() as u64 {
            return None;
        }
        for at in 0..self.records.len() {
            let record = Record { unpadded: self.number()?, unpacked: self.number()? };
            if self.records.get(at) != Some(&record) {
                return None;
            }
        }
        self.padding(index.len() - self.rest.len())?;
        let len = index.len() - self.rest.len();
        let sum = u32::from_le_bytes(*self.take_array()?);
        (sum == crc32(&index[..len])).then_some(len + 4)
    }

    fn foot(&mut self, head: Head, index: usize) -> Option<()> {
        let sum = u32::from_le_bytes(*self.take_array()?);
        let foot: &[u8; 6] = self.take_array()?;
        let (size, flags) = foot.split_first_chunk()?;
        let size = (u64::from(u32::from_le_bytes(*size)) + 1) * 4;
        let fits = sum == crc32(foot) && size == index as u64 && flags == head.flags && self.rest == b"YZ";
        fits.then_some(())
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        self.take(N)?.first_chunk()
    }

    /// Zeros, up to a multiple of four from the start of `len`.
    fn padding(&mut self, len: usize) -> Option<()> {
        let zeros = self.take(len.next_multiple_of(4) - len)?;
        zeros.iter().all(|byte| *byte == 0).then_some(())
    }

    fn number(&mut self) -> Option<u64> {
        number(&mut self.rest)
    }
}

impl Check {
    fn of(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Crc32 => crc32(data).to_le_bytes().into(),
            Self::Crc64 => CRC64.checksum(data).to_le_bytes().into(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
        }
    }
}

struct BlockHead {
    packed: Option<u64>,
    unpacked: Option<u64>,
    window: u32,
}

fn block_head(head: &[u8]) -> Option<BlockHead> {
    const PACKED: u8 = 1 << 6;
    const UNPACKED: u8 = 1 << 7;
    let (fields, sum) = head.split_last_chunk()?;
    if crc32(fields) != u32::from_le_bytes(*sum) {
        return None;
    }
    // One filter, and no undefined bit.
    let (flags, mut rest) = fields.get(1..)?.split_first()?;
    if flags & !(PACKED | UNPACKED) != 0 {
        return None;
    }
    let mut told = |flag: u8| if flags & flag == 0 { Some(None) } else { number(&mut rest).map(Some) };
    let (packed, unpacked) = (told(PACKED)?, told(UNPACKED)?);
    // LZMA2, with one byte for its window.
    let ([0x21, 1, window @ ..=MAX_WINDOW], padding) = rest.split_first_chunk()? else { return None };
    let window = (2 | u32::from(window & 1)) << (window / 2 + 11);
    padding.iter().all(|byte| *byte == 0).then_some(BlockHead { packed, unpacked, window })
}

/// The packed and the unpacked length of LZMA2 data, and the number of its chunks, from the sizes in their heads.
fn measure(data: &[u8]) -> Option<(usize, usize, usize)> {
    let (mut packed, mut unpacked, mut chunks) = (0, 0_usize, 0);
    loop {
        let head = data.get(packed..)?;
        let size = |at: usize| Some(usize::from(u16::from_be_bytes(*head.get(at..)?.first_chunk()?)) + 1);
        match *head.first()? {
            0 => return Some((packed + 1, unpacked, chunks)),
            // Not compressed.
            1 | 2 => {
                packed += 3 + size(1)?;
                unpacked += size(1)?;
            }
            control @ 0x80.. => {
                let properties = usize::from(control >= 0xc0);
                packed += 5 + properties + size(3)?;
                unpacked += (usize::from(control & 0x1f) << 16) + size(1)?;
            }
            _ => return None,
        }
        chunks += 1;
    }
}

/// Seven bits a byte, the lowest first; up to nine bytes, in the shortest form.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for at in 0..9 {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            return (*byte != 0 || at == 0).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests;

//! Integers of any size: two's complement, little-endian, without superfluous sign bytes. Zero has no bytes.

use std::fmt::Write as _;

const CHUNK: u32 = 1_000_000_000;

/// `bytes` without the trailing bytes that only repeat the sign.
pub(in crate::django) fn shortest(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [.., below, top] = rest {
        let sign = if below & 0x80 == 0 { 0 } else { 0xff };
        if *top != sign {
            break;
        }
        rest = &rest[..rest.len() - 1];
    }
    if rest == [0] { &[] } else { rest }
}

/// The number, if it fits into 64 bits.
pub(in crate::django) fn to_i64(bytes: &[u8]) -> Option<i64> {
    let bytes = shortest(bytes);
    let mut wide = if is_negative(bytes) { [0xff; 8] } else { [0; 8] };
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(wide))
}

/// The shortest bytes of a number.
pub(in crate::django) fn from_i64(number: i64) -> Vec<u8> {
    shortest(&number.to_le_bytes()).to_vec()
}

pub(in crate::django) fn is_negative(bytes: &[u8]) -> bool {
    bytes.last().is_some_and(|top| top & 0x80 != 0)
}

/// Decimal digits, in quadratic time.
pub(in crate::django) fn to_decimal(bytes: &[u8]) -> String {
    let negative = is_negative(bytes);
    let mut magnitude = bytes.to_vec();
    if negative {
        negate(&mut magnitude);
    }
    let mut limbs: Vec<u32> = magnitude
        .chunks(4)
        .map(|chunk| chunk.iter().rev().fold(0, |limb, byte| limb << 8 | u32::from(*byte)))
        .collect();
    let mut chunks = Vec::new();
    while limbs.pop_if(|limb| *limb == 0).is_some() {}
    while !limbs.is_empty() {
        let mut rest = 0;
        for limb in limbs.iter_mut().rev() {
            let wide = u64::from(rest) << 32 | u64::from(*limb);
            *limb = (wide / u64::from(CHUNK)) as u32;
            rest = (wide % u64::from(CHUNK)) as u32;
        }
        chunks.push(rest);
        while limbs.pop_if(|limb| *limb == 0).is_some() {}
    }
    let mut out = String::from(if negative { "-" } else { "" });
    let first = chunks.pop().unwrap_or(0);
    let _ = write!(out, "{first}");
    for chunk in chunks.iter().rev() {
        let _ = write!(out, "{chunk:09}");
    }
    out
}

/// From decimal digits with an optional minus sign, in quadratic time.
pub(in crate::django) fn from_decimal(text: &[u8]) -> Option<Vec<u8>> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut limbs: Vec<u32> = Vec::new();
    let (head, chunks) = digits.as_rchunks::<9>();
    for chunk in std::iter::once(head).chain(chunks.iter().map(|chunk| &chunk[..])) {
        let mut carry = chunk.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        for limb in &mut limbs {
            carry += u64::from(*limb) * u64::from(CHUNK);
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            limbs.push(carry as u32);
        }
    }
    let mut bytes: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
    bytes.push(0);
    if negative {
        negate(&mut bytes);
    }
    Some(shortest(&bytes).to_vec())
}

fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes {
        (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
    }
}

//! The text arguments of protocols 0 and 1.

use super::node::{MAX_LONG, Reason};
use crate::django::python::{int, surrogates};

/// A decimal number with few digits, the usual case.
pub(super) fn small_integer(line: &[u8]) -> Option<i64> {
    let digits = line.strip_prefix(b"-").unwrap_or(line);
    if !(1..=18).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    Some(if digits.len() < line.len() { -number } else { number })
}

/// The bytes of a decimal number.
pub(super) fn integer(line: &[u8]) -> Result<Vec<u8>, Reason> {
    // The number of digits of the longest integer.
    if line.len() > MAX_LONG * 5 / 2 {
        return Err("long");
    }
    let bytes = int::from_decimal(line).ok_or("integer")?;
    if bytes.len() > MAX_LONG { Err("long") } else { Ok(bytes) }
}

/// A float as `repr` writes it.
pub(super) fn float(line: &[u8]) -> Result<f64, Reason> {
    let text = std::str::from_utf8(line).map_err(|_| "float")?;
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte));
    if text.len() > 64 || !plain && !matches!(text, "inf" | "-inf" | "nan") {
        return Err("float");
    }
    text.parse().map_err(|_| "float")
}

/// An index into the memo.
pub(super) fn index(line: &[u8]) -> Result<usize, Reason> {
    let text = std::str::from_utf8(line).map_err(|_| "memo")?;
    if line.len() > 10 || !line.iter().all(u8::is_ascii_digit) { Err("memo") } else { text.parse().map_err(|_| "memo") }
}

/// The encoding `raw-unicode-escape`: Latin-1 with `\uXXXX` and `\UXXXXXXXX`, as UTF-8 with lone surrogates.
///
/// An escape counts only after an odd number of backslashes.
pub(super) fn unescape(line: &[u8], out: &mut Vec<u8>) -> Result<(), Reason> {
    let mut rest = line;
    while let [first, tail @ ..] = rest {
        rest = match tail {
            [b'\\', after @ ..] if *first == b'\\' => {
                out.extend_from_slice(b"\\\\");
                after
            }
            [kind @ (b'u' | b'U'), after @ ..] if *first == b'\\' => {
                let (digits, after) = after.split_at_checked(if *kind == b'u' { 4 } else { 8 }).ok_or("escape")?;
                surrogates::push(out, hex(digits)?)?;
                after
            }
            _ => {
                match *first {
                    ascii @ ..0x80 => out.push(ascii),
                    latin => out.extend_from_slice(&[0xc0 | latin >> 6, 0x80 | latin & 0x3f]),
                }
                tail
            }
        };
    }
    Ok(())
}

fn hex(digits: &[u8]) -> Result<u32, Reason> {
    digits.iter().try_fold(0, |sum, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or("escape")?;
        Ok(sum << 4 | digit)
    })
}

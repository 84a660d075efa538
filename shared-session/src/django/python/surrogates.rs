//! UTF-8 that may contain lone surrogates, each encoded as three bytes, like a Python string.

use crate::django::refusal::Reason;

/// Refuses bytes that are not such a text.
pub(in crate::django) fn check(mut bytes: &[u8]) -> Result<(), Reason> {
    while let Err(error) = std::str::from_utf8(bytes) {
        bytes = match &bytes[error.valid_up_to()..] {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..] => rest,
            _ => return Err("utf8"),
        };
    }
    Ok(())
}

/// Appends a code point, a lone surrogate as three bytes.
pub(in crate::django) fn push(out: &mut Vec<u8>, code: u32) -> Result<(), Reason> {
    if let Some(char) = char::from_u32(code) {
        out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    } else if let 0xd800..=0xdfff = code {
        out.extend_from_slice(&[0xed, 0x80 | (code >> 6 & 0x3f) as u8, 0x80 | (code & 0x3f) as u8]);
    } else {
        return Err("escape");
    }
    Ok(())
}

//! Randomness from the system, as letters and digits.

use crate::error::{Error, ErrorKind};

/// In Django's order, on which its form tokens depend.
const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// The letter or digit at `position` of 62.
pub(crate) fn letter(position: u8) -> char {
    char::from(LETTERS[usize::from(position) % 62])
}

/// `N` numbers below 62, all equally likely.
///
/// # Errors
/// [`ErrorKind::Unavailable`] if the system gives no random bytes.
pub(crate) fn positions<const N: usize>() -> Result<[u8; N], Error> {
    /// The largest multiple of 62 that fits in a byte: larger bytes would favour the first letters.
    const FAIR: u8 = 248;
    let mut positions = [0; N];
    let mut open = positions.iter_mut();
    loop {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes).map_err(|source| {
            Error::new(ErrorKind::Unavailable, "the system provides no random bytes").with_source(source)
        })?;
        for byte in bytes.into_iter().filter(|byte| *byte < FAIR) {
            match open.next() {
                Some(position) => *position = byte % 62,
                None => return Ok(positions),
            }
        }
    }
}

/// `N` letters and digits.
///
/// # Errors
/// As [`positions`].
#[cfg(feature = "users")]
pub(crate) fn text<const N: usize>() -> Result<String, Error> {
    Ok(positions::<N>()?.into_iter().map(letter).collect())
}

/// The 32 hexadecimal digits of a random UUID (RFC 9562, version 4).
///
/// # Errors
/// [`ErrorKind::Unavailable`] if the system gives no random bytes.
#[cfg(all(feature = "users", any(feature = "postgres", feature = "sqlite")))]
pub(crate) fn uuid() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|source| {
        Error::new(ErrorKind::Unavailable, "the system provides no random bytes").with_source(source)
    })?;
    let random = u128::from_be_bytes(bytes);
    let version = random & !(0xf << 76) | 4 << 76;
    Ok(format!("{:032x}", version & !(0b11 << 62) | 0b10 << 62))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_drawn_at_every_place() {
        let mut seen = [[false; 62]; 3];
        for _ in 0..5000 {
            for (seen, position) in seen.iter_mut().zip(positions::<3>().unwrap()) {
                seen[usize::from(position)] = true;
            }
        }
        assert!(seen.iter().flatten().all(|seen| *seen));
        // More than one draw.
        assert_ne!(positions::<200>().unwrap()[190..], [0; 10]);
    }

    #[cfg(all(feature = "users", any(feature = "postgres", feature = "sqlite")))]
    #[test]
    fn a_random_uuid_says_its_version_and_variant() {
        let uuid = uuid().unwrap();
        assert_eq!((uuid.len(), &uuid[12..13]), (32, "4"), "{uuid}");
        assert!("89ab".contains(&uuid[16..17]), "{uuid}");
    }
}

//! The tags that distinguish commits.

use std::cell::RefCell;

use super::id::{random_bytes, text};
use crate::error::Error;

const BYTES: usize = 18;
const CHARS: usize = 24;

/// The number of tags drawn from the system at once: a call for each tag would be its largest cost.
const DRAWN: usize = 56;

/// The tag of one commit: 144 random bits as 24 characters of base64url. It is not secret.
#[derive(Clone, Copy)]
pub(crate) struct Tag([u8; CHARS]);

/// Random bytes; the unused ones are at the end.
struct Drawn {
    bytes: [u8; BYTES * DRAWN],
    used: usize,
}

thread_local! {
    static DRAWN_TAGS: RefCell<Drawn> = const { RefCell::new(Drawn { bytes: [0; BYTES * DRAWN], used: BYTES * DRAWN }) };
}

impl Tag {
    /// A new tag. Some calls cost a system call.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the system gives no random bytes.
    pub(crate) fn random() -> Result<Self, Error> {
        DRAWN_TAGS.with_borrow_mut(|drawn| drawn.next()).map(Self)
    }

    pub(crate) fn as_str(&self) -> &str {
        text(&self.0)
    }
}

impl Drawn {
    fn next(&mut self) -> Result<[u8; CHARS], Error> {
        if self.used == self.bytes.len() {
            self.bytes = random_bytes()?;
            self.used = 0;
        }
        let mut chars = [b'A'; CHARS];
        for (chars, bytes) in chars.chunks_exact_mut(4).zip(self.bytes[self.used..].chunks_exact(3)) {
            let word = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
            for (place, char) in chars.iter_mut().enumerate() {
                *char = ALPHABET[(word >> (18 - 6 * place)) as usize & 63];
            }
        }
        self.used += BYTES;
        Ok(chars)
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn a_tag_is_the_next_bytes_in_base64url() {
        let mut drawn = Drawn { bytes: std::array::from_fn(|at| u8::try_from(at * 37 % 251).unwrap()), used: 0 };
        let bytes = drawn.bytes;
        for bytes in bytes.chunks_exact(BYTES) {
            assert_eq!(text(&drawn.next().unwrap()), URL_SAFE_NO_PAD.encode(bytes));
        }
        drawn.next().unwrap();
        assert_ne!(drawn.bytes, bytes);
    }

    #[test]
    fn no_two_tags_are_the_same_on_any_thread() {
        let draw = || (0..3 * DRAWN).map(|_| Tag::random().unwrap().as_str().to_owned()).collect::<Vec<_>>();
        let others: Vec<_> = (0..4).map(|_| std::thread::spawn(draw)).collect();
        let mut all: Vec<String> = others.into_iter().flat_map(|other| other.join().unwrap()).collect();
        all.extend(draw());
        let (drawn, different) = (all.len(), all.iter().collect::<HashSet<_>>().len());
        assert_eq!((drawn, different), (15 * DRAWN, 15 * DRAWN));
        // Every bit is random.
        let bytes: Vec<Vec<u8>> = all.iter().map(|tag| URL_SAFE_NO_PAD.decode(tag).unwrap()).collect();
        for at in 0..BYTES {
            assert_eq!(bytes.iter().fold((0, 255), |(any, all), tag| (any | tag[at], all & tag[at])), (255, 0));
        }
    }
}

//! The size limits of records.

use crate::error::{Error, ErrorKind};

/// The largest records, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaxSize {
    pub(crate) any: usize,
    /// The limit for anonymous sessions. A value above `any` has no effect.
    pub(crate) anonymous: usize,
}

impl MaxSize {
    /// Whether a record of `len` bytes may replace one of `before` bytes (zero if there is none). No record may exceed
    /// `any`. An anonymous record that exceeds its limit already (another program wrote it, or there was no limit then)
    /// may shrink or keep its size.
    pub(crate) fn check(self, len: usize, before: usize, is_signed_in: bool) -> Result<(), Error> {
        if len > self.any {
            return Err(too_large(
                len,
                self.any,
                "keep less in it, or raise the limit with SessionManager::with_max_size",
            ));
        }
        let is_grown = len > before;
        if is_signed_in || len <= self.anonymous || !is_grown {
            return Ok(());
        }
        let advice = "the session is anonymous: store less before the sign-in, or raise the limit with \
                      SessionManager::with_anonymous_max_size";
        Err(too_large(len, self.anonymous, advice).with_public_message("The session is full. Sign in to store more."))
    }
}

fn too_large(len: usize, limit: usize, advice: &str) -> Error {
    Error::new(ErrorKind::TooLarge, format!("the session would have {len} bytes; the limit is {limit}: {advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_in_session_may_hold_more_and_a_too_large_one_may_shrink() {
        let max = MaxSize { any: 100, anonymous: 10 };
        for (len, before, is_signed_in, setting) in [
            (10, 0, false, None),
            (11, 0, false, Some("with_anonymous_max_size")),
            (11, 10, false, Some("with_anonymous_max_size")),
            (50, 50, false, None),
            (49, 50, false, None),
            (100, 0, true, None),
            (101, 0, true, Some("with_max_size")),
            (101, 200, false, Some("with_max_size")),
        ] {
            let refused = max.check(len, before, is_signed_in).map_err(|error| error.to_string());
            match setting {
                None => assert_eq!(refused, Ok(()), "{len} {before}"),
                Some(setting) => assert!(refused.unwrap_err().contains(setting), "{len} {before}"),
            }
        }
    }
}

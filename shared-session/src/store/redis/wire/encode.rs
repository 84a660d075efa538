//! Encodes commands as Redis reads them.

use std::time::Duration;

use crate::decimal::Decimal;

/// The longest lifetime and the latest deadline, in milliseconds: the largest exact integer of a double, because scores
/// and Lua numbers are doubles. It is 285,000 years, far below the overflow of Redis' own sums.
pub(crate) const MAX_MILLIS: u64 = (1 << 53) - 1;

/// The words of a command. They are borrowed, and copied once, into the write buffer of the connection.
pub(crate) type Command<'a> = &'a [&'a [u8]];

/// Appends `command` to `out`.
pub(crate) fn write_command(command: Command<'_>, out: &mut Vec<u8>) {
    /// A length, its mark and two line ends.
    const FRAME: usize = 16;
    out.reserve(command.iter().fold(FRAME, |len, word| len + word.len() + FRAME));
    out.extend_from_slice(Decimal::of(command.len() as u64).as_line(b'*'));
    for word in command {
        out.extend_from_slice(Decimal::of(word.len() as u64).as_line(b'$'));
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// A lifetime in the form that commands take.
pub(crate) fn millis(ttl: Duration) -> Decimal {
    Decimal::of(u64::try_from(ttl.as_millis()).unwrap_or(MAX_MILLIS).clamp(1, MAX_MILLIS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_written_as_the_crate_redis_writes_it() {
        let long = vec![b'x'; 12_345];
        for words in [&[&b"PING"[..]][..], &[b"SET", b"a\r\nb", b"", &long]] {
            let mut out = b"before".to_vec();
            write_command(words, &mut out);
            let mut expected = redis::Cmd::new();
            words.iter().for_each(|word| _ = expected.arg(*word));
            assert_eq!(out, [b"before", &*expected.get_packed_command()].concat());
        }
    }
}

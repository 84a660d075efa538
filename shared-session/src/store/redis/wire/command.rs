//! Commands as Redis reads them.

use crate::decimal::Decimal;

/// The words of a command. They are borrowed, and copied once: to where the connection writes from.
pub(crate) type Command<'a> = &'a [&'a [u8]];

/// Appends `command` to `out`.
pub(crate) fn write(command: Command<'_>, out: &mut Vec<u8>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_written_as_the_crate_redis_writes_it() {
        let long = vec![b'x'; 12_345];
        for words in [&[&b"PING"[..]][..], &[b"SET", b"a\r\nb", b"", &long]] {
            let mut out = b"before".to_vec();
            write(words, &mut out);
            let mut expected = redis::Cmd::new();
            words.iter().for_each(|word| _ = expected.arg(*word));
            assert_eq!(out, [b"before", &*expected.get_packed_command()].concat());
        }
    }
}

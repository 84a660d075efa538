//! A minimal client for the Redis protocol (RESP2), to send a command and read its reply.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};

/// The reply of a Redis server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// No value.
    Nil,
    /// An integer.
    Integer(i64),
    /// A simple or bulk string.
    Bytes(Vec<u8>),
    /// An array.
    Array(Vec<Reply>),
    /// An error, starting with its code.
    Error(String),
}

/// The format of `redis-cli` in a pipe: an array is one element per line, an error starts with `(error) `, nothing is
/// `(nil)`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("(nil)"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Bytes(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Self::Error(message) => write!(f, "(error) {message}"),
            Self::Array(replies) => {
                let lines: Vec<String> = replies.iter().map(Self::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

pub(crate) fn send(stream: &mut (impl Read + Write), args: &[&[u8]]) -> io::Result<Reply> {
    let mut request = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        write!(request, "${}\r\n", arg.len())?;
        request.extend_from_slice(arg);
        request.extend_from_slice(b"\r\n");
    }
    stream.write_all(&request)?;
    read(&mut BufReader::new(stream))
}

fn read(from: &mut impl BufRead) -> io::Result<Reply> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let line = line.strip_suffix("\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let (kind, rest) = line.split_at_checked(1).ok_or(io::ErrorKind::InvalidData)?;
    let number = || rest.parse::<i64>().map_err(|_| io::ErrorKind::InvalidData);
    Ok(match kind {
        "+" => Reply::Bytes(rest.into()),
        "-" => Reply::Error(rest.into()),
        ":" => Reply::Integer(number()?),
        "$" => match usize::try_from(number()?) {
            Ok(length) => {
                let mut bytes = vec![0; length + 2];
                from.read_exact(&mut bytes)?;
                bytes.truncate(length);
                Reply::Bytes(bytes)
            }
            Err(_) => Reply::Nil,
        },
        "*" => match number()? {
            ..0 => Reply::Nil,
            length => Reply::Array((0..length).map(|_| read(from)).collect::<io::Result<_>>()?),
        },
        _ => return Err(io::ErrorKind::InvalidData.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_every_kind_are_read() {
        let wire = b"*6\r\n+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*1\r\n*0\r\n".as_slice();
        let reply = read(&mut BufReader::new(wire)).unwrap();
        assert_eq!(
            reply,
            Reply::Array(vec![
                Reply::Bytes(b"OK".to_vec()),
                Reply::Error("ERR no".into()),
                Reply::Integer(-7),
                Reply::Bytes(b"a\r\n".to_vec()),
                Reply::Nil,
                Reply::Array(vec![Reply::Array(vec![])]),
            ])
        );
    }

    #[test]
    fn a_reply_cut_short_is_an_error() {
        assert!(read(&mut BufReader::new(b"$5\r\nab".as_slice())).is_err());
        assert!(read(&mut BufReader::new(b"".as_slice())).is_err());
    }
}

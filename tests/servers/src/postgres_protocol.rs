//! A minimal PostgreSQL client (protocol 3.0, simple query, no password) to run a statement.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

const PROTOCOL: i32 = 3 << 16;
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs `sql` and returns its rows: one per line, columns separated by a tab.
pub(crate) fn query(port: u16, database: &str, sql: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    let parameters = format!("user\0postgres\0database\0{database}\0\0");
    stream.write_all(&framed(&[&PROTOCOL.to_be_bytes(), parameters.as_bytes()].concat()))?;
    rows_until_ready(&mut stream)?;
    stream.write_all(b"Q")?;
    stream.write_all(&framed(&[sql.as_bytes(), b"\0"].concat()))?;
    Ok(rows_until_ready(&mut stream)?.join("\n"))
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).expect("a short statement");
    [&length.to_be_bytes(), body].concat()
}

/// Reads up to ReadyForQuery. An ErrorResponse is an error; of the other messages only DataRow is used.
fn rows_until_ready(stream: &mut TcpStream) -> io::Result<Vec<String>> {
    let mut rows = Vec::new();
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = usize::try_from(i32::from_be_bytes(length)).ok().and_then(|length| length.checked_sub(4));
        let mut body = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
        stream.read_exact(&mut body)?;
        match kind {
            b'Z' => return Ok(rows),
            b'D' => rows.push(row(&body).ok_or(io::ErrorKind::InvalidData)?),
            b'E' => return Err(io::Error::other(String::from_utf8_lossy(&body).replace('\0', " "))),
            _ => {}
        }
    }
}

fn row(body: &[u8]) -> Option<String> {
    let (_count, mut rest) = body.split_at_checked(2)?;
    let mut columns = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk() {
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        let (value, tail) = tail.split_at_checked(length)?;
        columns.push(String::from_utf8_lossy(value));
        rest = tail;
    }
    Some(columns.join("\t"))
}

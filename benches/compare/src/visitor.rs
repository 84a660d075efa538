//! A browser: one connection, and its cookies.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{Error, ErrorKind, Result},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub struct Visitor {
    stream: TcpStream,
    cookies: BTreeMap<String, String>,
    /// The value of the `Cookie` header.
    header: String,
    buffer: Vec<u8>,
}

impl Visitor {
    pub async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, cookies: BTreeMap::new(), header: String::new(), buffer: Vec::new() })
    }

    /// Opens a new connection if possible, and keeps the cookies.
    pub async fn connect_again(&mut self, port: u16) {
        if let Ok(fresh) = Self::connect(port).await {
            self.stream = fresh.stream;
        }
    }

    /// Becomes a new visitor on the same connection.
    pub fn forget(&mut self) {
        self.cookies.clear();
        self.header.clear();
    }

    /// Uses the cookies of `other` from now on, on its own connection.
    pub fn cookies_of(&mut self, other: &Self) {
        self.cookies.clone_from(&other.cookies);
        self.header.clone_from(&other.header);
    }

    /// Posts an empty body to `path`, keeps the cookies of the answer, and returns its status.
    pub async fn ask(&mut self, path: &str) -> Result<u16> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n{}\
             Content-Length: 0\r\n\r\n",
            self.header
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        let head = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if let Some(head) = Head::read(&self.buffer)? {
                break head;
            }
        };
        while self.buffer.len() < head.length + head.body {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        if !head.cookies.is_empty() {
            self.cookies.extend(head.cookies);
            self.header.clear();
            for (name, value) in &self.cookies {
                let before = if self.header.is_empty() { "Cookie: " } else { "; " };
                _ = write!(self.header, "{before}{name}={value}");
            }
            self.header.push_str("\r\n");
        }
        Ok(head.status)
    }
}

/// The required parts of the head of a response.
#[derive(Debug, Default, PartialEq, Eq)]
struct Head {
    status: u16,
    /// In bytes, including the empty line.
    length: usize,
    body: usize,
    cookies: Vec<(String, String)>,
}

impl Head {
    /// `None` until the head is complete.
    fn read(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(None) };
        let invalid = || Error::new(ErrorKind::InvalidData, "not a response of HTTP/1.1");
        let text = str::from_utf8(&bytes[..end]).map_err(|_| invalid())?;
        let (first, fields) = text.split_once("\r\n").unwrap_or((text, ""));
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let mut head = Self { status: status.ok_or_else(invalid)?, length: end + 4, ..Self::default() };
        for (name, value) in fields.split("\r\n").filter_map(|line| line.split_once(": ")) {
            if name.eq_ignore_ascii_case("content-length") {
                head.body = value.trim().parse().map_err(|_| invalid())?;
            } else if name.eq_ignore_ascii_case("set-cookie") {
                let pair = value.split(';').next().unwrap_or_default();
                let (name, value) = pair.split_once('=').ok_or_else(invalid)?;
                head.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(Some(head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_all_of_it_is_there() {
        let response =
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nset-cookie: a=b=c; Path=/\r\nSet-Cookie: d=\r\n\r\ndone";
        let head = Head::read(response).unwrap().unwrap();
        assert_eq!((head.status, head.length, head.body), (200, response.len() - 4, 4));
        let cookies: Vec<_> = head.cookies.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(cookies, [("a", "b=c"), ("d", "")]);
        assert_eq!(Head::read(&response[..response.len() - 6]).unwrap(), None);
    }

    #[test]
    fn a_response_that_is_not_http_is_an_error() {
        assert!(Head::read(b"SSH-2.0-OpenSSH\r\n\r\n").is_err());
        assert!(Head::read(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n").is_err());
    }
}

//! Raw HTTP requests, and a browser that keeps cookies as in RFC 6265bis.

use std::{
    collections::BTreeMap,
    io::{Error, Read as _, Result, Write as _},
    net::TcpStream,
    time::Duration,
};

/// A service that takes longer counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// The answer of a service. A broken connection has status 0 and the reason as the body.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The values of a header, in lower case and joined.
    pub fn header(&self, name: &str) -> String {
        let values: Vec<_> =
            self.headers.iter().filter(|(of, _)| of == name).map(|(_, value)| value.as_str()).collect();
        values.join(", ").to_lowercase()
    }

    pub fn cookies(&self) -> Vec<SetCookie> {
        let lines = self.headers.iter().filter(|(name, _)| name == "set-cookie");
        lines.filter_map(|(_, line)| SetCookie::parse(line)).collect()
    }

    /// The cookie that this answer sets under the name.
    pub fn cookie(&self, name: &str) -> Option<SetCookie> {
        self.cookies().into_iter().find(|cookie| cookie.name == name)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|end| end == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
        Some(Self { status, headers: lines.filter_map(header).collect(), body })
    }
}

/// A `Set-Cookie` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCookie {
    pub name: String,
    pub value: String,
    /// By name, in lower case.
    pub attributes: BTreeMap<String, String>,
}

impl SetCookie {
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let attribute = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (name.to_lowercase(), value.to_owned())
        };
        Some(Self { name: name.to_owned(), value: value.to_owned(), attributes: parts.map(attribute).collect() })
    }

    pub fn has(&self, attribute: &str) -> bool {
        self.attributes.contains_key(attribute)
    }

    pub fn is_deletion(&self) -> bool {
        self.attributes.get("max-age").is_some_and(|age| age.parse::<i64>().is_ok_and(|age| age <= 0))
    }

    /// Whether a browser accepts it over HTTPS: the rules of the prefixes (RFC 6265bis 5.7).
    fn is_taken(&self) -> bool {
        let name = self.name.to_lowercase();
        let at_root = self.attributes.get("path").is_some_and(|path| path == "/");
        let is_host = name.starts_with("__host-");
        (!is_host || (self.has("secure") && at_root && !self.has("domain")))
            && (!name.starts_with("__secure-") || self.has("secure"))
    }

    /// The attributes that a deletion must repeat.
    pub fn scope(&self) -> Vec<(&str, &str)> {
        let of = |name: &'static str| self.attributes.get(name).map(|value| (name, value.as_str()));
        ["domain", "path", "secure", "httponly", "samesite", "partitioned"].into_iter().filter_map(of).collect()
    }
}

/// Sends a request with these header lines, and waits for the answer.
pub fn send(port: u16, method: &str, path: &str, lines: &[Vec<u8>], body: &str) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n").into_bytes();
    for line in lines {
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\n");
    }
    if method != "GET" {
        request.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body.as_bytes());
    let failed = |error: &Error| Answer { body: error.to_string(), ..Answer::default() };
    exchange(port, &request).map_or_else(|error| failed(&error), |bytes| Answer::parse(&bytes).unwrap_or_default())
}

fn exchange(port: u16, request: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // A server may answer and close before it has read the whole request.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    // A server may also reset the connection after its answer.
    if answer.is_empty() { read.map(|_| answer) } else { Ok(answer) }
}

/// A header line.
pub fn line(name: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    [name.as_bytes(), b": ", value.as_ref()].concat()
}

/// A browser on HTTPS; only its cookies are modelled.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub fn get(&mut self, port: u16, path: &str) -> Answer {
        self.ask(port, "GET", path, &[])
    }

    pub fn post(&mut self, port: u16, path: &str) -> Answer {
        self.ask(port, "POST", path, &[])
    }

    pub fn ask(&mut self, port: u16, method: &str, path: &str, more: &[Vec<u8>]) -> Answer {
        let mut lines = more.to_vec();
        if !self.cookies.is_empty() {
            lines.push(line("Cookie", self.header()));
        }
        let answer = send(port, method, path, &lines, "");
        self.take(&answer);
        answer
    }

    /// Keeps the cookies of an answer.
    pub fn take(&mut self, answer: &Answer) {
        for cookie in answer.cookies().into_iter().filter(SetCookie::is_taken) {
            if cookie.is_deletion() {
                self.cookies.remove(&cookie.name);
            } else {
                self.cookies.insert(cookie.name, cookie.value);
            }
        }
    }

    /// The value of its `Cookie` header.
    pub fn header(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// The session cookie, which is the longest one.
    pub fn session(&self) -> Option<(String, String)> {
        let longest = self.cookies.iter().max_by_key(|(_, value)| value.len());
        longest.map(|(name, value)| (name.clone(), value.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(cookie: &str) -> Answer {
        Answer::parse(format!("HTTP/1.1 200 OK\r\nset-cookie: {cookie}\r\nVary: Cookie\r\n\r\ndone").as_bytes())
            .unwrap()
    }

    #[test]
    fn an_answer_is_read() {
        let answer = answer("id=v; Path=/; HttpOnly");
        assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
        assert_eq!(answer.header("vary"), "cookie");
        assert_eq!(answer.cookie("id").unwrap().scope(), [("path", "/"), ("httponly", "")]);
        assert!(Answer::parse(b"HTTP/1.1 200 OK\r\n").is_none());
    }

    #[test]
    fn a_browser_keeps_to_the_rules_of_the_prefixes() {
        let mut browser = Browser::default();
        browser.take(&answer("__Host-id=v; Path=/; Secure"));
        for refused in ["__Host-id=w; Path=/", "__Host-id=w; Secure; Path=/a", "__Host-id=; Max-Age=0; Path=/"] {
            browser.take(&answer(refused));
            assert_eq!(browser.header(), "__Host-id=v", "{refused}");
        }
        browser.take(&answer("__Host-id=; Max-Age=0; Path=/; Secure"));
        assert_eq!(browser.session(), None);
    }
}

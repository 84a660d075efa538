//! The request of `site healthcheck` and `api healthcheck`.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// The longest wait for a connection, and for each part of the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the service that listens at `addr` for `/healthz`. An unspecified address (`0.0.0.0`) stands for this machine.
///
/// # Errors
/// One line with the answer that came instead of 200.
pub fn ask(addr: SocketAddr) -> Result<(), String> {
    let addr = reachable(addr)?;
    let failed = |error: std::io::Error| format!("no answer from {addr}: {error}");
    let mut connection = TcpStream::connect_timeout(&addr, PATIENCE).map_err(failed)?;
    connection.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    connection.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).map_err(failed)?;
    let mut start = [0; "HTTP/1.1 200".len()];
    connection.read_exact(&mut start).map_err(failed)?;
    match &start {
        b"HTTP/1.1 200" | b"HTTP/1.0 200" => Ok(()),
        _ => Err(format!("{addr} answers {}", String::from_utf8_lossy(&start).escape_debug())),
    }
}

fn reachable(addr: SocketAddr) -> Result<SocketAddr, String> {
    if addr.port() == 0 {
        return Err("the system picks the port, because the setting says 0; give the address: 127.0.0.1:8000".into());
    }
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, addr.port()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// The result of `ask` for a server with this answer.
    fn said(answer: &'static [u8]) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = connection.read(&mut request).unwrap();
            connection.write_all(answer).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let said = ask(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), addr.port()));
        assert!(server.join().unwrap().starts_with("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:"));
        said
    }

    #[test]
    fn only_a_200_is_healthy() {
        assert_eq!(said(b"HTTP/1.1 200 OK\r\n\r\n"), Ok(()));
        for answer in [&b"HTTP/1.1 503 Service Unavailable\r\n\r\n"[..], b"SSH-2.0-OpenSSH\r\n", b"200", b""] {
            assert!(said(answer).is_err(), "{answer:?}");
        }
    }

    #[test]
    fn a_port_that_the_system_picks_is_not_guessed() {
        assert!(ask("127.0.0.1:0".parse().unwrap()).unwrap_err().contains("127.0.0.1:8000"));
    }
}

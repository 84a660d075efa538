//! Free ports below the range from which the system takes the ports of outgoing connections.
//!
//! While a server is down, any client can take a port in that range, and a client that keeps reconnecting can even
//! connect to itself. A Redis Cluster node also listens on its port + 10000.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

const PORTS: Range<u16> = 12_000..22_000;
pub(crate) const BUS_OFFSET: u16 = 10_000;

/// A free port on 127.0.0.1. Another process may take it first, so callers must be ready to ask again.
pub(crate) fn free() -> u16 {
    let random = RandomState::new();
    (0..1_000_u32)
        .map(|attempt| PORTS.start + (random.hash_one(attempt) % u64::from(PORTS.end - PORTS.start)) as u16)
        .find(|&port| is_free(port) && is_free(port + BUS_OFFSET))
        .expect("a free port on 127.0.0.1")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

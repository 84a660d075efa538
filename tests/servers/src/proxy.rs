//! A path to a server that breaks on request. Needs no privileges, unlike the kernel's packet filter.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A proxy in front of a server on 127.0.0.1. Clones share one proxy; it ends with the last clone, and so do its
/// connections.
#[derive(Clone, Debug)]
pub struct Proxy(Arc<Ends>);

/// A fault on the path, for old and new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// No fault.
    None,
    /// Nothing gets through. The data sent meanwhile arrives when this is over, like packets that are sent again.
    Hold,
    /// Requests arrive, replies do not. A connection that lost a reply stays deaf, because a stream cannot lose bytes
    /// from its middle.
    LoseReplies,
    /// The same, but only from the first request with this text on.
    LoseRepliesTo(&'static str),
    /// A request with this text arrives, and the connection ends instead of its reply.
    CutRepliesTo(&'static str),
    /// Connections are closed as soon as they are made; existing ones continue.
    Refuse,
    /// Attempts to connect get no answer; on existing connections nothing gets through, as with [`Hold`](Self::Hold).
    BlackHole,
    /// Replies are delayed by this time.
    Slow(Duration),
    /// Replies arrive one byte at a time.
    Slice,
}

/// Stops the proxy when the last handle is dropped; its threads hold no handle.
#[derive(Debug)]
struct Ends {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    target: u16,
    trouble: Trouble,
    ended: bool,
    accepted: usize,
    connections: BTreeMap<usize, Connection>,
    /// Connections that keep the queue of the listener full.
    fillers: Vec<TcpStream>,
}

#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// A reply was lost.
    deaf: bool,
    /// The connection ends instead of the next reply.
    doomed: bool,
    /// Nothing gets through any more, in either direction.
    silent: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Up,
    Down,
}

/// The fate of some bytes.
enum Fate {
    Pass,
    PassLater(Duration),
    PassSliced,
    Vanish,
    /// The connection ends here.
    Cut,
    /// The connection has already ended.
    End,
}

impl Proxy {
    /// Starts a proxy to a port on 127.0.0.1.
    ///
    /// # Panics
    /// If there is no free port.
    #[must_use]
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            target: port,
            trouble: Trouble::None,
            ended: false,
            accepted: 0,
            connections: BTreeMap::new(),
            fillers: Vec::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let acceptor = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &acceptor));
        Self(Arc::new(Ends { address, shared }))
    }

    /// The port on 127.0.0.1 on which the proxy listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.address.port()
    }

    /// `redis://127.0.0.1:port/`, for a server without a password.
    #[must_use]
    pub fn redis_url(&self) -> String {
        format!("redis://{}/", self.0.address)
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.state().accepted
    }

    /// Sets the fault on the path.
    pub fn set(&self, trouble: Trouble) {
        let mut state = self.state();
        state.trouble = trouble;
        state.fillers.clear();
        drop(state);
        self.0.shared.changed.notify_all();
        if trouble == Trouble::BlackHole {
            self.fill_queue();
        }
    }

    /// Closes every connection.
    pub fn cut(&self) {
        self.state().end_connections();
        self.0.shared.changed.notify_all();
    }

    /// Blocks the existing connections for as long as they live; new ones work. A firewall that has lost its state
    /// behaves like this.
    pub fn forget(&self) {
        self.state().connections.values_mut().for_each(|connection| connection.silent = true);
        self.0.shared.changed.notify_all();
    }

    /// Directs new connections to another port and closes the others.
    pub fn lead_to(&self, port: u16) {
        self.state().target = port;
        self.cut();
    }

    /// Fills the listener's queue. No thread accepts connections now, so with a full queue the system drops new
    /// attempts. After the first failure a connection of the queue may still have been accepted.
    fn fill_queue(&self) {
        let mut failures = 0;
        while failures < 2 {
            match TcpStream::connect_timeout(&self.0.address, Duration::from_millis(50)) {
                Ok(filler) => self.state().fillers.push(filler),
                Err(_) => failures += 1,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.shared.state()
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.ended = true;
        state.fillers.clear();
        state.end_connections();
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the acceptor.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_millis(100));
    }
}

impl State {
    fn end_connections(&mut self) {
        for connection in std::mem::take(&mut self.connections).into_values() {
            let _ = connection.client.shutdown(Shutdown::Both);
            let _ = connection.server.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        self.changed.wait_while(self.state(), condition).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the fate of bytes, or of the end of a stream, is decided.
    fn fate(&self, id: usize, direction: Direction, bytes: &[u8]) -> Fate {
        let held = |state: &mut State| {
            let alive = state.connections.get(&id).is_some_and(|connection| !connection.silent);
            alive && matches!(state.trouble, Trouble::Hold | Trouble::BlackHole)
        };
        let mut state = self.wait_while(held);
        let trouble = state.trouble;
        let Some(connection) = state.connections.get_mut(&id) else { return Fate::End };
        let contains = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        match (direction, trouble) {
            (Direction::Down, Trouble::LoseReplies) => connection.deaf = true,
            (Direction::Up, Trouble::LoseRepliesTo(text)) if contains(text) => connection.deaf = true,
            (Direction::Up, Trouble::CutRepliesTo(text)) if contains(text) => connection.doomed = true,
            _ => {}
        }
        match trouble {
            _ if connection.silent || connection.deaf && direction == Direction::Down => Fate::Vanish,
            _ if connection.doomed && direction == Direction::Down => Fate::Cut,
            Trouble::Slow(delay) if direction == Direction::Down => Fate::PassLater(delay),
            Trouble::Slice if direction == Direction::Down => Fate::PassSliced,
            _ => Fate::Pass,
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        let accepted = listener.accept();
        let state = shared.wait_while(|state| state.trouble == Trouble::BlackHole && !state.ended);
        if state.ended {
            return;
        }
        let (target, refused) = (state.target, state.trouble == Trouble::Refuse);
        drop(state);
        match accepted {
            Ok((client, _)) if !refused => connect(client, target, shared),
            // Refused, or given up by the client before its turn came.
            _ => {}
        }
    }
}

fn connect(client: TcpStream, target: u16, shared: &Arc<Shared>) {
    shared.state().accepted += 1;
    // If the server is down, the client's connection ends here.
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { return };
    let clones = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
    let (Some(kept), Some(down)) = (clones(), clones()) else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut state = shared.state();
    let id = state.accepted;
    state
        .connections
        .insert(id, Connection { client: kept.0, server: kept.1, deaf: false, doomed: false, silent: false });
    drop(state);
    let (one, other) = (Arc::clone(shared), Arc::clone(shared));
    thread::spawn(move || relay(client, server, id, Direction::Up, &one));
    thread::spawn(move || relay(down.1, down.0, id, Direction::Down, &other));
}

fn relay(mut from: TcpStream, mut to: TcpStream, id: usize, direction: Direction, shared: &Shared) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        let bytes = buffer.get(..read).unwrap_or_default();
        let passed = match shared.fate(id, direction, bytes) {
            Fate::End => return,
            Fate::Cut => break,
            // The other side does not see the end either.
            Fate::Vanish if bytes.is_empty() => return,
            Fate::Vanish => Ok(()),
            _ if bytes.is_empty() => break,
            Fate::Pass => to.write_all(bytes),
            Fate::PassLater(delay) => {
                thread::sleep(delay);
                to.write_all(bytes)
            }
            Fate::PassSliced => bytes.iter().try_for_each(|byte| to.write_all(&[*byte])),
        };
        if passed.is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    shared.state().connections.remove(&id);
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);
    const NEVER: Duration = Duration::from_millis(150);

    /// A server that returns its input in upper case.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                thread::spawn(move || {
                    let mut buffer = [0; 64];
                    while let Ok(read @ 1..) = stream.read(&mut buffer) {
                        stream.write_all(&buffer[..read].to_ascii_uppercase()).unwrap();
                    }
                });
            }
        });
        port
    }

    fn client(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn ask(stream: &mut TcpStream, what: &str) -> String {
        stream.write_all(what.as_bytes()).unwrap();
        hear(stream, what.len())
    }

    fn hear(stream: &mut TcpStream, length: usize) -> String {
        let mut answer = vec![0; length];
        match stream.read_exact(&mut answer) {
            Ok(()) => String::from_utf8(answer).unwrap(),
            Err(error) => format!("{:?}", error.kind()),
        }
    }

    fn hears_nothing(stream: &mut TcpStream) {
        stream.set_read_timeout(Some(NEVER)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }

    #[test]
    fn held_bytes_arrive_later() {
        let proxy = Proxy::to(echo());
        let mut stream = client(&proxy);
        assert_eq!(ask(&mut stream, "a"), "A");
        for trouble in [Trouble::Hold, Trouble::BlackHole] {
            proxy.set(trouble);
            stream.write_all(b"b").unwrap();
            hears_nothing(&mut stream);
            proxy.set(Trouble::None);
            assert_eq!(hear(&mut stream, 1), "B");
        }
    }

    #[test]
    fn a_black_hole_accepts_nobody() {
        let proxy = Proxy::to(echo());
        proxy.set(Trouble::BlackHole);
        let error = TcpStream::connect_timeout(&proxy.0.address, NEVER).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        proxy.set(Trouble::None);
        assert_eq!(ask(&mut client(&proxy), "a"), "A");
    }

    #[test]
    fn a_connection_that_lost_a_reply_stays_deaf_and_others_hear() {
        let proxy = Proxy::to(echo());
        let (mut deaf, mut idle) = (client(&proxy), client(&proxy));
        assert_eq!(ask(&mut idle, "a"), "A");
        proxy.set(Trouble::LoseReplies);
        deaf.write_all(b"b").unwrap();
        hears_nothing(&mut deaf);
        proxy.set(Trouble::None);
        deaf.write_all(b"c").unwrap();
        hears_nothing(&mut deaf);
        assert_eq!(ask(&mut idle, "d"), "D");
    }

    #[test]
    fn replies_to_some_requests_are_lost_or_cut_off() {
        let proxy = Proxy::to(echo());
        let (mut deaf, mut cut) = (client(&proxy), client(&proxy));
        proxy.set(Trouble::LoseRepliesTo("set"));
        assert_eq!(ask(&mut deaf, "get"), "GET");
        deaf.write_all(b"a set").unwrap();
        hears_nothing(&mut deaf);
        proxy.set(Trouble::CutRepliesTo("set"));
        assert_eq!(ask(&mut cut, "get"), "GET");
        assert_ne!(ask(&mut cut, "a set"), "A SET");
        assert_eq!(ask(&mut client(&proxy), "get"), "GET");
    }

    #[test]
    fn forgotten_connections_are_silent_and_new_ones_are_not() {
        let proxy = Proxy::to(echo());
        let mut old = client(&proxy);
        assert_eq!(ask(&mut old, "a"), "A");
        proxy.forget();
        old.write_all(b"b").unwrap();
        hears_nothing(&mut old);
        assert_eq!(ask(&mut client(&proxy), "c"), "C");
    }

    #[test]
    fn connections_are_cut_refused_and_led_elsewhere() {
        let proxy = Proxy::to(echo());
        let mut stream = client(&proxy);
        assert_eq!(ask(&mut stream, "a"), "A");
        proxy.cut();
        assert_ne!(hear(&mut stream, 1), "A");
        proxy.set(Trouble::Refuse);
        assert_ne!(hear(&mut client(&proxy), 1), "A");
        proxy.set(Trouble::None);
        // No server listens on this port.
        proxy.lead_to(1);
        assert_ne!(hear(&mut client(&proxy), 1), "A");
        proxy.lead_to(echo());
        assert_eq!(ask(&mut client(&proxy), "b"), "B");
        let mut last = client(&proxy);
        assert_eq!(ask(&mut last, "c"), "C");
        drop(proxy);
        assert_ne!(hear(&mut last, 1), "C");
    }

    #[test]
    fn slow_replies_take_longer_and_sliced_ones_arrive() {
        let proxy = Proxy::to(echo());
        let mut stream = client(&proxy);
        proxy.set(Trouble::Slow(NEVER));
        let start = Instant::now();
        assert_eq!(ask(&mut stream, "a"), "A");
        assert!(start.elapsed() >= NEVER);
        proxy.set(Trouble::Slice);
        assert_eq!(ask(&mut stream, "abc"), "ABC");
    }
}

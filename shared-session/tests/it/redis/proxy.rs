//! A path to the server that breaks on request.

use super::*;

/// How a [`Proxy`] treats replies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// Forwards them.
    None,
    /// After the first reply, forwards nothing in either direction for the rest of the connection's life.
    Silence,
    /// Closes the connection instead of forwarding a reply.
    Cut,
    /// The same for a single reply.
    CutOnce,
}

impl Fault {
    fn take(&mut self) -> Self {
        let now = *self;
        if now == Self::CutOnce {
            *self = Self::None;
        }
        now
    }
}

/// Forwards bytes between a store and its server, in the current mode.
pub(super) struct Proxy {
    pub(super) url: String,
    pub(super) fault: Arc<Mutex<Fault>>,
    pub(super) accepted: Arc<AtomicUsize>,
}

impl Proxy {
    pub(super) async fn start(redis: &Redis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let fault = Arc::new(Mutex::new(Fault::None));
        let accepted = Arc::new(AtomicUsize::new(0));
        let (counter, watched, port) = (accepted.clone(), fault.clone(), redis.port());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(relay(client, port, watched.clone()));
            }
        });
        Self { url, fault, accepted }
    }

    pub(super) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn relay(mut client: TcpStream, port: u16, fault: Arc<Mutex<Fault>>) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut asked, mut replied) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read? {
                0 => return Ok(()),
                n => server.write_all(&asked[..n]).await?,
            },
            read = server.read(&mut replied) => {
                let now = fault.lock().unwrap().take();
                match (read?, now) {
                    (0, _) | (_, Fault::Cut | Fault::CutOnce) => return Ok(()),
                    (n, Fault::None) => client.write_all(&replied[..n]).await?,
                    (_, Fault::Silence) => break,
                }
            }
        }
    }
    std::future::pending().await
}

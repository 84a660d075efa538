//! A path to PostgreSQL whose replies can be held back.

use std::{sync::Arc, time::Duration};

use shared_session::store::SqlStore;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};

/// Forwards everything until it is [`closed`](Self::close); from then on replies wait for [`pass_one`](Self::pass_one).
/// One connection, one statement at a time: a statement that the server has already prepared gets one reply.
pub(super) struct Gate {
    permits: Arc<Semaphore>,
    closed: watch::Sender<bool>,
    waiting: watch::Receiver<usize>,
    pub(super) rows: SqlStore,
}

impl Gate {
    pub(super) async fn new(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (own, port) = (listener.local_addr().unwrap().port(), options.get_port());
        let (permits, (closed, is_closed), (count, waiting)) =
            (Arc::new(Semaphore::new(0)), watch::channel(false), watch::channel(0));
        let passes = permits.clone();
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let ((mut asks, mut hears), (mut replies, mut asked)) = (client.into_split(), server.into_split());
            tokio::spawn(async move { copy(&mut asks, &mut asked).await });
            let mut buffer = vec![0; 1 << 16];
            while let Ok(read @ 1..) = replies.read(&mut buffer).await {
                // The pool tests a returned connection; that reply starts differently from any statement's reply.
                if *is_closed.borrow() && buffer[0] != b'Z' {
                    count.send_modify(|count| *count += 1);
                    passes.acquire().await.unwrap().forget();
                }
                if hears.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
        });
        let pool = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
        let rows = SqlStore::from_postgres(pool.connect_with(options.port(own)).await.unwrap());
        Self { permits, closed, waiting, rows: rows.with_timeout(Duration::from_secs(60)) }
    }

    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Waits until `replies` replies in total have been held back.
    pub(super) async fn holds(&self, replies: usize) {
        let mut waiting = self.waiting.clone();
        let held = waiting.wait_for(|waiting| *waiting >= replies);
        tokio::time::timeout(Duration::from_secs(60), held).await.expect("a reply to hold").unwrap();
    }

    pub(super) fn pass_one(&self) {
        self.permits.add_permits(1);
    }
}

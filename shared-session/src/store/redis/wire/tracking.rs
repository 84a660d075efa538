//! Separate connections on which Redis announces every change under a prefix: one, or one to each primary of a cluster.
//!
//! A kept value must have been read from the server that announces its changes. So each tracking connection belongs to
//! a connection for commands. When one of those is replaced, perhaps by one to another server, or when a node of a
//! cluster redirects a command, everything is dropped and tracking starts again.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::try_join_all;
use redis::{PushInfo, PushKind, Value};
use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{Instant, sleep},
};

use crate::store::{
    change_feed::{Follower, Watch},
    redis::wire::{
        cluster::{Cluster, Layout},
        dial::Dialer,
        encode::Command,
        failure::{CallFailure, Effect, Unsent},
        link::{Link, READS},
        reconnect::Reconnecting,
        send_options::SendOptions,
        slots::slot,
        trust::Trusts,
    },
};

/// How often each server has to prove that it is alive and announces changes.
const PROOF_EVERY: Duration = Duration::from_millis(200);
/// How long a proof may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// The longest time for connecting: meanwhile the commands may have found another server.
const PATIENCE_TO_CONNECT: Duration = Duration::from_secs(2);
/// The pause before the first new connection, and the longest; it doubles from one to the other.
const PAUSE: Duration = Duration::from_millis(10);
const LONG_PAUSE: Duration = Duration::from_secs(1);

/// The connections for commands.
#[derive(Clone)]
pub(crate) enum Tracked {
    One(Arc<Reconnecting<Link>>, Dialer),
    Cluster(Arc<Cluster>),
}

/// The task that keeps the connections. It ends when this is dropped.
pub(crate) struct Tracking {
    source: Tracked,
    prefix: Box<str>,
    follower: Arc<dyn Follower>,
    task: Mutex<Task>,
}

struct Task {
    running: Option<AbortHandle>,
    /// The runtime on which it was made, because that of a worker may end before the service does.
    home: Option<Handle>,
}

impl Tracking {
    pub(crate) fn new(source: Tracked, prefix: &str, follower: Arc<dyn Follower>) -> Self {
        let task = Task { running: None, home: Handle::try_current().ok() };
        Self { source, prefix: prefix.into(), follower, task: Mutex::new(task) }
    }
}

impl Watch for Tracking {
    fn start(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match &task.running {
            Some(running) if !running.is_finished() => return,
            // The task runs until it is stopped, so its runtime has ended.
            Some(_) => task.home = None,
            None => {}
        }
        let Some(home) = task.home.clone().or_else(|| Handle::try_current().ok()) else { return };
        let (source, prefix, follower) = (self.source.clone(), self.prefix.clone(), self.follower.clone());
        task.running = Some(home.spawn(async move { track(&source, &prefix, &follower).await }).abort_handle());
        task.home = Some(home);
    }
}

impl Drop for Tracking {
    fn drop(&mut self) {
        if let Some(task) = &self.task.get_mut().unwrap_or_else(PoisonError::into_inner).running {
            task.abort();
        }
    }
}

async fn track(source: &Tracked, prefix: &str, follower: &Arc<dyn Follower>) {
    let (mut pause, mut reported) = (PAUSE, false);
    loop {
        let mut following = Following::new(follower);
        let Err(failure) = following.run(source, prefix).await;
        if following.proofs > 1 {
            (pause, reported) = (PAUSE, false);
        }
        drop(following);
        let error = failure.into_error(Effect::Read);
        if reported {
            tracing::debug!(%error, "the near cache is still off");
        } else {
            tracing::warn!(%error, "the near cache is off until Redis announces changes again");
            reported = true;
        }
        sleep(jittered(pause)).await;
        pause = (2 * pause).min(LONG_PAUSE);
    }
}

/// One round of connections. Its follower is notified when it ends, for any reason.
struct Following<'a> {
    number: u64,
    follower: &'a Arc<dyn Follower>,
    /// The number of times that all servers have proved that they announce changes.
    proofs: u64,
}

impl<'a> Following<'a> {
    fn new(follower: &'a Arc<dyn Follower>) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Self { number: NUMBERS.fetch_add(1, Ordering::Relaxed), follower, proofs: 0 }
    }

    /// Follows until it fails.
    async fn run(&mut self, source: &Tracked, prefix: &str) -> Result<Infallible, CallFailure> {
        let sides = source.sides(prefix, || self.listener()).await?;
        let tracking: Command<'_> = &[b"CLIENT", b"TRACKING", b"ON", b"BCAST", b"PREFIX", prefix.as_bytes()];
        loop {
            let sent = Instant::now();
            let first = self.proofs == 0;
            try_join_all(sides.all.iter().map(async |side| {
                let proof: Command<'_> = &[b"GET", side.proof.as_bytes()];
                let command = if first { tracking } else { proof };
                side.link.send(READS, command, SendOptions::PLAIN, sent + PATIENCE).await
            }))
            .await?;
            if !sides.are_current(source) {
                return Err(CallFailure::Unsent(Unsent::new("a connection to Redis is being replaced")));
            }
            if first {
                self.follower.follow(self.number, sent);
                tracing::debug!("the near cache is on");
            } else {
                self.follower.prove(self.number, sent);
            }
            self.proofs += 1;
            sleep(PROOF_EVERY).await;
        }
    }

    /// Receives the server's pushes in order, and before the replies that follow them.
    fn listener(&self) -> impl Fn(PushInfo) -> Result<(), Infallible> + Send + Sync + 'static {
        let (number, follower) = (self.number, self.follower.clone());
        move |news| {
            match (news.kind, news.data.first()) {
                (PushKind::Invalidate, Some(Value::Array(keys))) => {
                    for key in keys {
                        match key {
                            Value::BulkString(key) => follower.changed(key),
                            _ => follower.all_changed(),
                        }
                    }
                }
                // FLUSHALL and FLUSHDB name no key.
                (PushKind::Invalidate, _) => follower.all_changed(),
                (PushKind::Disconnection, _) => follower.lose(number),
                _ => {}
            }
            Ok(())
        }
    }
}

/// The connections of one round.
struct Sides {
    all: Vec<Side>,
    layout: Option<Layout>,
}

/// A tracking connection and its connection for commands.
struct Side {
    link: Link,
    commands: Arc<Reconnecting<Link>>,
    beside: Weak<Link>,
    /// The key to read as a proof. A node that has lost its cluster refuses reads, but answers PING.
    proof: String,
}

impl Tracked {
    async fn sides<L>(&self, prefix: &str, listener: impl Fn() -> L) -> Result<Sides, CallFailure>
    where
        L: Fn(PushInfo) -> Result<(), Infallible> + Send + Sync + 'static,
    {
        match self {
            Self::One(commands, dialer) => {
                let side = Side::new(commands.clone(), dialer, prefix.to_owned(), listener());
                Ok(Sides { all: vec![side.await?], layout: None })
            }
            Self::Cluster(cluster) => {
                let layout = cluster.layout(Instant::now() + cluster.dialer().timeout).await?;
                let sides = layout.primaries.iter().map(|(slot, node)| {
                    let proof = key_in(prefix, *slot);
                    Side::new(cluster.supply(node), cluster.dialer(), proof, listener())
                });
                Ok(Sides { all: try_join_all(sides).await?, layout: Some(layout) })
            }
        }
    }
}

impl Sides {
    /// Whether commands still go to the servers of these connections.
    fn are_current(&self, source: &Tracked) -> bool {
        let same_layout = match (source, &self.layout) {
            (Tracked::Cluster(cluster), Some(layout)) => cluster.has(layout),
            _ => true,
        };
        same_layout
            && self.all.iter().all(|side| {
                side.commands.in_use().is_some_and(|link| std::ptr::eq(Arc::as_ptr(&link), side.beside.as_ptr()))
            })
    }
}

impl Side {
    async fn new<L>(
        commands: Arc<Reconnecting<Link>>,
        dialer: &Dialer,
        proof: String,
        listener: L,
    ) -> Result<Self, CallFailure>
    where
        L: Fn(PushInfo) -> Result<(), Infallible> + Send + Sync + 'static,
    {
        let in_use = commands.get(Instant::now() + dialer.timeout).await?;
        let timeout = dialer.timeout.min(PATIENCE_TO_CONNECT);
        // Its trust is its own: this connection is replaced together with the link beside it.
        let trusts = Trusts::default();
        let dialer = Dialer { lanes: 1, listener: Some(Arc::new(listener)), timeout, trusts, ..dialer.clone() };
        let link = dialer.dial(in_use.address()).await.map_err(CallFailure::Unsent)?;
        Ok(Self { link, beside: Arc::downgrade(&in_use), commands, proof })
    }
}

/// A key with our prefix in the slot `wanted` that no session uses, because no handle has braces.
fn key_in(prefix: &str, wanted: u16) -> String {
    let keys = (0..1_000_000).map(|n| format!("{prefix}{{{n}}}"));
    // If the prefix has a hash tag, all sessions are in one slot, and only its node matters.
    keys.into_iter().find(|key| slot(key) == wanted).unwrap_or_else(|| prefix.to_owned())
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        self.follower.lose(self.number);
    }
}

/// A random time from half of `pause` to all of it, so that the processes of a fleet do not all reconnect at once.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0];
    // Without randomness the pauses are equal, which does no harm.
    let _ = getrandom::fill(&mut random);
    pause.mul_f64(0.5 + f64::from(u8::from_le_bytes(random)) / 512.0)
}

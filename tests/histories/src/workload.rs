//! The clients: for each user an owner, who begins and ends one session after the other, and workers, who use it.

mod client;
mod owner;
mod worker;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use tokio::sync::RwLock;

use crate::{
    fleet::{Fleet, user_name},
    history::{Process, Recorder},
    random::Random,
};
use client::Client;

/// How many clients there are, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Sessions that live at the same time.
    pub users: usize,
    /// Clients that use one session.
    pub workers: usize,
}

impl Default for Load {
    fn default() -> Self {
        Self { users: 4, workers: 4 }
    }
}

/// A session and the cookies it has had, the newest last.
#[derive(Clone, Debug, Default)]
struct Current {
    session: u32,
    cookies: Vec<String>,
    /// Of the session before.
    last: Option<(u32, u32, String)>,
}

/// What the clients share.
#[derive(Debug)]
struct Shared {
    fleet: Arc<Fleet>,
    recorder: Arc<Recorder>,
    /// The services are to be asked no more, except to end what is open.
    over: AtomicBool,
    sessions: AtomicU32,
    processes: AtomicU32,
    /// The last entry of each session.
    entries: Mutex<BTreeMap<u32, u32>>,
}

/// The session of one user: workers hold it for reading while they ask something, the owner for writing to be alone.
type Slot = Arc<RwLock<Current>>;

/// Clients that are at work.
#[derive(Debug)]
pub struct Workload {
    shared: Arc<Shared>,
    workers: Vec<tokio::task::JoinHandle<()>>,
    owners: Vec<tokio::task::JoinHandle<Vec<(u32, String)>>>,
}

impl Workload {
    /// Sets them to work.
    #[must_use]
    pub fn start(fleet: &Arc<Fleet>, recorder: &Arc<Recorder>, load: Load, random: &mut Random) -> Self {
        let shared = Arc::new(Shared {
            fleet: Arc::clone(fleet),
            recorder: Arc::clone(recorder),
            over: AtomicBool::new(false),
            sessions: AtomicU32::new(1),
            processes: AtomicU32::new(1),
            entries: Mutex::default(),
        });
        let (mut workers, mut owners) = (Vec::new(), Vec::new());
        for user in 0..load.users {
            let slot = Slot::default();
            for _ in 0..load.workers {
                let client = shared.client(random.fork());
                workers.push(tokio::spawn(worker::work(client, Arc::clone(&slot))));
            }
            let (client, keeper) = (shared.client(random.fork()), shared.client(random.fork()));
            owners.push(tokio::spawn(owner::own(client, keeper, slot, user_name(user))));
        }
        Self { shared, workers, owners }
    }

    /// Lets the owners look at their sessions once more and end them. Returns the sessions and their handles.
    ///
    /// # Panics
    /// If a client failed.
    pub async fn finish(self) -> Vec<(u32, String)> {
        self.shared.over.store(true, Ordering::Relaxed);
        let mut handles = Vec::new();
        for owner in self.owners {
            handles.extend(owner.await.unwrap());
        }
        for worker in self.workers {
            worker.await.unwrap();
        }
        handles
    }
}

impl Shared {
    fn client(self: &Arc<Self>, random: Random) -> Client {
        let process: Process = self.processes.fetch_add(1, Ordering::Relaxed);
        Client::new(Arc::clone(self), process, random)
    }

    /// An entry that the session has not had.
    fn next_entry(&self, session: u32) -> u32 {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let last = entries.entry(session).or_insert(client::MARK);
        *last += 1;
        *last
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

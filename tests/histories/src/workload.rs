//! The clients: for each user an owner that begins and ends one session after the other, and workers that use it.

mod client;
mod owner;
mod shared;
mod worker;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use crate::{
    fleet::{Fleet, user_name},
    history::{Process, Recorder},
    plan::Load,
    random::Random,
};
use client::Client;
use shared::{Shared, Slot};

/// The running clients.
#[derive(Debug)]
pub struct Workload {
    shared: Arc<Shared>,
    workers: Vec<tokio::task::JoinHandle<()>>,
    owners: Vec<tokio::task::JoinHandle<Vec<(u32, String)>>>,
}

impl Workload {
    /// Starts the clients.
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
                let worker = client(&shared, random.fork());
                workers.push(tokio::spawn(worker::work(worker, Arc::clone(&slot))));
            }
            let (owner, keeper) = (client(&shared, random.fork()), client(&shared, random.fork()));
            owners.push(tokio::spawn(owner::own(owner, keeper, slot, user_name(user))));
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

fn client(shared: &Arc<Shared>, random: Random) -> Client {
    let process: Process = shared.processes.fetch_add(1, Ordering::Relaxed);
    Client::new(Arc::clone(shared), process, random)
}

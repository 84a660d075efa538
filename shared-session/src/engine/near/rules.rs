//! The decisions of the near cache: which reads it keeps, and which of them are still valid. No I/O, no clock: events
//! go in, answers come out.
//!
//! - **A read may be kept** if its slot has not changed since before the read was sent. The announcement of a change
//!   may overtake the reply of an older read, so a reply alone proves nothing.
//! - **A kept session may be used** while its connection is followed and was proved alive less than a lease ago.
//! - **Everything is dropped** when the connection that announces changes is lost. A read that was sent before the next
//!   connection is confirmed is not kept.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::record::id::Handle;

/// Changes are counted by slot, not by handle. Handles that share a slot sometimes refuse a read that could be kept,
/// but never keep a read that must be refused.
const SLOTS: usize = 64;

/// The age at which a kept session is always read again.
pub(super) const MAX_AGE: Duration = Duration::from_secs(60);

/// The limits of a cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) sessions: usize,
    pub(super) bytes: usize,
}

/// The right to keep one read, taken before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    sent: Instant,
    epoch: u64,
    generation: u64,
}

#[derive(Debug)]
pub(super) struct Shard<T> {
    bounds: Bounds,
    following: Option<Following>,
    /// Incremented when everything may have changed.
    epoch: u64,
    generations: [u64; SLOTS],
    index: HashMap<Handle, usize>,
    kept: Vec<Kept<T>>,
    bytes: usize,
    /// The position at which the search for an unused session continues.
    hand: usize,
}

/// The connection that announces changes.
#[derive(Clone, Copy, Debug)]
struct Following {
    connection: u64,
    until: Instant,
}

#[derive(Debug)]
struct Kept<T> {
    handle: Handle,
    value: T,
    bytes: usize,
    sent: Instant,
    used: bool,
}

/// The counter of a handle's changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot(usize);

impl Slot {
    pub(super) fn of_hash(hash: u64) -> Self {
        Self(usize::try_from(hash % SLOTS as u64).unwrap_or_default())
    }
}

impl<T: Clone> Shard<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            following: None,
            epoch: 0,
            generations: [0; SLOTS],
            index: HashMap::new(),
            kept: Vec::new(),
            bytes: 0,
            hand: 0,
        }
    }

    /// The kept value of `handle`, if it is still valid.
    pub(super) fn get(&mut self, handle: &Handle, now: Instant) -> Option<T> {
        let until = self.following?.until;
        let at = *self.index.get(handle)?;
        let kept = self.kept.get_mut(at)?;
        if now >= until || now.duration_since(kept.sent) >= MAX_AGE {
            return None;
        }
        kept.used = true;
        Some(kept.value.clone())
    }

    /// Call this before sending a read; `None` while changes are not announced.
    pub(super) fn begin(&self, slot: Slot, now: Instant) -> Option<Ticket> {
        self.following?;
        Some(Ticket { sent: now, epoch: self.epoch, generation: self.generation(slot) })
    }

    /// Keeps a read value, unless it may have changed since.
    pub(super) fn fill(&mut self, handle: Handle, slot: Slot, ticket: Ticket, value: T, bytes: usize) {
        let current = Ticket { sent: ticket.sent, epoch: self.epoch, generation: self.generation(slot) };
        if self.following.is_none() || ticket != current || bytes > self.bounds.bytes || self.bounds.sessions == 0 {
            return;
        }
        self.remove(&handle);
        while self.kept.len() >= self.bounds.sessions || self.bytes + bytes > self.bounds.bytes {
            self.remove_one();
        }
        self.index.insert(handle, self.kept.len());
        self.kept.push(Kept { handle, value, bytes, sent: ticket.sent, used: false });
        self.bytes += bytes;
    }

    /// The session has changed, or may have changed.
    pub(super) fn changed(&mut self, handle: &Handle, slot: Slot) {
        if let Some(generation) = self.generations.get_mut(slot.0) {
            *generation += 1;
        }
        self.remove(handle);
    }

    /// Anything may have changed.
    pub(super) fn all_changed(&mut self) {
        self.epoch += 1;
        self.index.clear();
        self.kept.clear();
        self.bytes = 0;
    }

    /// Every change from now on is announced by `connection`, which was alive a lease before `until`.
    pub(super) fn follow(&mut self, connection: u64, until: Instant) {
        self.all_changed();
        self.following = Some(Following { connection, until });
    }

    /// `connection` was alive a lease before `until`, and all its earlier announcements have arrived.
    pub(super) fn prove(&mut self, connection: u64, until: Instant) {
        if let Some(following) = self.following.as_mut().filter(|following| following.connection == connection) {
            following.until = following.until.max(until);
        }
    }

    /// Changes may have been missed. Ignored for a connection that is no longer followed.
    pub(super) fn lose(&mut self, connection: u64) {
        if self.following.is_some_and(|following| following.connection == connection) {
            self.following = None;
            self.all_changed();
        }
    }

    fn generation(&self, slot: Slot) -> u64 {
        self.generations.get(slot.0).copied().unwrap_or_default()
    }

    fn remove(&mut self, handle: &Handle) {
        let Some(at) = self.index.remove(handle) else { return };
        if at >= self.kept.len() {
            return;
        }
        self.bytes -= self.kept.swap_remove(at).bytes;
        if let Some(moved) = self.kept.get(at) {
            self.index.insert(moved.handle, at);
        }
    }

    /// Makes room: removes the first session that was not used since the search last passed it.
    fn remove_one(&mut self) {
        while !self.kept.is_empty() {
            match self.kept.get_mut(self.hand) {
                Some(kept) if kept.used => {
                    kept.used = false;
                    self.hand += 1;
                }
                Some(kept) => {
                    let handle = kept.handle;
                    return self.remove(&handle);
                }
                None => self.hand = 0,
            }
        }
    }
}

#[cfg(test)]
mod tests;

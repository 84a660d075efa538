//! The sessions that are kept, shared by all requests of a process.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    engine::near::rules::{Bounds, Shard, Slot, Ticket},
    record::{
        Record,
        id::{Handle, Secret, Token},
    },
    store::change_feed::Follower,
};

/// The time for which kept sessions may be used after a proof that changes are announced. It stays below the promised
/// second even if the server announces a change a moment after it has answered a proof.
pub(super) const LEASE: Duration = Duration::from_millis(900);

/// Several, so that requests for different sessions seldom wait for each other.
const SHARDS: usize = 16;
/// Each shard gets an equal part of the bounds; with smaller parts than this the shards would fill too unevenly.
const WORTH_A_SHARD: Bounds = Bounds { sessions: 64, bytes: 1024 * 1024 };

/// Decoded sessions by handle. Every method is a short step under one lock.
pub(crate) struct Cache {
    prefix: Box<str>,
    hasher: RandomState,
    shards: Box<[Mutex<Shard<Kept>>]>,
}

/// A session, and the secret that it was read with: comparing secrets is much cheaper than hashing the secret in a
/// cookie.
#[derive(Clone)]
struct Kept {
    record: Arc<Record>,
    secret: Secret,
}

impl Cache {
    /// For the sessions whose keys start with `prefix`.
    pub(super) fn new(prefix: &str, sessions: usize, bytes: usize) -> Self {
        let many = sessions / SHARDS >= WORTH_A_SHARD.sessions && bytes / SHARDS >= WORTH_A_SHARD.bytes;
        let shards = if many { SHARDS } else { 1 };
        let bounds = Bounds { sessions: sessions / shards, bytes: bytes / shards };
        Self {
            prefix: prefix.into(),
            hasher: RandomState::new(),
            shards: (0..shards).map(|_| Mutex::new(Shard::new(bounds))).collect(),
        }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The session that `token` opens, if it is kept.
    pub(super) fn get(&self, token: &Token) -> Option<Arc<Record>> {
        let kept = self.place(&token.handle)?.0.get(&token.handle, Instant::now())?;
        kept.secret.is(&token.secret).then_some(kept.record)
    }

    pub(super) fn begin(&self, handle: &Handle) -> Option<Ticket> {
        let (shard, slot) = self.place(handle)?;
        shard.begin(slot, Instant::now())
    }

    /// Keeps the session that `token` opens.
    pub(super) fn fill(&self, token: &Token, ticket: Ticket, record: &Arc<Record>) {
        let kept = Kept { record: Arc::clone(record), secret: token.secret.clone() };
        let weight = record.weight();
        if let Some((mut shard, slot)) = self.place(&token.handle) {
            shard.fill(token.handle, slot, ticket, kept, weight);
        }
    }

    pub(super) fn evict(&self, handle: &Handle) {
        if let Some((mut shard, slot)) = self.place(handle) {
            shard.changed(handle, slot);
        }
    }

    fn place(&self, handle: &Handle) -> Option<(MutexGuard<'_, Shard<Kept>>, Slot)> {
        let hash = self.hasher.hash_one(handle);
        let shard = usize::try_from(hash >> 32).ok()? % self.shards.len();
        Some((lock(self.shards.get(shard)?), Slot::of_hash(hash)))
    }

    fn each(&self, f: impl Fn(&mut Shard<Kept>)) {
        self.shards.iter().for_each(|shard| f(&mut lock(shard)));
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Follower for Cache {
    fn follow(&self, connection: u64, proof: Instant) {
        self.each(|shard| shard.follow(connection, proof + LEASE));
    }

    fn prove(&self, connection: u64, proof: Instant) {
        self.each(|shard| shard.prove(connection, proof + LEASE));
    }

    fn lose(&self, connection: u64) {
        self.each(|shard| shard.lose(connection));
    }

    fn changed(&self, key: &[u8]) {
        let handle = key.strip_prefix(self.prefix.as_bytes()).and_then(|handle| std::str::from_utf8(handle).ok());
        // Indexes have the same prefix.
        if let Some(handle) = handle.and_then(Handle::parse) {
            self.evict(&handle);
        }
    }

    fn all_changed(&self) {
        self.each(Shard::all_changed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::record::{Profile, lifetime::Lifetime, time::StoreTime};

    fn handle(n: usize) -> Handle {
        Handle::parse(&format!("{n:024}")).unwrap()
    }

    #[test]
    fn a_small_cache_is_not_divided() {
        const MIB: usize = 1024 * 1024;
        let shards = |sessions, bytes| Cache::new("p:", sessions, bytes).shards.len();
        assert_eq!(shards(1024, 16 * MIB), 16);
        assert_eq!(shards(1023, 16 * MIB), 1);
        assert_eq!(shards(1024, 16 * MIB - 1), 1);
    }

    #[test]
    fn every_shard_is_used() {
        let cache = Cache::new("p:", 10_000, 1 << 30);
        assert_eq!(cache.prefix(), "p:");
        let used: HashSet<*const Shard<Kept>> =
            (0..1000).map(|n| std::ptr::from_ref(&*cache.place(&handle(n)).unwrap().0)).collect();
        assert_eq!(used.len(), 16);
    }

    fn record() -> Arc<Record> {
        let head = [r#"{"v":1,"n":"000000000000002a","t":""#, &"T".repeat(24), r#"","s":""#, &"S".repeat(43)];
        let rest = r#"","r":0,"c":1,"k":1,"i":60000,"x":60000,"u":null,"d":{},"e":{}}"#;
        let text = [&head.concat(), rest].concat().into();
        Arc::new(Profile::default().0.decode("", &text, &Lifetime::default(), StoreTime(1)).unwrap())
    }

    /// How many of `count` sessions that were just read can be answered.
    fn kept(cache: &Cache, count: usize) -> usize {
        let (record, secret) = (record(), Secret::random().unwrap());
        let tokens: Vec<_> = (0..count).map(|n| Token { handle: handle(n), secret: secret.clone() }).collect();
        for token in &tokens {
            if let Some(ticket) = cache.begin(&token.handle) {
                cache.fill(token, ticket, &record);
            }
        }
        tokens.iter().filter(|token| cache.get(token).is_some()).count()
    }

    #[test]
    fn all_shards_together_keep_to_the_bounds() {
        let filled = |sessions, bytes, count| {
            let cache = Cache::new("p:", sessions, bytes);
            cache.follow(1, Instant::now() + LEASE * 60);
            kept(&cache, count)
        };
        assert!((900..=1024).contains(&filled(1024, 1 << 30, 2000)));
        let by_bytes = filled(1 << 20, 1 << 24, 60_000);
        assert!((1000..=(1 << 24) / record().weight()).contains(&by_bytes), "{by_bytes}");
    }

    #[test]
    fn a_session_is_kept_while_its_connection_is_proved_alive() {
        let cache = || Cache::new("p:", 100, 1 << 20);
        let (lively, silent) = (cache(), cache());
        let now = Instant::now();
        assert!(kept(&lively, 1) == 0);
        lively.follow(1, now);
        assert!(kept(&lively, 1) == 1);
        lively.lose(1);
        assert!(kept(&lively, 1) == 0);

        silent.follow(1, now.checked_sub(LEASE * 2).unwrap());
        assert!(kept(&silent, 1) == 0);
        silent.prove(1, now);
        assert!(kept(&silent, 1) == 1);
    }
}

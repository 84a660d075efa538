//! Redis Cluster: each command goes to the node that has its key.
//!
//! - A node that answers MOVED or ASK has not run the command, so we redirect it, including writes.
//! - The map of the slots is reloaded after MOVED and after any failure, at most every [`REST`]; meanwhile calls use
//!   the old one. If the node of a key cannot be reached, a call waits for a newer map, and continues if that names
//!   another node.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use redis::Value;
use tokio::time::Instant;

use crate::store::redis::wire::{
    address::Address,
    dial::Dialer,
    encode::Command,
    failure::{CallFailure, Unsent},
    link::{Link, READS},
    reconnect::Reconnecting,
    send_options::{SendOptions, Wait},
    slots::{Redirect, Slots, read_redirect, slot},
};

/// The most redirections of one command. Two are normal when a slot is moved; more mean that nodes disagree.
const REDIRECTS: usize = 5;
/// The time for which a map counts as new.
const REST: Duration = Duration::from_millis(100);
/// The number of nodes to ask for the map at once, because one of them may hang.
const ASKED_AT_ONCE: usize = 3;

/// The connections to the nodes of a cluster.
pub(crate) struct Cluster {
    nodes: Arc<Nodes>,
    renewed: Reconnecting<Instant>,
    /// The number of redirected commands.
    redirects: AtomicU64,
}

/// The nodes to which commands go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) primaries: Vec<(u16, Address)>,
    redirects: u64,
}

struct Nodes {
    dialer: Dialer,
    seeds: Vec<Address>,
    /// Replaced as a whole, never changed in place.
    map: RwLock<Option<Arc<Slots>>>,
    links: Mutex<HashMap<Address, Arc<Reconnecting<Link>>>>,
}

impl Cluster {
    pub(crate) fn new(dialer: Dialer, seeds: Vec<Address>) -> Self {
        let nodes = Arc::new(Nodes { dialer, seeds, map: RwLock::default(), links: Mutex::default() });
        let asking = nodes.clone();
        let renewed = Reconnecting::new(
            |since: &Instant| since.elapsed() < REST,
            move || {
                let nodes = asking.clone();
                Box::pin(async move { nodes.renew_map().await.map(|()| Instant::now()) })
            },
        );
        Self { nodes, renewed, redirects: AtomicU64::new(0) }
    }

    /// Sends `command` on `lane` to the node that has `key`, following redirections.
    pub(crate) async fn send(
        &self,
        key: &str,
        lane: usize,
        command: Command<'_>,
        wait: Option<Wait>,
        deadline: Instant,
    ) -> Result<Value, CallFailure> {
        let slot = slot(key);
        let mut node = self.owner(slot, deadline).await?;
        let mut how = SendOptions { asking: false, wait };
        let mut found_again = false;
        for _ in 0..=REDIRECTS {
            let failure = match self.send_on(&node, lane, command, how, deadline).await {
                Err(failure) => failure,
                done => return done,
            };
            if let CallFailure::Answered(answer) = &failure
                && let Some((redirect, detail)) = answer.redirect()
            {
                let Some((slot, address)) = read_redirect(detail, &node) else { return Err(failure) };
                self.redirects.fetch_add(1, Ordering::AcqRel);
                if redirect == Redirect::Moved {
                    self.nodes.learn(slot, &address);
                    self.renewed.renew();
                }
                (node, how.asking) = (address, redirect == Redirect::Ask);
                continue;
            }
            let is_unsent = matches!(failure, CallFailure::Unsent(_));
            if is_unsent && !found_again && self.renewed.get(deadline).await.is_ok() {
                let owner = self.owner(slot, deadline).await?;
                if owner != node {
                    (node, how.asking, found_again) = (owner, false, true);
                    continue;
                }
            }
            if failure.is_doubtful() {
                self.renewed.renew();
            }
            return Err(failure);
        }
        Err(CallFailure::Unsent(Unsent::new("the nodes of the Redis cluster do not agree on the owner of a key")))
    }

    /// Sends `command`, which has no key, to one node.
    pub(crate) async fn send_to(
        &self,
        node: &Address,
        command: Command<'_>,
        deadline: Instant,
    ) -> Result<Value, CallFailure> {
        let reply = self.send_on(node, READS, command, SendOptions::PLAIN, deadline).await;
        if matches!(&reply, Err(failure) if failure.is_doubtful()) {
            self.renewed.renew();
        }
        reply
    }

    /// Every primary and its lowest slot, sorted by slot.
    pub(crate) async fn primaries(&self, deadline: Instant) -> Result<Vec<(u16, Address)>, CallFailure> {
        Ok(self.map(deadline).await?.primaries())
    }

    /// The current layout. The count is read first, so a redirection in between makes it another layout.
    pub(crate) async fn layout(&self, deadline: Instant) -> Result<Layout, CallFailure> {
        let redirects = self.redirects.load(Ordering::Acquire);
        Ok(Layout { redirects, primaries: self.primaries(deadline).await? })
    }

    /// Whether all commands since then have followed `layout`.
    pub(crate) fn has(&self, layout: &Layout) -> bool {
        self.redirects.load(Ordering::Acquire) == layout.redirects
            && self.nodes.map().is_some_and(|map| map.primaries() == layout.primaries)
    }

    pub(crate) fn dialer(&self) -> &Dialer {
        &self.nodes.dialer
    }

    /// The link to one node.
    pub(crate) fn supply(&self, node: &Address) -> Arc<Reconnecting<Link>> {
        self.nodes.link(node)
    }

    async fn send_on(
        &self,
        node: &Address,
        lane: usize,
        command: Command<'_>,
        how: SendOptions,
        deadline: Instant,
    ) -> Result<Value, CallFailure> {
        self.nodes.link(node).get(deadline).await?.send(lane, command, how, deadline).await
    }

    async fn owner(&self, slot: u16, deadline: Instant) -> Result<Address, CallFailure> {
        let map = self.map(deadline).await?;
        map.owner(slot).cloned().ok_or_else(|| {
            self.renewed.renew();
            CallFailure::Unsent(Unsent::new("no node of the Redis cluster has the slot of the key"))
        })
    }

    async fn map(&self, deadline: Instant) -> Result<Arc<Slots>, CallFailure> {
        if let Some(map) = self.nodes.map() {
            return Ok(map);
        }
        self.renewed.get(deadline).await?;
        self.nodes.map().ok_or_else(|| CallFailure::Unsent(Unsent::new("the Redis cluster has no map of its slots")))
    }
}

impl Nodes {
    fn map(&self) -> Option<Arc<Slots>> {
        self.map.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records a redirection, which is newer than the map.
    fn learn(&self, slot: u16, address: &Address) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(map) = &mut *map
            && map.owner(slot) != Some(address)
        {
            Arc::make_mut(map).set(slot, address.clone());
        }
    }

    fn link(&self, node: &Address) -> Arc<Reconnecting<Link>> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let link = links.entry(node.clone());
        link.or_insert_with(|| Arc::new(self.dialer.supply(node.clone()))).clone()
    }

    /// Uses the map of the node that answers first, and drops the nodes that are not in it.
    async fn renew_map(&self) -> Result<(), Unsent> {
        let mut nodes = self.seeds.clone();
        if let Some(map) = self.map() {
            nodes.splice(0..0, map.primaries().into_iter().map(|(_, node)| node));
        }
        let mut seen = std::collections::HashSet::new();
        nodes.retain(|node| seen.insert(node.clone()));
        let mut answers = stream::iter(nodes).map(|node| self.ask_for_map(node)).buffer_unordered(ASKED_AT_ONCE);
        let mut last = Unsent::new("no node of the Redis cluster can be reached");
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(map) => {
                    let primaries = map.primaries();
                    let is_known = |node: &Address| primaries.iter().any(|(_, known)| known == node);
                    self.links.lock().unwrap_or_else(PoisonError::into_inner).retain(|node, _| is_known(node));
                    *self.map.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(map));
                    return Ok(());
                }
                Err(unsent) => last = unsent,
            }
        }
        Err(last)
    }

    async fn ask_for_map(&self, node: Address) -> Result<Slots, Unsent> {
        let deadline = Instant::now() + self.dialer.timeout;
        let link = self.link(&node).get(deadline).await?;
        let reply = link.send(READS, &[b"CLUSTER", b"SLOTS"], SendOptions::PLAIN, deadline).await?;
        Slots::read(reply, &node).ok_or_else(|| Unsent::new("a node of the Redis cluster has no map of the slots"))
    }
}

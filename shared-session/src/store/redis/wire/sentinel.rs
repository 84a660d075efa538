//! Finds the primary through the Sentinels, and disconnects from it when they name another.

use std::time::Duration;

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use redis::{PushKind, Value};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, sleep, timeout},
};

use crate::store::redis::wire::{
    address::Address,
    dial::Dialer,
    encode::Command,
    failure::Unsent,
    frame::text,
    link::{Closer, Link, READS},
    reconnect::Reconnecting,
    send_options::SendOptions,
};

/// The pause before the Sentinels are asked again if subscribing to all of them failed.
const PAUSE: Duration = Duration::from_secs(1);
/// All announcements of a Sentinel, which are few: the leader of a failover names the new primary seconds before it
/// announces `+switch-master`.
const EVENTS: &[u8] = b"*";

/// The Sentinels of one primary, and how to connect to it.
#[derive(Clone)]
pub(crate) struct Sentinels {
    pub(crate) addresses: Vec<Address>,
    /// The Sentinels' name for the primary.
    pub(crate) name: String,
    /// For the Sentinels.
    pub(crate) dialer: Dialer,
    /// For the primary.
    pub(crate) primary: Dialer,
}

/// The results of asking, in order of arrival.
enum Step {
    Named(Result<Address, Unsent>),
    Connected(Result<Link, Unsent>),
}

impl Sentinels {
    /// One link to the primary for everyone.
    pub(crate) fn supply(self) -> Reconnecting<Link> {
        Reconnecting::new(Link::is_good, move || {
            let sentinels = self.clone();
            Box::pin(async move { sentinels.dial().await })
        })
    }

    /// Connects to the primary. The link closes as soon as a Sentinel names another.
    ///
    /// All Sentinels are asked at once, because one of them may hang. Each named server is tried once: a Sentinel that
    /// was away may name the old primary, which then reports that it has become a replica.
    async fn dial(&self) -> Result<Link, Unsent> {
        timeout(self.primary.timeout, self.try_dial()).await.unwrap_or_else(|_| {
            Err(Unsent::timeout("the primary that the Sentinels name did not accept a connection in time"))
        })
    }

    async fn try_dial(&self) -> Result<Link, Unsent> {
        let mut steps: FuturesUnordered<BoxFuture<'_, Step>> = FuturesUnordered::new();
        for sentinel in &self.addresses {
            steps.push(Box::pin(async move { Step::Named(self.ask(sentinel).await) }));
        }
        let (mut named, mut last) = (Vec::new(), None);
        while let Some(step) = steps.next().await {
            match step {
                Step::Named(Ok(address)) if !named.contains(&address) => {
                    named.push(address.clone());
                    steps.push(Box::pin(async move { Step::Connected(self.connect(address).await) }));
                }
                Step::Named(Ok(_)) => {}
                Step::Connected(Ok(link)) => return Ok(link),
                Step::Connected(Err(unsent)) => last = Some(unsent),
                // A failure of the primary is more informative than one of a Sentinel, and an answer of a Sentinel more
                // than its absence.
                Step::Named(Err(unsent)) if named.is_empty() && (last.is_none() || !unsent.is_refused()) => {
                    last = Some(unsent);
                }
                Step::Named(Err(_)) => {}
            }
        }
        Err(last.unwrap_or_else(|| Unsent::new("no Sentinel can be reached")))
    }

    async fn ask(&self, sentinel: &Address) -> Result<Address, Unsent> {
        let asked = async { self.ask_on(&self.dialer.dial(sentinel).await?).await };
        asked.await.map_err(Unsent::of_sentinel)
    }

    async fn ask_on(&self, sentinel: &Link) -> Result<Address, Unsent> {
        let ask: Command<'_> = &[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self.name.as_bytes()];
        match self.reply(sentinel, ask).await? {
            Value::Nil => Err(Unsent::new("the Sentinels have no primary with that name")),
            Value::Array(address) => <[Value; 2]>::try_from(address)
                .ok()
                .and_then(|[host, port]| Some(Address::Tcp(text(host)?, text(port)?.parse().ok()?)))
                .ok_or_else(|| Unsent::new("a Sentinel sent an unexpected reply")),
            _ => Err(Unsent::new("a Sentinel sent an unexpected reply")),
        }
    }

    /// Connects to `address` if the server reports that it is a primary.
    async fn connect(&self, address: Address) -> Result<Link, Unsent> {
        let mut link = self.primary.dial(&address).await?;
        let role = match self.reply(&link, &[b"ROLE"]).await? {
            Value::Array(role) => role.into_iter().next().and_then(text),
            _ => None,
        };
        if role.as_deref() != Some("master") {
            return Err(Unsent::new("the server that the Sentinels name is a replica"));
        }
        let (sentinels, closer) = (self.clone(), link.closer());
        link.accompany(async move { sentinels.watch(&address, &closer).await });
        Ok(link)
    }

    /// Closes the connection to the primary at `address` when a Sentinel names another. Calls would notice the switch,
    /// unless the old primary still answers, as it does after a pause.
    async fn watch(&self, address: &Address, closer: &Closer) {
        for sentinel in self.addresses.iter().cycle() {
            if let Ok(Switched) = self.watch_at(sentinel, address).await {
                tracing::warn!("the Sentinels name another primary: replacing the connection");
                closer.close();
                return;
            }
            sleep(PAUSE).await;
        }
    }

    async fn watch_at(&self, sentinel: &Address, address: &Address) -> Result<Switched, Unsent> {
        let sentinel = self.dialer.dial(sentinel).await?;
        let mut pushes = sentinel.pushes();
        self.reply(&sentinel, &[b"PSUBSCRIBE", EVENTS]).await?;
        loop {
            // Also at the start, because the switch may precede the subscription.
            if self.ask_on(&sentinel).await? != *address {
                return Ok(Switched);
            }
            loop {
                match pushes.recv().await {
                    Ok(push) if push.kind == PushKind::PMessage => break,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return Err(Unsent::new("the connection to a Sentinel was lost")),
                }
            }
        }
    }

    async fn reply(&self, link: &Link, command: Command<'_>) -> Result<Value, Unsent> {
        Ok(link.send(READS, command, SendOptions::PLAIN, Instant::now() + self.dialer.timeout).await?)
    }
}

struct Switched;

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;

const LEASE: Duration = Duration::from_millis(900);
const ROOM: Bounds = Bounds { sessions: 100, bytes: 100_000 };
const MS: Duration = Duration::from_millis(1);

fn handle(n: u8) -> Handle {
    Handle::parse(&format!("{n:024}")).unwrap()
}

fn slot(n: u8) -> Slot {
    Slot::of_hash(n.into())
}

fn following(bounds: Bounds) -> (Shard<u32>, Instant) {
    let mut shard = Shard::new(bounds);
    let now = Instant::now();
    shard.follow(1, now + LEASE);
    (shard, now)
}

fn keep(shard: &mut Shard<u32>, n: u8, value: u32, now: Instant) {
    let ticket = shard.begin(slot(n), now).unwrap();
    shard.fill(handle(n), slot(n), ticket, value, 10);
}

#[test]
fn nothing_is_kept_while_changes_are_not_announced() {
    let mut shard = Shard::<u32>::new(ROOM);
    let now = Instant::now();
    assert_eq!(shard.begin(slot(1), now), None);
    shard.follow(1, now + LEASE);
    let ticket = shard.begin(slot(1), now).unwrap();
    shard.lose(1);
    shard.fill(handle(1), slot(1), ticket, 7, 10);
    assert_eq!(shard.kept.len(), 0, "the connection was lost while the read ran");
    shard.follow(2, now + LEASE);
    shard.fill(handle(1), slot(1), ticket, 7, 10);
    assert_eq!(shard.get(&handle(1), now), None, "the read was sent before the new connection was confirmed");
}

#[test]
fn a_change_that_is_announced_while_a_read_runs_keeps_its_answer_out() {
    let (mut shard, now) = following(ROOM);
    let ticket = shard.begin(slot(1), now).unwrap();
    shard.changed(&handle(1), slot(1));
    shard.fill(handle(1), slot(1), ticket, 7, 10);
    assert_eq!(shard.get(&handle(1), now), None);
    let ticket = shard.begin(slot(1), now).unwrap();
    shard.all_changed();
    shard.fill(handle(1), slot(1), ticket, 7, 10);
    assert_eq!(shard.get(&handle(1), now), None);
    keep(&mut shard, 1, 8, now);
    assert_eq!(shard.get(&handle(1), now), Some(8));
}

#[test]
fn a_session_is_answered_for_a_lease_after_the_last_proof_and_again_after_the_next() {
    let (mut shard, now) = following(ROOM);
    keep(&mut shard, 1, 7, now);
    assert_eq!(shard.get(&handle(1), now + LEASE - MS), Some(7));
    assert_eq!(shard.get(&handle(1), now + LEASE), None);
    shard.prove(2, now + 2 * LEASE);
    assert_eq!(shard.get(&handle(1), now + LEASE), None, "another connection proves nothing");
    shard.prove(1, now + 2 * LEASE);
    assert_eq!(shard.get(&handle(1), now + LEASE), Some(7), "nothing was missed");
    shard.prove(1, now + LEASE);
    assert_eq!(shard.get(&handle(1), now + LEASE), Some(7), "proofs are not taken back");
}

#[test]
fn a_session_is_read_anew_after_a_minute_from_when_its_read_was_sent() {
    let (mut shard, now) = following(ROOM);
    let ticket = shard.begin(slot(1), now).unwrap();
    shard.prove(1, now + 2 * MAX_AGE);
    shard.fill(handle(1), slot(1), ticket, 7, 10);
    assert_eq!(shard.get(&handle(1), now + MAX_AGE - MS), Some(7));
    assert_eq!(shard.get(&handle(1), now + MAX_AGE), None);
}

#[test]
fn the_loss_of_an_earlier_connection_changes_nothing() {
    let (mut shard, now) = following(ROOM);
    keep(&mut shard, 1, 6, now);
    shard.follow(2, now + LEASE);
    assert_eq!(shard.get(&handle(1), now), None, "it was kept for another connection");
    keep(&mut shard, 1, 7, now);
    shard.lose(1);
    assert_eq!(shard.get(&handle(1), now), Some(7));
    shard.lose(2);
    assert_eq!((shard.get(&handle(1), now), shard.kept.len(), shard.bytes), (None, 0, 0));
}

#[test]
fn both_bounds_hold_and_used_sessions_stay() {
    let (mut shard, now) = following(Bounds { sessions: 3, bytes: 35 });
    for n in 1..=3 {
        keep(&mut shard, n, n.into(), now);
    }
    assert_eq!(shard.get(&handle(1), now), Some(1));
    keep(&mut shard, 4, 4, now);
    assert_eq!((shard.kept.len(), shard.get(&handle(1), now)), (3, Some(1)));
    let ticket = shard.begin(slot(5), now).unwrap();
    shard.fill(handle(5), slot(5), ticket, 5, 30);
    assert_eq!((shard.kept.len(), shard.bytes), (1, 30));
    shard.fill(handle(6), slot(6), shard.begin(slot(6), now).unwrap(), 6, 36);
    assert_eq!((shard.kept.len(), shard.get(&handle(5), now)), (1, Some(5)), "an oversized value evicts nothing");
    shard.fill(handle(7), slot(7), shard.begin(slot(7), now).unwrap(), 7, 5);
    assert_eq!((shard.kept.len(), shard.bytes), (2, 35), "a value that just fits evicts nothing either");
    shard.fill(handle(8), slot(8), shard.begin(slot(8), now).unwrap(), 8, 35);
    assert_eq!((shard.kept.len(), shard.bytes, shard.get(&handle(8), now)), (1, 35, Some(8)));
}

/// An event between a cache, its two connections and the server.
#[derive(Clone, Debug)]
enum Event {
    /// A read is sent; the server has not seen it yet.
    Send(u8),
    /// The server answers the oldest read that it has not answered.
    Answer,
    /// One of the answers arrives, in any order with other replies and announcements.
    Arrive(u8),
    /// Another process writes.
    Write(u8),
    Flush,
    /// The next announcement or reply of the following connection arrives.
    Hear,
    SendPing,
    /// The server answers the oldest PING that it has not answered.
    AnswerPing,
    /// The following connection is broken, but neither side has noticed yet.
    Cut,
    /// The end of the following connection is noticed.
    Lose,
    /// Another following connection is confirmed.
    Follow,
    Wait(u16),
    Get(u8),
}

fn event() -> impl Strategy<Value = Event> {
    let key = 0..3u8;
    prop_oneof![
        4 => key.clone().prop_map(Event::Send),
        4 => Just(Event::Answer),
        4 => any::<u8>().prop_map(Event::Arrive),
        3 => key.clone().prop_map(Event::Write),
        1 => Just(Event::Flush),
        4 => Just(Event::Hear),
        2 => Just(Event::SendPing),
        2 => Just(Event::AnswerPing),
        1 => Just(Event::Cut),
        1 => Just(Event::Lose),
        2 => Just(Event::Follow),
        2 => (0..400u16).prop_map(Event::Wait),
        6 => key.prop_map(Event::Get),
    ]
}

/// The server's messages on the following connection, in order.
#[derive(Debug)]
enum Said {
    Changed(u8),
    AllChanged,
    Pong(Instant),
}

/// A server, its connections, and the cache.
struct World {
    shard: Shard<u32>,
    now: Instant,
    stored: BTreeMap<u8, u32>,
    /// When each version was replaced.
    replaced: BTreeMap<u32, Instant>,
    versions: u32,
    sent: VecDeque<(u8, Option<Ticket>)>,
    answered: Vec<(u8, Option<Ticket>, u32)>,
    connection: u64,
    connected: bool,
    cut: bool,
    pings: VecDeque<Instant>,
    said: VecDeque<Said>,
    hits: usize,
}

impl World {
    fn new() -> Self {
        Self {
            shard: Shard::new(Bounds { sessions: 2, bytes: 1000 }),
            now: Instant::now(),
            stored: (0..3).map(|key| (key, u32::from(key))).collect(),
            replaced: BTreeMap::new(),
            versions: 3,
            sent: VecDeque::new(),
            answered: Vec::new(),
            connection: 0,
            connected: false,
            cut: false,
            pings: VecDeque::new(),
            said: VecDeque::new(),
            hits: 0,
        }
    }

    fn write(&mut self, key: u8) {
        if let Some(old) = self.stored.insert(key, self.versions) {
            self.replaced.insert(old, self.now);
        }
        self.versions += 1;
    }

    fn say(&mut self, said: Said) {
        if self.connected && !self.cut {
            self.said.push_back(said);
        }
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Send(key) => self.sent.push_back((*key, self.shard.begin(slot(*key), self.now))),
            Event::Answer => {
                let Some((key, ticket)) = self.sent.pop_front() else { return };
                self.answered.push((key, ticket, self.stored[&key]));
            }
            Event::Arrive(which) => {
                if self.answered.is_empty() {
                    return;
                }
                let (key, ticket, value) = self.answered.swap_remove(usize::from(*which) % self.answered.len());
                if let Some(ticket) = ticket {
                    self.shard.fill(handle(key), slot(key), ticket, value, 10);
                }
            }
            Event::Write(key) => {
                self.write(*key);
                self.say(Said::Changed(*key));
            }
            Event::Flush => {
                for key in 0..3 {
                    self.write(key);
                }
                self.say(Said::AllChanged);
            }
            Event::Hear => match self.said.pop_front() {
                Some(Said::Changed(key)) => self.shard.changed(&handle(key), slot(key)),
                Some(Said::AllChanged) => self.shard.all_changed(),
                Some(Said::Pong(sent)) => self.shard.prove(self.connection, sent + LEASE),
                None => {}
            },
            Event::SendPing if self.connected => self.pings.push_back(self.now),
            Event::AnswerPing => {
                if let Some(sent) = self.pings.pop_front() {
                    self.say(Said::Pong(sent));
                }
            }
            Event::Cut => self.cut = true,
            Event::Lose => {
                self.shard.lose(self.connection);
                self.connected = false;
                self.said.clear();
                self.pings.clear();
            }
            Event::Follow if !self.connected => {
                (self.connected, self.cut) = (true, false);
                self.connection += 1;
                self.shard.follow(self.connection, self.now + LEASE);
            }
            Event::SendPing | Event::Follow => {}
            Event::Wait(ms) => self.now += MS * u32::from(*ms),
            Event::Get(key) => self.get(*key),
        }
    }

    fn get(&mut self, key: u8) {
        let Some(value) = self.shard.get(&handle(key), self.now) else { return };
        self.hits += 1;
        if value == self.stored[&key] {
            return;
        }
        assert!(self.cut || !self.said.is_empty(), "version {value} of {key} outlived the news of its replacement");
        let stale = self.now - self.replaced[&value];
        assert!(stale < LEASE, "version {value} of {key} was answered {stale:?} after it was replaced");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_outlives_the_news_of_its_change_nor_the_lease(events in prop::collection::vec(event(), 1..120)) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
            prop_assert!(world.shard.kept.len() <= 2);
        }
    }
}

/// The property above is meaningful only if the cache answers at all.
#[test]
fn the_model_answers_from_the_cache() {
    let mut world = World::new();
    for event in [Event::Follow, Event::Send(1), Event::Answer, Event::Arrive(0), Event::Get(1)] {
        world.happen(&event);
    }
    assert_eq!(world.hits, 1);
}

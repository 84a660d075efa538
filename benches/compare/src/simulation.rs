//! Simulates a cluster that is too large for one machine: the distribution over its slots, and the reconnections of its
//! clients after a failover. All random numbers have one seed, so the figures are reproducible.

/// The number of slots of a cluster.
pub const SLOTS: usize = 16_384;

/// Up to this number keys are hashed one by one. Beyond it the counts of slots are drawn from the distribution that
/// hashing gives them; a test shows that the two agree.
const HASHED: u64 = 2_000_000;

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A normally distributed number: the sum of twelve uniform ones is close enough.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
}

/// The number of sessions in each slot.
pub fn slots(sessions: u64, random: &mut Random) -> Vec<u64> {
    if sessions <= HASHED { hashed(sessions, random) } else { drawn(sessions, random) }
}

fn hashed(sessions: u64, random: &mut Random) -> Vec<u64> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut slots = vec![0; SLOTS];
    let mut key = *b"shared_session:012345678901234567890123";
    for _ in 0..sessions {
        for half in key["shared_session:".len()..].chunks_mut(8) {
            let bits = random.next();
            for (at, letter) in half.iter_mut().enumerate() {
                *letter = ALPHABET[(bits >> (6 * at)) as usize & 63];
            }
        }
        slots[slot_of(&key)] += 1;
    }
    slots
}

fn drawn(sessions: u64, random: &mut Random) -> Vec<u64> {
    let mean = sessions as f64 / SLOTS as f64;
    (0..SLOTS).map(|_| (mean + random.normal() * mean.sqrt()).round().max(0.0) as u64).collect()
}

/// CRC-16/XMODEM of the key, as in Redis Cluster for a key without braces.
fn slot_of(key: &[u8]) -> usize {
    let crc = key.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 },
        )
    });
    usize::from(crc) % SLOTS
}

/// The fullest shard as a ratio to the mean; the numbers of slots of the shards differ by at most one.
pub fn fullest(slots: &[u64], shards: usize) -> f64 {
    let total: u64 = slots.iter().sum();
    let most = (0..shards)
        .map(|shard| slots[slots.len() * shard / shards..slots.len() * (shard + 1) / shards].iter().sum::<u64>());
    most.max().unwrap_or_default() as f64 * shards as f64 / total as f64
}

/// The reconnections of clients to a new primary.
pub struct Return {
    /// The most new connections in one millisecond, and the milliseconds until all are back.
    pub most: u64,
    pub all: f64,
    /// How many attempts the old address refused in its worst millisecond, if it refuses them.
    pub refused: u64,
}

/// Simulates connections that retry after a pause of one to one and a half of `pause` milliseconds, as ours do, until
/// the new primary is there at `outage` milliseconds. It greets `greetings` of them in a millisecond.
pub fn come_back(connections: u64, pause: f64, outage: f64, greetings: f64, random: &mut Random) -> Return {
    let mut attempts = vec![0_u64; outage as usize + 1];
    let mut arrivals: Vec<f64> = (0..connections)
        .map(|_| {
            let mut at = random.share() * pause;
            while at < outage {
                attempts[at as usize] += 1;
                at += pause * (1.0 + random.share() / 2.0);
            }
            at - outage
        })
        .collect();
    arrivals.sort_by(f64::total_cmp);
    let mut in_millisecond = vec![0_u64; arrivals.last().map_or(0, |last| *last as usize) + 1];
    let mut free_at = 0.0_f64;
    for arrival in arrivals {
        in_millisecond[arrival as usize] += 1;
        free_at = free_at.max(arrival) + 1.0 / greetings;
    }
    let most = |counts: &[u64]| counts.iter().copied().max().unwrap_or_default();
    Return { most: most(&in_millisecond), all: free_at, refused: most(&attempts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // From the specification of Redis Cluster: the CRC of 123456789 is 0x31C3.
        assert_eq!(slot_of(b"123456789"), 0x31C3);
        assert_eq!(slot_of(b"foo"), 12_182);
    }

    #[test]
    fn hashed_and_drawn_slots_spread_alike() {
        let deviation = |slots: &[u64]| {
            let mean = slots.iter().sum::<u64>() as f64 / SLOTS as f64;
            let squares: f64 = slots.iter().map(|count| (*count as f64 - mean).powi(2)).sum();
            (squares / SLOTS as f64).sqrt()
        };
        let mut random = Random::new(1);
        let (hashed, drawn) = (hashed(1_000_000, &mut random), drawn(1_000_000, &mut random));
        let expected = (1_000_000.0 / SLOTS as f64).sqrt();
        assert!((deviation(&hashed) / expected - 1.0).abs() < 0.03, "{}", deviation(&hashed));
        assert!((deviation(&drawn) / expected - 1.0).abs() < 0.03, "{}", deviation(&drawn));
        assert!((fullest(&hashed, 8) - fullest(&drawn, 8)).abs() < 0.005);
    }

    #[test]
    fn the_fullest_shard_is_found() {
        assert_eq!(fullest(&[1, 1, 4, 2], 2), 1.5);
        assert_eq!(fullest(&[3, 3], 1), 1.0);
    }

    #[test]
    fn all_come_back_as_fast_as_they_are_greeted() {
        let back = come_back(1000, 100.0, 500.0, 1.0, &mut Random::new(2));
        assert!((1000.0..1200.0).contains(&back.all), "{}", back.all);
        // Spread over the pauses, they come one at a time.
        let spread = come_back(1000, 1000.0, 5000.0, 100.0, &mut Random::new(2));
        assert!(spread.most < 10 && spread.all < 1501.0, "{} {}", spread.most, spread.all);
        assert!((2..10).contains(&spread.refused), "{}", spread.refused);
    }
}

//! The work of a refused password: the same for all users.
//!
//! The cost of verifying a hash is part of the hash, and one table may have hashes of many years. A client that
//! measures the time of a refusal could learn which names exist, and whose hash is old. So every refusal computes, for
//! each algorithm, as much as the most expensive known hash of that algorithm costs.

use super::scheme::Scheme;

/// The cost of every refusal: for each family of algorithms, the most expensive known scheme. Families are not compared
/// with each other, because their relative speed depends on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::users) struct Level(Vec<Scheme>);

impl Level {
    pub(in crate::users) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Raises the level to `scheme`.
    pub(in crate::users) fn include(&mut self, scheme: Scheme) {
        match self.0.iter_mut().find(|known| known.family() == scheme.family()) {
            Some(known) if known.work() >= scheme.work() => {}
            Some(known) => *known = scheme,
            None => self.0.push(scheme),
        }
    }

    /// Raises the level to a scheme found in the table. A scheme far above all recommendations is ignored: one odd row
    /// must not make every refusal as slow as its own.
    pub(in crate::users) fn learn(&mut self, scheme: Scheme) {
        if scheme.work() <= scheme.family().most_learned() {
            self.include(scheme);
        }
    }

    /// The remaining work for a refusal that has computed `done`, which is nothing for an unknown name.
    pub(in crate::users) fn rest(&self, done: Option<Scheme>) -> Vec<Scheme> {
        let done_of = |family| done.filter(|done| done.family() == family).map_or(0, Scheme::work);
        self.0.iter().flat_map(|level| level.runs(level.work().saturating_sub(done_of(level.family())))).collect()
    }
}

/// Algorithms whose work has a common unit, which takes the same time in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::users) enum Family {
    Pbkdf2Sha256,
    Pbkdf2Sha1,
    Scrypt,
    Bcrypt,
    Argon2,
}

impl Family {
    /// The most work that a hash in the table can add to every refusal: about twice Django's own default.
    const fn most_learned(self) -> u64 {
        match self {
            Self::Pbkdf2Sha256 | Self::Pbkdf2Sha1 => 3_000_000,
            Self::Scrypt => 1 << 20,
            Self::Bcrypt => 1 << 13,
            Self::Argon2 => 2 * 2 * 102_400,
        }
    }
}

impl Scheme {
    pub(super) const fn family(self) -> Family {
        match self {
            Self::Pbkdf2Sha256 { .. } => Family::Pbkdf2Sha256,
            Self::Pbkdf2Sha1 { .. } => Family::Pbkdf2Sha1,
            Self::Scrypt { .. } => Family::Scrypt,
            Self::Bcrypt { .. } => Family::Bcrypt,
            Self::Argon2 { .. } => Family::Argon2,
        }
    }

    /// Iterations, blocks of scrypt, rounds of bcrypt, or KiB that argon2 fills.
    fn work(self) -> u64 {
        match self {
            Self::Pbkdf2Sha256 { iterations } | Self::Pbkdf2Sha1 { iterations } => iterations.into(),
            Self::Scrypt { log_n, block, lanes } => (u64::from(block) * u64::from(lanes)) << log_n,
            Self::Bcrypt { cost, .. } => 1 << cost,
            Self::Argon2 { memory, passes, .. } => u64::from(memory) * u64::from(passes),
        }
    }

    /// Runs of this family that do `work` together, which is at most the work of this scheme, in the memory of this
    /// scheme if the family depends on it. If the parameters are too coarse, less than a thousandth is missing.
    fn runs(self, work: u64) -> Vec<Self> {
        let some = |run: Self| (run.work() > 0).then_some(run);
        match self {
            Self::Pbkdf2Sha256 { .. } => some(Self::Pbkdf2Sha256 { iterations: narrow(work) }).into_iter().collect(),
            Self::Pbkdf2Sha1 { .. } => some(Self::Pbkdf2Sha1 { iterations: narrow(work) }).into_iter().collect(),
            Self::Bcrypt { .. } => bits(work, 4).map(|cost| Self::Bcrypt { cost, digest_first: false }).collect(),
            Self::Scrypt { log_n, block, .. } => {
                let lane = u64::from(block) << log_n;
                let whole = some(Self::Scrypt { log_n, block, lanes: narrow(work / lane) });
                let part = bits(work % lane / u64::from(block), 1)
                    .filter_map(|bit| Some(Self::Scrypt { log_n: u8::try_from(bit).ok()?, block, lanes: 1 }));
                whole.into_iter().chain(part).collect()
            }
            Self::Argon2 { algorithm, version, memory, lanes, .. } => {
                let run = |memory, passes| Self::Argon2 { algorithm, version, memory, passes, lanes };
                let whole = some(run(memory, narrow(work / u64::from(memory))));
                let part = narrow(work % u64::from(memory));
                // Argon2 needs at least this much memory.
                whole.into_iter().chain((part >= 8 * lanes).then(|| run(part, 1))).collect()
            }
        }
    }
}

/// The positions of the set bits of `work`, the highest first, down to `lowest`.
fn bits(work: u64, lowest: u32) -> impl Iterator<Item = u32> {
    (lowest..u64::BITS).rev().filter(move |bit| work >> bit & 1 == 1)
}

/// Never saturates: no affordable scheme has that much work.
fn narrow(work: u64) -> u32 {
    u32::try_from(work).unwrap_or(u32::MAX)
}

/// The work done by a test's own thread.
#[cfg(test)]
pub(in crate::users) mod counted {
    use std::cell::RefCell;

    use super::{Family, Scheme};

    thread_local! {
        static DONE: RefCell<Vec<(Family, u64)>> = const { RefCell::new(Vec::new()) };
    }

    pub(in crate::users) fn reset() {
        DONE.with_borrow_mut(Vec::clear);
    }

    pub(in crate::users::password) fn add(scheme: Scheme) {
        DONE.with_borrow_mut(|done| match done.iter_mut().find(|(family, _)| *family == scheme.family()) {
            Some((_, work)) => *work += scheme.work(),
            None => done.push((scheme.family(), scheme.work())),
        });
    }

    /// By family.
    pub(in crate::users) fn done() -> Vec<(Family, u64)> {
        DONE.with_borrow_mut(|done| {
            done.sort_by_key(|(family, _)| *family as u8);
            done.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DJANGO: Scheme = Scheme::Pbkdf2Sha256 { iterations: 1_500_000 };
    const FAMILIES: [Family; 5] =
        [Family::Pbkdf2Sha256, Family::Pbkdf2Sha1, Family::Scrypt, Family::Bcrypt, Family::Argon2];

    const fn bcrypt(cost: u32) -> Scheme {
        Scheme::Bcrypt { cost, digest_first: true }
    }

    const fn scrypt(log_n: u8, block: u32, lanes: u32) -> Scheme {
        Scheme::Scrypt { log_n, block, lanes }
    }

    /// One scheme of each family, and the schemes of a fleet of many years.
    fn stored() -> Vec<Scheme> {
        let pbkdf2 = [1, 260_000, 600_000, 1_000_000, 1_500_000].map(|iterations| Scheme::Pbkdf2Sha256 { iterations });
        let sha1 = [10_000, 1_200_000].map(|iterations| Scheme::Pbkdf2Sha1 { iterations });
        let bcrypt = [4, 10, 12].map(bcrypt);
        let scrypt = [scrypt(14, 8, 1), scrypt(14, 8, 5), scrypt(17, 8, 1), scrypt(16, 8, 2), scrypt(15, 8, 3)];
        let argon2 =
            [(512, 2, 2), (19_456, 2, 1), (47_104, 1, 1), (102_400, 2, 8)].map(|(m, t, p)| Scheme::argon2id(m, t, p));
        [pbkdf2.as_slice(), &sha1, &bcrypt, &scrypt, &argon2].concat()
    }

    fn level(schemes: &[Scheme]) -> Level {
        let mut level = Level::new();
        schemes.iter().for_each(|scheme| level.include(*scheme));
        level
    }

    /// The work of one refusal in one family.
    fn work(family: Family, done: Option<Scheme>, rest: &[Scheme]) -> u64 {
        done.iter().chain(rest).filter(|scheme| scheme.family() == family).map(|scheme| scheme.work()).sum()
    }

    #[test]
    fn a_hash_with_fewer_iterations_is_levelled_up_to_the_preferred_ones() {
        let level = level(&[DJANGO]);
        for (iterations, rest) in [(260_000, 1_240_000), (600_000, 900_000), (1_000_000, 500_000)] {
            let done = Some(Scheme::Pbkdf2Sha256 { iterations });
            assert_eq!(level.rest(done), [Scheme::Pbkdf2Sha256 { iterations: rest }]);
        }
        assert_eq!(level.rest(Some(DJANGO)), []);
        assert_eq!(level.rest(None), [DJANGO], "an unknown name, no usable password, a hash that cannot be read");
        assert_eq!(level.rest(Some(bcrypt(12))), [DJANGO], "another algorithm also adds the cost of the preferred one");
    }

    #[test]
    fn every_refusal_does_the_same_work_whatever_is_stored() {
        let level = level(&stored());
        for family in FAMILIES {
            let unknown = work(family, None, &level.rest(None));
            assert!(unknown > 0);
            for done in stored() {
                let known = work(family, Some(done), &level.rest(Some(done)));
                assert!(known.abs_diff(unknown) * 1000 <= unknown, "{family:?} {done:?}: {known} and not {unknown}");
            }
        }
    }

    #[test]
    fn a_hash_dearer_than_the_preferred_one_raises_the_level_for_everybody() {
        let dearer = Scheme::Pbkdf2Sha256 { iterations: 2_000_000 };
        let mut level = level(&[DJANGO]);
        level.learn(dearer);
        assert_eq!(level.rest(None), [dearer]);
        assert_eq!(level.rest(Some(DJANGO)), [Scheme::Pbkdf2Sha256 { iterations: 500_000 }]);
        level.learn(DJANGO);
        assert_eq!(level.rest(None), [dearer], "and a cheaper one does not lower it");
    }

    #[test]
    fn an_absurd_hash_in_the_table_makes_no_other_refusal_slower() {
        let absurd = [
            Scheme::Pbkdf2Sha256 { iterations: 10_000_000 },
            bcrypt(16),
            scrypt(18, 8, 4),
            Scheme::argon2id(262_144, 16, 1),
        ];
        for absurd in absurd {
            assert!(absurd.is_affordable());
            let mut learning = level(&[DJANGO]);
            learning.learn(absurd);
            assert_eq!(learning, level(&[DJANGO]), "{absurd:?}");
        }
        let preferred = Scheme::Pbkdf2Sha256 { iterations: 10_000_000 };
        assert_eq!(level(&[preferred]).rest(None), [preferred], "the configured scheme counts, whatever it costs");
    }

    #[test]
    fn all_that_django_makes_by_default_is_learned() {
        for scheme in stored() {
            let mut level = Level::new();
            level.learn(scheme);
            assert_eq!(level, self::level(&[scheme]));
        }
    }

    #[test]
    fn argon2_is_levelled_down_to_the_least_memory_that_it_takes() {
        let argon2 = |memory, passes| Scheme::Argon2 {
            algorithm: argon2::Algorithm::Argon2id,
            version: argon2::Version::V0x13,
            memory,
            passes,
            lanes: 4,
        };
        let rest = |done| level(&[argon2(1000, 2)]).rest(Some(argon2(done, 1)));
        assert_eq!(rest(1000 - 32), [argon2(1000, 1), argon2(32, 1)]);
        assert_eq!(rest(1000 - 31), [argon2(1000, 1)]);
    }

    #[test]
    fn bcrypt_is_levelled_with_bcrypts_of_lower_cost() {
        let costs = |rest: Vec<Scheme>| rest.iter().map(|scheme| scheme.work().trailing_zeros()).collect::<Vec<_>>();
        assert_eq!(costs(level(&[bcrypt(12)]).rest(Some(bcrypt(10)))), [11, 10]);
    }

    proptest! {
        #[test]
        fn the_remaining_work_is_affordable_and_adds_up(most in 0_usize..19, done in 0_usize..19) {
            let (most, done) = (stored()[most % stored().len()], stored()[done % stored().len()]);
            let rest = level(&[most]).rest(Some(done));
            prop_assert!(rest.iter().all(|run| run.is_affordable() && run.family() == most.family()));
            let total = work(most.family(), Some(done), &rest);
            let wanted = if done.family() == most.family() { most.work().max(done.work()) } else { most.work() };
            prop_assert!(total.abs_diff(wanted) * 1000 <= wanted, "{total} and not {wanted}");
        }
    }
}

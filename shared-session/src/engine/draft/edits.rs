//! The edits of a request, and their merge with the stored version.
//!
//! No flag marks a session as changed; the [`Delta`] tells. The delta holds operations rather than results, so it can
//! be replayed on a newer original when another service was faster.

use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{Error, ErrorKind},
    record::entries::{Changes, Entries, Json},
    type_name,
};

/// One step of an `update`: from the current value to the next.
pub(crate) type Step = Arc<dyn NextValue>;

pub(crate) trait NextValue: Send + Sync {
    fn next(&self, stored: Option<&Json>) -> Result<Option<Json>, Error>;
}

/// Edits as operations that can be replayed, sorted by name.
#[derive(Clone, Default)]
pub(crate) struct Delta(Vec<(Box<str>, Op)>);

#[derive(Clone)]
enum Op {
    Set(Json),
    Remove,
    /// Removed by a `take` of the value `taken`.
    Take {
        taken: Json,
        then: Then,
    },
    /// Steps to run on the value stored at the commit; `now` is their result on the loaded original.
    Update {
        steps: Vec<Step>,
        now: Option<Json>,
    },
}

/// The edit of an entry after its value was taken.
#[derive(Clone)]
enum Then {
    Nothing,
    Set(Json),
    Remove,
}

impl Then {
    fn value(&self) -> Option<&Json> {
        match self {
            Self::Set(value) => Some(value),
            Self::Nothing | Self::Remove => None,
        }
    }
}

/// The reaction when a taken value is no longer stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissedTake {
    /// Another request took it: fail.
    Fail,
    /// Leave the value stored now unchanged.
    Keep,
}

/// The version on which edits are replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Original {
    /// The version on which they were made: the results of updates are known.
    Loaded,
    Newer,
}

impl Delta {
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(edited, _)| (**edited).cmp(name))
    }

    fn op(&self, name: &str) -> Option<&Op> {
        self.0.get(self.find(name).ok()?).map(|(_, op)| op)
    }

    fn set(&mut self, name: &str, op: Op) {
        match self.find(name) {
            Ok(at) => self.0.splice(at..=at, [(name.into(), op)]).for_each(drop),
            Err(at) => self.0.insert(at, (name.into(), op)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `name` as this request sees it.
    pub(crate) fn get(&self, original: &Entries, name: &str) -> Option<Json> {
        match self.op(name) {
            None => original.get(name),
            Some(Op::Set(value)) => Some(value.clone()),
            Some(Op::Update { now, .. }) => now.clone(),
            Some(Op::Take { then, .. }) => then.value().cloned(),
            Some(Op::Remove) => None,
        }
    }

    /// The names of all entries as this request sees them.
    pub(crate) fn names(&self, original: &Entries) -> Vec<String> {
        let edited = self.0.iter().map(|(name, _)| &**name);
        let mut names: Vec<_> = original.iter().map(|(name, _)| name).chain(edited).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| self.get(original, name).is_some());
        names.into_iter().map(str::to_owned).collect()
    }

    pub(crate) fn insert(&mut self, name: &str, value: Json) {
        self.overwrite(name, Some(value));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.overwrite(name, None);
    }

    /// Sets or removes `name`, whatever is stored. A taken value stays taken: the commit still has to find it.
    fn overwrite(&mut self, name: &str, value: Option<Json>) {
        let taken = match self.op(name) {
            Some(Op::Take { taken, .. }) => Some(taken.clone()),
            _ => None,
        };
        let op = match (taken, value) {
            (Some(taken), Some(value)) => Op::Take { taken, then: Then::Set(value) },
            (Some(taken), None) => Op::Take { taken, then: Then::Remove },
            (None, Some(value)) => Op::Set(value),
            (None, None) => Op::Remove,
        };
        self.set(name, op);
    }

    /// Removes every entry that this request sees. Taken values stay taken.
    pub(crate) fn clear(&mut self, original: &Entries) {
        for (_, op) in &mut self.0 {
            match op {
                Op::Take { then: Then::Nothing, .. } => {}
                Op::Take { then, .. } => *then = Then::Remove,
                _ => *op = Op::Remove,
            }
        }
        for (name, _) in original.iter() {
            if self.op(name).is_none() {
                self.set(name, Op::Remove);
            }
        }
    }

    /// Takes the value out, if there is one.
    pub(crate) fn take(&mut self, original: &Entries, name: &str) {
        match (self.op(name), self.get(original, name)) {
            (None, Some(taken)) => self.set(name, Op::Take { taken, then: Then::Nothing }),
            (Some(_), Some(_)) => self.remove(name),
            (_, None) => {}
        }
    }

    /// The values that were taken, without the later edits of their entries.
    pub(crate) fn takes(&self) -> Self {
        let taken = self.0.iter().filter_map(|(name, op)| match op {
            Op::Take { taken, .. } => Some((name.clone(), Op::Take { taken: taken.clone(), then: Then::Nothing })),
            _ => None,
        });
        Self(taken.collect())
    }

    /// Runs `step` at the commit, on the value stored then. On the value that this request sees, its result was `next`.
    pub(crate) fn update(&mut self, name: &str, step: Step, next: Option<Json>) {
        let before = self.find(name).ok().and_then(|at| self.0.get_mut(at));
        match before.map(|(_, op)| op) {
            None => self.set(name, Op::Update { steps: vec![step], now: next }),
            Some(Op::Update { steps, now }) => {
                steps.push(step);
                *now = next;
            }
            // The earlier edit does not depend on the stored value, so neither does this one.
            Some(_) => self.overwrite(name, next),
        }
    }

    /// Replays the edits on `original`.
    pub(crate) fn resolve(&self, original: &Entries, missed: MissedTake) -> Result<Changes<'_>, Error> {
        self.resolve_on(Original::Newer, original, missed)
    }

    /// As [`resolve`](Self::resolve). On the loaded version, updates do not run again.
    pub(crate) fn resolve_on(
        &self,
        which: Original,
        original: &Entries,
        missed: MissedTake,
    ) -> Result<Changes<'_>, Error> {
        let mut changes = Changes::with_capacity(self.0.len());
        for (name, op) in &self.0 {
            let stored = original.get(name);
            let next = match op {
                Op::Set(value) => Some(value.clone()),
                Op::Remove => None,
                Op::Take { taken, then } if stored.as_ref() == Some(taken) => then.value().cloned(),
                Op::Take { .. } if missed == MissedTake::Fail => {
                    let error = Error::new(ErrorKind::AlreadyTaken, "another request took it first");
                    return Err(error.of_entry(name));
                }
                Op::Take { then: Then::Nothing, .. } => continue,
                Op::Take { then, .. } => then.value().cloned(),
                Op::Update { now, .. } if which == Original::Loaded => now.clone(),
                Op::Update { steps, .. } => {
                    let mut value = stored.clone();
                    for step in steps {
                        value = step.next(value.as_ref())?;
                    }
                    value
                }
            };
            if next.is_some() || stored.is_some() {
                changes.push((name, next));
            }
        }
        Ok(changes)
    }
}

impl fmt::Debug for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Runs a typed closure on the stored value and returns the next value, as JSON and as a `T`. Fails if the next value
/// would not read back as a `T`, or if it would change data that `T` does not hold.
pub(crate) fn next<T, F>(f: &F, stored: Option<&Json>) -> Result<Option<(Json, T)>, Error>
where
    T: Serialize + DeserializeOwned,
    F: Fn(Option<T>) -> Option<T>,
{
    let value = stored.map(Json::read::<T>).transpose()?.flatten();
    // The value after a round trip through `T`, to see whether the closure leaves it unchanged.
    let read = value.as_ref().and_then(|value| Json::encode(value).ok());
    let Some(next) = f(value).as_ref().map(Json::encode).transpose()? else { return Ok(None) };
    // Never store a value that does not read back.
    let typed = next.decode::<T>()?;
    if let Some(stored) = stored {
        if read.as_ref() == Some(&next) {
            return Ok(Some((stored.clone(), typed)));
        }
        if stored.may_change_when_read() && !read.is_some_and(|read| stored.survives_as(&read)) {
            let name = type_name::short::<T>();
            return Err(Error::new(
                ErrorKind::Value,
                format!("the stored value contains data that {name} cannot hold; use insert instead of update"),
            ));
        }
    }
    Ok(Some((next, typed)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn entries(pairs: &[(&str, u64)]) -> Entries {
        Entries::new(pairs.iter().map(|(name, value)| ((*name).into(), Json::encode(value).unwrap())).collect())
            .unwrap()
    }

    fn number(value: Option<&Json>) -> Option<u64> {
        value.map(|value| value.decode().unwrap())
    }

    fn changed<'a>(changes: &'a Changes<'_>, name: &str) -> Option<&'a Json> {
        changes.iter().find(|(changed, _)| *changed == name).unwrap().1.as_ref()
    }

    fn seen(delta: &Delta, original: &Entries, name: &str) -> Option<u64> {
        number(delta.get(original, name).as_ref())
    }

    impl<F> NextValue for F
    where
        F: Fn(Option<&Json>) -> Result<Option<Json>, Error> + Send + Sync,
    {
        fn next(&self, stored: Option<&Json>) -> Result<Option<Json>, Error> {
            self(stored)
        }
    }

    fn step(f: impl Fn(Option<u64>) -> Option<u64> + Send + Sync + 'static) -> Step {
        Arc::new(move |stored: Option<&Json>| Ok(next(&f, stored)?.map(|(next, _)| next)))
    }

    fn add_one() -> Step {
        step(|n| Some(n.unwrap_or(0) + 1))
    }

    /// As `Session::update` does it.
    fn update(delta: &mut Delta, original: &Entries, name: &str, step: Step) -> Result<(), Error> {
        let next = step.next(delta.get(original, name).as_ref())?;
        delta.update(name, step, next);
        Ok(())
    }

    #[test]
    fn reads_see_the_edits_of_their_own_request() {
        let original = entries(&[("a", 1), ("b", 2)]);
        let mut delta = Delta::default();
        delta.insert("a", Json::encode(&5).unwrap());
        delta.remove("b");
        update(&mut delta, &original, "c", add_one()).unwrap();
        assert_eq!(seen(&delta, &original, "a"), Some(5));
        assert_eq!(seen(&delta, &original, "b"), None);
        assert_eq!(seen(&delta, &original, "c"), Some(1));
        assert_eq!(delta.names(&original), ["a", "c"]);
    }

    #[test]
    fn an_update_is_replayed_on_the_newer_value() {
        let mut delta = Delta::default();
        update(&mut delta, &entries(&[("n", 1)]), "n", add_one()).unwrap();
        update(&mut delta, &entries(&[("n", 1)]), "n", add_one()).unwrap();
        let changes = delta.resolve(&entries(&[("n", 40)]), MissedTake::Keep).unwrap();
        assert_eq!(number(changed(&changes, "n")), Some(42));
    }

    #[test]
    fn an_update_after_an_insert_is_part_of_the_insert() {
        let original = entries(&[]);
        let mut delta = Delta::default();
        delta.insert("n", Json::encode(&10).unwrap());
        update(&mut delta, &original, "n", add_one()).unwrap();
        let changes = delta.resolve(&entries(&[("n", 99)]), MissedTake::Keep).unwrap();
        assert_eq!(number(changed(&changes, "n")), Some(11));
    }

    #[test]
    fn values_are_not_printed() {
        let original = entries(&[("a", 424_242)]);
        let mut delta = Delta::default();
        delta.insert("b", Json::encode("canary").unwrap());
        let printed = format!("{original:?} {delta:?} {:?}", Json::encode("canary").unwrap());
        assert!(!printed.contains("424242") && !printed.contains("canary"), "{printed}");
    }

    #[test]
    fn a_taken_value_is_taken_once() {
        let original = entries(&[("flash", 7)]);
        let mut delta = Delta::default();
        delta.take(&original, "flash");
        assert_eq!(delta.get(&original, "flash"), None);
        delta.take(&original, "flash");
        assert_eq!(delta.resolve(&original, MissedTake::Fail).unwrap(), [("flash", None)]);
        assert_eq!(delta.resolve(&entries(&[]), MissedTake::Fail).unwrap_err().kind(), ErrorKind::AlreadyTaken);
        assert!(delta.resolve(&entries(&[("flash", 8)]), MissedTake::Keep).unwrap().is_empty(), "8 is not ours");
    }

    #[test]
    fn clearing_removes_the_seen_entries_and_keeps_those_that_others_add() {
        let original = entries(&[("a", 1), ("flash", 7)]);
        let mut delta = Delta::default();
        delta.take(&original, "flash");
        delta.insert("b", Json::encode(&2).unwrap());
        update(&mut delta, &original, "c", step(|n: Option<u64>| n.map(|n| n + 1))).unwrap();
        delta.clear(&original);
        assert!(delta.names(&original).is_empty());
        let newer = entries(&[("a", 5), ("b", 5), ("c", 5), ("d", 5), ("flash", 7)]);
        let left = newer.with(&delta.resolve(&newer, MissedTake::Fail).unwrap());
        assert_eq!(left.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["d"]);
        let taken = delta.resolve(&entries(&[]), MissedTake::Fail);
        assert_eq!(taken.unwrap_err().kind(), ErrorKind::AlreadyTaken, "it was taken out before");
        update(&mut delta, &original, "a", add_one()).unwrap();
        assert_eq!(number(changed(&delta.resolve(&original, MissedTake::Keep).unwrap(), "a")), Some(1));
    }

    #[test]
    fn an_edit_that_comes_to_nothing_changes_nothing() {
        let mut delta = Delta::default();
        update(&mut delta, &entries(&[]), "visits", step(|n: Option<u64>| n.map(|n| n + 1))).unwrap();
        delta.remove("absent");
        assert!(delta.resolve(&entries(&[]), MissedTake::Keep).unwrap().is_empty());
        let changes = delta.resolve(&entries(&[("visits", 1)]), MissedTake::Keep).unwrap();
        assert_eq!(number(changed(&changes, "visits")), Some(2));
    }

    #[test]
    fn an_update_of_another_type_is_an_error_and_edits_nothing() {
        let original = Entries::new(vec![("n".into(), Json::encode("text").unwrap())]).unwrap();
        let mut delta = Delta::default();
        assert_eq!(update(&mut delta, &original, "n", add_one()).unwrap_err().kind(), ErrorKind::Value);
        assert!(delta.is_empty());
    }

    #[derive(Clone, Debug)]
    enum Edit {
        Insert(u8, u64),
        Remove(u8),
        Take(u8),
        Add(u8),
        Clear,
    }

    fn edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            (0..4u8, 0..9u64).prop_map(|(k, v)| Edit::Insert(k, v)),
            (0..4u8).prop_map(Edit::Remove),
            (0..4u8).prop_map(Edit::Take),
            (0..4u8).prop_map(Edit::Add),
            Just(Edit::Clear),
        ]
    }

    proptest! {
        /// On the original on which it was made, a delta has the same result as the same edits of a plain map.
        #[test]
        fn a_delta_agrees_with_a_plain_map(start in proptest::collection::btree_map(0..4u8, 0..9u64, 0..4), edits in proptest::collection::vec(edit(), 0..12)) {
            let original = Entries::new(start.iter().map(|(k, v)| (k.to_string().into(), Json::encode(v).unwrap())).collect()).unwrap();
            let mut model = start.clone();
            let mut delta = Delta::default();
            for edit in edits {
                match edit {
                    Edit::Insert(k, v) => { model.insert(k, v); delta.insert(&k.to_string(), Json::encode(&v).unwrap()); }
                    Edit::Remove(k) => { model.remove(&k); delta.remove(&k.to_string()); }
                    Edit::Take(k) => {
                        model.remove(&k);
                        delta.take(&original, &k.to_string());
                    }
                    Edit::Add(k) => { *model.entry(k).or_default() += 1; update(&mut delta, &original, &k.to_string(), add_one()).unwrap(); }
                    Edit::Clear => { model.clear(); delta.clear(&original); }
                }
                for k in 0..4u8 {
                    prop_assert_eq!(model.get(&k).copied(), seen(&delta, &original, &k.to_string()));
                }
            }
            let changes = delta.resolve(&original, MissedTake::Fail).unwrap();
            prop_assert_eq!(&changes, &delta.resolve_on(Original::Loaded, &original, MissedTake::Fail).unwrap());
            prop_assert!(changes.is_sorted_by(|(a, _), (b, _)| a < b));
            let result = original.with(&changes);
            let seen: BTreeMap<u8, u64> = result.iter().map(|(k, v)| (k.parse().unwrap(), v.decode().unwrap())).collect();
            prop_assert_eq!(seen, model);
        }
    }
}

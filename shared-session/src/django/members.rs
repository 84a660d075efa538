//! A map that keeps the bytes of its members.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use bytes::Bytes;

/// The most members to read.
pub(super) const MAX_MEMBERS: usize = 1 << 14;

/// One member.
#[derive(Clone)]
pub(super) struct Member {
    /// The key, if it is a string without lone surrogates.
    pub(super) name: Option<Arc<str>>,
    pub(super) raw_key: Bytes,
    pub(super) raw: Bytes,
}

/// Members in their order.
#[derive(Clone, Default)]
pub(super) struct Members {
    list: Vec<Member>,
    places: HashMap<Arc<str>, usize>,
}

impl Members {
    /// All members found in a text.
    pub(super) fn of(found: Vec<Member>) -> Self {
        let mut members = Self { list: Vec::with_capacity(found.len()), places: HashMap::with_capacity(found.len()) };
        found.into_iter().for_each(|member| members.add(member));
        members
    }

    #[cfg(feature = "django-redis")]
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.list.iter()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Bytes> {
        let at = self.places.get(name)?;
        self.list.get(*at).map(|member| &member.raw)
    }

    /// Adds a member: in place if the key exists, else at the end, as in a Python dict.
    pub(super) fn add(&mut self, member: Member) {
        match member.name.clone().map(|name| self.places.entry(name)) {
            Some(Entry::Occupied(place)) => {
                if let Some(known) = self.list.get_mut(*place.get()) {
                    known.raw = member.raw;
                }
                return;
            }
            Some(Entry::Vacant(place)) => {
                place.insert(self.list.len());
            }
            None => {}
        }
        self.list.push(member);
    }

    pub(super) fn remove(&mut self, name: &str) {
        let Some(gone) = self.places.remove(name) else { return };
        self.list.remove(gone);
        for at in self.places.values_mut().filter(|at| **at > gone) {
            *at -= 1;
        }
    }
}

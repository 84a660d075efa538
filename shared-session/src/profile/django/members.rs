//! A map whose members stay as they were written.

use std::collections::HashMap;

use bytes::Bytes;

/// The most members that are read: each takes some 300 bytes and half a microsecond.
pub(super) const MAX_MEMBERS: usize = 1 << 14;

/// One member.
#[derive(Clone)]
pub(super) struct Member {
    /// The key, if it is a string without lone surrogates.
    pub(super) name: Option<Box<str>>,
    pub(super) raw_key: Bytes,
    pub(super) raw: Bytes,
}

/// Members in their order.
#[derive(Clone, Default)]
pub(super) struct Members {
    list: Vec<Member>,
    places: HashMap<Box<str>, usize>,
}

impl Members {
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

    /// In its place if the key is there, at the end if not: a Python dict.
    pub(super) fn add(&mut self, member: Member) {
        let place = member.name.as_deref().and_then(|name| self.places.get(name));
        if let Some(known) = place.and_then(|at| self.list.get_mut(*at)) {
            known.raw = member.raw;
            return;
        }
        if let Some(name) = &member.name {
            self.places.insert(name.clone(), self.list.len());
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

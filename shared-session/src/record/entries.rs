//! The entries of a session in the form that a record holds.

use std::fmt;

use bytes::Bytes;

mod finite;
mod number;
pub(crate) mod scan;
pub(crate) mod text;
mod value;

#[cfg(feature = "django")]
pub(crate) use number::has_rounded_float;
use text::Text;
#[cfg(feature = "django")]
pub(crate) use value::Foreign;
pub(crate) use value::{Changes, Json};

/// The stored entries, sorted by name.
#[derive(Clone)]
pub(crate) struct Entries(Held);

#[derive(Clone)]
enum Held {
    List(Vec<(Box<str>, Json)>),
    Text(Text),
}

impl Default for Entries {
    fn default() -> Self {
        Self::empty()
    }
}

impl Entries {
    pub(crate) const fn empty() -> Self {
        Self(Held::Text(Text::empty()))
    }

    /// `None` if a name occurs twice.
    pub(crate) fn new(mut entries: Vec<(Box<str>, Json)>) -> Option<Self> {
        entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        entries.is_sorted_by(|(a, _), (b, _)| a < b).then_some(Self(Held::List(entries)))
    }

    pub(crate) fn of_text(text: Text) -> Self {
        Self(Held::Text(text))
    }

    /// The text of all entries, if they are held as one.
    pub(crate) fn as_text(&self) -> Option<&[u8]> {
        match &self.0 {
            Held::List(_) => None,
            Held::Text(text) => Some(text.as_bytes()),
        }
    }

    /// The same entries; if they are held as one text, it is now the part of `whole` at `start`.
    pub(crate) fn moved_to(self, whole: &Bytes, start: usize) -> Self {
        match self.0 {
            Held::List(_) => self,
            Held::Text(text) => Self(Held::Text(text.moved_to(whole, start))),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Json> {
        match &self.0 {
            Held::List(entries) => {
                let at = entries.binary_search_by(|(entry, _)| (**entry).cmp(name)).ok()?;
                entries.get(at).map(|(_, value)| value.clone())
            }
            Held::Text(text) => text.get(name),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Json)> {
        let (list, text) = match &self.0 {
            Held::List(entries) => (&**entries, None),
            Held::Text(text) => (&[][..], Some(text)),
        };
        let of_text = text.into_iter().flat_map(Text::iter);
        list.iter().map(|(name, value)| (&**name, value.clone())).chain(of_text)
    }

    /// These entries with `changes` applied.
    pub(crate) fn with(&self, changes: &Changes<'_>) -> Self {
        if let Held::Text(text) = &self.0
            && let Some(text) = text.with(changes)
        {
            return Self(Held::Text(text));
        }
        let changes_it = |name: &str| changes.binary_search_by(|(changed, _)| (*changed).cmp(name)).is_ok();
        let kept = self.iter().filter(|(name, _)| !changes_it(name));
        let kept = kept.map(|(name, value)| (Box::from(name), value));
        let set = changes.iter().filter_map(|(name, value)| Some((Box::from(*name), value.clone()?)));
        let mut entries: Vec<(Box<str>, Json)> = kept.chain(set).collect();
        entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Self(Held::List(entries))
    }

    /// The approximate memory of the entries besides the record, in bytes.
    #[cfg(feature = "redis")]
    pub(crate) fn weight(&self) -> usize {
        match &self.0 {
            Held::List(entries) => entries.iter().map(|(name, _)| name.len() + size_of::<(Box<str>, Json)>()).sum(),
            Held::Text(text) => text.weight(),
        }
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Held::Text(text), Held::Text(other)) => text == other,
            _ => self.iter().eq(other.iter()),
        }
    }
}

impl Eq for Entries {}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_comes_twice_is_refused() {
        let one = || Json::encode(&1).unwrap();
        assert!(Entries::new(vec![("a".into(), one()), ("a".into(), one())]).is_none());
    }
}

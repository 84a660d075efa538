//! The names of entries, and keys that declare a name and its type once.

use std::{borrow::Borrow, fmt, hash, marker::PhantomData};

/// The name of an entry and the type of its value, declared once for a whole service.
///
/// Every method of a [`Session`](crate::Session) that takes a name takes a text or a `Key`. With a `Key` the compiler
/// checks the type: an entry cannot be written as one type and read as another by mistake.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use shared_session::{Key, SessionManager, store::MemoryStore};
/// #[derive(Default, Deserialize, Serialize)]
/// struct Cart {
///     items: Vec<u64>,
/// }
///
/// const CART: Key<Cart> = Key::new("cart");
/// const VISITS: Key<u64> = Key::new("visits");
/// const THEME: Key<String> = Key::new("theme");
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
/// # let session = SessionManager::new(MemoryStore::new()).open([]).load().await?;
/// let mut cart = session.get(CART)?.unwrap_or_default();
/// cart.items.push(7);
/// session.insert(CART, &cart)?;
/// session.insert(THEME, "dark")?; // A `&str` is as good as a `&String`.
/// assert_eq!(session.update_or(VISITS, 0, |visits| visits + 1)?, 1);
/// assert_eq!(session.get::<u64>("visits")?, Some(1), "a text names the same entry");
/// # Ok(()) }
/// ```
///
/// # Structs that change
///
/// Sessions outlive deployments: the new version of a service reads the values of the old one, and while both run the
/// old one reads the values of the new one. So add fields with `#[serde(default)]`, and do not remove or rename one
/// before the sessions that hold it have ended. Serde ignores unknown fields, unless `deny_unknown_fields` is set; a
/// service whose struct does not have a field drops it when it writes the struct.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use shared_session::{ErrorKind, Key, SessionManager, store::MemoryStore};
/// #[derive(Deserialize, Serialize)]
/// struct CartOfLastYear {
///     items: Vec<u64>,
/// }
///
/// #[derive(Deserialize, Serialize)]
/// struct Cart {
///     items: Vec<u64>,
///     #[serde(default)]
///     voucher: Option<String>,
///     #[serde(default = "in_euros")]
///     currency: String,
/// }
///
/// fn in_euros() -> String {
///     "EUR".to_owned()
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
/// # let session = SessionManager::new(MemoryStore::new()).open([]).load().await?;
/// session.insert("cart", &CartOfLastYear { items: vec![7] })?;
/// let cart = session.get::<Cart>("cart")?.ok_or(ErrorKind::Value)?;
/// assert_eq!((cart.items, cart.voucher, cart.currency), (vec![7], None, "EUR".to_owned()));
/// # Ok(()) }
/// ```
///
/// A value of another type is [`ErrorKind::Value`](crate::ErrorKind::Value). The error names the entry and the type,
/// never the value.
pub struct Key<T> {
    name: &'static str,
    value: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// The key of the entry `name`, whose value is a `T`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, value: PhantomData }
    }

    /// The name of the entry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl<T> Copy for Key<T> {}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<T> Eq for Key<T> {}

impl<T> hash::Hash for Key<T> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.name).finish()
    }
}

/// The name of a session entry: a text (`&str`, `&String`) or a [`Key`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name an entry of a session",
    label = "expected a `&str` or a `Key`"
)]
pub trait EntryName: Copy + sealed::Sealed {
    /// The name of the entry.
    fn entry_name(&self) -> &str;
}

/// The name of an entry whose value is a `T`: a text, for any `T`, or a [`Key<T>`](Key).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name an entry of a session whose value is a `{T}`",
    label = "expected a `&str` or a `Key<{T}>`"
)]
pub trait EntryOf<T>: EntryName {}

/// The name of an entry that can store a `T`: a text, for any `T`, or a [`Key`] of `T` or of its owned form. So a
/// `Key<String>` takes a `str`, and a `Key<Vec<u8>>` a `[u8]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name an entry of a session that takes a `{T}`",
    label = "expected a `&str` or a `Key<{T}>`"
)]
pub trait EntryFor<T: ?Sized>: EntryName {}

impl<S: AsRef<str> + ?Sized> EntryName for &S {
    fn entry_name(&self) -> &str {
        (*self).as_ref()
    }
}

impl<S: AsRef<str> + ?Sized, T> EntryOf<T> for &S {}

impl<S: AsRef<str> + ?Sized, T: ?Sized> EntryFor<T> for &S {}

impl<T> EntryName for Key<T> {
    fn entry_name(&self) -> &str {
        self.name
    }
}

impl<T> EntryOf<T> for Key<T> {}

impl<T: ?Sized, Owned: Borrow<T>> EntryFor<T> for Key<Owned> {}

impl<S: AsRef<str> + ?Sized> sealed::Sealed for &S {}

impl<T> sealed::Sealed for Key<T> {}

mod sealed {
    pub trait Sealed {}
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_are_equal_if_their_names_are() {
        let (theme, cart) = (Key::<String>::new("theme"), Key::<String>::new("cart"));
        assert!(theme == Key::new("theme") && theme != cart);
        let keys = HashSet::from([theme, cart, theme]);
        assert_eq!(keys.len(), 2);
        assert!(keys.contains(&Key::new("cart")));
        // A hash of nothing would be the same for all.
        let hashes: HashSet<u64> = (0..8).map(|n| hash_of(&Key::<u8>::new(NAMES[n]))).collect();
        assert_eq!(hashes.len(), NAMES.len());
    }

    const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

    fn hash_of(key: &Key<u8>) -> u64 {
        use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
        BuildHasherDefault::<DefaultHasher>::default().hash_one(key)
    }
}

//! Django's sessions in a table, with the copies in Redis that Django reads first.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use super::db::DjangoDbStore;
use crate::{
    error::{Error, ErrorKind},
    store::{Deleted, Page, RedisStore, Replaced, Seen, SessionStore, StoreTime},
};

/// The most pages of keys to scan for a copy.
const PAGES: usize = 200;

type Mirror = dyn Fn(&Bytes) -> Result<Bytes, Error> + Send + Sync;

/// Sessions in the table `django_session` with a copy of each in Redis, as read and written by Django's session engine
/// `cached_db`. Features `django`, `redis`, and `sqlite` or `postgres`.
///
/// **The row is the authority**: this store reads rows only. Django reads the copy first, so every write keeps the copy
/// in step:
///
/// - [`create`](SessionStore::create) and [`replace`](SessionStore::replace) write the row, then the copy, then check
///   that the row is unchanged. If it has changed, or if the copy could not be made or stored, they delete the copy,
///   and Django then reads the row. So overlapping writes leave no old copy behind, and a write that overlaps a logout
///   leaves no copy at all.
/// - Once the row is written, a failure of Redis is only logged and the write succeeds, as in Django from 5.0 on. If
///   the copy could not even be deleted, Django reads the old one until it expires or is written again.
/// - [`delete`](SessionStore::delete) deletes the copy, the row, and the copy again, because Django may have recreated
///   it from the row in between. It fails if either deletion of the copy fails, because Django would keep reading it.
///   If the first one fails, the row still exists and the logout can be repeated.
/// - A load that finds no row deletes the copy. Otherwise a copy that Django revived would stay, because Django reads
///   the row and writes the copy without checking again.
///
/// Costs: a read is one statement, or one and a `DEL` if there is no row; a write is two statements and a `SET`; a
/// deletion is one statement and two `DEL`.
///
/// One gap remains. If a logout overlaps a write, Django can read the copy for one round trip: from the write of the
/// copy to the check of the row. If the service is killed in that moment, Django can read it until it expires or a load
/// here finds no row.
#[derive(Clone)]
pub struct DjangoCachedDbStore {
    rows: DjangoDbStore,
    copies: RedisStore,
    prefix: Arc<str>,
    mirror: Arc<Mirror>,
}

impl DjangoCachedDbStore {
    /// `rows` is Django's table and `copies` is its cache. The key of a copy is `prefix` followed by the session key.
    /// Django builds the prefix from the cache's `KEY_PREFIX` and `VERSION` and from
    /// `django.contrib.sessions.cached_db`: `:1:django.contrib.sessions.cached_db` by default. `mirror` turns the text
    /// of a row into the bytes of its copy. If it fails, there is no copy.
    #[must_use]
    pub fn new(
        rows: DjangoDbStore,
        copies: RedisStore,
        prefix: impl Into<Arc<str>>,
        mirror: impl Fn(&Bytes) -> Result<Bytes, Error> + Send + Sync + 'static,
    ) -> Self {
        Self { rows, copies, prefix: prefix.into(), mirror: Arc::new(mirror) }
    }

    /// Looks for Django's copies, and returns whether there are any under the prefix. Writes nothing. Call it when the
    /// service starts: with a wrong prefix Django would keep reading outdated copies. One round trip for each page of
    /// keys, up to 200; a page of Redis is about a hundred keys.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the only copies are under another prefix; [`ErrorKind::Unavailable`] if Redis fails.
    pub async fn check_copies(&self) -> Result<bool, Error> {
        if self.find_copy(&self.prefix, |key| key.strip_prefix(&*self.prefix)).await?.is_some() {
            return Ok(true);
        }
        let name = "django.contrib.sessions.cached_db";
        let Some(other) = self.find_copy("", |key| key.split_once(name).map(|(prefix, _)| prefix)).await? else {
            return Ok(false);
        };
        Err(Error::new(ErrorKind::Config, format!("the store holds copies under another key prefix: {other:?}")))
    }

    /// The first result of `part` for a key.
    async fn find_copy(&self, prefix: &str, part: impl Fn(&str) -> Option<&str>) -> Result<Option<String>, Error> {
        let mut from = None;
        for _ in 0..PAGES {
            let page = self.copies.scan(prefix, from.as_deref()).await?;
            if let Some(found) = page.keys.iter().find_map(|key| part(key)) {
                return Ok(Some(found.to_owned()));
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        Ok(None)
    }

    fn copy_key(&self, key: &str) -> String {
        [&*self.prefix, key].concat()
    }

    /// Updates the copy to the row, or deletes it.
    async fn mirror(&self, key: &str, value: &Bytes, ttl: Duration) {
        if let Err(error) = self.copy(key, value, ttl).await {
            tracing::warn!(%error, "the cached copy of a session was not written: deleting it");
            self.forget_if_possible(key).await;
        }
    }

    /// Deletes the copy of a row if the outcome of its write is unknown.
    async fn written<T>(&self, key: &str, written: Result<T, Error>) -> Result<T, Error> {
        if written.as_ref().is_err_and(Error::is_undecided) {
            self.forget_if_possible(key).await;
        }
        written
    }

    async fn copy(&self, key: &str, value: &Bytes, ttl: Duration) -> Result<(), Error> {
        let copy = (self.mirror)(value)?;
        self.copies.put(&self.copy_key(key), &copy, ttl).await?;
        // Check the row last: a later writer writes or deletes the copy after this one.
        if !self.rows.holds(key, value).await? {
            self.forget_if_possible(key).await;
        }
        Ok(())
    }

    async fn forget(&self, key: &str) -> Result<(), Error> {
        self.copies.delete(&self.copy_key(key), None).await.map(drop)
    }

    async fn forget_if_possible(&self, key: &str) {
        if let Err(error) = self.forget(key).await {
            tracing::warn!(%error, "the cached copy of a session was not deleted");
        }
    }
}

impl fmt::Debug for DjangoCachedDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoCachedDbStore").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl SessionStore for DjangoCachedDbStore {
    async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let row = self.rows.load(key).await?;
        if row.is_none() {
            self.forget_if_possible(key).await;
        }
        Ok(row)
    }

    async fn create(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        let created = self.written(key, self.rows.create(key, value.clone(), ttl).await).await?;
        if created {
            self.mirror(key, &value, ttl).await;
        }
        Ok(created)
    }

    async fn replace(&self, key: &str, seen: &Seen, value: Bytes, ttl: Duration) -> Result<Replaced, Error> {
        let replaced = self.written(key, self.rows.replace(key, seen, value.clone(), ttl).await).await?;
        if replaced == Replaced::Stored {
            self.mirror(key, &value, ttl).await;
        }
        Ok(replaced)
    }

    async fn delete(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
        self.forget(key).await?;
        let deleted = self.rows.delete(key, seen).await?;
        if !matches!(deleted, Deleted::Conflict(_)) {
            self.forget(key).await.map_err(Error::undecided)?;
        }
        Ok(deleted)
    }

    async fn scan(&self, prefix: &str, from: Option<&str>) -> Result<Page, Error> {
        self.rows.scan(prefix, from).await
    }

    async fn expires(&self, key: &str) -> Result<Option<StoreTime>, Error> {
        self.rows.expires(key).await
    }

    async fn purge_expired(&self) -> Result<u64, Error> {
        self.rows.purge_expired().await
    }

    async fn index_add(&self, index: &str, member: &str, deadline: StoreTime) -> Result<(), Error> {
        self.rows.index_add(index, member, deadline).await
    }

    async fn index_list(&self, index: &str) -> Result<Vec<String>, Error> {
        self.rows.index_list(index).await
    }

    async fn index_remove(&self, index: &str, members: &[String]) -> Result<(), Error> {
        self.rows.index_remove(index, members).await
    }

    async fn time(&self) -> Result<StoreTime, Error> {
        self.rows.time().await
    }
}

//! Stores an edit of a session. If another write was faster, merges: replays the edit on the version stored now.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    engine::{
        core::Core,
        draft::{edits::Original, gone, stale},
        end_session::tombstone::Tombstone,
        plan::Edit,
        write::written::Written,
    },
    error::{Error, ErrorKind},
    keyed_semaphore::KeyedPermit,
    log_limit::LogLimit,
    record::{
        Content, Place, Record,
        id::{Secret, Token},
        tag::Tag,
    },
    store::{Replaced, StoreTime},
};

/// How long an overtaken write waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// The number of attempts of a write while others are faster. Each failure means that another write succeeded. In one
/// process only one overtaken write continues at a time, so only very many processes that write to one session reach
/// this limit.
pub(super) const ATTEMPTS: u32 = 64;

/// The outcome of one compare-and-set.
pub(crate) enum Attempt {
    Stored(Arc<Record>),
    /// Another write was faster: continue from its version.
    Overtaken(Arc<Record>),
    /// The reply was lost, and the write has not been applied yet. Holds the error to return if it may have been
    /// applied later.
    NotApplied(Error),
}

impl Core {
    /// Replays an edit on the newest version until it is stored.
    pub(super) async fn edit(&self, edit: &Edit) -> Result<Written, Error> {
        let place = self.profile.place(&edit.token);
        let tag = Tag::random()?;
        let tag = tag.as_str();
        let secret = if edit.rotate { Some(Secret::random()?) } else { None };
        let (mut base, mut which) = (Arc::clone(&edit.record), Original::Loaded);
        let (mut lost, mut turn) = (None, None);
        for attempt in 0..ATTEMPTS {
            let now = self.now().await?;
            let Some(content) = self.edited(which, &base, edit, now)? else {
                if self.touch_is_due(&base.head.limits, now) {
                    return Ok(Box::pin(self.touch(&edit.token, base, None)).await);
                }
                return Ok(Written::kept(&edit.token, base));
            };
            let stamp = self.stamp(tag, now);
            let next = Arc::new(self.profile.next(&place.key, &base, secret.as_ref(), &stamp, content)?);
            self.check_size(&next, base.bytes().len())?;
            let limits = next.head.limits;
            let Some(ttl) = limits.left(now) else {
                Box::pin(self.end_at(&place, &base, Tombstone::Ended)).await?;
                return Err(gone());
            };
            let replace = self.replace(&place, &base, next, tag, edit, ttl);
            let attempted = match (&edit.pending.login, &base.head.user) {
                (Some(identity), _) => {
                    let (attempted, indexed) =
                        Box::pin(self.indexed(&place, identity, limits.deadline, replace)).await?;
                    if let Err(error) = indexed {
                        if let Attempt::Stored(record) = attempted {
                            Box::pin(self.take_back(&place, &record, &base, now)).await;
                        }
                        return Err(error);
                    }
                    attempted
                }
                // An expiry may move the deadline, too, and the index drops a session at the deadline that it knows.
                // The cookie stays, so others may see the edit as soon as it is stored: it cannot be undone.
                (None, Some(user)) if edit.pending.expiry.is_some() => {
                    Box::pin(self.index(&place, user, limits.deadline)).await?;
                    replace.await?
                }
                (None, _) => replace.await?,
            };
            let attempted = match attempted {
                Attempt::Overtaken(newer) if turn.is_none() && lost.is_none() => {
                    match Box::pin(self.wait_in_line(&mut turn, &place)).await? {
                        None => Attempt::Overtaken(newer),
                        Some(current) => Box::pin(self.judge(&place, &current, tag, edit)).await?,
                    }
                }
                attempted => attempted,
            };
            match attempted {
                Attempt::Stored(record) => {
                    self.refuse_if_ended(&place).await?;
                    self.stats.commits.add_one();
                    tracing::Span::current().record("attempts", attempt + 1);
                    let Some(secret) = secret else { return Ok(self.extended(&edit.token, &base, record, now)) };
                    let max_age = self.max_age(&record, now);
                    let token = Token { handle: edit.token.handle, secret };
                    return Ok(Written::under_new_cookie(token, record, max_age));
                }
                Attempt::Overtaken(newer) => {
                    // An earlier attempt, on an abandoned connection, may have been applied meanwhile. The newer
                    // version may build on it.
                    if let Some(error) = lost {
                        return Err(error);
                    }
                    self.stats.merged.add_one();
                    (base, which) = (newer, Original::Newer);
                }
                // Give up after a second lost reply.
                Attempt::NotApplied(error) if lost.is_some() || error.is_late() => return Err(error),
                Attempt::NotApplied(error) => lost = Some(error),
            }
        }
        Err(too_slow())
    }

    /// Applies `edit` to `base`, the version that the request loaded or a newer one; `None` if nothing changes.
    fn edited(&self, which: Original, base: &Record, edit: &Edit, now: StoreTime) -> Result<Option<Content>, Error> {
        let changes = edit.pending.delta.resolve_on(which, &base.entries, edit.pending.missed)?;
        if changes.is_empty() && !edit.rotate && edit.renew.is_none() && edit.pending.expiry.is_none() {
            return Ok(None);
        }
        Ok(Some(Content { head: self.next_head(base, edit, now), entries: base.entries.with(&changes) }))
    }

    async fn replace(
        &self,
        place: &Place,
        base: &Record,
        next: Arc<Record>,
        tag: &str,
        edit: &Edit,
        ttl: Duration,
    ) -> Result<Attempt, Error> {
        match self.store.replace(&place.key, &base.version(), next.bytes().clone(), ttl).await {
            Ok(Replaced::Stored) => Ok(Attempt::Stored(next)),
            Ok(Replaced::Gone) => Err(gone()),
            Ok(Replaced::Conflict(current)) => Box::pin(self.judge(place, &current, tag, edit)).await,
            // The reply was lost. Only the stored version can tell whether the write was applied, and only if versions
            // carry the tag of their commit: another commit may have written equal bytes.
            Err(error) if error.is_undecided() && next.is_of(tag) => {
                let Ok(Some(current)) = self.store.load(&place.key).await else { return Err(error) };
                if base.version().matches(&current) {
                    return Ok(Attempt::NotApplied(error));
                }
                match self.decode(&place.key, &current, self.now().await?) {
                    Ok(current) if current.is_of(tag) => Ok(Attempt::Stored(Arc::new(current))),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Replaces `stored` with `base`, the version before it, so that the browser's old cookie opens the session again.
    async fn take_back(&self, place: &Place, stored: &Record, base: &Record, now: StoreTime) {
        let Some(ttl) = base.head.limits.left(now) else { return };
        let undone = self.store.replace(&place.key, &stored.version(), base.bytes().clone(), ttl).await;
        if !matches!(undone, Ok(Replaced::Stored)) {
            static LIMIT: LogLimit = LogLimit::new();
            if let Some(left_out) = LIMIT.line() {
                tracing::warn!(
                    left_out,
                    ?undone,
                    "a failed sign-in could not be undone; its visitor has lost a session"
                );
            }
        }
    }

    /// Queues with the other overtaken writers of `place` in this process. Without the queue, early writers would keep
    /// losing against faster ones, which retry at once, and against each other.
    ///
    /// Returns the version stored after the wait, because the one seen before is outdated by then; `None` if the queue
    /// was empty.
    pub(super) async fn wait_in_line(
        &self,
        turn: &mut Option<KeyedPermit>,
        place: &Place,
    ) -> Result<Option<Bytes>, Error> {
        let permit = tokio::time::timeout(PATIENCE, self.overtaken_writers.acquire(&place.key, 1))
            .await
            .map_err(|_| too_slow())?;
        let has_waited = permit.has_waited;
        *turn = Some(permit);
        if !has_waited {
            return Ok(None);
        }
        self.store.load(&place.key).await?.map(Some).ok_or_else(gone)
    }

    /// The outcome if `current` is stored instead of the version on which this edit was made.
    pub(super) async fn judge(&self, place: &Place, current: &Bytes, tag: &str, edit: &Edit) -> Result<Attempt, Error> {
        let current = Arc::new(self.decode(&place.key, current, self.now().await?)?);
        if current.is_of(tag) {
            return Ok(Attempt::Stored(current));
        }
        check_owner(&current, edit)?;
        Ok(Attempt::Overtaken(current))
    }

    /// Decodes the version of another writer, from which the edit continues.
    pub(super) async fn newer(&self, place: &Place, current: &Bytes, edit: &Edit) -> Result<Arc<Record>, Error> {
        let current = self.decode(&place.key, current, self.now().await?)?;
        check_owner(&current, edit)?;
        Ok(Arc::new(current))
    }

    /// Checks, after a write, that it did not go to an ended session that another program had restored.
    async fn refuse_if_ended(&self, place: &Place) -> Result<(), Error> {
        if self.tombstone(place).await.map_err(Error::undecided)?.is_none() {
            return Ok(());
        }
        self.end_again(place).await;
        Err(gone())
    }
}

/// If the secret was replaced or another user signed in, the session now belongs to that client, so this edit must not
/// be written into it.
fn check_owner(current: &Record, edit: &Edit) -> Result<(), Error> {
    if current.has_secret_of(&edit.record) && current.user_id() == edit.record.user_id() {
        Ok(())
    } else {
        Err(stale())
    }
}

pub(crate) fn too_slow() -> Error {
    Error::new(ErrorKind::Unavailable, "too many concurrent writes to this session")
}

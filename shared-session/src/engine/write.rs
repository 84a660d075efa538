//! Writing a session: I/O 2, and the one merge loop.

pub(crate) mod conflict;
pub(crate) mod create;
pub(crate) mod enforce_limit;
pub(crate) mod evict;
pub(crate) mod move_to_new_key;
pub(crate) mod written;

use std::{net::IpAddr, sync::Arc, time::Duration};

use tracing::Instrument as _;

use crate::{
    audit::{AuditEvent, AuditKind},
    engine::{
        core::Core,
        draft::{gone, merge::Original},
        end::Tombstone,
        outcome::CookieAction,
        plan::{Edit, Plan, Write},
        write::{
            conflict::{ATTEMPTS, Attempt, too_slow},
            enforce_limit::{Room, too_many},
            written::Written,
        },
    },
    error::{Error, ErrorKind},
    log_limit::LogLimit,
    metrics::{COMMIT_ERROR, COMMIT_OK, COMMIT_REFUSED, Stopwatch},
    record::{
        Content, Head, Identity, Place, Record, Stamp,
        expiry::Expiry,
        id::{Secret, Token},
        tag::Tag,
    },
    store::{Replaced, StoreTime},
};

impl Core {
    /// Runs the plan in a span, and measures its time.
    pub(crate) async fn write_observed(&self, plan: Box<Plan>) -> Result<Written, Error> {
        let span =
            tracing::info_span!("session.commit", outcome = tracing::field::Empty, attempts = tracing::field::Empty);
        let work = async move {
            let _evict = self.evict_after(plan.handles());
            let stopwatch = Stopwatch::start();
            let written = self.write(plan).await;
            let failure = match &written {
                Ok(written) => written.failure.as_ref(),
                Err(error) => Some(error),
            };
            self.last_write.note(failure);
            let (outcome, histogram) = match failure {
                None => ("stored", &COMMIT_OK),
                Some(error) => match error.kind() {
                    ErrorKind::Stale => ("stale", &COMMIT_REFUSED),
                    ErrorKind::Gone => ("gone", &COMMIT_REFUSED),
                    ErrorKind::AlreadyTaken => ("conflict", &COMMIT_REFUSED),
                    ErrorKind::TooLarge => ("too large", &COMMIT_REFUSED),
                    _ => ("error", &COMMIT_ERROR),
                },
            };
            stopwatch.stop(histogram);
            tracing::Span::current().record("outcome", outcome);
            written
        };
        // Boxed, because it is rare and larger.
        if span.is_disabled() { work.await } else { Box::pin(work.instrument(span)).await }
    }

    async fn write(&self, plan: Box<Plan>) -> Result<Written, Error> {
        let (signs_in, audit_kind) = (plan.signs_in(), plan.audit_kind());
        if self.session_limit.is_some() {
            Box::pin(self.has_room(&plan)).await?;
        }
        let ended = match plan.end {
            None => CookieAction::Keep,
            Some(end) => match Box::pin(self.end(end, plan.address)).await {
                Ok(()) => CookieAction::Remove,
                // A sign-in continues: its session is a new one.
                Err(error) if signs_in && error.kind() == ErrorKind::Stale => CookieAction::Remove,
                Err(error) => return Err(error),
            },
        };
        let written = match &plan.write {
            None => Ok(Written::nothing(CookieAction::Keep, None)),
            Some(Write::Touch { token, record, renew }) => {
                Ok(Box::pin(self.touch(token, Arc::clone(record), renew.clone())).await)
            }
            Some(Write::Create(new)) => Box::pin(self.create(new)).await,
            Some(Write::Edit(edit)) => {
                let edited = if edit.rotate && self.profile.rotation_moves() {
                    Box::pin(self.move_to_new_key(edit)).await
                } else {
                    self.edit(edit).await
                };
                match edited {
                    Err(error) if edit.pending.login.is_some() && is_lost(&error) => {
                        Box::pin(self.create(&edit.pending)).await
                    }
                    other => other,
                }
            }
        };
        let mut written = match written {
            Ok(written) => written,
            Err(error) if ended == CookieAction::Keep => return Err(error),
            Err(error) => return Ok(Written::nothing(ended, Some(error.undecided()))),
        };
        if signs_in && self.session_limit.is_some() {
            match Box::pin(self.keep_to_limit(&written)).await {
                Ok(Room::Found) => {}
                Ok(Room::Refused) => return Ok(Written::nothing(ended, Some(too_many()))),
                Err(error) => written.failure = written.failure.or(Some(error.undecided())),
            }
        }
        if let Some(kind) = audit_kind {
            self.tell(kind, &written, plan.address);
        }
        Ok(Written { cookie: ended.then(written.cookie), ..written })
    }

    fn tell(&self, kind: AuditKind, written: &Written, address: Option<IpAddr>) {
        let Some((token, record)) = &written.session else { return };
        let event = AuditEvent::new(kind).with_handle(self.profile.place(token).handle).with_address(address);
        self.audit.tell(&match record.user_id() {
            Some(user_id) => event.with_user_id(user_id),
            None => event,
        });
    }

    /// Replays an edit on the newest version until it is stored.
    async fn edit(&self, edit: &Edit) -> Result<Written, Error> {
        let place = self.profile.place(&edit.token);
        let tag = Tag::random()?;
        let tag = tag.as_str();
        let secret = if edit.rotate { Some(Secret::random()?) } else { None };
        let (mut base, mut which) = (Arc::clone(&edit.record), Original::Loaded);
        let (mut lost, mut turn) = (None, None);
        for attempt in 0..ATTEMPTS {
            let now = self.now().await?;
            let Some(content) = self.edited(which, &base, edit, now)? else {
                if self.lifetime.touch_is_due(&base.head.limits, now) {
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
            let attempted = match to_index(&base, edit) {
                None => replace.await?,
                Some(identity) => {
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

    /// Checks, after a write, that it did not go to an ended session that another program had restored.
    async fn refuse_if_ended(&self, place: &Place) -> Result<(), Error> {
        if self.tombstone(place).await.map_err(Error::undecided)?.is_none() {
            return Ok(());
        }
        self.end_again(place).await;
        Err(gone())
    }

    /// Stores the last use, and the user's renewed marks. Compares like any write, changes no entry, and never fails
    /// the request: a concurrent write that was faster has stored a later use.
    async fn touch(&self, token: &Token, record: Arc<Record>, renew: Option<Identity>) -> Written {
        let touched = async {
            let now = self.now().await?;
            let limits = record.head.limits.touch(now);
            let Some(ttl) = limits.left(now) else { return Ok(None) };
            let user = renew.or_else(|| record.head.user.clone());
            let head = Head { limits, user, client: record.head.client.clone() };
            let place = self.profile.place(token);
            let next = self.profile.touched(&place.key, &record, head, &self.stamp(Stamp::UNTAGGED, now))?;
            let replaced = self.store.replace(&place.key, &record.version(), next.bytes().clone(), ttl).await?;
            let stored = (replaced == Replaced::Stored).then_some((next, now));
            Ok::<_, Error>(stored)
        };
        match touched.await {
            Ok(None) => Written::kept(token, record),
            Ok(Some((next, now))) => {
                self.stats.touches.add_one();
                self.extended(token, &record, Arc::new(next), now)
            }
            Err(error) => {
                tracing::debug!(%error, "the last use of a session was not written down");
                Written::kept(token, record)
            }
        }
    }

    /// Adds the session at `place` to the user's index and runs `write`, concurrently; the index entry is sent first,
    /// on the same connection. Returns the result of the write, and that of the index.
    ///
    /// The caller undoes a write whose session is not in the index, because a revocation of all the user's sessions
    /// would not find it.
    async fn indexed<T>(
        &self,
        place: &Place,
        identity: &Identity,
        deadline: StoreTime,
        write: impl Future<Output = Result<T, Error>>,
    ) -> Result<(T, Result<(), Error>), Error> {
        let index = self.profile.index_key(&identity.user_id);
        let add = self.store.index_add(&index, place.member(), deadline);
        let (added, written) = futures_util::future::join(add, write).await;
        let written = written?;
        let added = match added {
            Err(error) if !error.is_late() => self.store.index_add(&index, place.member(), deadline).await,
            added => added,
        };
        Ok((written, added))
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

    /// Removes an ended session from its user's index; lists check each record, so a failure does no harm.
    pub(crate) async fn unindex(&self, record: &Record, place: &Place) {
        if let Some(user_id) = record.user_id() {
            let index = self.profile.index_key(user_id);
            let _ = self.store.index_remove(&index, &[place.member().to_owned()]).await;
        }
    }

    fn next_head(&self, base: &Record, edit: &Edit, now: StoreTime) -> Head {
        let head = &base.head;
        let login = edit.pending.login.as_ref();
        let limits = match login {
            Some(_) => {
                let keeps = self.profile.sign_in_keeps_expiry();
                let without = if keeps { head.limits.expiry } else { Expiry::Configured };
                head.limits.restart(&self.lifetime, edit.pending.expiry.unwrap_or(without), now)
            }
            None => match edit.pending.expiry {
                Some(expiry) => head.limits.touch(now).with_expiry(&self.lifetime.of(head.user.is_some()), expiry),
                None => head.limits.touch(now),
            },
        };
        let user = login.or(edit.renew.as_ref()).or(head.user.as_ref()).cloned();
        let client = if login.is_some() { &edit.pending.client } else { &head.client };
        Head { limits, user, client: client.clone() }
    }

    fn stamp<'a>(&'a self, tag: &'a str, now: StoreTime) -> Stamp<'a> {
        Stamp { tag, now, lifetime: &self.lifetime }
    }

    fn check_size(&self, next: &Record, before: usize) -> Result<(), Error> {
        self.max_size.check(next.bytes().len(), before, next.head.user.is_some())
    }
}

/// The user whose index must hold the session until its new deadline. An expiry may move the deadline, too, and the
/// index drops a session at the deadline that it knows.
fn to_index<'a>(base: &'a Record, edit: &'a Edit) -> Option<&'a Identity> {
    let keeps = || base.head.user.as_ref().filter(|_| edit.pending.expiry.is_some());
    edit.pending.login.as_ref().or_else(keeps)
}

fn is_lost(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Stale | ErrorKind::Gone)
}

//! Writing a session: I/O 2, and the one merge loop.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{CookieAction, Core, stats::add_one};
use crate::{
    Error, ErrorKind,
    commit::{Edit, End, Loaded, New, Plan, Write, gone, stale},
    data::Entries,
    id::{Handle, Secret, Token, random_tag},
    lifetime::Limits,
    profile::{Head, Identity, Record},
    store::{Deleted, Replaced, Seen, StoreTime},
};

/// How often a write is tried again after another one was faster. Each failure means that another write succeeded, so
/// this bounds the wait behind a crowd on one session.
const ATTEMPTS: u32 = 64;

/// How many of them follow each other without a pause.
const ATTEMPTS_AT_ONCE: u32 = 3;

/// What was written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) session: Option<(Token, Arc<Record>)>,
    pub(crate) cookie: CookieAction,
}

impl Written {
    pub(crate) fn loaded(&self) -> Loaded {
        match &self.session {
            Some((token, record)) => Loaded::Record(token.clone(), Arc::clone(record)),
            None => Loaded::Nothing { refused: false },
        }
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.session.as_ref().is_some_and(|(_, record)| record.head.user.is_some())
    }
}

/// What came of one compare-and-set.
enum Attempt {
    Stored(Arc<Record>),
    /// Another write was faster: go on from its version.
    Overtaken(Arc<Record>),
    /// The reply was lost and the write was not applied.
    NotApplied,
}

impl Core {
    /// Runs the plan on a task of its own, so that it ends whatever becomes of the request.
    pub(crate) async fn write_on_own_task(self: &Arc<Self>, plan: Plan) -> Result<Written, Error> {
        let core = Arc::clone(self);
        let task = tokio::spawn(async move { core.write(plan).await });
        task.await.unwrap_or_else(|join| {
            Err(Error::new(ErrorKind::Unavailable, "a session commit did not finish").with_source(join).undecided())
        })
    }

    async fn write(&self, plan: Plan) -> Result<Written, Error> {
        let signs_in = match &plan.write {
            Some(Write::Edit(edit)) => edit.new.login.is_some(),
            Some(Write::Create(new)) => new.login.is_some(),
            _ => false,
        };
        let ended = match plan.end {
            None => CookieAction::Keep,
            Some(end) => match self.end(end).await {
                Ok(()) => CookieAction::Remove,
                // A sign-in goes on: its session is a new one.
                Err(error) if signs_in && error.kind() == ErrorKind::Stale => CookieAction::Remove,
                Err(error) => return Err(error),
            },
        };
        let (session, cookie) = match plan.write {
            None => (None, CookieAction::Keep),
            Some(Write::Touch(token, record)) => {
                self.touch(&token, &record).await;
                (Some((token, record)), CookieAction::Keep)
            }
            Some(Write::Create(new)) => self.create(&new).await?,
            Some(Write::Edit(edit)) => match self.edit(&edit).await {
                Err(error) if edit.new.login.is_some() && is_lost(&error) => self.create(&edit.new).await?,
                other => other?,
            },
        };
        Ok(Written { session, cookie: ended.then(cookie) })
    }

    /// Replays an edit on the newest version until it is stored.
    async fn edit(&self, edit: &Edit) -> Result<(Option<(Token, Arc<Record>)>, CookieAction), Error> {
        let key = edit.token.key(&self.profile);
        let tag = random_tag()?;
        let secret = if edit.rotate { Some(Secret::random()?) } else { None };
        let mut base = Arc::clone(&edit.record);
        for attempt in 0..ATTEMPTS {
            let now = self.now().await?;
            let changes = edit.new.delta.resolve(&base.entries, edit.new.missed)?;
            if changes.is_empty() && !edit.rotate {
                return Ok((Some((edit.token.clone(), base)), CookieAction::Keep));
            }
            let head = self.next_head(&base, &tag, secret.as_ref(), &edit.new, now);
            let Some(ttl) = head.limits.left(now) else {
                self.delete(&key, base.secret(), &edit.record).await?;
                return Err(gone());
            };
            let entries = base.entries.with(&changes);
            let bytes = self.encode(&head, &entries)?;
            let deadline = head.limits.deadline;
            let replace = self.replace(&key, &base, Record::written(head, entries, bytes), edit, ttl);
            let attempted = match &edit.new.login {
                None => replace.await?,
                // The index entry goes first on the same connection; both are waited for together.
                Some(identity) => self.indexed(&edit.token.handle, identity, deadline, replace).await?,
            };
            let attempted = match attempted {
                Attempt::Overtaken(_) if attempt >= ATTEMPTS_AT_ONCE => {
                    // What was seen before the pause is old after it: comparing with it would lose once more.
                    pause(attempt).await;
                    let Some(current) = self.store.load(&key).await? else { return Err(gone()) };
                    self.judge(&current, &tag, edit)?
                }
                attempted => attempted,
            };
            match attempted {
                Attempt::Stored(record) => {
                    add_one(&self.stats.commits);
                    let Some(secret) = secret else {
                        return Ok((Some((edit.token.clone(), record)), CookieAction::Keep));
                    };
                    let token = Token { handle: edit.token.handle, secret };
                    return Ok((Some((token.clone(), record)), CookieAction::Set(token)));
                }
                Attempt::Overtaken(newer) => {
                    add_one(&self.stats.merged);
                    base = newer;
                }
                Attempt::NotApplied => {}
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "other requests kept being faster on this session"))
    }

    async fn replace(
        &self,
        key: &str,
        base: &Record,
        next: Record,
        edit: &Edit,
        ttl: Duration,
    ) -> Result<Attempt, Error> {
        match self.store.replace(key, &base.version(), next.bytes().clone(), ttl).await {
            Ok(Replaced::Stored) => Ok(Attempt::Stored(Arc::new(next))),
            Ok(Replaced::Gone) => Err(gone()),
            Ok(Replaced::Conflict(current)) => self.judge(&current, &next.head.tag, edit),
            Err(error) if error.is_undecided() => {
                // The reply was lost: only what is stored now can tell.
                let Ok(Some(current)) = self.store.load(key).await else { return Err(error) };
                if base.version().matches(&current) {
                    return Ok(Attempt::NotApplied);
                }
                match self.profile.decode(&current) {
                    Ok(current) if current.head.tag == next.head.tag => Ok(Attempt::Stored(Arc::new(current))),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// What it means that `current` is stored instead of what this edit was made on.
    fn judge(&self, current: &Bytes, tag: &str, edit: &Edit) -> Result<Attempt, Error> {
        let current = Arc::new(self.profile.decode(current)?);
        if current.head.tag == tag {
            return Ok(Attempt::Stored(current));
        }
        // Whoever replaced the secret or signed in owns the session now: nothing may be written into theirs.
        let same_secret = current.head.secret_hash == edit.record.head.secret_hash;
        if !same_secret || user_id(&current) != user_id(&edit.record) {
            return Err(stale());
        }
        Ok(Attempt::Overtaken(current))
    }

    /// Starts a session under a new handle.
    async fn create(&self, new: &New) -> Result<(Option<(Token, Arc<Record>)>, CookieAction), Error> {
        let changes = new.delta.resolve(&Entries::empty(), new.missed)?;
        let entries = Entries::empty().with(&changes);
        let mut last_error = None;
        // A handle that is taken already, or a lost reply: another handle. What may be left over names nobody's cookie.
        for _ in 0..3 {
            let token = Token::random()?;
            let now = self.now().await?;
            let head = Head {
                commit: 1,
                tag: random_tag()?,
                secret_hash: token.secret.hash(),
                rotated: StoreTime::default(),
                limits: Limits::start(&self.lifetime, now),
                user: new.login.clone(),
                client: new.client.clone(),
            };
            let Some(ttl) = head.limits.left(now) else { return Err(gone()) };
            let bytes = self.encode(&head, &entries)?;
            let key = token.key(&self.profile);
            let create = self.create_at(&key, &head.tag, bytes.clone(), ttl);
            let created = match &new.login {
                None => create.await,
                Some(identity) => self.indexed(&token.handle, identity, head.limits.deadline, create).await,
            };
            match created {
                Ok(true) => {
                    add_one(&self.stats.commits);
                    let record = Arc::new(Record::written(head, entries, bytes));
                    return Ok((Some((token.clone(), record)), CookieAction::Set(token)));
                }
                Ok(false) => {}
                Err(error) if error.is_undecided() => last_error = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last_error.unwrap_or_else(|| Error::new(ErrorKind::Unavailable, "no free session handle was found")))
    }

    /// Whether the record is stored; an undecided error only if it is known not to be.
    async fn create_at(&self, key: &str, tag: &str, bytes: Bytes, ttl: Duration) -> Result<bool, Error> {
        match self.store.create(key, bytes, ttl).await {
            Err(error) if error.is_undecided() => match self.store.load(key).await {
                Ok(None) => Err(error),
                Ok(Some(current)) => Ok(self.profile.decode(&current).is_ok_and(|current| current.head.tag == tag)),
                Err(unreachable) => Err(unreachable),
            },
            other => other,
        }
    }

    /// Writes down the last use. Compares like any write, changes no entry, and never fails the request: a write that
    /// was faster has noted a later use.
    async fn touch(&self, token: &Token, record: &Record) {
        let touched = async {
            let now = self.now().await?;
            let limits = record.head.limits.touch(now);
            let Some(ttl) = limits.left(now) else { return Ok(()) };
            let bytes = self.encode(&Head { limits, ..record.head.clone() }, &record.entries)?;
            self.store.replace(&token.key(&self.profile), &record.version(), bytes, ttl).await.map(drop)
        };
        if let Err(error) = touched.await {
            tracing::debug!(%error, "the last use of a session was not written down");
        }
    }

    /// Ends a session.
    async fn end(&self, end: End) -> Result<(), Error> {
        let (token, record) = match end {
            End::Cookie => return Ok(()),
            End::Record(token, record) => (token, record),
            End::Unreadable(token, bytes) => {
                // Its head may still say that this cookie owns it. If not, the record opens for nobody.
                let seen = self.profile.secret_part(&bytes);
                if seen.part() == token.secret.hash().as_bytes() {
                    let _: Deleted = self.store.delete(&token.key(&self.profile), Some(&seen)).await?;
                }
                return Ok(());
            }
        };
        self.delete(&token.key(&self.profile), record.secret(), &record).await?;
        if let Some(user) = &record.head.user {
            let index = self.profile.index_key(&user.user_id);
            let _ = self.store.index_remove(&index, &[token.handle.to_string()]).await;
        }
        Ok(())
    }

    /// Deletes a record while its secret is the one seen, or while it belongs to the user it was loaded with. Says
    /// whether there was one. Other writes do not stand in its way.
    pub(super) async fn delete(&self, key: &str, mut seen: Seen, loaded: &Record) -> Result<bool, Error> {
        for attempt in 0..ATTEMPTS {
            match self.store.delete(key, Some(&seen)).await {
                Ok(Deleted::Deleted) => return Ok(true),
                Ok(Deleted::Gone) => return Ok(false),
                Ok(Deleted::Conflict(current)) => {
                    let current = self.profile.decode(&current)?;
                    if user_id(loaded).is_none() || user_id(&current) != user_id(loaded) {
                        return Err(stale());
                    }
                    seen = current.secret();
                }
                // Deleting twice does no harm, so a lost reply is simply asked for once more.
                Err(error) if error.is_undecided() && attempt == 0 => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the session kept changing while it was ended"))
    }

    /// Adds `handle` to the user's index, then runs `write`; both are under way together.
    async fn indexed<T>(
        &self,
        handle: &Handle,
        identity: &Identity,
        deadline: StoreTime,
        write: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let index = self.profile.index_key(&identity.user_id);
        let add = self.store.index_add(&index, handle.as_str(), deadline);
        let (added, written) = futures_util::future::join(add, write).await;
        let written = written?;
        if added.is_err() {
            self.store.index_add(&index, handle.as_str(), deadline).await?;
        }
        Ok(written)
    }

    fn next_head(&self, base: &Record, tag: &str, secret: Option<&Secret>, new: &New, now: StoreTime) -> Head {
        let head = &base.head;
        let limits = match &new.login {
            Some(_) => head.limits.restart(&self.lifetime, now),
            None => head.limits.touch(now),
        };
        Head {
            commit: head.commit.saturating_add(1),
            tag: tag.to_owned(),
            secret_hash: secret.map_or_else(|| head.secret_hash.clone(), Secret::hash),
            rotated: if secret.is_some() { now } else { head.rotated },
            limits,
            user: new.login.clone().or_else(|| head.user.clone()),
            client: if new.login.is_some() { new.client.clone() } else { head.client.clone() },
        }
    }

    fn encode(&self, head: &Head, entries: &Entries) -> Result<Bytes, Error> {
        let bytes = self.profile.encode(head, entries)?;
        if bytes.len() > self.max_size {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the session would have {} bytes; at most {} are stored", bytes.len(), self.max_size),
            ));
        }
        Ok(bytes)
    }
}

fn user_id(record: &Record) -> Option<&str> {
    record.head.user.as_ref().map(|user| user.user_id.as_str())
}

fn is_lost(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Stale | ErrorKind::Gone)
}

/// Spreads the writers of one session out: up to 20 ms, at random, the longer the more attempts there were.
async fn pause(attempt: u32) {
    let mut random = [0; 2];
    // Without randomness the pauses are merely equal.
    let _ = getrandom::fill(&mut random);
    let most = u64::from(attempt.min(40)) * 500;
    tokio::time::sleep(Duration::from_micros(u64::from(u16::from_le_bytes(random)) * most / u64::from(u16::MAX))).await;
}

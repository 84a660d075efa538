//! The signed-in user: the marks in the session, and the row that confirms them.

use crate::{
    engine::{
        draft::Loaded,
        session::{self, Session},
    },
    error::Error,
    record::Identity,
    users::{
        AuthUser, UnauthenticatedReason,
        any_users::AnyUser,
        auth::{Auth, marks::Held},
    },
};

impl Session {
    /// Makes this request read the signed-in user from the table, even if a [user cache](crate::users::UserCache) has
    /// the row or has answered before. Use it for GET requests that change something, or that grant power by a field of
    /// the user's row. No effect without a user cache. No I/O: call [`user`](Self::user) next.
    pub fn past_user_cache(&self) {
        let mut shared = self.0.shared();
        shared.user_cache.may_answer = false;
        if shared.user_cache.has_answered
            && let Ok(open) = shared.state.open()
        {
            open.user = None;
        }
    }

    /// The current row of `user`, if a user cache answered this request with `user`.
    pub(super) async fn row_instead_of(&self, user: &dyn AuthUser) -> Result<Option<AnyUser>, Error> {
        let has_answered = self.0.shared().user_cache.has_answered;
        if !has_answered || self.identity()?.is_none_or(|identity| identity.user_id != user.id()) {
            return Ok(None);
        }
        self.past_user_cache();
        self.signed_in().await.map(Some)
    }

    /// The signed-in user, of any type, or the reason for its absence.
    pub(in crate::users) async fn signed_in(&self) -> Result<AnyUser, Error> {
        self.auth().map_err(|error| self.failed(error))?;
        if let Some(user) = self.any_user().await? {
            return Ok(user);
        }
        let why = match () {
            () if self.identity()?.is_some() => UnauthenticatedReason::Ended,
            () if self.handle().is_some() => UnauthenticatedReason::Anonymous,
            () if self.0.presented().is_some() => UnauthenticatedReason::Ended,
            () => UnauthenticatedReason::NoCookie,
        };
        let error = why.into_error();
        Err(match why {
            UnauthenticatedReason::NoCookie if self.0.core.bearer => {
                error.with_public_message("No valid session cookie or bearer token was sent. Please sign in.")
            }
            _ => error,
        })
    }

    /// The signed-in user, looked up once per request.
    pub(super) async fn any_user(&self) -> Result<Option<AnyUser>, Error> {
        let known = self.with(|open| Ok(open.user.as_ref().and_then(|user| user.downcast_ref().cloned())))?;
        if let Some(user) = known {
            return Ok(user);
        }
        let identity = self.identity()?;
        let kept = identity.as_ref().and_then(|identity| self.kept(identity));
        let is_kept = kept.is_some();
        let user = match &identity {
            Some(identity) if !is_kept => self.find(identity).await.map_err(|error| self.failed(error))?,
            _ => kept,
        };
        let base = {
            let mut shared = self.0.shared();
            let may_be_kept = shared.user_cache.may_answer;
            let open = session::open(&mut shared.state)?;
            // Another task may have bypassed the cache meanwhile.
            if may_be_kept || !is_kept {
                open.user = Some(Box::new(user.clone()));
            }
            open.draft.base.clone()
        };
        if let (Some(user), Loaded::Record(token, record)) = (&user, &base) {
            self.0.core.index_once(token, record, &user.id()).await;
        }
        Ok(user)
    }

    /// The response reports `error`, regardless of what the handler does with it.
    pub(super) fn failed(&self, error: Error) -> Error {
        self.0.fail(error.clone());
        error
    }

    async fn find(&self, identity: &Identity) -> Result<Option<AnyUser>, Error> {
        let (auth, id) = (self.auth()?, &*identity.user_id);
        let ticket = auth.users.cache().map(|cache| (cache, cache.begin(id)));
        let Some(user) = auth.users.find(id).await? else { return Ok(None) };
        if let Some((cache, ticket)) = ticket {
            cache.fill(id, ticket, &user);
        }
        let saw_a_change = auth.other_key.has_seen_a_change(&*user);
        let held = auth.check(identity, &*user);
        if held.is_valid() {
            self.renew(held);
            return Ok(Some(user));
        }
        let base = self.with(|open| Ok(open.draft.base.clone()))?;
        let newer = self.0.core.reload(&base).await?;
        let held = match &newer {
            Loaded::Record(_, record) => record.head.user.as_ref().map_or(Held::No, |now| auth.check(now, &*user)),
            _ => Held::No,
        };
        if !held.is_valid() {
            if held == Held::OtherHash && !saw_a_change {
                self.report_other_key(auth);
            }
            return Ok(None);
        }
        self.with(|open| {
            // The results of earlier edits belong to the version that was loaded. Their commit meets the newer one, and
            // replays them.
            if !open.draft.is_edited() {
                open.draft.base = newer;
            }
            Ok(())
        })?;
        self.renew(held);
        Ok(Some(user))
    }

    /// The cached user of `identity`, if the cache may answer this request and the row confirms the session. An older
    /// row must not sign a user out.
    fn kept(&self, identity: &Identity) -> Option<AnyUser> {
        let auth = self.auth().ok()?;
        let cache = auth.users.cache().filter(|_| self.0.shared().user_cache.may_answer)?;
        let user = cache.get(&identity.user_id);
        let held = user.as_ref().map_or(Held::No, |user| auth.check(identity, &**user));
        if !held.is_valid() {
            self.0.core.stats.user_cache_misses.add_one();
            return None;
        }
        self.0.core.stats.user_cache_hits.add_one();
        self.0.shared().user_cache.has_answered = true;
        self.renew(held);
        user
    }

    fn report_other_key(&self, auth: &Auth) {
        self.0.core.stats.other_hashes.add_one();
        if auth.other_key.is_due() {
            tracing::warn!(
                "a session is treated as anonymous: its user exists, but its auth hash was made with another secret key, \
                 or before a password change that this service has not seen. If this continues, the services have \
                 different SECRET_KEYs. shared_session_other_hashes_total counts; this line comes once in 10 minutes"
            );
        }
    }

    /// The next commit replaces marks that hold under an earlier key.
    fn renew(&self, held: Held) {
        if let Held::Renew(identity) = held {
            // On an error this request is already decided; the next one renews the marks.
            let _ = self.0.with(|open| {
                open.draft.renew = Some(identity);
                Ok(())
            });
        }
    }
}

//! Writing a session: the second store call of a request.

pub(crate) mod cookie_lifetime;
pub(crate) mod create;
pub(crate) mod enforce_limit;
pub(crate) mod merge;
pub(crate) mod move_to_new_key;
pub(crate) mod next_version;
pub(crate) mod touch;
pub(crate) mod written;

use std::{net::IpAddr, sync::Arc};

use tracing::Instrument as _;

use crate::{
    audit::{AuditEvent, AuditKind},
    engine::{
        core::Core,
        draft::SessionEnd,
        outcome::CookieAction,
        plan::{Plan, Write},
        write::{
            enforce_limit::{Room, too_many},
            written::Written,
        },
    },
    error::{Error, ErrorKind},
    metrics::{COMMIT_ERROR, COMMIT_OK, COMMIT_REFUSED, Stopwatch},
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
                Ok(written) => written.failure.as_deref(),
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

    async fn write(&self, mut plan: Box<Plan>) -> Result<Written, Error> {
        if !plan.signs_in()
            && let Some(end) = plan.end.take()
        {
            return Box::pin(self.sign_out(end, &plan)).await;
        }
        let (signs_in, audit_kind) = (plan.signs_in(), plan.audit_kind());
        if self.session_limit.is_some() {
            Box::pin(self.has_room(&plan)).await?;
        }
        if let Some(claim) = &plan.claim {
            Box::pin(self.edit(claim)).await?;
        }
        let mut written = self.apply(&plan).await?;
        // A session ends after the one that replaces it is stored, so that a failure leaves the visitor with one.
        let ended = match plan.end {
            None => CookieAction::Keep,
            Some(end) => match Box::pin(self.end(end, plan.address)).await {
                Ok(()) => CookieAction::Remove,
                // A sign-in continues: its session is a new one.
                Err(error) if error.kind() == ErrorKind::Stale => CookieAction::Remove,
                Err(error) => {
                    Box::pin(self.discard(&written)).await;
                    return Err(error);
                }
            },
        };
        if signs_in && self.session_limit.is_some() {
            match Box::pin(self.keep_to_limit(&written)).await {
                Ok(Room::Found) => {}
                Ok(Room::Refused) => return Ok(Written::nothing(ended, Some(too_many()))),
                Err(error) => written.failure = written.failure.or(Some(Box::new(error.undecided()))),
            }
        }
        if let Some(kind) = audit_kind {
            self.tell(kind, &written, plan.address);
        }
        Ok(Written { cookie: ended.then(written.cookie), ..written })
    }

    /// Ends a session, and then stores the edits that follow its end. Neither they nor values that were taken prevent
    /// it: a store that is out of memory still deletes.
    async fn sign_out(&self, end: SessionEnd, then: &Plan) -> Result<Written, Error> {
        let claimed = match &then.claim {
            None => Ok(()),
            Some(claim) => Box::pin(self.edit(claim)).await.map(drop),
        };
        self.end(end, then.address).await?;
        if let Err(error) = claimed {
            return Ok(Written::nothing(CookieAction::Remove, Some(error)));
        }
        Ok(match self.apply(then).await {
            Ok(written) => Written { cookie: CookieAction::Remove.then(written.cookie), ..written },
            Err(error) => Written::nothing(CookieAction::Remove, Some(error.undecided())),
        })
    }

    /// Stores what the plan writes.
    async fn apply(&self, plan: &Plan) -> Result<Written, Error> {
        match &plan.write {
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
        }
    }

    /// Removes a session that this request has started.
    async fn discard(&self, started: &Written) {
        if let (CookieAction::Set(..), Some((token, record))) = (&started.cookie, &started.session) {
            let place = self.profile.place(token);
            let _ = self.store.delete(&place.key, None).await;
            self.unindex(record, &place).await;
        }
    }

    fn tell(&self, kind: AuditKind, written: &Written, address: Option<IpAddr>) {
        let Some((token, record)) = &written.session else { return };
        let event = AuditEvent::new(kind).with_handle(self.profile.place(token).handle).with_address(address);
        self.audit.tell(&match record.user_id() {
            Some(user_id) => event.with_user_id(user_id),
            None => event,
        });
    }
}

fn is_lost(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Stale | ErrorKind::Gone)
}

//! The actions of staff: the fresh password that some need, and their records.

use actix_web::web;
use shared_session::{
    ErrorKind, Session,
    audit::AuditEvent,
    users::{UnauthenticatedReason, User},
};
use shared_session_examples::{
    staff_log::{Entry, StaffLog},
    times::now,
};

use super::Visit;
use crate::errors::Failure;

impl Visit {
    /// Goes on only if the user of `session` entered the password recently (`SESSION_FRESH`). Otherwise the user is
    /// asked for it, and then comes to `page` of this site.
    pub(crate) async fn require_fresh(&self, session: &Session, page: &str) -> Result<(), Failure> {
        let Some(max_age) = self.setup.settings.limits.fresh else { return Ok(()) };
        session.require_fresh(max_age).await.map_err(|error| match UnauthenticatedReason::of(&error) {
            Some(UnauthenticatedReason::TooLongAgo) => Failure::TooLongAgo { page: page.to_owned() },
            _ => error.into(),
        })
    }

    /// Records an action of `staff` on `subject` before it is done; see [`StaffLog`].
    pub(crate) async fn log_staff_action(&self, staff: &User, action: &str, subject: &str) -> Result<(), Failure> {
        let log = self.request.app_data::<web::Data<StaffLog>>().ok_or(ErrorKind::Config)?;
        let address = self.client_address().map(|address| address.to_string()).unwrap_or_default();
        let (staff, action, subject) = (staff.username.clone(), action.to_owned(), subject.to_owned());
        Ok(log.write(&Entry { at: now(), staff, action, subject, address }).await?)
    }

    /// Reports an action of `staff` to the audit.
    pub(crate) fn audit(&self, staff: &User, event: AuditEvent) {
        self.setup.manager.audit(&event.with_actor_id(&*staff.id).with_address(self.client_address()));
    }
}

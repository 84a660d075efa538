//! What a program tells of its own, and whom.

use crate::{
    audit::{Audit, AuditEvent, AuditKind},
    engine::{manager::SessionManager, session::Session},
};

impl SessionManager {
    /// Who is told when somebody signs in or out, fails to, or is signed out: [`audit`](crate::audit) says what and
    /// when. Default: nobody; the log has it in any case.
    ///
    /// The closure runs in the task of the request, before the answer is sent: it must not wait. Throttles made
    /// [of](crate::throttle::Throttle::of) this manager afterwards tell it, too.
    #[must_use]
    pub fn with_audit(self, hook: impl Fn(&AuditEvent) + Send + Sync + 'static) -> Self {
        self.with(|core| core.audit = Audit::to(hook))
    }

    /// Tells what the library cannot see, once it is done: what staff did, say. No I/O.
    ///
    /// ```
    /// # use shared_session::{SessionManager, store::MemoryStore};
    /// use shared_session::audit::{AuditEvent, AuditKind};
    ///
    /// # let manager = SessionManager::new(MemoryStore::new());
    /// # let (clerk, customer) = ("1", "2");
    /// manager.audit(&AuditEvent::new(AuditKind::Own("account closed")).with_user_id(customer).with_actor_id(clerk));
    /// ```
    pub fn audit(&self, event: &AuditEvent) {
        self.0.audit.tell(event);
    }
}

impl Session {
    /// Tells what the library cannot see of whoever this session belongs to, once it is done: a new password, say. The
    /// session and the client's address are told as well. No I/O.
    pub fn audit(&self, kind: AuditKind) {
        self.0.core.audit.tell(&self.event(kind));
    }

    /// What happens in this session.
    pub(crate) fn event(&self, kind: AuditKind) -> AuditEvent {
        // A session that is not open any more has nobody to name.
        let address = self.0.with(|open| Ok(open.draft.client.address)).ok().flatten();
        let event = AuditEvent::new(kind).with_address(address);
        let event = match self.identity() {
            Ok(Some(identity)) => event.with_user_id(identity.user_id),
            _ => event,
        };
        match self.handle() {
            Some(handle) => event.with_handle(handle),
            None => event,
        }
    }
}

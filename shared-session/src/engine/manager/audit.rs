//! The audit hook, and the program's own audit events.

use crate::{
    audit::{Audit, AuditEvent, AuditKind},
    engine::{manager::SessionManager, session::Session},
};

impl SessionManager {
    /// Calls `hook` with each audit event; [`audit`](crate::audit) lists them. Default: no hook. The log contains the
    /// events in any case.
    ///
    /// The closure runs in the task of the request, before the response is sent: it must not wait. Throttles made
    /// [of](crate::throttle::Throttle::of) this manager afterwards call it, too.
    #[must_use]
    pub fn with_audit(self, hook: impl Fn(&AuditEvent) + Send + Sync + 'static) -> Self {
        self.with(|core| core.audit = Audit::to(hook))
    }

    /// Reports an event that the library cannot see, such as an action of staff. Call it after the action. No I/O.
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
    /// Reports an event that the library cannot see about the user of this session, such as a new password. Call it
    /// after the event. The event names the session and the client's address. No I/O.
    pub fn audit(&self, kind: AuditKind) {
        self.0.core.audit.tell(&self.event(kind));
    }

    /// An event in this session.
    pub(crate) fn event(&self, kind: AuditKind) -> AuditEvent {
        // A closed session has no address.
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

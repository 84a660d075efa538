//! Ends sessions from elsewhere: for an administrator, another device, or a limit.

use crate::{
    audit::{AuditEvent, AuditKind},
    engine::{core::Core, end_session::tombstone::Tombstone},
    error::Error,
    record::{Place, Record},
};

impl Core {
    /// Ends one session. Returns whether it existed.
    pub(crate) async fn revoke(&self, place: &Place, record: &Record) -> Result<bool, Error> {
        let _evict = self.evict_after([Some(place.handle), None]);
        let ended = self.end_at(place, record, Tombstone::Ended).await?;
        self.unindex(record, place).await;
        Ok(ended)
    }

    /// Reports that one session, signed in or not, was ended from elsewhere.
    pub(crate) fn tell_revoked(&self, place: &Place, record: &Record) {
        let event = AuditEvent::new(AuditKind::Revocation).with_handle(place.handle).with_sessions(1);
        self.audit.tell(&match record.user_id() {
            Some(user_id) => event.with_user_id(user_id),
            None => event,
        });
    }

    /// Reports that all sessions of a user, or all but one, were ended.
    pub(crate) fn tell_all_revoked(&self, user_id: &str, ended: u64) {
        self.audit.tell(&AuditEvent::new(AuditKind::Revocation).with_user_id(user_id).with_sessions(ended));
    }
}

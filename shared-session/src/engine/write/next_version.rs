//! What a write puts into the next version of a session.

use crate::{
    engine::{core::Core, plan::Edit},
    error::Error,
    record::{Head, Record, Stamp, expiry::Expiry},
    store::StoreTime,
};

impl Core {
    pub(super) fn next_head(&self, base: &Record, edit: &Edit, now: StoreTime) -> Head {
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

    pub(super) fn stamp<'a>(&'a self, tag: &'a str, now: StoreTime) -> Stamp<'a> {
        Stamp { tag, now, lifetime: &self.lifetime }
    }

    pub(super) fn check_size(&self, next: &Record, before: usize) -> Result<(), Error> {
        self.max_size.check(next.bytes().len(), before, next.head.user.is_some())
    }
}

//! Decides what a request has to write. No I/O: a draft goes in, a plan comes out.

use std::{net::IpAddr, sync::Arc};

use crate::{
    audit::AuditKind,
    engine::draft::{
        Draft, Intent, Loaded, SessionEnd,
        edits::{Delta, MissedTake, Original},
        stale,
    },
    error::Error,
    record::{
        Identity, Record,
        client::Client,
        entries::Entries,
        expiry::Expiry,
        id::{Handle, Token},
        lifetime::Limits,
        time::StoreTime,
    },
};

/// The operations to run on the store.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Removes the values that the request took from a session that ends, so that no other request has them, too.
    pub(crate) claim: Option<Box<Edit>>,
    pub(crate) end: Option<SessionEnd>,
    pub(crate) write: Option<Write>,
    /// The client's address.
    pub(crate) address: Option<IpAddr>,
}

impl Plan {
    /// Whether it produces a session that only a new cookie opens.
    pub(crate) fn needs_cookie(&self) -> bool {
        match &self.write {
            Some(Write::Create(_)) => true,
            Some(Write::Edit(edit)) => edit.rotate,
            Some(Write::Touch { .. }) | None => false,
        }
    }

    pub(crate) fn signs_in(&self) -> bool {
        match &self.write {
            Some(Write::Edit(edit)) => edit.pending.login.is_some(),
            Some(Write::Create(new)) => new.login.is_some(),
            Some(Write::Touch { .. }) | None => false,
        }
    }

    /// The audit event of its write.
    pub(crate) fn audit_kind(&self) -> Option<AuditKind> {
        match &self.write {
            _ if self.signs_in() => Some(AuditKind::SignIn),
            Some(Write::Edit(edit)) if edit.rotate => Some(AuditKind::Rotation),
            _ => None,
        }
    }

    /// The sessions that it may change, as far as their handles are known.
    pub(crate) fn handles(&self) -> [Option<Handle>; 2] {
        let ended = match &self.end {
            Some(SessionEnd::Record(token, _) | SessionEnd::Unreadable(token, _)) => Some(token.handle),
            // `Core::end` drops each of them from the near cache.
            Some(SessionEnd::Cookies(_)) | None => None,
        };
        let written = match &self.write {
            Some(Write::Touch { token, .. }) => Some(token.handle),
            Some(Write::Edit(edit)) => Some(edit.token.handle),
            // It has no handle yet.
            Some(Write::Create(_)) | None => None,
        };
        [ended, written]
    }
}

/// One write.
#[derive(Debug)]
pub(crate) enum Write {
    /// Store the last use or renewed marks; may be dropped.
    Touch { token: Token, record: Arc<Record>, renew: Option<Identity> },
    /// Edit a session that exists.
    Edit(Edit),
    /// Start a session.
    Create(PendingChanges),
}

#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) token: Token,
    pub(crate) record: Arc<Record>,
    pub(crate) pending: PendingChanges,
    pub(crate) rotate: bool,
    pub(crate) renew: Option<Identity>,
}

#[derive(Debug)]
pub(crate) struct PendingChanges {
    pub(crate) delta: Delta,
    pub(crate) login: Option<Identity>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) client: Client,
    pub(crate) missed: MissedTake,
}

/// Turns a draft into a plan. `Ok(None)`: there is nothing to do.
pub(crate) fn decide(
    draft: Draft,
    touch_is_due: impl FnOnce(&Limits, StoreTime) -> bool,
    missed: MissedTake,
) -> Result<Option<Plan>, Error> {
    let Draft { base, delta, intent, expiry, mut end, taken, renew, client, loaded_at } = draft;
    let edited = !delta.is_empty();
    let address = client.address;
    let switches_user = matches!((&base, &intent), (Loaded::Record(_, record), Intent::Login(identity))
        if record.user_id().is_some_and(|user_id| user_id != identity.user_id));
    let claim = match &taken {
        Some(taken) => claim(&taken.0, &taken.1, missed),
        None if switches_user => claim(&base, &delta, missed),
        None => None,
    };
    // What has been claimed is not in the new session.
    let missed = if switches_user && claim.is_some() { MissedTake::Keep } else { missed };
    let pending = |login| PendingChanges { delta, login, expiry, client, missed };
    let write = match (base, intent) {
        (Loaded::Record(token, record), Intent::Login(identity)) if switches_user => {
            end = Some(SessionEnd::Record(token, record));
            Some(Write::Create(pending(Some(identity))))
        }
        (Loaded::Record(token, record), Intent::Login(identity)) => {
            Some(Write::Edit(Edit { token, record, pending: pending(Some(identity)), rotate: true, renew }))
        }
        (_, Intent::Login(identity)) => Some(Write::Create(pending(Some(identity)))),
        (Loaded::Record(token, record), Intent::Rotate) => {
            Some(Write::Edit(Edit { token, record, pending: pending(None), rotate: true, renew }))
        }
        (Loaded::Record(token, record), Intent::Keep) if edited || expiry.is_some() => {
            Some(Write::Edit(Edit { token, record, pending: pending(None), rotate: false, renew }))
        }
        (Loaded::Record(token, record), Intent::Keep) => {
            let due = renew.is_some() || touch_is_due(&record.head.limits, loaded_at);
            due.then_some(Write::Touch { token, record, renew })
        }
        (Loaded::Nothing { refused: true } | Loaded::Rotated(..), _) if edited || end.is_some() => return Err(stale()),
        (Loaded::Nothing { .. }, _) if edited => {
            let pending = pending(None);
            // Edits without effect start no session, and neither does an expiry.
            (!pending.delta.resolve_on(Original::Loaded, &Entries::empty(), missed)?.is_empty())
                .then_some(Write::Create(pending))
        }
        (Loaded::Nothing { .. } | Loaded::Rotated(..) | Loaded::Unreadable(..), _) => None,
    };
    Ok((end.is_some() || write.is_some()).then_some(Plan { claim, end, write, address }))
}

fn claim(base: &Loaded, delta: &Delta, missed: MissedTake) -> Option<Box<Edit>> {
    let Loaded::Record(token, record) = base else { return None };
    let delta = delta.takes();
    if missed == MissedTake::Keep || delta.is_empty() {
        return None;
    }
    let pending = PendingChanges { delta, login: None, expiry: None, client: Client::default(), missed };
    let (token, record) = (token.clone(), Arc::clone(record));
    Some(Box::new(Edit { token, record, pending, rotate: false, renew: None }))
}

//! Enforces the session limit of a user.
//!
//! This rule makes it exact: a sign-in first stores its session, then lists all sessions of the user, and ends those
//! beyond the limit. The last of several sign-ins sees all sessions, and all sign-ins sort them in the same way.

use crate::{
    engine::{
        core::{Core, session_limit::SessionLimit},
        draft::SessionEnd,
        plan::{Plan, Write},
        write::written::Written,
    },
    error::{Error, ErrorKind},
    record::{Place, Record, id::Token},
    store::StoreTime,
};

/// Whether a session limit leaves a new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Found,
    /// Other sign-ins were faster. The new session has been ended.
    Refused,
}

impl Core {
    /// Before a sign-in that may be refused: checks whether its user may have one more session.
    pub(crate) async fn has_room(&self, plan: &Plan) -> Result<(), Error> {
        let Some(limit @ SessionLimit::Refuse(_)) = self.session_limit else { return Ok(()) };
        let (login, own) = match &plan.write {
            Some(Write::Create(new)) => (&new.login, None),
            Some(Write::Edit(edit)) => (&edit.pending.login, Some(&edit.token)),
            Some(Write::Touch { .. }) | None => return Ok(()),
        };
        let ended: &[Token] = match &plan.end {
            Some(SessionEnd::Record(token, _) | SessionEnd::Unreadable(token, _)) => std::slice::from_ref(token),
            Some(SessionEnd::Cookies(tokens)) => tokens,
            None => &[],
        };
        let Some(identity) = login else { return Ok(()) };
        let places = self.places_of(&identity.user_id).await?;
        if places.len() < limit.most() {
            return Ok(());
        }
        let mut sessions = self.records_of(&identity.user_id, places).await?;
        self.leave_out_revoked(&mut sessions, identity).await?;
        let replaced: Vec<_> = ended.iter().chain(own).map(|token| self.profile.place(token)).collect();
        let others = sessions.iter().filter(|(place, _)| !replaced.contains(place)).count();
        if others < limit.most() { Ok(()) } else { Err(too_many()) }
    }

    /// After a sign-in: ends the sessions beyond the limit. One round trip for the index, and one for each session if
    /// the index holds more than the limit.
    pub(crate) async fn keep_to_limit(&self, written: &Written) -> Result<Room, Error> {
        let (Some(limit), Some((token, record))) = (self.session_limit, &written.session) else {
            return Ok(Room::Found);
        };
        let Some(identity) = &record.head.user else { return Ok(Room::Found) };
        let places = self.places_of(&identity.user_id).await?;
        if places.len() <= limit.most() {
            return Ok(Room::Found);
        }
        let own = self.profile.place(token);
        let mut sessions = self.records_of(&identity.user_id, places).await?;
        if matches!(limit, SessionLimit::Refuse(_)) {
            self.leave_out_revoked(&mut sessions, identity).await?;
        }
        let mut surplus = limit.surplus(&mut sessions, |(place, record)| signed_in(place, record));
        if self.profile.rotation_moves() && matches!(limit, SessionLimit::EndOldest(_)) {
            // Such a record holds the start of the session, which may be long before the sign-in.
            surplus.retain(|(place, _)| *place != own);
        }
        let mut room = Room::Found;
        for (place, record) in surplus {
            let is_refused_itself = place == own && matches!(limit, SessionLimit::Refuse(_));
            match self.revoke(&place, &record).await {
                // It belongs to another user by now.
                Err(error) if error.kind() == ErrorKind::Stale => {}
                ended => {
                    if ended? && !is_refused_itself {
                        self.tell_revoked(&place, &record);
                    }
                }
            }
            if is_refused_itself {
                room = Room::Refused;
            }
        }
        Ok(room)
    }
}

/// The sort key of a session: the time of its sign-in, as far as the record tells, then its name, so that all processes
/// sort in the same way.
fn signed_in(place: &Place, record: &Record) -> (StoreTime, String) {
    let at = record.signed_in().unwrap_or_else(|| record.head.limits.created.max(record.rotated()));
    (at, place.member().to_owned())
}

pub(crate) fn too_many() -> Error {
    Error::new(ErrorKind::Forbidden, "the user has as many sessions as SessionManager::with_session_limit allows")
        .with_public_message("You have reached the maximum number of signed-in devices. Sign out on one of them first.")
}

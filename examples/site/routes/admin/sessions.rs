//! Live sessions, for staff.

use std::collections::BTreeMap;

use actix_web::{
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use shared_session::{
    ErrorKind, Handle, SessionInfo, SessionPage,
    users::{User, Users},
};
use shared_session_actix::StaffUser;
use shared_session_examples::{
    pages::{AdminSessions, LiveSession, SessionUser},
    rights::Owner,
    text::encoded,
    translations::Text,
};

use crate::{
    errors::Failure,
    form::{Button, Form, current},
    page::{Answer, Notice, Visit, now},
    routes::{
        admin::{rights, users::shown_name},
        devices::device,
    },
};

/// How many empty pages of the store are skipped for one page here.
const SKIPPED: usize = 20;

#[derive(Deserialize)]
pub(crate) struct From {
    cursor: Option<String>,
}

pub(crate) async fn list(visit: Visit, staff: StaffUser, from: Query<From>) -> Answer {
    render(&visit, &staff, StatusCode::OK, from.into_inner().cursor, None).await
}

async fn render(
    visit: &Visit,
    staff: &StaffUser,
    status: StatusCode,
    cursor: Option<String>,
    alert: Option<Text>,
) -> Answer {
    let SessionPage { sessions, next, .. } = page_from(visit, cursor).await?;
    let (found, rights) = (owners(visit, &sessions).await?, rights(visit, staff).await?);
    let (now, current) = (now(), staff.session().handle());
    let sessions = sessions
        .iter()
        .map(|session| {
            let known = session.user_id.as_ref().and_then(|id| Some((id, found.get(id)?)));
            let user = known.map(|(id, found)| SessionUser { id: encoded(id), name: found.name(id) });
            let owner = known.map_or(Owner::Nobody, |(_, found)| found.owner());
            let may_end = rights.end_session(owner).is_ok();
            LiveSession { device: device(session, current.as_ref(), now), user, may_end }
        })
        .collect();
    let page = visit.page(staff.session(), Some(staff))?.with_alert(alert);
    page.render(status, |layout| AdminSessions { layout, sessions, next })
}

pub(crate) async fn revoke(visit: Visit, form: Form<Button>, handle: Path<String>) -> Answer {
    if let Err(stale) = current(form)? {
        let Some(staff) = visit.sender().await? else { return Err(stale.into()) };
        return render(&visit, &staff, StatusCode::FORBIDDEN, None, Some(stale.message())).await;
    }
    let staff: StaffUser = visit.extract().await?;
    let handle = Handle::parse(&handle).ok_or_else(Failure::not_found)?;
    if staff.session().handle() == Some(handle) {
        staff.session().logout()?;
        return Ok(visit.see_other("/"));
    }
    let session = visit.setup.manager.session_named(&handle).await?.ok_or_else(Failure::not_found)?;
    let owner = match &session.user_id {
        Some(id) => Found::of(&visit, id).await?,
        None => Found::Nobody,
    };
    rights(&visit, &staff).await?.end_session(owner.owner()).map_err(Failure::forbidden)?;
    // The session of a user stays if somebody else has signed in to it meanwhile.
    if !visit.setup.manager.revoke(session.user_id.as_deref(), &handle).await? {
        return Err(Failure::not_found());
    }
    Notice::SessionEnded.leave(staff.session())?;
    Ok(visit.see_other("/admin/sessions"))
}

/// The next page of the store that has sessions. Pages of the store may be empty.
async fn page_from(visit: &Visit, mut from: Option<String>) -> Result<SessionPage, Failure> {
    for _ in 0..SKIPPED {
        let page = visit.setup.manager.all_sessions(from.as_deref()).await.map_err(|error| match error.kind() {
            // A cursor that this store did not make.
            ErrorKind::Config => Failure::bad_request(),
            _ => error.into(),
        })?;
        if !page.sessions.is_empty() || page.next.is_none() {
            return Ok(page);
        }
        from = page.next;
    }
    let mut page = SessionPage::default();
    page.next = from;
    Ok(page)
}

/// Who is signed in, as far as that can be told.
enum Found {
    /// A session may be older than the removal of its user.
    Nobody,
    User(Box<User>),
    Unreadable,
}

impl Found {
    async fn of(visit: &Visit, id: &str) -> Result<Self, Failure> {
        match visit.setup.users.find(id).await {
            Ok(user) => Ok(user.map_or(Self::Nobody, |user| Self::User(user.into()))),
            // One row that cannot be read is no reason to show none.
            Err(error) if error.kind() == ErrorKind::Unreadable => {
                tracing::warn!(%error, "a list names a user by the id");
                Ok(Self::Unreadable)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn owner(&self) -> Owner<'_> {
        match self {
            Self::Nobody => Owner::Nobody,
            Self::User(user) => Owner::User(user),
            Self::Unreadable => Owner::Unreadable,
        }
    }

    fn name(&self, id: &str) -> Text {
        match self {
            Self::Nobody => Text::new("user-removed").with("id", id),
            Self::User(user) => shown_name(user),
            Self::Unreadable => Text::new("user-unreadable").with("id", id),
        }
    }
}

async fn owners(visit: &Visit, sessions: &[SessionInfo]) -> Result<BTreeMap<String, Found>, Failure> {
    let mut owners = BTreeMap::new();
    for id in sessions.iter().filter_map(|session| session.user_id.as_ref()) {
        if !owners.contains_key(id) {
            owners.insert(id.clone(), Found::of(visit, id).await?);
        }
    }
    Ok(owners)
}

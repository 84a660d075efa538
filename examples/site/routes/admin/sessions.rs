//! Live sessions, for staff.

use std::collections::BTreeMap;

use actix_web::{
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use shared_session::{
    ErrorKind, Handle, SessionInfo, SessionPage,
    audit::{AuditEvent, AuditKind},
    users::{User, Users},
};
use shared_session_actix::StaffUser;
use shared_session_examples::{
    forms::search_term,
    links::encoded,
    pages::{AdminSessions, Age, LiveSession, SessionFilter, SessionUser},
    rights::Owner,
    times::{now, seconds},
    translations::Text,
    users::find_by_name_or_id,
};

use crate::{
    errors::Failure,
    form::{Button, Form, current},
    notice::Notice,
    page::{Answer, Visit},
    routes::{
        admin::{rights_of, users::shown_name},
        devices::device,
    },
};

/// The most pages of the store that are read to fill one page here; pages of the store may be empty.
const MAX_READ: usize = 20;

/// The filter, and the cursor to continue from.
#[derive(Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    user: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    age: String,
    cursor: Option<String>,
}

pub(crate) async fn list(visit: Visit, staff: StaffUser, search: Query<Search>) -> Answer {
    let Search { user, address, age, cursor } = search.into_inner();
    let filter = SessionFilter { user: search_term(&user), address: search_term(&address), age: Age::named(&age) };
    render(&visit, &staff, StatusCode::OK, filter, cursor, None).await
}

pub(super) async fn render(
    visit: &Visit,
    staff: &StaffUser,
    status: StatusCode,
    filter: SessionFilter,
    cursor: Option<String>,
    alert: Option<Text>,
) -> Answer {
    let SessionPage { sessions, next, .. } = found(visit, &filter, cursor).await?;
    let (found, rights) = (owners(visit, &sessions).await?, rights_of(visit, staff).await?);
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
    page.render(status, |layout| AdminSessions { layout, sessions, next, filter })
}

pub(crate) async fn revoke(visit: Visit, form: Form<Button>, handle: Path<String>) -> Answer {
    if let Err(stale) = current(form)? {
        let Some(staff) = visit.sender().await? else { return Err(stale.into()) };
        return render(&visit, &staff, StatusCode::FORBIDDEN, SessionFilter::default(), None, Some(stale.message()))
            .await;
    }
    let staff: StaffUser = visit.extract().await?;
    let handle = Handle::parse(&handle).ok_or_else(Failure::not_found)?;
    if staff.session().handle() == Some(handle) {
        staff.session().logout()?;
        return Ok(visit.see_other("/"));
    }
    end(&visit, &staff, &handle).await?;
    Notice::SessionEnded.leave(staff.session())?;
    Ok(visit.see_other("/admin/sessions"))
}

/// Ends another user's session, if `staff` may.
pub(super) async fn end(visit: &Visit, staff: &StaffUser, handle: &Handle) -> Result<(), Failure> {
    let session = visit.setup.manager.find_session(handle).await?.ok_or_else(Failure::not_found)?;
    let owner = match &session.user_id {
        Some(id) => Found::of(visit, id).await?,
        None => Found::Nobody,
    };
    rights_of(visit, staff).await?.end_session(owner.owner()).map_err(Failure::forbidden)?;
    visit.log_staff_action(staff, "end-session", &handle.to_string()).await?;
    // The session stays if another user has signed in to it meanwhile.
    if visit.setup.manager.revoke(session.user_id.as_deref(), handle).await? {
        let event = AuditEvent::new(AuditKind::Own("end-session")).with_handle(*handle);
        visit.audit(
            staff,
            match session.user_id {
                Some(user_id) => event.with_user_id(user_id),
                None => event,
            },
        );
        Ok(())
    } else {
        Err(Failure::not_found())
    }
}

/// The matching sessions. Those of one user are in an index; others are found by walking over the store.
async fn found(visit: &Visit, filter: &SessionFilter, from: Option<String>) -> Result<SessionPage, Failure> {
    let now = now();
    let fits = |session: &SessionInfo| {
        let address = session.address.map(|address| address.to_string());
        let age = session.created_at.map(|at| now - seconds(at));
        filter.fits(address.as_deref(), age)
    };
    if filter.user.is_empty() {
        return page_from(visit, from, fits).await;
    }
    let mut page = SessionPage::default();
    if let Some(user) = find_by_name_or_id(&visit.setup.users, &filter.user).await? {
        page.sessions = visit.setup.manager.sessions_of(&user.id).await?;
        page.sessions.retain(fits);
    }
    Ok(page)
}

/// The next page of the store that has matching sessions.
async fn page_from(
    visit: &Visit,
    mut from: Option<String>,
    fits: impl Fn(&SessionInfo) -> bool,
) -> Result<SessionPage, Failure> {
    for _ in 0..MAX_READ {
        let mut page = visit.setup.manager.all_sessions(from.as_deref()).await.map_err(|error| match error.kind() {
            // This store did not make the cursor.
            ErrorKind::Config => Failure::bad_request(),
            _ => error.into(),
        })?;
        page.sessions.retain(&fits);
        if !page.sessions.is_empty() || page.next.is_none() {
            return Ok(page);
        }
        from = page.next;
    }
    let mut page = SessionPage::default();
    page.next = from;
    Ok(page)
}

/// The user of a session, if known.
enum Found {
    /// Also if the user was removed after the session started.
    Nobody,
    User(Box<User>),
    Unreadable,
}

impl Found {
    async fn of(visit: &Visit, id: &str) -> Result<Self, Failure> {
        match visit.setup.users.find(id).await {
            Ok(user) => Ok(user.map_or(Self::Nobody, |user| Self::User(user.into()))),
            // One row that cannot be read must not hide the others.
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

//! Live sessions, for staff.

use std::collections::BTreeMap;

use actix_web::{
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use shared_session::{ErrorKind, Handle, SessionInfo, SessionPage, users::Users};
use shared_session_actix::StaffUser;
use shared_session_examples::{
    pages::{AdminSessions, LiveSession, SessionUser},
    text::encoded,
};

use crate::{
    errors::Failure,
    form::{Button, Form, current},
    page::{Answer, Notice, Visit, now},
    routes::{admin::users::shown_name, devices::device},
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
    alert: Option<&'static str>,
) -> Answer {
    let SessionPage { sessions, next, .. } = page_from(visit, cursor).await?;
    let names = names(visit, &sessions).await?;
    let (now, current) = (now(), staff.session().handle());
    let sessions = sessions
        .iter()
        .map(|session| {
            let user = session.user_id.as_ref().map(|id| {
                // A session may be older than the removal of its user.
                let username = names.get(id).cloned().unwrap_or_else(|| format!("user {id}, removed"));
                SessionUser { id: encoded(id), username }
            });
            LiveSession { device: device(session, current.as_ref(), now), user }
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
    if !visit.setup.manager.revoke(None, &handle).await? {
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

async fn names(visit: &Visit, sessions: &[SessionInfo]) -> Result<BTreeMap<String, String>, Failure> {
    let mut names = BTreeMap::new();
    for id in sessions.iter().filter_map(|session| session.user_id.as_ref()) {
        if names.contains_key(id) {
            continue;
        }
        match visit.setup.users.find(id).await {
            Ok(Some(user)) => names.insert(id.clone(), shown_name(&user)),
            Ok(None) => None,
            // One row that cannot be read is no reason to show none.
            Err(error) if error.kind() == ErrorKind::Unreadable => {
                tracing::warn!(%error, "a list names a user by the id");
                names.insert(id.clone(), format!("user {id}, who cannot be read"))
            }
            Err(error) => return Err(error.into()),
        };
    }
    Ok(names)
}

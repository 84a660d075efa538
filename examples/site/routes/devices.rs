//! "My devices": the sessions of the signed-in user.

use actix_web::{
    http::StatusCode,
    web::{Path, Query},
};
use shared_session::{Handle, SessionInfo};
use shared_session_actix::CurrentUser;
use shared_session_examples::{
    pages::{Device, Sessions, When},
    paging::{Paged, paged},
    times::now,
    translations::Text,
};

use crate::{
    errors::Failure,
    form::{Button, Form, Stale, current},
    notice::Notice,
    page::{Answer, Visit},
    routes::queries::PageQuery,
};

pub(super) async fn show(visit: Visit, user: CurrentUser, query: Query<PageQuery>) -> Answer {
    render(&visit, &user, StatusCode::OK, &query.page, None).await
}

/// Lists this session first, then the others by their last use.
async fn render(visit: &Visit, user: &CurrentUser, status: StatusCode, page: &str, alert: Option<Text>) -> Answer {
    let current = user.session().handle();
    let mut sessions = visit.setup.manager.sessions_of(&user.id).await?;
    sessions.sort_by_key(|session| Some(session.handle) != current);
    let Paged { items, page, pages } = paged(sessions, page);
    let devices = items.iter().map(|session| device(session, current.as_ref(), now())).collect();
    let html = visit.page(user.session(), Some(user))?.with_alert(alert);
    html.render(status, |layout| Sessions { layout, devices, page, pages })
}

pub(super) async fn revoke(visit: Visit, form: Form<Button>, handle: Path<String>) -> Answer {
    if let Err(stale) = current(form)? {
        return again(&visit, stale).await;
    }
    let user: CurrentUser = visit.extract().await?;
    let session = user.session();
    let handle = Handle::parse(&handle).ok_or_else(Failure::not_found)?;
    if session.handle() == Some(handle) {
        session.logout()?;
        return Ok(visit.see_other("/"));
    }
    if !visit.setup.manager.revoke(Some(&user.id), &handle).await? {
        return Err(Failure::not_found());
    }
    Notice::DeviceSignedOut.leave(session)?;
    Ok(visit.see_other("/sessions"))
}

pub(super) async fn revoke_others(visit: Visit, form: Form<Button>) -> Answer {
    if let Err(stale) = current(form)? {
        return again(&visit, stale).await;
    }
    let user: CurrentUser = visit.extract().await?;
    Notice::OthersSignedOut.leave(user.session())?;
    visit.setup.manager.revoke_others(user.session()).await?;
    Ok(visit.see_other("/sessions"))
}

/// Shows the devices with fresh buttons, after a button of an outdated page was used.
async fn again(visit: &Visit, stale: Stale<Button>) -> Answer {
    let Some(user) = visit.sender().await? else { return Err(stale.into()) };
    render(visit, &user, StatusCode::FORBIDDEN, "", Some(stale.message())).await
}

/// A session as a page shows it.
pub(super) fn device(session: &SessionInfo, current: Option<&Handle>, now: i64) -> Device {
    let created = session.created_at.map(|at| When::of(at, now));
    let last_seen = session.last_seen_at.map(|at| When::of(at, now));
    let user_agent = session.user_agent.as_deref().unwrap_or_default();
    let mut device = Device::new(session.handle.to_string(), created, last_seen, user_agent);
    device.is_current = current == Some(&session.handle);
    device.address = session.address.map(|address| address.to_string());
    device
}

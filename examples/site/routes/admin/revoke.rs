//! Ends many sessions at once, for staff, after a confirmation.

use actix_web::http::StatusCode;
use shared_session::Handle;
use shared_session_actix::StaffUser;
use shared_session_examples::pages::{AdminRevoke, SessionFilter};

use super::sessions;
use crate::{
    errors::Failure,
    form::{Fields, Form, current},
    notice::Notice,
    page::{Answer, Visit},
};

/// The most sessions that one form may end, because each one is read.
const MAX_SESSIONS: usize = 200;

pub(crate) async fn revoke(visit: Visit, form: Form<Fields>) -> Answer {
    let fields = match current(form)? {
        Ok(fields) => fields,
        Err(stale) => {
            let Some(staff) = visit.sender().await? else { return Err(stale.into()) };
            let alert = Some(stale.message());
            return sessions::render(&visit, &staff, StatusCode::FORBIDDEN, SessionFilter::default(), None, alert)
                .await;
        }
    };
    let staff: StaffUser = visit.extract().await?;
    let named = fields.values("handle").map(Handle::parse);
    let handles: Vec<Handle> = named.collect::<Option<_>>().ok_or_else(Failure::bad_request)?;
    if handles.is_empty() {
        return Ok(visit.see_other("/admin/sessions"));
    }
    if handles.len() > MAX_SESSIONS {
        return Err(Failure::bad_request());
    }
    if !fields.is_confirmed() {
        let page = visit.page(staff.session(), Some(&staff))?;
        let handles = handles.iter().map(ToString::to_string).collect();
        return page.render(StatusCode::OK, |layout| AdminRevoke { layout, handles });
    }
    for handle in handles.iter().filter(|handle| staff.session().handle().as_ref() != Some(handle)) {
        match sessions::end(&visit, &staff, handle).await {
            // It has already ended.
            Err(Failure::Page(StatusCode::NOT_FOUND, _)) => {}
            ended => ended?,
        }
    }
    Notice::SessionsEnded.leave(staff.session())?;
    Ok(visit.see_other("/admin/sessions"))
}

//! The home page, the counter that both services share, and the event stream of the page.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::COOKIE},
    web::Data,
};
use shared_session_actix::Session;
use shared_session_examples::{
    VISITS,
    pages::{Home, SessionView},
    translations::Text,
};

use crate::{
    errors::Failure,
    live::Live,
    page::{Answer, Visit},
    viewer::chosen_language,
};

pub(super) async fn show(visit: Visit, session: Session) -> Answer {
    let user = session.user().await?;
    count(&session).await?;
    let (chosen, greeting) = chosen_language(&session);
    let page = visit.page(&session, user.as_ref())?;
    let view = SessionView::of(&session, user.as_ref())?;
    page.render(StatusCode::OK, |layout| Home { layout, view, chosen, greeting })
}

/// Streams the session that the page uses, each time it changes. It is not this request's own session, which costs
/// nothing.
pub(super) async fn events(visit: Visit, live: Data<Live>, request: HttpRequest) -> Answer {
    let cookies = request.headers().get_all(COOKIE).map(|value| value.as_bytes().to_vec()).collect();
    let Some(events) = live.follow(visit.setup.manager.clone(), cookies) else {
        return Err(Failure::Page(StatusCode::SERVICE_UNAVAILABLE, Text::new("error-unavailable")));
    };
    let mut response = HttpResponse::Ok();
    response.content_type("text/event-stream").insert_header(("cache-control", "no-store"));
    // Otherwise nginx would buffer events until its buffer is full.
    response.insert_header(("x-accel-buffering", "no"));
    Ok(response.streaming(events))
}

/// Counts this visit in an existing session; a first visit starts none. Commits at once, so that the page shows the
/// stored number and not one that another request shows too. HEAD has no page to show it on and counts nothing.
async fn count(session: &Session) -> Result<(), shared_session::Error> {
    if session.handle().is_none() {
        return Ok(());
    }
    session.update_or(VISITS, 0, |visits| visits.saturating_add(1))?;
    if !session.is_read_only() {
        session.commit().await?;
    }
    Ok(())
}

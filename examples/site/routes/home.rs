//! The home page, and the counter that both services share.

use actix_web::http::StatusCode;
use shared_session_actix::Session;
use shared_session_examples::{VISITS, pages::Home};

use crate::page::{Answer, Visit, chosen};

pub(super) async fn show(visit: Visit, session: Session) -> Answer {
    let user = session.user().await?;
    let visits = count(&session).await?;
    let (chosen, greeting) = chosen(&session);
    visit.page(&session, user.as_ref())?.render(StatusCode::OK, |layout| Home { layout, visits, chosen, greeting })
}

/// Counts this visit in a session that exists; a first visit starts none. Committed at once, so that the page shows the
/// number that was stored and not one that another request shows too. HEAD has no page to show it on and counts nothing.
async fn count(session: &Session) -> Result<Option<u64>, shared_session::Error> {
    if session.handle().is_none() {
        return Ok(None);
    }
    session.update_or(VISITS, 0, |visits| visits.saturating_add(1))?;
    if !session.is_read_only() {
        session.commit().await?;
    }
    session.get(VISITS)
}

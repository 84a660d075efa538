//! The viewer of a page: language, theme and, where it matters, the name.
//!
//! For error pages the viewer is recorded inside the session layer, because outside of it the session is closed.

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header::ACCEPT_LANGUAGE},
    middleware::Next,
};
use shared_session::{LazySession, Session};
use shared_session_examples::{
    language::Language,
    pages::{Greeting, Theme},
    preferences::{LANGUAGE, THEME},
};

/// The viewer of a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Viewer {
    pub(crate) language: Language,
    pub(crate) theme: Theme,
    /// The name of the user who was refused with 403.
    pub(crate) username: Option<String>,
}

impl Viewer {
    /// From the browser alone, without a session or with one that cannot be read.
    pub(crate) fn by_browser(request: &HttpRequest) -> Self {
        Self { language: Language::choose(None, &accept_language(request)), ..Self::default() }
    }

    /// From the preferences in `session`, otherwise from the browser.
    pub(crate) fn of(request: &HttpRequest, session: &Session) -> Self {
        let preferred = preference(session, LANGUAGE);
        Self {
            language: Language::choose(preferred.as_deref(), &accept_language(request)),
            theme: preference(session, THEME).map(|name| Theme::from_preference(&name)).unwrap_or_default(),
            username: None,
        }
    }
}

/// Records the viewer of an answer that becomes an error page. Costs nothing if the session was not loaded.
pub(crate) async fn record_viewer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let response = next.call(request).await?;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let request = response.request();
        let session = request.extensions().get::<LazySession>().and_then(LazySession::loaded);
        if let Some(session) = session {
            let mut viewer = Viewer::of(request, &session);
            if status == StatusCode::FORBIDDEN {
                // Already known: the check that refused the request looked up the user.
                viewer.username = session.user().await.ok().flatten().map(|user| user.username);
            }
            request.extensions_mut().insert(viewer);
        }
    }
    Ok(response)
}

/// The chosen language if the pages have it, or the greeting in that language if they do not.
pub(crate) fn chosen_language(session: &Session) -> (Option<Language>, Option<Greeting>) {
    let code = preference(session, LANGUAGE).unwrap_or_default();
    (Language::of_tag(&code), Greeting::from_preference(&code))
}

/// A preference that is a text. `api` accepts any JSON; a value that is not a text is ignored here.
fn preference(session: &Session, name: &str) -> Option<String> {
    session.get::<serde_json::Value>(name).ok().flatten()?.as_str().map(str::to_owned)
}

fn accept_language(request: &HttpRequest) -> String {
    let values = request.headers().get_all(ACCEPT_LANGUAGE);
    values.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",")
}

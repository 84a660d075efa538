//! The addresses of the two services, and the language and theme, as the visitor of a request sees them.

use actix_web::{HttpMessage, HttpRequest, http::header::HOST, web::Data};
use shared_session_examples::{prefix::Prefix, setup::Setup};

use crate::viewer::Viewer;

/// The addresses, the language and the theme for the pages of a request.
#[derive(Default)]
pub(crate) struct Place {
    /// The prefix of every path of this site.
    pub(crate) prefix: Prefix,
    /// The origin of `api`.
    pub(crate) api_origin: String,
    /// The viewer, as far as known.
    pub(crate) viewer: Viewer,
}

impl Place {
    /// The place of `request`, once the edge has recorded the prefix.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let setup = request.app_data::<Data<Setup>>();
        Self {
            prefix: request.extensions().get::<Prefix>().cloned().unwrap_or_default(),
            api_origin: setup.map(|setup| setup.settings.api_origin(host)).unwrap_or_default(),
            viewer: request.extensions().get().cloned().unwrap_or_else(|| Viewer::by_browser(request)),
        }
    }
}

//! The request for a page, and the page.

pub(crate) mod attempts;
pub(crate) mod staff;

use std::net::IpAddr;

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse,
    dev::Payload,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_LANGUAGE, ContentType, LOCATION},
    },
    web,
};
use askama::Template;
use shared_session::{ClientAddress, Error, ErrorKind, LazySession, Session, users::User};
use shared_session_actix::Rejection;
use shared_session_examples::{
    pages::{Layout, SignedIn, Visitor},
    prefix::Prefix,
    setup::Setup,
    translations::Text,
};

use crate::{errors::Failure, notice::Notice, place::Place, viewer::Viewer};

/// The result of a handler.
pub(crate) type Answer = Result<HttpResponse, Failure>;

/// A request for a page. Extraction costs nothing.
pub(crate) struct Visit {
    request: HttpRequest,
    /// The parts of the service.
    pub(crate) setup: web::Data<Setup>,
}

impl FromRequest for Visit {
    type Error = Failure;
    type Future = std::future::Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let setup = request.app_data::<web::Data<Setup>>().cloned();
        std::future::ready(match setup {
            Some(setup) => Ok(Self { request: request.clone(), setup }),
            None => Err(ErrorKind::Config.into()),
        })
    }
}

impl Visit {
    /// Runs any extractor when it is due: in a form handler, after the check of the form.
    pub(crate) async fn extract<E: FromRequest<Error = Rejection>>(&self) -> Result<E, Failure> {
        Ok(E::extract(&self.request).await?)
    }

    /// The sender of a refused form, `None` if the user is no longer signed in.
    pub(crate) async fn sender<E: FromRequest<Error = Rejection>>(&self) -> Result<Option<E>, Failure> {
        match E::extract(&self.request).await {
            Err(rejection) if rejection.kind() == ErrorKind::Unauthenticated => Ok(None),
            other => Ok(Some(other?)),
        }
    }

    /// The prefix of every path of this site.
    pub(crate) fn prefix(&self) -> Prefix {
        Place::of(&self.request).prefix
    }

    /// 303 to `path` of this site.
    pub(crate) fn see_other(&self, path: &str) -> HttpResponse {
        see_other(&format!("{}{path}", self.prefix()))
    }

    /// The client's address.
    pub(crate) fn client_address(&self) -> Option<IpAddr> {
        self.request.extensions().get().map(|ClientAddress(address)| *address)
    }

    /// A page for `user`, `None` for an anonymous visitor. Every page of a signed-in user has a form, to sign out.
    pub(crate) fn page(&self, session: &Session, user: Option<&User>) -> Result<Page, Failure> {
        let visitor = match user {
            Some(user) => Visitor::SignedIn(SignedIn { username: user.username.clone(), is_staff: user.is_staff }),
            None => Visitor::Anonymous,
        };
        let Place { prefix, api_origin, .. } = Place::of(&self.request);
        let Viewer { language, theme, .. } = Viewer::of(&self.request, session);
        let layout = Layout {
            visitor,
            csrf_token: String::new(),
            theme,
            language,
            api_origin,
            notice: Notice::take(session).map(Notice::text),
            alert: None,
            prefix,
        };
        let page = Page { layout };
        if user.is_some() { self.with_form(page) } else { Ok(page) }
    }

    /// A page with a form for visitors who are not signed in.
    pub(crate) fn form_page(&self, session: &Session, user: Option<&User>) -> Result<Page, Failure> {
        let page = self.page(session, user)?;
        if page.layout.csrf_token.is_empty() { self.with_form(page) } else { Ok(page) }
    }

    fn with_form(&self, mut page: Page) -> Result<Page, Failure> {
        let extensions = self.request.extensions();
        let session = extensions.get::<LazySession>().ok_or(ErrorKind::Config)?;
        let tokens = self.setup.forms_under(&self.prefix());
        page.layout.csrf_token = session.form_token_of(&tokens)?.to_string();
        Ok(page)
    }
}

/// A page before it is rendered.
pub(crate) struct Page {
    layout: Layout,
}

impl Page {
    /// Adds a message about what failed, if anything did.
    pub(crate) fn with_alert(mut self, alert: Option<Text>) -> Self {
        self.layout.alert = alert;
        self
    }

    /// Renders the template that `make` builds from the layout. Browsers do not keep the page, because it shows the
    /// user.
    pub(crate) fn render<T: Template>(self, status: StatusCode, make: impl FnOnce(Layout) -> T) -> Answer {
        let language = self.layout.language.tag();
        let html = make(self.layout).render()?;
        let mut response = HttpResponse::build(status);
        response.content_type(ContentType::html()).insert_header((CACHE_CONTROL, "no-store"));
        response.insert_header((CONTENT_LANGUAGE, language));
        Ok(response.body(html))
    }
}

/// 303 to `location`, a path of this host.
pub(crate) fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, location)).insert_header((CACHE_CONTROL, "no-store")).finish()
}

/// The signed-in user. An unreadable session counts as anonymous here: signing in replaces it.
pub(crate) async fn user_if_readable(session: &Session) -> Result<Option<User>, Error> {
    match session.user().await {
        Err(error) if error.kind() == ErrorKind::Unreadable => Ok(None),
        other => other,
    }
}

//! What every page handler uses: the visit, the page and its notices.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse,
    dev::Payload,
    http::{
        StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_LANGUAGE, COOKIE, ContentType, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE,
        },
    },
    web,
};
use askama::Template;
use serde::{Deserialize, Serialize};
use shared_session::{
    ClientAddress, Error, ErrorKind, LazySession, Session,
    audit::AuditEvent,
    store::StoreTime,
    throttle::Verdict,
    users::{UnauthenticatedReason, User},
};
use shared_session_examples::{
    language::Language,
    pages::{Greeting, Layout, SignedIn, Visitor, When},
    prefix::Prefix,
    setup::Setup,
    staff_log::{Entry, StaffLog},
    throttles::retry_after,
    translations::Text,
};

use crate::{
    edge::Place,
    errors::Failure,
    seen::{Seen, preference},
};

/// The result of a handler.
pub(crate) type Answer = Result<HttpResponse, Failure>;

const NOTICE: &str = "site.notice";

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
    pub(crate) async fn extract<E: FromRequest<Error = shared_session_actix::Rejection>>(&self) -> Result<E, Failure> {
        Ok(E::extract(&self.request).await?)
    }

    /// The sender of a refused form, `None` if the user is no longer signed in.
    pub(crate) async fn sender<E: FromRequest<Error = shared_session_actix::Rejection>>(
        &self,
    ) -> Result<Option<E>, Failure> {
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

    /// Whether another sign-in attempt is allowed under the name that was `typed`.
    pub(crate) async fn may_sign_in(&self, typed: &str) -> Result<Verdict, Error> {
        let (setup, cookies) = (&self.setup, self.request.headers().get_all(COOKIE).map(HeaderValue::as_bytes));
        setup.throttles.sign_in(typed, self.client_address(), &setup.device_cookie, cookies).await
    }

    /// Marks the browser of `answer` as one that has signed in under that name.
    pub(crate) fn remember_device(&self, typed: &str, mut answer: HttpResponse) -> Answer {
        let (setup, cookies) = (&self.setup, self.request.headers().get_all(COOKIE).map(HeaderValue::as_bytes));
        let cookie = setup.throttles.remember(typed, &setup.device_cookie, cookies)?;
        if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
        Ok(answer)
    }

    /// Goes on only if the user of `session` entered the password recently (`SESSION_FRESH`). Otherwise the user is
    /// asked for it, and then comes to `page` of this site.
    pub(crate) async fn require_fresh(&self, session: &Session, page: &str) -> Result<(), Failure> {
        let Some(max_age) = self.setup.settings.limits.fresh else { return Ok(()) };
        session.require_fresh(max_age).await.map_err(|error| match UnauthenticatedReason::of(&error) {
            Some(UnauthenticatedReason::TooLongAgo) => Failure::TooLongAgo { page: page.to_owned() },
            _ => error.into(),
        })
    }

    /// Records what `staff` is about to do to `subject`; see [`StaffLog`].
    pub(crate) async fn log_staff_action(&self, staff: &User, action: &str, subject: &str) -> Result<(), Failure> {
        let log = self.request.app_data::<web::Data<StaffLog>>().ok_or(ErrorKind::Config)?;
        let address = self.client_address().map(|address| address.to_string()).unwrap_or_default();
        let (staff, action, subject) = (staff.username.clone(), action.to_owned(), subject.to_owned());
        Ok(log.write(&Entry { at: now(), staff, action, subject, address }).await?)
    }

    /// Reports to the audit what `staff` has done.
    pub(crate) fn audit(&self, staff: &User, event: AuditEvent) {
        self.setup.manager.audit(&event.with_actor_id(&*staff.id).with_address(self.client_address()));
    }

    /// A page for `user`, `None` for an anonymous visitor. Every page of a signed-in user has a form, to sign out.
    pub(crate) fn page(&self, session: &Session, user: Option<&User>) -> Result<Page, Failure> {
        let visitor = match user {
            Some(user) => Visitor::SignedIn(SignedIn { username: user.username.clone(), is_staff: user.is_staff }),
            None => Visitor::Anonymous,
        };
        let Place { prefix, api_origin, .. } = Place::of(&self.request);
        let Seen { language, theme, .. } = Seen::of(&self.request, session);
        let layout = Layout {
            visitor,
            csrf_token: String::new(),
            theme,
            language,
            api_origin,
            notice: session.take::<Notice>(NOTICE).ok().flatten().map(Notice::text),
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

/// Adds `Retry-After` to the page of a form that was refused for this long.
pub(crate) fn told_to_wait(mut page: HttpResponse, wait: Duration) -> HttpResponse {
    page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after(wait)));
    page
}

/// The signed-in user. An unreadable session counts as anonymous here: signing in replaces it.
pub(crate) async fn user_if_readable(session: &Session) -> Result<Option<User>, Error> {
    match session.user().await {
        Err(error) if error.kind() == ErrorKind::Unreadable => Ok(None),
        other => other,
    }
}

/// The chosen language, if the pages have it; and the greeting, if they do not.
pub(crate) fn chosen(session: &Session) -> (Option<Language>, Option<Greeting>) {
    let code = preference(session, "pref.language").unwrap_or_default();
    (Language::of_tag(&code), Greeting::from_preference(&code))
}

/// The event that the visitor's next page reports.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Notice {
    Confirmed,
    PasswordChanged,
    DeviceSignedOut,
    OthersSignedOut,
    PreferencesSaved,
    UserChanged,
    UserSignedOut,
    SessionEnded,
    SessionsEnded,
    PasswordSet,
    GroupAdded,
    GroupChanged,
    GroupDeleted,
}

impl Notice {
    /// Keeps it in `session` until the next page.
    pub(crate) fn leave(self, session: &Session) -> Result<(), Error> {
        session.insert(NOTICE, &self)
    }

    fn text(self) -> Text {
        match self {
            Self::Confirmed => Text::new("notice-confirmed"),
            Self::PasswordChanged => Text::new("notice-password-changed"),
            Self::DeviceSignedOut => Text::new("notice-device-signed-out"),
            Self::OthersSignedOut => Text::new("notice-others-signed-out"),
            Self::PreferencesSaved => Text::new("notice-preferences-saved"),
            Self::UserChanged => Text::new("notice-user-changed"),
            Self::UserSignedOut => Text::new("notice-user-signed-out"),
            Self::SessionEnded => Text::new("notice-session-ended"),
            Self::SessionsEnded => Text::new("notice-sessions-ended"),
            Self::PasswordSet => Text::new("notice-password-set"),
            Self::GroupAdded => Text::new("notice-group-added"),
            Self::GroupChanged => Text::new("notice-group-changed"),
            Self::GroupDeleted => Text::new("notice-group-deleted"),
        }
    }
}

/// Seconds since 1970, by the clock of this machine: only for showing how long ago something was.
pub(crate) fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

/// A time of the session store, as a page shows it.
pub(crate) fn when(at: StoreTime, now: i64) -> When {
    When { at: i64::try_from(at.0 / 1000).unwrap_or(i64::MAX), now }
}

//! Sign-in, registration and sign-out.

use actix_web::{http::StatusCode, web::Query};
use serde::Deserialize;
use shared_session::{
    LoginOptions,
    throttle::Verdict,
    users::{CreateUserError, NewUser, UnauthenticatedReason, User},
};
use shared_session_actix::Session;
use shared_session_examples::{
    forms::{FieldError, SignInNames, check_registration},
    links::safe_next,
    pages::{FieldErrors, Login, Register, SignOut},
    setup::Setup,
    sign_in,
    translations::Text,
    usernames::normalized_username,
    users::{DEMO_PASSWORD, DEMO_USER},
};

use crate::{
    errors::Failure,
    form::{Button, Form, current},
    page::{
        Answer, Visit,
        attempts::{too_many_attempts, with_retry_after},
        see_other, user_if_readable,
    },
    routes::queries::{NextQuery, kept_next, next_of},
};

const WRONG: Text = Text::new("login-wrong");
const TAKEN: Text = Text::new("register-taken");
const ENDED: Text = Text::new("login-ended");

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LoginFields {
    username: String,
    password: String,
    next: String,
    /// The value of the box if it is ticked, otherwise empty.
    remember: String,
}

impl LoginFields {
    /// Without the tick the session lives as configured.
    fn options(&self) -> LoginOptions {
        if self.remember.is_empty() { LoginOptions::new() } else { LoginOptions::new().with_remember_me(true) }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RegisterFields {
    username: String,
    email: String,
    password1: String,
    password2: String,
    next: String,
}

/// Also open to signed-in users, to sign in as another user.
pub(super) async fn show(visit: Visit, session: Session, query: Option<Query<NextQuery>>) -> Answer {
    let fields = LoginFields { next: next_of(query), ..LoginFields::default() };
    let error = match session.require_user().await {
        Err(error) if UnauthenticatedReason::of(&error) == Some(UnauthenticatedReason::Ended) => Some(ENDED),
        _ => None,
    };
    render_login(&visit, &session, StatusCode::OK, error, fields).await
}

/// A signed-in user may sign in as another user, which starts a new session.
pub(super) async fn sign_in(visit: Visit, session: Session, form: Form<LoginFields>) -> Answer {
    let fields = match current(form)? {
        Ok(fields) => fields,
        Err(stale) => {
            let error = Some(stale.message());
            return render_login(&visit, &session, StatusCode::FORBIDDEN, error, stale.fields).await;
        }
    };
    let attempt = match visit.may_sign_in(&fields.username).await? {
        Verdict::Go(attempt) => attempt,
        Verdict::Wait(wait) => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let page = render_login(&visit, &session, status, Some(too_many_attempts(wait)), fields).await?;
            return Ok(with_retry_after(page, wait));
        }
    };
    let users = &visit.setup.users;
    match sign_in::authenticate(attempt, &session, users, &fields.username, &fields.password).await? {
        Some(user) => {
            let signed_in = begin(&visit, &session, &user, fields.options(), &fields.next).await?;
            visit.remember_device(&fields.username, signed_in)
        }
        None => render_login(&visit, &session, StatusCode::UNAUTHORIZED, Some(WRONG), fields).await,
    }
}

async fn render_login(
    visit: &Visit,
    session: &Session,
    status: StatusCode,
    error: Option<Text>,
    fields: LoginFields,
) -> Answer {
    let user = user_if_readable(session).await?;
    let page = visit.form_page(session, user.as_ref())?;
    let (username, next) = (fields.username, kept_next(visit, &fields.next));
    let remember = !fields.remember.is_empty();
    page.render(status, |layout| Login { layout, error, username, remember, next, demo: demo(&visit.setup) })
}

pub(super) async fn show_register(visit: Visit, session: Session, query: Option<Query<NextQuery>>) -> Answer {
    let fields = RegisterFields { next: next_of(query), ..RegisterFields::default() };
    render_register(&visit, &session, StatusCode::OK, Vec::new(), None, fields).await
}

pub(super) async fn register(visit: Visit, session: Session, form: Form<RegisterFields>) -> Answer {
    let fields = match current(form)? {
        Ok(fields) => fields,
        Err(stale) => {
            let alert = Some(stale.message());
            return render_register(&visit, &session, StatusCode::FORBIDDEN, Vec::new(), alert, stale.fields).await;
        }
    };
    let username = normalized_username(&fields.username);
    let email = fields.email.trim();
    let names = visit.setup.settings.sign_in_names();
    let mut errors = check_registration(names, &username, email, &fields.password1, &fields.password2);
    let signs_in_with = if names == SignInNames::Emails && !email.is_empty() { email } else { &username };
    if errors.is_empty()
        && let Verdict::Wait(wait) = visit.setup.throttles.registration(visit.client_address()).await?
    {
        let (status, alert) = (StatusCode::TOO_MANY_REQUESTS, Some(too_many_attempts(wait)));
        let page = render_register(&visit, &session, status, errors, alert, fields).await?;
        return Ok(with_retry_after(page, wait));
    }
    let mut claim = None;
    if errors.is_empty() {
        claim = visit.setup.throttles.claim(signs_in_with).await?;
        if claim.is_none() || visit.setup.users.has_name_in_any_case(signs_in_with).await? {
            errors.push(FieldError::new("username", TAKEN));
        }
    }
    if errors.is_empty() {
        let new = NewUser::new(&username, &fields.password1).with_email(email);
        match visit.setup.users.create_user(new).await {
            Ok(user) => return begin(&visit, &session, &user, LoginOptions::new(), &fields.next).await,
            Err(CreateUserError::Failed(error)) => return Err(error.into()),
            Err(CreateUserError::InvalidEmail) => {
                errors.push(FieldError::new("email", Text::new("form-email-wrong")));
            }
            Err(CreateUserError::NameTaken) => {
                errors.push(FieldError::new("username", TAKEN));
            }
            Err(CreateUserError::EmailTaken) => {
                errors.push(FieldError::new("email", Text::new("register-email-taken")));
            }
            Err(error @ CreateUserError::ColumnNeeded(_)) => {
                tracing::error!(%error, "a registration is not possible");
                return Err(Failure::forbidden(Text::new("register-closed")));
            }
            Err(_) => errors.push(FieldError::new("username", Text::new("register-name-impossible"))),
        }
    }
    // The user was not created.
    if let Some(claim) = claim {
        claim.succeeded().await;
    }
    render_register(&visit, &session, StatusCode::UNPROCESSABLE_ENTITY, errors, None, fields).await
}

async fn render_register(
    visit: &Visit,
    session: &Session,
    status: StatusCode,
    errors: Vec<FieldError>,
    alert: Option<Text>,
    fields: RegisterFields,
) -> Answer {
    let user = user_if_readable(session).await?;
    let RegisterFields { username, email, next, .. } = fields;
    let (page, next) = (visit.form_page(session, user.as_ref())?.with_alert(alert), kept_next(visit, &next));
    page.render(status, |layout| Register { layout, errors: FieldErrors(errors), username, email, next })
}

/// Ends the session, also one that cannot be read. If the page was outdated, a user who is still signed in gets the
/// button again.
pub(super) async fn sign_out(visit: Visit, form: Form<Button>, session: Session) -> Answer {
    let Err(stale) = current(form)? else {
        session.logout()?;
        return Ok(visit.see_other("/"));
    };
    let user = user_if_readable(&session).await?;
    // If the user is signed out already, there is nothing to try again.
    let alert = user.as_ref().map(|_| stale.message());
    let page = visit.page(&session, user.as_ref())?.with_alert(alert);
    page.render(StatusCode::FORBIDDEN, |layout| SignOut { layout })
}

/// Signs `user` in and redirects to `next`. The session is stored before the answer is sent.
async fn begin(visit: &Visit, session: &Session, user: &User, options: LoginOptions, next: &str) -> Answer {
    sign_in::begin(session, &visit.setup.users, user, options).await?;
    Ok(see_other(&safe_next(next, &visit.prefix())))
}

/// The demonstration user, if the first start created one.
fn demo(setup: &Setup) -> Option<(&'static str, &'static str)> {
    setup.settings.has_embedded_users().then_some((DEMO_USER, DEMO_PASSWORD))
}

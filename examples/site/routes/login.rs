//! Signing in, up and out.

use actix_web::{http::StatusCode, web::Query};
use serde::Deserialize;
use shared_session::users::{CreateUserError, NewUser, User, Users};
use shared_session_actix::Session;
use shared_session_examples::{
    forms::{FieldError, check_registration, normalized_username},
    pages::{FieldErrors, Login, Register},
    setup::{DEMO_PASSWORD, DEMO_USER, Setup},
    text::safe_next,
};

use crate::{
    form::{Button, Form, rotate_token},
    page::{Answer, Visit, see_other, user_if_readable},
};

const WRONG: &str = "This user name and password do not belong together. Please try again.";
const STALE: &str = "The page was too old to be used. Please try again.";

#[derive(Deserialize)]
pub(super) struct NextQuery {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct LoginFields {
    username: String,
    password: String,
    next: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RegisterFields {
    username: String,
    email: String,
    password1: String,
    password2: String,
}

/// Also for whoever is signed in already: to sign in as somebody else.
pub(super) async fn show(visit: Visit, session: Session, query: Option<Query<NextQuery>>) -> Answer {
    let next = query.map(|query| query.into_inner().next).unwrap_or_default();
    let user = user_if_readable(&session).await?;
    let page = visit.form_page(&session, user.as_ref())?;
    page.render(StatusCode::OK, |layout| Login {
        layout,
        error: None,
        username: String::new(),
        next: safe_next(&next).to_owned(),
        demo: demo(&visit.setup),
    })
}

/// Whoever is signed in already may sign in as somebody else: that is a new session.
pub(super) async fn sign_in(visit: Visit, session: Session, form: Form<LoginFields>) -> Answer {
    let (status, error, fields) = match form.genuine() {
        Err(forged) => (StatusCode::FORBIDDEN, STALE, forged.fields),
        Ok(fields) => {
            let username = normalized_username(&fields.username);
            if let Some(user) = visit.setup.users.verify(&username, &fields.password).await? {
                return begin(&visit.setup, &session, &user, safe_next(&fields.next)).await;
            }
            (StatusCode::UNAUTHORIZED, WRONG, fields)
        }
    };
    let user = user_if_readable(&session).await?;
    let page = visit.form_page(&session, user.as_ref())?;
    page.render(status, |layout| Login {
        layout,
        error: Some(error),
        username: fields.username,
        next: safe_next(&fields.next).to_owned(),
        demo: demo(&visit.setup),
    })
}

pub(super) async fn show_register(visit: Visit, session: Session) -> Answer {
    render_register(&visit, &session, StatusCode::OK, Vec::new(), RegisterFields::default()).await
}

pub(super) async fn register(visit: Visit, session: Session, form: Form<RegisterFields>) -> Answer {
    let fields = form.genuine()?;
    let username = normalized_username(&fields.username);
    let email = fields.email.trim();
    let mut errors = check_registration(&username, email, &fields.password1, &fields.password2);
    if errors.is_empty() {
        let new = NewUser::new(&username, &fields.password1).with_email(email);
        match visit.setup.users.create_user(new).await {
            Ok(user) => return begin(&visit.setup, &session, &user, "/profile").await,
            Err(CreateUserError::Failed(error)) => return Err(error.into()),
            Err(CreateUserError::InvalidEmail) => {
                errors.push(FieldError::new("email", "This is not an e-mail address."));
            }
            Err(CreateUserError::NameTaken) => {
                errors.push(FieldError::new("username", "This user name is taken. Please choose another one."));
            }
            Err(_) => errors.push(FieldError::new("username", "This user name is not possible.")),
        }
    }
    render_register(&visit, &session, StatusCode::UNPROCESSABLE_ENTITY, errors, fields).await
}

async fn render_register(
    visit: &Visit,
    session: &Session,
    status: StatusCode,
    errors: Vec<FieldError>,
    fields: RegisterFields,
) -> Answer {
    let user = user_if_readable(session).await?;
    let RegisterFields { username, email, .. } = fields;
    let page = visit.form_page(session, user.as_ref())?;
    page.render(status, |layout| Register { layout, errors: FieldErrors(errors), username, email })
}

/// Ends the session, also one that cannot be read.
pub(super) async fn sign_out(form: Form<Button>, session: Session) -> Answer {
    form.genuine()?;
    session.logout()?;
    Ok(see_other("/"))
}

/// Signs `user` in and goes to `next`. The session is stored before the answer is sent; the time of the login is only a
/// note.
async fn begin(setup: &Setup, session: &Session, user: &User, next: &str) -> Answer {
    session.login(user)?;
    if let Err(error) = setup.users.record_login(&user.id).await {
        tracing::warn!(%error, "the time of a login was not written down");
    }
    let mut answer = see_other(next);
    rotate_token(setup, &mut answer)?;
    Ok(answer)
}

/// The user to try the service with, where the first start has made one.
fn demo(setup: &Setup) -> Option<(&'static str, &'static str)> {
    setup.settings.has_embedded_users().then_some((DEMO_USER, DEMO_PASSWORD))
}

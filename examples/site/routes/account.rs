//! The profile and the password of the signed-in user.

use actix_web::http::StatusCode;
use serde::Deserialize;
use shared_session::{LoginOptions, audit::AuditKind, users::ManageUsers as _};
use shared_session_actix::CurrentUser;
use shared_session_examples::{
    forms::{FieldError, check_new_password},
    pages::{FieldErrors, Password, Profile, When},
    times::now,
    translations::Text,
};

use crate::{
    errors::Failure,
    form::{Form, current},
    notice::Notice,
    page::{
        Answer, Visit,
        attempts::{PasswordCheck, too_many_attempts, with_retry_after},
    },
};

pub(super) async fn profile(visit: Visit, user: CurrentUser) -> Answer {
    let session = user.session();
    let (groups, permissions) = tokio::try_join!(user.groups(), user.permissions())?;
    let now = now();
    visit.page(session, Some(&user))?.render(StatusCode::OK, |layout| Profile {
        layout,
        username: user.username.clone(),
        email: user.email.clone(),
        joined: user.date_joined.map(|at| When { at, now }),
        signed_in: session.created_at().map(|at| When::of(at, now)),
        role: match () {
            () if user.is_superuser => Text::new("role-superuser"),
            () if user.is_staff => Text::new("role-staff"),
            () => Text::new("role-user"),
        },
        groups,
        permissions: permissions.into_iter().collect(),
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PasswordFields {
    old_password: String,
    new_password1: String,
    new_password2: String,
}

pub(super) async fn show_password(visit: Visit, user: CurrentUser) -> Answer {
    render(&visit, &user, StatusCode::OK, Vec::new(), None)
}

/// Writing the new password into the row ends every session of the user, this one included. The handler then signs this
/// session in again and stores it at once; deleting the others is only cleanup. After a crash in between the user must
/// sign in with the new password; no device stays signed in with the old one.
pub(super) async fn set_password(visit: Visit, form: Form<PasswordFields>) -> Answer {
    let fields = match current(form)? {
        Ok(fields) => fields,
        Err(stale) => {
            let alert = Some(stale.message());
            let Some(user) = visit.sender::<CurrentUser>().await? else { return Err(stale.into()) };
            return render(&visit, &user, StatusCode::FORBIDDEN, Vec::new(), alert);
        }
    };
    let user: CurrentUser = visit.extract().await?;
    let mut errors = Vec::new();
    match visit.check_password(&user, &fields.old_password).await? {
        PasswordCheck::Right => {}
        PasswordCheck::Wrong => errors.push(FieldError::new("old_password", Text::new("password-wrong"))),
        PasswordCheck::TooMany(wait) => {
            let alert = Some(too_many_attempts(wait));
            let page = render(&visit, &user, StatusCode::TOO_MANY_REQUESTS, errors, alert)?;
            return Ok(with_retry_after(page, wait));
        }
    }
    if fields.new_password1 == fields.old_password {
        errors.push(FieldError::new("new_password1", Text::new("password-same")));
    }
    errors.extend(check_new_password(
        ["new_password1", "new_password2"],
        &fields.new_password1,
        &fields.new_password2,
        &[&user.username, &user.email],
    ));
    if !errors.is_empty() {
        return render(&visit, &user, StatusCode::UNPROCESSABLE_ENTITY, errors, None);
    }

    let changed = visit.setup.users.change_password(&user, &fields.new_password1).await?.ok_or(Failure::Superseded)?;
    let session = user.session();
    session.audit(AuditKind::PasswordChange);
    session.login_with(&changed, LoginOptions::new().with_expiry(session.expiry()?))?;
    Notice::PasswordChanged.leave(session)?;
    visit.setup.manager.revoke_others(session).await?;
    Ok(visit.see_other("/profile"))
}

fn render(
    visit: &Visit,
    user: &CurrentUser,
    status: StatusCode,
    errors: Vec<FieldError>,
    alert: Option<Text>,
) -> Answer {
    let page = visit.page(user.session(), Some(user))?.with_alert(alert);
    page.render(status, |layout| Password { layout, errors: FieldErrors(errors) })
}

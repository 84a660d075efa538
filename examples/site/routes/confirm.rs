//! Asks the signed-in user for the password once more, before an action that a stolen cookie must not allow.

use actix_web::{http::StatusCode, web::Query};
use serde::Deserialize;
use shared_session::LoginOptions;
use shared_session_actix::CurrentUser;
use shared_session_examples::{links::safe_next, pages::Confirm, translations::Text};

use super::queries::{NextQuery, kept_next, next_of};
use crate::{
    form::{Form, current},
    notice::Notice,
    page::{
        Answer, Visit,
        attempts::{PasswordCheck, too_many_attempts, with_retry_after},
        see_other,
    },
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ConfirmFields {
    password: String,
    next: String,
}

pub(super) async fn show(visit: Visit, user: CurrentUser, query: Option<Query<NextQuery>>) -> Answer {
    render(&visit, &user, StatusCode::OK, None, &next_of(query))
}

/// The right password signs the same user in again: a new cookie and a new time; everything else stays.
pub(super) async fn confirm(visit: Visit, form: Form<ConfirmFields>) -> Answer {
    let fields = match current(form)? {
        Ok(fields) => fields,
        Err(stale) => {
            let error = Some(stale.message());
            let Some(user) = visit.sender::<CurrentUser>().await? else { return Err(stale.into()) };
            return render(&visit, &user, StatusCode::FORBIDDEN, error, &stale.fields.next);
        }
    };
    let user: CurrentUser = visit.extract().await?;
    let session = user.session();
    match visit.check_password(&user, &fields.password).await? {
        PasswordCheck::Right => {}
        PasswordCheck::Wrong => {
            let error = Some(Text::new("password-wrong"));
            return render(&visit, &user, StatusCode::UNAUTHORIZED, error, &fields.next);
        }
        PasswordCheck::TooMany(wait) => {
            let error = Some(too_many_attempts(wait));
            let page = render(&visit, &user, StatusCode::TOO_MANY_REQUESTS, error, &fields.next)?;
            return Ok(with_retry_after(page, wait));
        }
    }
    session.login_with(&*user, LoginOptions::new().with_expiry(session.expiry()?))?;
    Notice::Confirmed.leave(session)?;
    Ok(see_other(&safe_next(&fields.next, &visit.prefix())))
}

fn render(visit: &Visit, user: &CurrentUser, status: StatusCode, error: Option<Text>, next: &str) -> Answer {
    let next = kept_next(visit, next);
    visit.page(user.session(), Some(user))?.render(status, |layout| Confirm { layout, error, next })
}

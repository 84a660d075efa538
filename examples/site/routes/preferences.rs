//! Language and theme, for visitors without scripts: two preferences, which `api` stores under the same names.

use actix_web::{http::StatusCode, web::Query};
use serde::Deserialize;
use shared_session_actix::Session;
use shared_session_examples::{
    language::Language,
    pages::{Preferences, Theme},
    preferences::{LANGUAGE, THEME},
    translations::Text,
};

use crate::{
    form::{Form, current},
    notice::Notice,
    page::{Answer, Visit, see_other, user_if_readable},
    routes::queries::{NextQuery, kept_next, next_of},
    viewer::chosen_language,
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    theme: String,
    language: String,
    next: String,
}

pub(super) async fn show(visit: Visit, session: Session, query: Option<Query<NextQuery>>) -> Answer {
    render(&visit, &session, StatusCode::OK, None, &next_of(query)).await
}

/// Stores both; starts a session if there is none. Unknown values become the default.
pub(super) async fn save(visit: Visit, session: Session, form: Form<Fields>) -> Answer {
    let fields = match current(form)? {
        Ok(fields) => fields,
        Err(stale) => {
            let alert = Some(stale.message());
            return render(&visit, &session, StatusCode::FORBIDDEN, alert, &stale.fields.next).await;
        }
    };
    session.insert(THEME, Theme::from_preference(&fields.theme).name())?;
    match Language::of_tag(&fields.language) {
        Some(language) => session.insert(LANGUAGE, language.tag())?,
        None => session.remove(LANGUAGE)?,
    }
    Notice::PreferencesSaved.leave(&session)?;
    let next = kept_next(&visit, &fields.next);
    Ok(if next.is_empty() { visit.see_other("/preferences") } else { see_other(&next) })
}

async fn render(visit: &Visit, session: &Session, status: StatusCode, alert: Option<Text>, next: &str) -> Answer {
    let user = user_if_readable(session).await?;
    let (chosen, _) = chosen_language(session);
    let page = visit.form_page(session, user.as_ref())?.with_alert(alert);
    let next = kept_next(visit, next);
    page.render(status, |layout| Preferences { layout, chosen, next })
}

//! The staff log, for staff.

use actix_web::{
    http::StatusCode,
    web::{Data, Query},
};
use shared_session_actix::StaffUser;
use shared_session_examples::{
    pages::{AdminLog, LogRow, When},
    staff_log::{Entry, StaffLog},
    times::now,
    translations::Text,
};

use crate::{
    page::{Answer, Visit},
    routes::queries::PageQuery,
};

const PER_PAGE: u32 = 50;
/// The last page that is served.
const LAST_PAGE: u32 = 10_000;

pub(crate) async fn show(visit: Visit, staff: StaffUser, log: Data<StaffLog>, query: Query<PageQuery>) -> Answer {
    let page = query.page.parse().unwrap_or(1).clamp(1, LAST_PAGE);
    // One more entry than is shown tells whether there is a next page.
    let mut entries = log.latest((page - 1) * PER_PAGE, PER_PAGE + 1).await?;
    let has_more = entries.len() > PER_PAGE as usize;
    entries.truncate(PER_PAGE as usize);
    let now = now();
    let entries = entries.into_iter().map(|entry| row(entry, now)).collect();
    visit.page(staff.session(), Some(&staff))?.render(StatusCode::OK, |layout| AdminLog {
        layout,
        entries,
        page,
        has_more,
        is_kept: log.is_kept(),
    })
}

fn row(entry: Entry, now: i64) -> LogRow {
    let Entry { at, staff, action, subject, address } = entry;
    let action = match action.as_str() {
        "activate" => Text::new("log-activate"),
        "deactivate" => Text::new("log-deactivate"),
        "make-staff" => Text::new("log-make-staff"),
        "remove-staff" => Text::new("log-remove-staff"),
        "make-superuser" => Text::new("log-make-superuser"),
        "remove-superuser" => Text::new("log-remove-superuser"),
        "set-password" => Text::new("log-set-password"),
        "sign-out" => Text::new("log-sign-out"),
        "add-to-groups" => Text::new("log-add-to-groups"),
        "remove-from-groups" => Text::new("log-remove-from-groups"),
        "give-permissions" => Text::new("log-give-permissions"),
        "take-permissions" => Text::new("log-take-permissions"),
        "add-group" => Text::new("log-add-group"),
        "rename-group" => Text::new("log-rename-group"),
        "delete-group" => Text::new("log-delete-group"),
        "give-group-permissions" => Text::new("log-give-group-permissions"),
        "take-group-permissions" => Text::new("log-take-group-permissions"),
        "end-session" => Text::new("log-end-session"),
        _ => Text::new("log-unknown").with("action", &action),
    };
    LogRow { at: When { at, now }, staff, action, subject, address }
}

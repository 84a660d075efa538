//! The pages for staff.

pub(super) mod sessions;
pub(super) mod users;

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use shared_session::{Error, SessionManager};
use shared_session_actix::StaffUser;
use shared_session_examples::{
    pages::{AdminOverview, Count},
    rights::Rights,
    translations::Text,
};

use crate::{
    errors::Failure,
    page::{Answer, Visit},
};

/// The overview stops counting sessions here: each one is read.
const COUNTED: usize = 10_000;

pub(super) async fn overview(visit: Visit, staff: StaffUser) -> Answer {
    let users = visit.setup.users.count("").await?;
    let live = count_sessions(&visit.setup.manager).await?;
    let stats = visit.setup.manager.stats();
    let at_least = (!live.complete).then(|| Text::new("admin-note-at-least"));
    let of_process = || Some(Text::new("admin-note-process"));
    let count = |name, value, note| Count { name, value: Some(value), note };
    let counts = vec![
        count(Text::new("admin-count-users"), users, None),
        count(Text::new("admin-count-sessions"), live.sessions, at_least.clone()),
        count(Text::new("admin-count-signed-in"), live.users, at_least),
        count(Text::new("admin-count-loads"), stats.loads, of_process()),
        count(Text::new("admin-count-commits"), stats.commits, of_process()),
        count(Text::new("admin-count-merged"), stats.merged, Some(Text::new("admin-note-merged"))),
    ];
    visit.page(staff.session(), Some(&staff))?.render(StatusCode::OK, |layout| AdminOverview { layout, counts })
}

/// What `staff` may do. One round trip to the database.
async fn rights(visit: &Visit, staff: &StaffUser) -> Result<Rights, Failure> {
    let permissions = staff.permissions().await?;
    Ok(Rights::new(staff, &permissions, &visit.setup.settings.permission_to_change_users()))
}

struct Live {
    sessions: u64,
    users: u64,
    complete: bool,
}

async fn count_sessions(manager: &SessionManager) -> Result<Live, Error> {
    let (mut handles, mut users) = (BTreeSet::new(), BTreeSet::new());
    let mut from: Option<String> = None;
    loop {
        let page = manager.all_sessions(from.as_deref()).await?;
        for session in page.sessions {
            // A walk over a store that changes may meet a session twice.
            handles.insert(session.handle.to_string());
            users.extend(session.user_id);
        }
        from = page.next;
        if from.is_none() || handles.len() >= COUNTED {
            return Ok(Live { sessions: handles.len() as u64, users: users.len() as u64, complete: from.is_none() });
        }
    }
}

//! The pages for staff.

pub(super) mod grants;
pub(super) mod groups;
pub(super) mod log;
pub(super) mod revoke;
pub(super) mod sessions;
pub(super) mod users;

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use shared_session::{Error, SessionManager};
use shared_session_actix::StaffUser;
use shared_session_examples::{
    metrics,
    pages::{AdminOverview, Chart, Count},
    rights::Rights,
    times::{now, seconds},
    translations::Text,
};

use crate::{
    errors::Failure,
    page::{Answer, Visit},
};

/// The overview stops counting sessions at this number, because it reads each one.
const MAX_COUNTED: usize = 10_000;

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
        count(Text::new("admin-count-refused"), stats.refused, Some(Text::new("admin-note-refused"))),
    ];
    let charts = vec![
        Chart { title: Text::new("chart-started"), values: by_hour(&live.started, now()) },
        Chart { title: Text::new("chart-latency"), values: metrics::latencies(&metrics::render()) },
    ];
    visit.page(staff.session(), Some(&staff))?.render(StatusCode::OK, |layout| AdminOverview { layout, counts, charts })
}

/// The rights of `staff`. One round trip to the database.
async fn rights_of(visit: &Visit, staff: &StaffUser) -> Result<Rights, Failure> {
    let permissions = staff.permissions().await?;
    Ok(Rights::new(staff, &permissions, &visit.setup.settings.permission_to_change_users()))
}

/// The numbers of live sessions.
struct Live {
    sessions: u64,
    users: u64,
    /// Whether all sessions were counted.
    complete: bool,
    /// The starts of the sessions, in seconds since 1970.
    started: Vec<i64>,
}

/// The number of times in each of the last 24 hours, including the hour of `now`, by the hour of the day.
fn by_hour(times: &[i64], now: i64) -> Vec<(String, u64)> {
    let last = now.div_euclid(3_600);
    let of_hour = |hour: i64| times.iter().filter(|at| at.div_euclid(3_600) == hour).count() as u64;
    (last - 23..=last).map(|hour| (format!("{:02}:00", hour.rem_euclid(24)), of_hour(hour))).collect()
}

async fn count_sessions(manager: &SessionManager) -> Result<Live, Error> {
    let (mut handles, mut users, mut started) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let mut from: Option<String> = None;
    loop {
        let page = manager.all_sessions(from.as_deref()).await?;
        for session in page.sessions {
            // A walk over a changing store may return a session twice.
            if handles.insert(session.handle.to_string()) {
                started.extend(session.created_at.map(seconds));
            }
            users.extend(session.user_id);
        }
        from = page.next;
        if from.is_none() || handles.len() >= MAX_COUNTED {
            let (sessions, users) = (handles.len() as u64, users.len() as u64);
            return Ok(Live { sessions, users, complete: from.is_none(), started });
        }
    }
}

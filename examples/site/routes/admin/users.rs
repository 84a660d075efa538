//! Users, for staff.

use actix_web::{
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use shared_session::{
    Error, ErrorKind,
    audit::{AuditEvent, AuditKind},
    users::{ManageUsers, User, Users},
};
use shared_session_actix::StaffUser;
use shared_session_examples::{
    forms::{FieldError, check_new_password, search_term},
    links::encoded,
    pages::{
        AdminUser, AdminUsers, Allowed, FieldErrors, LiveSession, Only, Order, SessionUser, UserFilter, UserRow, When,
    },
    paging::{Paged, paged},
    rights::{Owner, Refusal, Rights},
    times::now,
    translations::Text,
};

use crate::{
    errors::Failure,
    form::{Button, Form, Stale, current},
    notice::Notice,
    page::{Answer, Visit},
    routes::{admin::rights_of, devices::device, queries::PageQuery},
};

const PER_PAGE: u32 = 20;
/// The most users that are read for a filter or an order that the database does not support.
const MAX_READ: u32 = 5_000;

#[derive(Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
    #[serde(default)]
    is: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    page: String,
}

#[derive(Deserialize)]
pub(crate) struct Switch {
    on: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct NewPassword {
    new_password1: String,
    new_password2: String,
}

pub(crate) async fn list(visit: Visit, staff: StaffUser, search: Query<Search>) -> Answer {
    let Search { q, is, sort, page } = search.into_inner();
    let filter = UserFilter { query: search_term(&q), only: Only::named(&is), order: Order::named(&sort) };
    let Found { users, page, pages, total, incomplete } = found(&visit, &filter, &page).await?;
    let now = now();
    let users = users.iter().map(|user| row(user, now)).collect();
    visit.page(staff.session(), Some(&staff))?.render(StatusCode::OK, |layout| AdminUsers {
        layout,
        filter,
        incomplete,
        page,
        pages,
        total,
        users,
    })
}

/// One page of users.
struct Found {
    users: Vec<User>,
    page: u64,
    pages: u64,
    total: u64,
    incomplete: bool,
}

/// The database pages a filter and an order that it supports. Otherwise this reads the first users by name, no more
/// than fit into memory.
async fn found(visit: &Visit, filter: &UserFilter, asked: &str) -> Result<Found, Failure> {
    let directory = &visit.setup.users;
    let pages_of = |total: u64| {
        let pages = total.div_ceil(PER_PAGE.into()).max(1);
        let page = asked.parse().unwrap_or(1).clamp(1, pages);
        (pages, page, (page - 1) * u64::from(PER_PAGE))
    };
    if filter.is_for_the_database() {
        let total = directory.count(&filter.query).await?;
        let (pages, page, offset) = pages_of(total);
        let offset = u32::try_from(offset).map_err(|_| Failure::not_found())?;
        let users = directory.list(&filter.query, offset, PER_PAGE).await?;
        return Ok(Found { users, page, pages, total, incomplete: false });
    }
    let all = directory.list(&filter.query, 0, MAX_READ).await?;
    let incomplete = all.len() >= MAX_READ as usize;
    let fitting = filter.select(all);
    let total = fitting.len() as u64;
    let (pages, page, offset) = pages_of(total);
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let users = fitting.into_iter().skip(offset).take(PER_PAGE as usize).collect();
    Ok(Found { users, page, pages, total, incomplete })
}

pub(crate) async fn show(visit: Visit, staff: StaffUser, id: Path<String>, query: Query<PageQuery>) -> Answer {
    render(&visit, &staff, &id, StatusCode::OK, &query.page, Messages::default()).await
}

/// The messages on the page of a user after an attempt.
#[derive(Default)]
struct Messages {
    alert: Option<Text>,
    errors: Vec<FieldError>,
}

async fn render(
    visit: &Visit,
    staff: &StaffUser,
    id: &str,
    status: StatusCode,
    page: &str,
    messages: Messages,
) -> Answer {
    let user = find(visit, id).await?;
    let users = &visit.setup.users;
    let (sessions, groups, permissions) =
        tokio::try_join!(visit.setup.manager.sessions_of(&user.id), users.groups(&user), users.permissions(&user))?;
    let rights = rights_of(visit, staff).await?;
    let may_end = rights.end_session(Owner::User(&user)).is_ok();
    let (now, current) = (now(), staff.session().handle());
    let Paged { items, page, pages } = paged(sessions, page);
    let sessions = items
        .iter()
        .map(|session| LiveSession {
            device: device(session, current.as_ref(), now),
            user: Some(SessionUser { id: encoded(&user.id), name: shown_name(&user) }),
            may_end,
        })
        .collect();
    let html = visit.page(staff.session(), Some(staff))?.with_alert(messages.alert);
    html.render(status, |layout| AdminUser {
        layout,
        user: row(&user, now),
        groups,
        permissions: permissions.into_iter().collect(),
        errors: FieldErrors(messages.errors),
        is_self: user.id == staff.id,
        allowed: Allowed {
            active: rights.set_active(&user, !user.is_active).is_ok(),
            staff: rights.set_staff(&user).is_ok(),
            sign_out: rights.change(&user).is_ok(),
            secrets: rights.set_superuser_or_password(&user).is_ok(),
            rights: rights.change(&user).is_ok(),
        },
        sessions,
        page,
        pages,
    })
}

/// Shows the user with fresh buttons, after a button of an outdated page was used.
async fn again<T>(visit: &Visit, stale: Stale<T>, id: &str) -> Answer {
    let Some(staff) = visit.sender().await? else { return Err(stale.into()) };
    let messages = Messages { alert: Some(stale.message()), errors: Vec::new() };
    render(visit, &staff, id, StatusCode::FORBIDDEN, "", messages).await
}

/// Deactivating also raises the epoch, so that today's sessions stay invalid when the user is active again.
pub(crate) async fn set_active(visit: Visit, form: Form<Switch>, id: Path<String>) -> Answer {
    let on = match current(form)? {
        Ok(Switch { on }) => on,
        Err(stale) => return again(&visit, stale, &id).await,
    };
    let is_allowed = |rights: &Rights, user: &User| rights.set_active(user, on);
    let (staff, user) = match on {
        true => changeable_by_fresh(&visit, &id, is_allowed).await?,
        false => changeable(&visit, &id, is_allowed).await?,
    };
    let action = if on { "activate" } else { "deactivate" };
    visit.log_staff_action(&staff, action, &user.username).await?;
    visit.setup.users.set_active(&user.id, on).await.map_err(unsupported_flag)?;
    audit_change(&visit, &staff, &user, action);
    if !on {
        visit.setup.manager.revoke_all(&user.id).await?;
    }
    finish(&visit, &staff, &user, Notice::UserChanged)
}

pub(crate) async fn set_staff(visit: Visit, form: Form<Switch>, id: Path<String>) -> Answer {
    let on = match current(form)? {
        Ok(Switch { on }) => on,
        Err(stale) => return again(&visit, stale, &id).await,
    };
    let (staff, user) = changeable_by_fresh(&visit, &id, Rights::set_staff).await?;
    let action = if on { "make-staff" } else { "remove-staff" };
    visit.log_staff_action(&staff, action, &user.username).await?;
    visit.setup.users.set_staff(&user.id, on).await.map_err(unsupported_flag)?;
    audit_change(&visit, &staff, &user, action);
    finish(&visit, &staff, &user, Notice::UserChanged)
}

pub(crate) async fn set_superuser(visit: Visit, form: Form<Switch>, id: Path<String>) -> Answer {
    let on = match current(form)? {
        Ok(Switch { on }) => on,
        Err(stale) => return again(&visit, stale, &id).await,
    };
    let (staff, user) = changeable_by_fresh(&visit, &id, Rights::set_superuser_or_password).await?;
    let action = if on { "make-superuser" } else { "remove-superuser" };
    visit.log_staff_action(&staff, action, &user.username).await?;
    visit.setup.users.set_superuser(&user.id, on).await.map_err(unsupported_flag)?;
    audit_change(&visit, &staff, &user, action);
    finish(&visit, &staff, &user, Notice::UserChanged)
}

/// Writing the new password into the row ends every session of the user; deleting them is cleanup.
pub(crate) async fn set_password(visit: Visit, form: Form<NewPassword>, id: Path<String>) -> Answer {
    let fields = match current(form)? {
        Ok(fields) => fields,
        Err(stale) => return again(&visit, stale, &id).await,
    };
    let (staff, user) = changeable_by_fresh(&visit, &id, Rights::set_superuser_or_password).await?;
    let names = ["new_password1", "new_password2"];
    let known = [&*user.username, &*user.email];
    if let Some(error) = check_new_password(names, &fields.new_password1, &fields.new_password2, &known) {
        let messages = Messages { alert: None, errors: vec![error] };
        return render(&visit, &staff, &id, StatusCode::UNPROCESSABLE_ENTITY, "", messages).await;
    }
    visit.log_staff_action(&staff, "set-password", &user.username).await?;
    visit.setup.users.set_password(&user.id, &fields.new_password1).await?.ok_or_else(Failure::not_found)?;
    audit_change(&visit, &staff, &user, "set-password");
    visit.setup.manager.revoke_all(&user.id).await?;
    finish(&visit, &staff, &user, Notice::PasswordSet)
}

pub(crate) async fn sign_out(visit: Visit, form: Form<Button>, id: Path<String>) -> Answer {
    if let Err(stale) = current(form)? {
        return again(&visit, stale, &id).await;
    }
    let (staff, user) = changeable(&visit, &id, Rights::change).await?;
    visit.log_staff_action(&staff, "sign-out", &user.username).await?;
    visit.setup.manager.revoke_all(&user.id).await?;
    audit_change(&visit, &staff, &user, "sign-out");
    finish(&visit, &staff, &user, Notice::UserSignedOut)
}

async fn changeable(
    visit: &Visit,
    id: &str,
    is_allowed: impl FnOnce(&Rights, &User) -> Result<(), Refusal>,
) -> Result<(StaffUser, User), Failure> {
    let staff: StaffUser = visit.extract().await?;
    let user = find(visit, id).await?;
    is_allowed(&rights_of(visit, &staff).await?, &user).map_err(Failure::forbidden)?;
    Ok((staff, user))
}

/// For actions that give a user power: the member of staff must have entered the password recently.
async fn changeable_by_fresh(
    visit: &Visit,
    id: &str,
    is_allowed: impl FnOnce(&Rights, &User) -> Result<(), Refusal>,
) -> Result<(StaffUser, User), Failure> {
    let (staff, user) = changeable(visit, id, is_allowed).await?;
    visit.require_fresh(staff.session(), &page_of(&user)).await?;
    Ok((staff, user))
}

pub(super) async fn find(visit: &Visit, id: &str) -> Result<User, Failure> {
    visit.setup.users.find(id).await?.ok_or_else(Failure::not_found)
}

/// A custom user model may lack the column.
fn unsupported_flag(error: Error) -> Failure {
    unsupported(error, Text::new("refused-no-mark"))
}

/// 409 with this message if the user tables have no place for the value.
pub(super) fn unsupported(error: Error, message: Text) -> Failure {
    match error.kind() {
        ErrorKind::Config => Failure::Page(StatusCode::CONFLICT, message),
        _ => error.into(),
    }
}

/// Reports to the audit right after the change, whatever fails afterwards.
pub(super) fn audit_change(visit: &Visit, staff: &StaffUser, user: &User, action: &'static str) {
    visit.audit(staff, AuditEvent::new(AuditKind::Own(action)).with_user_id(&*user.id));
}

pub(super) fn finish(visit: &Visit, staff: &StaffUser, user: &User, notice: Notice) -> Answer {
    notice.leave(staff.session())?;
    Ok(visit.see_other(&page_of(user)))
}

pub(super) fn page_of(user: &User) -> String {
    format!("/admin/users/{}", encoded(&user.id))
}

/// A user of a custom model may have no name.
pub(super) fn shown_name(user: &User) -> Text {
    if user.username.is_empty() {
        Text::new("user-nameless").with("id", &user.id)
    } else {
        Text::new("user-named").with("name", &user.username)
    }
}

fn row(user: &User, now: i64) -> UserRow {
    UserRow {
        id: encoded(&user.id),
        name: shown_name(user),
        email: user.email.clone(),
        is_active: user.is_active,
        is_staff: user.is_staff,
        is_superuser: user.is_superuser,
        last_login: user.last_login.map(|at| When { at, now }),
    }
}

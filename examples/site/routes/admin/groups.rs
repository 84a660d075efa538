//! Group pages for staff: create, rename, change permissions, delete. Removals ask for confirmation first.

use actix_web::{
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use shared_session::{
    ErrorKind,
    audit::{AuditEvent, AuditKind},
    users::{Group, Permission, Renamed},
};
use shared_session_actix::StaffUser;
use shared_session_examples::{
    forms::{FieldError, check_group_name},
    pages::{AdminGroup, AdminGroups, AdminRightsAsk, AllowedGroup, Choice, Choices, FieldErrors, GroupRow},
    paging::{Paged, paged},
    rights::{Rights, single_permissions},
    translations::Text,
};

use super::{
    grants::{asked_permissions, log_difference, permissions_asked, unsupported_groups},
    rights_of,
};
use crate::{
    errors::Failure,
    form::{Button, Fields, Form, Stale, current},
    notice::Notice,
    page::{Answer, Visit},
    routes::queries::PageQuery,
};

const GROUPS: &str = "/admin/groups";

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Name {
    name: String,
}

/// The messages and the typed name on the page of a refused form.
#[derive(Default)]
struct Messages {
    alert: Option<Text>,
    errors: Vec<FieldError>,
    typed: Option<String>,
}

impl Messages {
    fn stale(stale: &Stale<Name>) -> Self {
        Self { alert: Some(stale.message()), typed: Some(stale.fields.name.clone()), ..Self::default() }
    }

    fn error(error: FieldError, typed: &str) -> Self {
        Self { errors: vec![error], typed: Some(typed.to_owned()), ..Self::default() }
    }
}

fn page_of(id: i64) -> String {
    format!("{GROUPS}/{id}")
}

pub(crate) async fn list(visit: Visit, staff: StaffUser, query: Query<PageQuery>) -> Answer {
    render_list(&visit, &staff, StatusCode::OK, &query.page, Messages::default()).await
}

async fn render_list(visit: &Visit, staff: &StaffUser, status: StatusCode, page: &str, messages: Messages) -> Answer {
    let (groups, rights) =
        tokio::try_join!(async { Ok::<_, Failure>(visit.setup.users.all_groups().await?) }, rights_of(visit, staff))?;
    let Paged { items, page, pages } = paged(groups, page);
    let groups = items.into_iter().map(|Group { id, name, permissions, .. }| GroupRow {
        id,
        name,
        permissions: permissions.len(),
    });
    let groups = groups.collect();
    let html = visit.page(staff.session(), Some(staff))?.with_alert(messages.alert);
    html.render(status, |layout| AdminGroups {
        layout,
        groups,
        page,
        pages,
        may_add: rights.add_group().is_ok(),
        errors: FieldErrors(messages.errors),
        typed: messages.typed.unwrap_or_default(),
    })
}

pub(crate) async fn add(visit: Visit, form: Form<Name>) -> Answer {
    let Name { name: typed } = match current(form)? {
        Ok(fields) => fields,
        Err(stale) => {
            let Some(staff) = visit.sender::<StaffUser>().await? else { return Err(stale.into()) };
            return render_list(&visit, &staff, StatusCode::FORBIDDEN, "", Messages::stale(&stale)).await;
        }
    };
    let staff: StaffUser = visit.extract().await?;
    rights_of(&visit, &staff).await?.add_group().map_err(Failure::forbidden)?;
    visit.require_fresh(staff.session(), GROUPS).await?;
    let users = &visit.setup.users;
    let refused = async |error| {
        render_list(&visit, &staff, StatusCode::UNPROCESSABLE_ENTITY, "", Messages::error(error, &typed)).await
    };
    let name = match free_name(&users.all_groups().await?, &typed, None) {
        Ok(name) => name,
        Err(error) => return refused(error).await,
    };
    visit.log_staff_action(&staff, "add-group", &name).await?;
    // Another request may have been faster.
    let Some(id) = users.create_group(&name).await.map_err(unsupported_groups)? else { return refused(taken()).await };
    audit_change(&visit, &staff, id, "add-group");
    Notice::GroupAdded.leave(staff.session())?;
    Ok(visit.see_other(&page_of(id)))
}

/// The name without the space around it, if no group other than `own` has it.
fn free_name(groups: &[Group], typed: &str, own: Option<i64>) -> Result<String, FieldError> {
    let name = typed.trim();
    if let Some(error) = check_group_name(name) {
        return Err(error);
    }
    match groups.iter().any(|group| group.name == name && Some(group.id) != own) {
        true => Err(taken()),
        false => Ok(name.to_owned()),
    }
}

fn taken() -> FieldError {
    FieldError::new("name", Text::new("group-name-taken"))
}

/// Staff who may change the group must have entered the password recently before the page is shown: the detour to the
/// password page would lose all ticks.
pub(crate) async fn show(visit: Visit, staff: StaffUser, id: Path<i64>) -> Answer {
    let (group, rights) = found(&visit, &staff, *id).await?;
    if rights.change_group().is_ok() {
        visit.require_fresh(staff.session(), &page_of(*id)).await?;
    }
    render(&visit, &staff, &rights, group, StatusCode::OK, Messages::default()).await
}

async fn found(visit: &Visit, staff: &StaffUser, id: i64) -> Result<(Group, Rights), Failure> {
    let groups = visit.setup.users.all_groups().await?;
    let group = groups.into_iter().find(|group| group.id == id).ok_or_else(Failure::not_found)?;
    Ok((group, rights_of(visit, staff).await?))
}

async fn render(
    visit: &Visit,
    staff: &StaffUser,
    rights: &Rights,
    group: Group,
    status: StatusCode,
    messages: Messages,
) -> Answer {
    let users = &visit.setup.users;
    let (permissions, members) = tokio::try_join!(users.all_permissions(), users.count_members(group.id))?;
    let Group { id, name, permissions: held, .. } = group;
    let choices = permissions.into_iter().map(|Permission { name, title, .. }| Choice {
        is_held: held.contains(&name),
        is_free: rights.change_group().is_ok() && rights.grants([&name]),
        name,
        title,
    });
    let html = visit.page(staff.session(), Some(staff))?.with_alert(messages.alert);
    html.render(status, |layout| AdminGroup {
        layout,
        id,
        members,
        apps: Choices::by_app(choices.collect()),
        allowed: AllowedGroup {
            rename: rights.rename_group(&held).is_ok(),
            change: rights.change_group().is_ok(),
            delete: rights.delete_group(&held).is_ok(),
        },
        errors: FieldErrors(messages.errors),
        typed: messages.typed.unwrap_or_else(|| name.clone()),
        name,
    })
}

/// Shows the group with fresh buttons, after a button of an outdated page was used.
async fn again<T>(visit: &Visit, stale: Stale<T>, id: i64, messages: Messages) -> Answer {
    let Some(staff) = visit.sender::<StaffUser>().await? else { return Err(stale.into()) };
    let (group, rights) = found(visit, &staff, id).await?;
    render(visit, &staff, &rights, group, StatusCode::FORBIDDEN, messages).await
}

pub(crate) async fn rename(visit: Visit, form: Form<Name>, id: Path<i64>) -> Answer {
    let Name { name: typed } = match current(form)? {
        Ok(fields) => fields,
        Err(stale) => {
            let messages = Messages::stale(&stale);
            return again(&visit, stale, *id, messages).await;
        }
    };
    let staff: StaffUser = visit.extract().await?;
    let (group, rights) = found(&visit, &staff, *id).await?;
    rights.rename_group(&group.permissions).map_err(Failure::forbidden)?;
    visit.require_fresh(staff.session(), &page_of(*id)).await?;
    let users = &visit.setup.users;
    let name = match free_name(&users.all_groups().await?, &typed, Some(*id)) {
        Ok(name) if name == group.name => return Ok(visit.see_other(&page_of(*id))),
        Ok(name) => name,
        Err(error) => {
            let messages = Messages::error(error, &typed);
            return render(&visit, &staff, &rights, group, StatusCode::UNPROCESSABLE_ENTITY, messages).await;
        }
    };
    visit.log_staff_action(&staff, "rename-group", &format!("{} → {name}", group.name)).await?;
    match users.rename_group(*id, &name).await.map_err(unsupported_groups)? {
        Renamed::Done => {}
        Renamed::NameTaken => {
            let messages = Messages::error(taken(), &typed);
            return render(&visit, &staff, &rights, group, StatusCode::UNPROCESSABLE_ENTITY, messages).await;
        }
        _ => return Err(Failure::not_found()),
    }
    audit_change(&visit, &staff, *id, "rename-group");
    Notice::GroupChanged.leave(staff.session())?;
    Ok(visit.see_other(&page_of(*id)))
}

pub(crate) async fn delete(visit: Visit, form: Form<Button>, id: Path<i64>) -> Answer {
    if let Err(stale) = current(form)? {
        let messages = Messages { alert: Some(stale.message()), ..Messages::default() };
        return again(&visit, stale, *id, messages).await;
    }
    let staff: StaffUser = visit.extract().await?;
    let (group, rights) = found(&visit, &staff, *id).await?;
    rights.delete_group(&group.permissions).map_err(Failure::forbidden)?;
    visit.require_fresh(staff.session(), &page_of(*id)).await?;
    visit.log_staff_action(&staff, "delete-group", &group.name).await?;
    match visit.setup.users.delete_group(*id).await {
        Ok(true) => audit_change(&visit, &staff, *id, "delete-group"),
        Ok(false) => return Err(Failure::not_found()),
        // A row of another app may refer to it.
        Err(error) if error.kind() == ErrorKind::Database => {
            return Err(Failure::Page(StatusCode::CONFLICT, Text::new("group-kept")));
        }
        Err(error) => return Err(unsupported_groups(error)),
    }
    Notice::GroupDeleted.leave(staff.session())?;
    Ok(visit.see_other(GROUPS))
}

/// Compares the ticks with the permissions of the group and asks to confirm the difference; the confirmation applies
/// that difference.
pub(crate) async fn change(visit: Visit, form: Form<Fields>, id: Path<i64>) -> Answer {
    let fields = match current(form)? {
        Ok(fields) => fields,
        Err(stale) => {
            let messages = Messages { alert: Some(stale.message()), ..Messages::default() };
            return again(&visit, stale, *id, messages).await;
        }
    };
    let staff: StaffUser = visit.extract().await?;
    let (group, rights) = found(&visit, &staff, *id).await?;
    rights.change_group().map_err(Failure::forbidden)?;
    visit.require_fresh(staff.session(), &page_of(*id)).await?;
    let users = &visit.setup.users;
    let permissions = users.all_permissions().await?;
    let all = single_permissions(permissions.iter().map(|permission| permission.name.as_str()));
    let (difference, is_confirmed) = permissions_asked(&rights, &all, &group.permissions, &fields)?;
    if difference.is_empty() {
        return Ok(visit.see_other(&page_of(*id)));
    }
    if !is_confirmed {
        let name = Text::new("user-named").with("name", &group.name);
        return visit.page(staff.session(), Some(&staff))?.render(StatusCode::OK, |layout| AdminRightsAsk {
            layout,
            path: format!("{GROUPS}/{id}/permissions"),
            back: page_of(*id),
            tab: GROUPS,
            question: Text::new("admin-group-ask").with_text("name", name),
            effect: Text::new("admin-group-effect"),
            changes: asked_permissions(difference),
        });
    }
    let actions = ["give-group-permissions", "take-group-permissions"];
    log_difference(&visit, &staff, &group.name, &difference, actions).await?;
    if !users.change_group_permissions(*id, &difference.add, &difference.remove).await.map_err(unsupported_groups)? {
        return Err(Failure::not_found());
    }
    audit_change(&visit, &staff, *id, "change-group-permissions");
    Notice::GroupChanged.leave(staff.session())?;
    Ok(visit.see_other(&page_of(*id)))
}

/// Reports to the audit right after the change, whatever fails afterwards.
fn audit_change(visit: &Visit, staff: &StaffUser, id: i64, action: &'static str) {
    visit.audit(staff, AuditEvent::new(AuditKind::Own(action)).with_about(format!("group {id}")));
}

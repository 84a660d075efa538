//! Groups and permissions of one user, for staff: chosen on one page, confirmed on the next.

use std::collections::BTreeSet;

use actix_web::{http::StatusCode, web::Path};
use shared_session::{
    Error,
    users::{Group, Permission, User, Users as _},
};
use shared_session_actix::StaffUser;
use shared_session_examples::{
    links::encoded,
    pages::{AdminRights, AdminRightsAsk, AskedChange, Choice, Choices},
    rights::{Difference, Grants, Rights, single_permissions},
    translations::Text,
};

use super::{
    rights_of,
    users::{audit_change, find, finish, page_of, shown_name, unsupported},
};
use crate::{
    errors::Failure,
    form::{Fields, Form, current},
    notice::Notice,
    page::{Answer, Visit},
};

/// The largest body of this form, in bytes: a site may have thousands of permissions, all of them ticked.
pub(crate) const LIMIT: usize = 1024 * 1024;

/// All groups and permissions, and those of the user.
struct Held {
    user: User,
    groups: Grants,
    of_groups: BTreeSet<String>,
    permissions: Vec<Permission>,
    own: BTreeSet<String>,
}

impl Held {
    async fn by(visit: &Visit, user: User) -> Result<Self, Failure> {
        let users = &visit.setup.users;
        let (groups, of_groups, permissions, own) = tokio::try_join!(
            users.all_groups(),
            users.groups(&user),
            users.all_permissions(),
            users.own_permissions(&user)
        )?;
        let groups = groups.into_iter().map(|Group { name, permissions, .. }| (name, permissions)).collect();
        Ok(Self { user, groups, of_groups: of_groups.into_iter().collect(), permissions, own })
    }

    /// All permissions, to be given one by one.
    fn single_permissions(&self) -> Grants {
        single_permissions(self.permissions.iter().map(|permission| permission.name.as_str()))
    }
}

pub(crate) async fn show(visit: Visit, staff: StaffUser, id: Path<String>) -> Answer {
    let (rights, user) = changeable(&visit, &staff, &id).await?;
    render(&visit, &staff, &rights, user, StatusCode::OK, None).await
}

/// The user must have entered the password recently before the form is shown: the detour to the password page would
/// lose all ticks.
async fn changeable(visit: &Visit, staff: &StaffUser, id: &str) -> Result<(Rights, User), Failure> {
    let (user, rights) = (find(visit, id).await?, rights_of(visit, staff).await?);
    rights.change(&user).map_err(Failure::forbidden)?;
    visit.require_fresh(staff.session(), &format!("{}/rights", page_of(&user))).await?;
    Ok((rights, user))
}

async fn render(
    visit: &Visit,
    staff: &StaffUser,
    rights: &Rights,
    user: User,
    status: StatusCode,
    alert: Option<Text>,
) -> Answer {
    let held = Held::by(visit, user).await?;
    let groups = held.groups.iter().map(|(name, permissions)| Choice {
        name: name.clone(),
        title: permissions.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
        is_held: held.of_groups.contains(name),
        is_free: rights.grants(permissions),
    });
    let permissions = held.permissions.iter().map(|Permission { name, title, .. }| Choice {
        name: name.clone(),
        title: title.clone(),
        is_held: held.own.contains(name),
        is_free: rights.grants([name]),
    });
    let page = visit.page(staff.session(), Some(staff))?.with_alert(alert);
    page.render(status, |layout| AdminRights {
        layout,
        id: encoded(&held.user.id),
        name: shown_name(&held.user),
        is_superuser: held.user.is_superuser,
        groups: groups.collect(),
        apps: Choices::by_app(permissions.collect()),
    })
}

/// Compares the ticks with the user's groups and permissions and asks to confirm the difference. The confirmation
/// applies only that difference, so that it does not restore what others took meanwhile.
pub(crate) async fn change(visit: Visit, form: Form<Fields>, id: Path<String>) -> Answer {
    let fields = match current(form)? {
        Ok(fields) => fields,
        Err(stale) => {
            let Some(staff) = visit.sender::<StaffUser>().await? else { return Err(stale.into()) };
            let (rights, user) = changeable(&visit, &staff, &id).await?;
            return render(&visit, &staff, &rights, user, StatusCode::FORBIDDEN, Some(stale.message())).await;
        }
    };
    let staff: StaffUser = visit.extract().await?;
    let (rights, user) = changeable(&visit, &staff, &id).await?;
    let held = Held::by(&visit, user).await?;
    let names = ["group", ADD_GROUP, REMOVE_GROUP];
    let (groups, _) = difference(&rights, &held.groups, &held.of_groups, &fields, names)?;
    let (permissions, is_confirmed) = permissions_asked(&rights, &held.single_permissions(), &held.own, &fields)?;
    if groups.is_empty() && permissions.is_empty() {
        return Ok(visit.see_other(&page_of(&held.user)));
    }
    if is_confirmed {
        apply(&visit, &staff, &held.user, &groups, &permissions).await
    } else {
        visit.page(staff.session(), Some(&staff))?.render(StatusCode::OK, |layout| AdminRightsAsk {
            layout,
            path: format!("{}/rights", page_of(&held.user)),
            back: format!("{}/rights", page_of(&held.user)),
            tab: "/admin/users",
            question: Text::new("admin-rights-ask").with_text("name", shown_name(&held.user)),
            effect: Text::new("admin-rights-effect"),
            changes: asked_changes(groups, permissions),
        })
    }
}

/// The change of permissions that the form asks for, and whether it is confirmed.
pub(super) fn permissions_asked(
    rights: &Rights,
    all: &Grants,
    held: &BTreeSet<String>,
    fields: &Fields,
) -> Result<(Difference, bool), Failure> {
    difference(rights, all, held, fields, ["permission", ADD_PERMISSION, REMOVE_PERMISSION])
}

fn difference(
    rights: &Rights,
    all: &Grants,
    held: &BTreeSet<String>,
    fields: &Fields,
    [ticked, add, remove]: [&str; 3],
) -> Result<(Difference, bool), Failure> {
    let named = |field: &str| -> BTreeSet<String> { fields.values(field).map(str::to_owned).collect() };
    let is_confirmed = fields.is_confirmed();
    let found = match is_confirmed {
        true => rights.confirmed(all, held, &Difference { add: named(add), remove: named(remove) }),
        false => rights.ticked(all, held, &named(ticked)),
    };
    Ok((found.map_err(Failure::forbidden)?, is_confirmed))
}

const ADD_GROUP: &str = "add-group";
const REMOVE_GROUP: &str = "remove-group";
const ADD_PERMISSION: &str = "add-permission";
const REMOVE_PERMISSION: &str = "remove-permission";

/// The permissions to give and take, as the confirmation page shows them.
pub(super) fn asked_permissions(permissions: Difference) -> Vec<AskedChange> {
    asked_changes(Difference::default(), permissions)
}

fn asked_changes(groups: Difference, permissions: Difference) -> Vec<AskedChange> {
    let all = [
        (Text::new("admin-rights-joins"), ADD_GROUP, groups.add),
        (Text::new("admin-rights-leaves"), REMOVE_GROUP, groups.remove),
        (Text::new("admin-rights-gets"), ADD_PERMISSION, permissions.add),
        (Text::new("admin-rights-loses"), REMOVE_PERMISSION, permissions.remove),
    ];
    let some = all.into_iter().filter(|(.., names)| !names.is_empty());
    some.map(|(said, field, names)| AskedChange { said, field, names: names.into_iter().collect() }).collect()
}

/// Groups, then permissions. Each is reported once it is done, because the other may fail.
async fn apply(visit: &Visit, staff: &StaffUser, user: &User, groups: &Difference, permissions: &Difference) -> Answer {
    let users = &visit.setup.users;
    if !groups.is_empty() {
        log_difference(visit, staff, &user.username, groups, ["add-to-groups", "remove-from-groups"]).await?;
        users.change_groups(&user.id, &groups.add, &groups.remove).await.map_err(unsupported_groups)?;
        audit_change(visit, staff, user, "change-groups");
    }
    if !permissions.is_empty() {
        log_difference(visit, staff, &user.username, permissions, ["give-permissions", "take-permissions"]).await?;
        users.change_permissions(&user.id, &permissions.add, &permissions.remove).await.map_err(unsupported_groups)?;
        audit_change(visit, staff, user, "change-permissions");
    }
    finish(visit, staff, user, Notice::UserChanged)
}

/// A custom user model may have no groups and no permissions.
pub(super) fn unsupported_groups(error: Error) -> Failure {
    unsupported(error, Text::new("refused-no-groups"))
}

/// Writes the changes of a user or a group to the staff log, with one action name for additions and one for removals.
pub(super) async fn log_difference(
    visit: &Visit,
    staff: &StaffUser,
    subject: &str,
    difference: &Difference,
    [adds, removes]: [&str; 2],
) -> Result<(), Failure> {
    for (action, names) in [(adds, &difference.add), (removes, &difference.remove)] {
        if !names.is_empty() {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            visit.log_staff_action(staff, action, &format!("{subject}: {}", names.join(", "))).await?;
        }
    }
    Ok(())
}

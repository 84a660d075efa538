//! Groups and permissions of one user, for staff: chosen on one page, confirmed on the next.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::{http::StatusCode, web::Path};
use shared_session::users::{Group, Permission, User, Users as _};
use shared_session_actix::StaffUser;
use shared_session_examples::{
    pages::{AdminRights, AdminRightsAsk, Choice, Choices},
    rights::Rights,
    text::encoded,
    translations::Text,
};

use super::{
    rights,
    users::{changeable_by_fresh, done, find, not_kept, shown_name},
};
use crate::{
    errors::Failure,
    form::{Form, current},
    page::{Answer, Notice, Visit},
};

/// Names and values in the order of the form: one name comes as often as a box was ticked.
type Fields = Vec<(String, String)>;

/// What there is to have, and what the user has.
struct Held {
    user: User,
    /// With the permissions of each.
    groups: BTreeMap<String, BTreeSet<String>>,
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

    /// Each permission stands for itself.
    fn each(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.permissions.iter().map(|Permission { name, .. }| (name.clone(), BTreeSet::from([name.clone()]))).collect()
    }
}

pub(crate) async fn show(visit: Visit, staff: StaffUser, id: Path<String>) -> Answer {
    let user = find(&visit, &id).await?;
    let rights = rights(&visit, &staff).await?;
    rights.change(&user).map_err(Failure::forbidden)?;
    render(&visit, &staff, &rights, user, StatusCode::OK, None).await
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

pub(crate) async fn change(visit: Visit, form: Form<Fields>, id: Path<String>) -> Answer {
    let fields = match current(form)? {
        Ok(fields) => fields,
        Err(stale) => {
            let Some(staff) = visit.sender::<StaffUser>().await? else { return Err(stale.into()) };
            let (user, rights) = (find(&visit, &id).await?, rights(&visit, &staff).await?);
            rights.change(&user).map_err(Failure::forbidden)?;
            return render(&visit, &staff, &rights, user, StatusCode::FORBIDDEN, Some(stale.message())).await;
        }
    };
    let (staff, user) = changeable_by_fresh(&visit, &id, Rights::change).await?;
    let (rights, held) = (rights(&visit, &staff).await?, Held::by(&visit, user).await?);
    let chosen = |field: &str| -> BTreeSet<String> {
        fields.iter().filter(|(name, _)| name == field).map(|(_, value)| value.clone()).collect()
    };
    let groups = rights.replace(&held.groups, &held.of_groups, &chosen("group")).map_err(Failure::forbidden)?;
    let permissions = rights.replace(&held.each(), &held.own, &chosen("permission")).map_err(Failure::forbidden)?;
    let changes = changes(&held, &groups, &permissions);
    if changes.is_empty() {
        return Ok(visit.see_other(&format!("/admin/users/{}", encoded(&held.user.id))));
    }
    if !fields.iter().any(|(name, _)| name == "confirmed") {
        return visit.page(staff.session(), Some(&staff))?.render(StatusCode::OK, |layout| AdminRightsAsk {
            layout,
            id: encoded(&held.user.id),
            name: shown_name(&held.user),
            groups: groups.into_iter().collect(),
            permissions: permissions.into_iter().collect(),
            changes: changes.into_iter().map(|Change { said, names, .. }| (said, names)).collect(),
        });
    }
    for Change { action, names, .. } in &changes {
        visit.note(&staff, action, &format!("{}: {}", held.user.username, names.join(", "))).await?;
    }
    let users = &visit.setup.users;
    if groups != held.of_groups {
        users.set_groups(&held.user.id, &groups).await.map_err(not_kept)?;
    }
    if permissions != held.own {
        users.set_permissions(&held.user.id, &permissions).await.map_err(not_kept)?;
    }
    done(&visit, &staff, &held.user, "rights", Notice::UserChanged)
}

/// Something that is given or taken.
struct Change {
    /// Its name in the staff log.
    action: &'static str,
    /// What is asked.
    said: Text,
    names: Vec<String>,
}

fn changes(held: &Held, groups: &BTreeSet<String>, permissions: &BTreeSet<String>) -> Vec<Change> {
    let more = |now: &BTreeSet<String>, before: &BTreeSet<String>| now.difference(before).cloned().collect::<Vec<_>>();
    let all = [
        Change { action: "add-to-groups", said: Text::new("admin-rights-joins"), names: more(groups, &held.of_groups) },
        Change {
            action: "remove-from-groups",
            said: Text::new("admin-rights-leaves"),
            names: more(&held.of_groups, groups),
        },
        Change {
            action: "give-permissions",
            said: Text::new("admin-rights-gets"),
            names: more(permissions, &held.own),
        },
        Change {
            action: "take-permissions",
            said: Text::new("admin-rights-loses"),
            names: more(&held.own, permissions),
        },
    ];
    all.into_iter().filter(|change| !change.names.is_empty()).collect()
}

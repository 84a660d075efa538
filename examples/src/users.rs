//! The users, in the tables that the settings name, and the demonstration user.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    path::Path,
};

use shared_session::{
    Error, ErrorKind,
    users::{CreateUserError, NewUser, PasswordHasher, SqlUsers, User, UserTable, Users},
};

use crate::{
    data_dir,
    settings::{DjangoSettings, Settings, explained},
};

/// The user that the first start creates in an embedded database.
pub const DEMO_USER: &str = "demo";
/// The password of [`DEMO_USER`].
pub const DEMO_PASSWORD: &str = "demo-password";

/// The group that the first start creates in an embedded database: its staff may change users.
const DEMO_GROUP: &str = "Support";

/// Connects to the users and creates missing tables; that is all `site create-superuser` needs. With a Django profile
/// the tables are Django's, and missing ones are an error.
///
/// # Errors
/// One line with the setting to change.
pub async fn open(settings: &Settings) -> Result<SqlUsers, Error> {
    data_dir::prepare(settings)?;
    let users =
        SqlUsers::connect(&settings.users_database_url()).await.map_err(|error| explained("DATABASE_URL", &error))?;
    if settings.profile.is_django() {
        let users =
            users.with_django_tables(user_table(settings)).await.map_err(|error| table_error(settings, &error))?;
        // The hasher that every Django can verify without further packages.
        return Ok(users.with_hasher(PasswordHasher::pbkdf2_sha256(PasswordHasher::DJANGO_ITERATIONS)?));
    }
    users.migrate().await.map_err(|error| explained("DATABASE_URL", &error))?;
    if let Err(error) = make_permissions(&users).await {
        tracing::info!(%error, "the permissions that staff may have cannot be created");
    }
    Ok(users)
}

/// Creates the permissions that Django creates for its users and groups, if they are missing, so that staff can get
/// them.
async fn make_permissions(users: &SqlUsers) -> Result<(), Error> {
    let known: BTreeSet<_> = users.all_permissions().await?.into_iter().map(|permission| permission.name).collect();
    for model in ["group", "user"] {
        for action in ["add", "change", "delete", "view"] {
            let codename = format!("{action}_{model}");
            if !known.contains(&format!("auth.{codename}")) {
                users.add_permission("auth", model, &codename, &format!("Can {action} {model}")).await?;
            }
        }
    }
    Ok(())
}

fn user_table(settings: &Settings) -> UserTable {
    let DjangoSettings { user_table, username_field, email_field, time_zone, .. } = &settings.django;
    let table = UserTable::new(user_table).with_username_column(username_field).with_email_column(email_field);
    match time_zone {
        Some(zone) => table.with_time_zone(zone.clone()),
        None => table,
    }
}

/// An error of Django's user table, with the settings that name the table.
fn table_error(settings: &Settings, error: &Error) -> Error {
    let explained = explained("DATABASE_URL", error);
    if error.kind() != ErrorKind::Config {
        return explained;
    }
    let DjangoSettings { user_table, username_field, .. } = &settings.django;
    let settings = format!("AUTH_USER_TABLE is {user_table}, AUTH_USERNAME_FIELD is {username_field}");
    Error::new(ErrorKind::Config, format!("{explained} ({settings})"))
}

/// The user of this name, otherwise of this id.
///
/// # Errors
/// As [`Users::find`].
pub async fn find_by_name_or_id(users: &SqlUsers, name_or_id: &str) -> Result<Option<User>, Error> {
    match users.find_by_name(name_or_id).await? {
        Some(user) => Ok(Some(user)),
        None => users.find(name_or_id).await,
    }
}

/// Creates the demo user and a group that staff can give and take, at the first start only. Two services may do this at
/// the same moment: one creates the user, the other finds it.
pub(crate) async fn make_demo_user(users: &SqlUsers, directory: &Path) -> Result<(), Error> {
    if data_dir::has_had_demo_user(directory) {
        return Ok(());
    }
    match users.create_user(NewUser::new(DEMO_USER, DEMO_PASSWORD).with_email("demo@example.org")).await {
        Ok(_) => {
            // The user exists even if this line cannot be written.
            let _ = writeln!(io::stdout(), "created the user {DEMO_USER} with the password {DEMO_PASSWORD}");
        }
        Err(CreateUserError::NameTaken) => {}
        Err(CreateUserError::Failed(error)) => return Err(error),
        Err(other) => return Err(Error::new(ErrorKind::Config, other.to_string())),
    }
    let permissions = ["auth.change_user", "auth.view_user"].map(str::to_owned);
    users.save_group(DEMO_GROUP, &permissions.into()).await?;
    data_dir::remember_demo_user(directory)
        .map_err(|source| Error::new(ErrorKind::Config, format!("DATA_DIR cannot be written: {source}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::site;

    #[tokio::test]
    async fn with_a_django_profile_users_are_those_of_django_and_nothing_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("db.sqlite3").display());
        let vars = [("SESSION_PROFILE", "django-db"), ("DATABASE_URL", &url), ("SECRET_KEY", "short")];
        let error = open(&site(&vars)).await.unwrap_err().to_string();
        assert!(error.starts_with("DATABASE_URL: ") && error.contains("manage.py migrate"), "{error}");

        // Creates the tables as Django does.
        SqlUsers::connect(&url).await.unwrap().migrate().await.unwrap();
        let users = open(&site(&vars)).await.unwrap();
        let hash = users.hasher().hash("p").await.unwrap();
        assert!(hash.starts_with("pbkdf2_sha256$1500000$"), "{hash}");
        assert_eq!(users.raise_epoch("1").await.unwrap(), None, "Django has no epochs");

        let custom = site(&[&vars[..], &[("AUTH_USER_TABLE", "accounts_member")]].concat());
        let error = open(&custom).await.unwrap_err().to_string();
        assert!(error.contains("accounts_member"), "{error}");
    }
}

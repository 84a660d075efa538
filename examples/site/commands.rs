//! The commands besides `serve`.

pub(crate) mod sessions;

use shared_session::users::{CreateUserError, NewUser};
use shared_session_examples::{
    cli::{Failure, NewSuperuser, print},
    forms::check_registration,
    language::Language,
    settings::{SUPERUSER_PASSWORD, Settings, env_file},
    setup::Setup,
    staff_log::StaffLog,
    usernames::normalized_username,
    users,
};

/// Creates missing tables in the databases of sessions and users. With a Django profile Django creates them, and this
/// only checks.
pub(crate) async fn migrate(settings: Settings) -> Result<(), Failure> {
    let setup = Setup::open(settings).await?;
    StaffLog::open(&setup.settings).await?;
    if setup.settings.profile.is_django() {
        print("every table is in place; they are Django's: manage.py migrate makes and changes them\n")
    } else {
        print("every table is in place\n")
    }
}

/// Creates a user who has every permission.
pub(crate) async fn create_superuser(settings: &Settings, new: &NewSuperuser) -> Result<(), Failure> {
    let username = normalized_username(&new.username);
    let email = new.email.trim();
    let (password, repeated) = match password_from_environment() {
        Some(password) => (password.clone(), password),
        None => (prompt("Password: ")?, prompt("The same password again: ")?),
    };
    let names = settings.sign_in_names();
    if let Some(error) = check_registration(names, &username, email, &password, &repeated).first() {
        return Err(Failure::failed(error.message.in_language(Language::English)));
    }
    let users = users::open(settings).await?;
    match users.create_user(NewUser::new(&username, password).with_email(email).with_superuser()).await {
        Ok(_) => print(&format!("created the superuser {username}\n")),
        Err(CreateUserError::NameTaken) => Err(Failure::failed(format!("there is a user {username} already"))),
        Err(error) => Err(Failure::failed(error.to_string())),
    }
}

/// `SUPERUSER_PASSWORD`, from the environment or the `.env` file.
fn password_from_environment() -> Option<String> {
    let is_it = |name: &str| name == SUPERUSER_PASSWORD;
    let in_file = || env_file::read().ok()??.into_iter().find(|(name, _)| is_it(name)).map(|(_, value)| value);
    std::env::var(SUPERUSER_PASSWORD).ok().or_else(in_file).filter(|password| !password.is_empty())
}

fn prompt(text: &str) -> Result<String, Failure> {
    rpassword::prompt_password(text).map_err(|error| {
        Failure::unusable(format!(
            "the password cannot be asked for ({error}); set SUPERUSER_PASSWORD, such as \
             SUPERUSER_PASSWORD='correct horse battery'"
        ))
    })
}

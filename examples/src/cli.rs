//! The command lines of `site` and `api`.
//!
//! - Exit codes: 0, 1 if the command failed, 2 if the command line or a setting is invalid.
//! - Errors go to stderr in one line that starts with `error: `; errors of the command line add the usage.
//!
//! ```
//! use clap::Parser as _;
//! use shared_session_examples::cli::{Site, SiteCommand};
//!
//! let site = Site::try_parse_from(["site", "create-superuser", "--username", "ada"])?;
//! assert!(matches!(site.command, Some(SiteCommand::CreateSuperuser(new)) if new.username == "ada"));
//! # Ok::<(), clap::Error>(())
//! ```

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
};

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use shared_session::{Error, ErrorKind, Handle};

use crate::settings::{self, Service, SettingsError};

/// The exit code of a failed command.
const FAILED: u8 = 1;
/// The exit code of an invalid command line or invalid settings.
const UNUSABLE: u8 = 2;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed: something does not answer, does not fit, or is not there
  2  the command line or a setting cannot be used; the error names it";

const SETTINGS: &str = "\
Settings are environment variables. What the environment does not set is read from a .env file in
the working directory, and from nowhere else.";

const SITE_EXAMPLES: &str = "\
Examples:
  site                                        serve pages at 127.0.0.1:8000, on an embedded database
  SESSION_URL=redis://127.0.0.1/0 site check  tell whether these settings would work
  site create-superuser --username ada --email ada@example.org
  site sessions revoke --user ann --yes       sign ann out everywhere";

const API_EXAMPLES: &str = "\
Examples:
  api                                         serve at 127.0.0.1:8001, documentation at /docs
  SESSION_URL=redis://127.0.0.1/0 api check   tell whether these settings would work";

/// `site`: server-rendered pages.
#[derive(Clone, Debug, Parser)]
#[command(name = "site", version, about = "The pages of the two example services behind one login")]
#[command(after_help = after_help(SITE_EXAMPLES), after_long_help = after_long_help(SITE_EXAMPLES, Service::Site))]
pub struct Site {
    /// The command; [`SiteCommand::Serve`] by default.
    #[command(subcommand)]
    pub command: Option<SiteCommand>,
}

/// The commands of `site`.
#[derive(Clone, Debug, Subcommand)]
pub enum SiteCommand {
    /// Serve pages until SIGTERM or Ctrl-C (the default)
    Serve,
    /// Create the tables that are missing in the databases of users and sessions
    ///
    /// Every start does so too. With a Django profile Django creates the tables, and this only checks.
    Migrate,
    /// Create a superuser
    CreateSuperuser(NewSuperuser),
    /// Check settings, store, users and fleet; one line for each
    #[command(long_about = CHECK)]
    Check,
    /// List sessions, or end them
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Ask a running `site` whether it serves, for health checks of containers
    #[command(long_about = health("SITE_ADDR"))]
    Healthcheck(Healthcheck),
    /// Print the completion of this command line for a shell
    #[command(after_help = "\
Examples:
  site completions bash > ~/.local/share/bash-completion/completions/site
  site completions zsh > ~/.zfunc/_site
  site completions fish > ~/.config/fish/completions/site.fish")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// `api`: JSON.
#[derive(Clone, Debug, Parser)]
#[command(name = "api", version, about = "The JSON API of the two example services behind one login")]
#[command(after_help = after_help(API_EXAMPLES), after_long_help = after_long_help(API_EXAMPLES, Service::Api))]
pub struct Api {
    /// The command; [`ApiCommand::Serve`] by default.
    #[command(subcommand)]
    pub command: Option<ApiCommand>,
}

/// The commands of `api`.
#[derive(Clone, Debug, Subcommand)]
pub enum ApiCommand {
    /// Serve until SIGTERM or Ctrl-C (the default)
    Serve,
    /// Check settings, store, users and fleet; one line for each
    #[command(long_about = CHECK)]
    Check,
    /// Ask a running `api` whether it serves, for health checks of containers
    #[command(long_about = health("API_ADDR"))]
    Healthcheck(Healthcheck),
}

/// The arguments of `site create-superuser`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
The password is SUPERUSER_PASSWORD, from the environment or .env; where that is not set it is asked
for twice, without an echo.

Examples:
  site create-superuser --username ada --email ada@example.org
  SUPERUSER_PASSWORD='correct horse battery' site create-superuser --username ada")]
pub struct NewSuperuser {
    /// The name to sign in with
    #[arg(long, value_name = "NAME")]
    pub username: String,
    /// The e-mail address; may be left out
    #[arg(long, value_name = "ADDRESS", default_value = "", hide_default_value = true)]
    pub email: String,
}

/// The commands of `site sessions`.
#[derive(Clone, Debug, Subcommand)]
pub enum SessionsCommand {
    /// List live sessions: public handle, last use, end, address, user, browser
    ///
    /// Times are UTC. Without --user this walks the whole store. Nothing that is printed opens a session.
    #[command(after_help = "\
Examples:
  site sessions list --user ann
  site sessions list | grep 203.0.113.9")]
    List {
        /// Only sessions of this user (a name, or an id)
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// End one session, or all of a user
    ///
    /// Adds an entry by "(command line)" to the staff log.
    #[command(after_help = "\
Examples:
  site sessions revoke 3q2-7wAAAAAAAAAAAAAAAAAA
  site sessions revoke --user ann          asks first
  site sessions revoke --user ann --yes    does not ask")]
    Revoke(Revoke),
}

/// The arguments of `site sessions revoke`.
#[derive(Args, Clone, Debug)]
pub struct Revoke {
    /// The sessions.
    #[command(flatten)]
    pub which: Which,
    /// Do not ask
    #[arg(long, conflicts_with = "handle")]
    pub yes: bool,
}

/// The sessions to end: one, or all of a user.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// The public handle of a session, as `sessions list` and the pages of staff show it
    #[arg(value_parser = handle, allow_hyphen_values = true)]
    pub handle: Option<Handle>,
    /// Every session of this user (a name, or an id), everywhere
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

/// The argument of `healthcheck`.
#[derive(Args, Clone, Copy, Debug)]
pub struct Healthcheck {
    /// Address of the service, such as 127.0.0.1:8000, instead of the one in the settings
    pub addr: Option<SocketAddr>,
}

const CHECK: &str = "\
Check settings, store, users and fleet; one line for each.

Creates no table and no user. If the sessions that are in the store fit these settings, a short one
is stored, read and ended. Warnings do not change the exit code; what would fail makes it 1.";

fn after_help(examples: &str) -> String {
    format!("{examples}\n\n{SETTINGS} --help lists them.\n\n{EXIT_CODES}")
}

fn after_long_help(examples: &str, service: Service) -> String {
    format!("{examples}\n\n{EXIT_CODES}\n\n{SETTINGS}\n\n{}", settings::help(service))
}

fn health(setting: &str) -> String {
    format!(
        "Ask a running service for /healthz, for health checks of containers.\n\n\
         At the address in {setting}; if that is 0.0.0.0 or [::], at this machine. Waits for two seconds.\n\
         The exit code is 0 if the answer is 200, else 1."
    )
}

fn handle(text: &str) -> Result<Handle, String> {
    Handle::parse(text).ok_or_else(|| "expected the 24 letters, digits, - and _ of a public handle".to_owned())
}

/// Prints the output of `site completions`.
///
/// # Errors
/// As [`print()`].
pub fn print_completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Site::command(), "site", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Writes `text` to stdout. A pipe that the reader has closed is not an error.
///
/// # Errors
/// [`Failure::failed`] if `text` cannot be written, for example to a full disk.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("the output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// The reason why a command failed: one line, and an exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// The command failed: exit code 1.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: FAILED }
    }

    /// The command line or a setting is invalid: exit code 2.
    pub fn unusable(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: UNUSABLE }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::unusable(error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Config => Self::unusable(error.to_string()),
            _ => Self::failed(error.to_string()),
        }
    }
}

/// Prints the error in one line on stderr, and returns the exit code.
#[must_use]
pub fn exit_code(ended: Result<(), Failure>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, code }) => {
            // If stderr cannot be written, there is nowhere to report it.
            let _ = writeln!(io::stderr(), "error: {}", message.replace('\n', " "));
            ExitCode::from(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(line: &str) -> Result<Option<SiteCommand>, clap::Error> {
        Site::try_parse_from(std::iter::once("site").chain(line.split_whitespace())).map(|site| site.command)
    }

    #[test]
    fn the_definitions_hold_together() {
        Site::command().debug_assert();
        Api::command().debug_assert();
    }

    #[test]
    fn options_take_a_space_or_an_equals_sign() {
        for line in ["--username ada --email a@b.example", "--email=a@b.example --username=ada"] {
            let parsed = site(&format!("create-superuser {line}")).unwrap();
            let Some(SiteCommand::CreateSuperuser(new)) = parsed else { panic!("{line}: {parsed:?}") };
            assert_eq!((&*new.username, &*new.email), ("ada", "a@b.example"));
        }
        let Ok(Some(SiteCommand::CreateSuperuser(new))) = site("create-superuser --username ada") else { panic!() };
        assert_eq!(new.email, "");
        assert!(matches!(site(""), Ok(None)));
    }

    #[test]
    fn revoking_needs_a_handle_or_a_user_and_only_a_user_needs_a_confirmation() {
        let handle = "A".repeat(24);
        for line in [handle.clone(), "--user ann".into(), "--user ann --yes".into()] {
            assert!(site(&format!("sessions revoke {line}")).is_ok(), "{line}");
        }
        for handle in ["-".to_owned() + &"A".repeat(23), "--".to_owned() + &"A".repeat(22)] {
            let parsed = site(&format!("sessions revoke {handle}")).unwrap();
            let Some(SiteCommand::Sessions(SessionsCommand::Revoke(revoke))) = parsed else { panic!("{handle}") };
            assert_eq!(revoke.which.handle.map(|handle| handle.to_string()), Some(handle));
        }
        for line in [
            "",
            "--yes",
            "--no-such",
            "-x",
            "not-a-handle",
            &format!("{handle} --yes"),
            &format!("{handle} --user ann"),
        ] {
            assert_eq!(site(&format!("sessions revoke {line}")).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn unusable_settings_have_their_own_exit_code() {
        assert_eq!(Failure::from(Error::new(ErrorKind::Config, "SITE_ADDR: no")), Failure::unusable("SITE_ADDR: no"));
        assert_eq!(Failure::from(Error::new(ErrorKind::Unavailable, "down")), Failure::failed("down"));
    }

    #[test]
    fn no_line_of_the_help_is_wider_than_100_columns() {
        fn look(mut command: clap::Command) {
            let help = command.render_long_help().to_string();
            let wide: Vec<_> = help.lines().filter(|line| line.chars().count() > 100).collect();
            assert!(wide.is_empty(), "{}: {wide:#?}", command.get_name());
            command.get_subcommands().cloned().for_each(look);
        }
        look(Site::command());
        look(Api::command());
    }
}

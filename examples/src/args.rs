//! The command line of `site`.

/// What `site` was asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve pages; also without a command.
    Serve,
    /// Create what is missing in the databases, then end.
    Migrate,
    /// Create a user who may do everything. The password is asked for, or taken from `SUPERUSER_PASSWORD`.
    CreateSuperuser {
        /// The name to sign in with.
        username: String,
        /// The e-mail address; empty if none was given.
        email: String,
    },
    /// Print [`USAGE`].
    Help,
}

/// How `site` is called.
pub const USAGE: &str = "\
Usage: site [COMMAND]

Commands:
  serve                                          serve pages (the default)
  migrate                                        create the tables that are missing
  create-superuser --username NAME [--email E]   create an administrator;
                                                 the password is SUPERUSER_PASSWORD or asked for

Settings are read from the environment and from a .env file.";

/// Reads the arguments, without the program's name.
///
/// # Errors
/// One sentence that says what is wrong.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut args = args.into_iter();
    let command = match args.next().as_deref() {
        None | Some("serve") => Command::Serve,
        Some("migrate") => Command::Migrate,
        Some("create-superuser") => return create_superuser(args),
        Some("help" | "--help" | "-h") => return Ok(Command::Help),
        Some(other) => return Err(format!("unknown command {other:?}; expected serve, migrate or create-superuser")),
    };
    match args.next().as_deref() {
        None => Ok(command),
        Some("--help" | "-h") => Ok(Command::Help),
        Some(other) => Err(format!("unexpected argument {other:?}")),
    }
}

fn create_superuser(mut args: impl Iterator<Item = String>) -> Result<Command, String> {
    let (mut username, mut email) = (None, None);
    while let Some(arg) = args.next() {
        let (option, inline) = match arg.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (arg.as_str(), None),
        };
        let slot = match option {
            "--username" => &mut username,
            "--email" => &mut email,
            "--help" | "-h" => return Ok(Command::Help),
            _ => return Err(format!("unexpected argument {option:?}; expected --username or --email")),
        };
        if slot.is_some() {
            return Err(format!("{option} is given twice"));
        }
        *slot = Some(
            inline
                .or_else(|| args.next().filter(|next| !next.starts_with("--")))
                .ok_or_else(|| format!("{option} needs a value"))?,
        );
    }
    let username = username.ok_or("create-superuser needs --username")?;
    Ok(Command::CreateSuperuser { username, email: email.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(parsed(""), Ok(Command::Serve));
        assert_eq!(parsed("serve"), Ok(Command::Serve));
        assert_eq!(parsed("migrate"), Ok(Command::Migrate));
        for help in ["help", "--help", "migrate -h", "create-superuser --username a --help"] {
            assert_eq!(parsed(help), Ok(Command::Help), "{help}");
        }
    }

    #[test]
    fn options_take_a_space_or_an_equals_sign() {
        let ada = |email: &str| Ok(Command::CreateSuperuser { username: "ada".into(), email: email.into() });
        assert_eq!(parsed("create-superuser --username ada --email a@b.example"), ada("a@b.example"));
        assert_eq!(parsed("create-superuser --email=a@b.example --username=ada"), ada("a@b.example"));
        assert_eq!(parsed("create-superuser --username ada"), ada(""));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, named) in [
            ("migrat", "\"migrat\""),
            ("migrate now", "\"now\""),
            ("create-superuser", "--username"),
            ("create-superuser --username", "--username needs a value"),
            ("create-superuser --username --email e", "--username needs a value"),
            ("create-superuser --username a --username b", "twice"),
            ("create-superuser --username a --password x", "\"--password\""),
            ("create-superuser ada", "\"ada\""),
        ] {
            let message = parsed(line).unwrap_err();
            assert!(message.contains(named), "{line}: {message}");
        }
    }
}

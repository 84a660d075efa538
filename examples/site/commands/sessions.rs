//! `site sessions list` and `site sessions revoke`: the staff pages for sessions, for operators with a shell.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IsTerminal as _, Write as _},
};

use shared_session::{
    Error, ErrorKind, Handle, SessionInfo, SessionManager,
    users::{SqlUsers, User, Users as _},
};
use shared_session_examples::{
    browsers::browser_name,
    check::missing,
    cli::{Failure, Revoke, SessionsCommand, print},
    language::Language,
    settings::Settings,
    setup::Setup,
    staff_log::{Entry, StaffLog},
    times::{now, timestamp},
    users::find_by_name_or_id,
};

/// The name in the staff log. User names cannot contain parentheses.
const STAFF: &str = "(command line)";
/// Stands for an unknown value, or for a session without a user.
const NOTHING: &str = "-";

pub(crate) async fn run(settings: Settings, command: SessionsCommand) -> Result<(), Failure> {
    if let Some(file) = missing::files(&settings).first() {
        return Err(Failure::failed(format!(
            "{} does not exist, so there are no sessions: run this in the service's directory and with its settings",
            file.display()
        )));
    }
    let setup = Setup::open(settings).await?;
    match command {
        SessionsCommand::List { user } => list(&setup, user.as_deref()).await,
        SessionsCommand::Revoke(Revoke { which, yes }) => match (which.handle, which.user) {
            (Some(handle), _) => revoke_one(&setup, &handle).await,
            (None, Some(user)) => revoke_all(&setup, &user, yes).await,
            (None, None) => Err(Failure::unusable("a handle or --user is needed")),
        },
    }
}

async fn list(setup: &Setup, user: Option<&str>) -> Result<(), Failure> {
    let mut list = List::default();
    write("HANDLE", ["LAST USE", "ENDS", "ADDRESS", "USER", "BROWSER"])?;
    if let Some(user) = user {
        let user = find(&setup.users, user).await?;
        let sessions = setup.manager.sessions_of(&user.id).await?;
        return list.add(&setup.users, sessions).await;
    }
    let mut from: Option<String> = None;
    loop {
        let page = setup.manager.all_sessions(from.as_deref()).await?;
        list.add(&setup.users, page.sessions).await?;
        from = page.next;
        if from.is_none() {
            return Ok(());
        }
    }
}

/// The users and sessions seen so far.
#[derive(Default)]
struct List {
    /// Names of users, by id.
    names: BTreeMap<String, String>,
    /// A walk over a store that changes may meet a session twice.
    listed: BTreeSet<String>,
}

impl List {
    async fn add(&mut self, users: &SqlUsers, sessions: Vec<SessionInfo>) -> Result<(), Failure> {
        for session in sessions {
            let handle = session.handle.to_string();
            if !self.listed.insert(handle.clone()) {
                continue;
            }
            let user = match &session.user_id {
                Some(id) => self.name(users, id).await?,
                None => NOTHING.to_owned(),
            };
            let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
            let address = or_nothing(session.address.map(|address| address.to_string()));
            let browser = session.user_agent.as_deref().map(browser_name);
            let browser = plain(&or_nothing(browser.map(|name| name.in_language(Language::English))));
            let last_use = or_nothing(session.last_seen_at.map(timestamp));
            write(&handle, [&last_use, &timestamp(session.expires_at), &address, &user, &browser])?;
        }
        Ok(())
    }

    async fn name(&mut self, users: &SqlUsers, id: &str) -> Result<String, Failure> {
        if let Some(name) = self.names.get(id) {
            return Ok(name.clone());
        }
        let name = match users.find(id).await {
            Ok(Some(user)) => shown(&user),
            Ok(None) => format!("user {}, removed", plain(id)),
            // One row that cannot be read must not hide the others.
            Err(error) if error.kind() == ErrorKind::Unreadable => format!("user {}, unreadable", plain(id)),
            Err(error) => return Err(error.into()),
        };
        self.names.insert(id.to_owned(), name.clone());
        Ok(name)
    }
}

/// Writes a line. The reader may close the pipe early.
fn write(handle: &str, [last_use, ends, address, user, browser]: [&str; 5]) -> Result<(), Failure> {
    let line = format!("{handle:<24}  {last_use:<20}  {ends:<20}  {address:<15}  {user}  {browser}\n");
    match io::stdout().lock().write_all(line.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.map_err(|error| Failure::failed(format!("the list cannot be written: {error}"))),
    }
}

async fn revoke_one(setup: &Setup, handle: &Handle) -> Result<(), Failure> {
    let gone = || Failure::failed(format!("there is no session {handle}: it has ended, or the handle is another one"));
    let session = setup.manager.find_session(handle).await?.ok_or_else(gone)?;
    log_staff_action(&setup.settings, "end-session", &handle.to_string()).await?;
    match setup.manager.revoke(session.user_id.as_deref(), handle).await? {
        true => print(&format!("ended the session {handle}\n")),
        false => Err(gone()),
    }
}

async fn revoke_all(setup: &Setup, user: &str, yes: bool) -> Result<(), Failure> {
    let user = find(&setup.users, user).await?;
    let name = shown(&user);
    if !yes && !is_confirmed(&setup.manager, &user, &name).await? {
        return print("nothing was ended\n");
    }
    log_staff_action(&setup.settings, "sign-out", &user.username).await?;
    let ended = setup.manager.revoke_all(&user.id).await?;
    print(&format!("signed {name} out everywhere; {ended} sessions were in the store\n"))
}

async fn is_confirmed(manager: &SessionManager, user: &User, name: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::unusable(
            "there is no terminal for the confirmation, so no session was ended; --yes skips it",
        ));
    }
    let sessions = manager.sessions_of(&user.id).await?.len();
    print(&format!("Sign {name} out everywhere? {sessions} sessions end now. [y/N] "))?;
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::failed(format!("the answer cannot be read: {error}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

async fn find(users: &SqlUsers, user: &str) -> Result<User, Failure> {
    find_by_name_or_id(users, user).await?.ok_or_else(|| Failure::failed(format!("there is no user {}", plain(user))))
}

async fn log_staff_action(settings: &Settings, action: &str, subject: &str) -> Result<(), Error> {
    let [staff, action, subject] = [STAFF, action, subject].map(str::to_owned);
    StaffLog::open(settings).await?.write(&Entry { at: now(), staff, action, subject, address: String::new() }).await
}

fn shown(user: &User) -> String {
    if user.username.is_empty() { format!("user {}", plain(&user.id)) } else { plain(&user.username) }
}

/// Removes characters that a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

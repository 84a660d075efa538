//! The visitor's session as a service sees it, for the home page and its event stream.

use serde::Serialize;
use shared_session::{Error, Session, users::User};

use crate::{VISITS, preferences, times::timestamp};

/// The most characters of a value that are shown.
const MAX_CHARS: usize = 60;

/// A session without its secret. Times are in the format of RFC 3339.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// Its public name; `None` while there is no session.
    pub handle: Option<String>,
    /// The signed-in user.
    pub user: Option<String>,
    /// Its start.
    pub created: Option<String>,
    /// Its end, unless it is used before.
    pub expires: Option<String>,
    /// The visit counter.
    pub visits: Option<u64>,
    /// The stored entries.
    pub entries: Vec<EntryView>,
}

/// One entry of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntryView {
    /// The name.
    pub name: String,
    /// The value as JSON, shortened; `None` for entries that the visitor may not read.
    pub value: Option<String>,
}

impl SessionView {
    /// The view of `session`, to which `user` is signed in. No store call.
    ///
    /// # Errors
    /// As [`Session::names`].
    pub fn of(session: &Session, user: Option<&User>) -> Result<Self, Error> {
        if session.handle().is_none() {
            return Ok(Self::default());
        }
        let mut names = session.names()?;
        names.sort();
        let entry = |name: String| {
            let is_shown = name == VISITS.name() || name.starts_with(preferences::PREFIX);
            let value = is_shown.then(|| session.get::<serde_json::Value>(&name).ok().flatten()).flatten();
            EntryView { value: value.map(|value| shortened(&value.to_string())), name }
        };
        Ok(Self {
            handle: session.handle().map(|handle| handle.to_string()),
            user: user.map(|user| user.username.clone()),
            created: session.created_at().map(timestamp),
            expires: session.expires_at().map(timestamp),
            visits: session.get(VISITS)?,
            entries: names.into_iter().map(entry).collect(),
        })
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared_session::{SessionManager, store::MemoryStore};

    use super::*;

    #[tokio::test]
    async fn only_the_visitors_own_values_are_shown_and_long_ones_are_shortened() {
        let session = SessionManager::new(MemoryStore::new()).open([]).load().await.unwrap();
        assert_eq!(SessionView::of(&session, None).unwrap(), SessionView::default());
        session.insert(VISITS, &7).unwrap();
        session.insert("pref.note", &"é".repeat(100)).unwrap();
        session.insert("secret", &"hidden").unwrap();
        session.commit().await.unwrap();
        let view = SessionView::of(&session, Some(&User::new("1", "ada"))).unwrap();
        assert_eq!((view.visits, view.user.as_deref()), (Some(7), Some("ada")));
        assert_eq!(view.handle, session.handle().map(|handle| handle.to_string()));
        assert!(view.created.is_some() && view.expires > view.created);
        let shown = format!("\"{}…", "é".repeat(59));
        let entries: Vec<_> = view.entries.iter().map(|entry| (&*entry.name, entry.value.as_deref())).collect();
        assert_eq!(entries, [("pref.note", Some(&*shown)), ("secret", None), ("visits", Some("7"))]);
        assert!(!json!(view).to_string().contains("hidden"));
    }
}

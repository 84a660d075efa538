//! The layout that all pages share.

use std::{fmt::Display, ops::Deref};

use shared_session::store::StoreTime;

use crate::{
    forms::FieldError,
    language::Language,
    prefix::Prefix,
    times::{relative_time, rfc3339, seconds},
    translations::Text,
};

/// The parts that all pages share.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The visitor.
    pub visitor: Visitor,
    /// The token of every form on the page. May stay empty on a page without a form, as for a signed-out visitor.
    pub csrf_token: String,
    /// The preference `theme`.
    pub theme: Theme,
    /// The language of the page.
    pub language: Language,
    /// The origin of `api`, for links and calls.
    pub api_origin: String,
    /// A message about a success: "Your password was changed."
    pub notice: Option<Text>,
    /// A message about a failure: "The page was too old to be used."
    pub alert: Option<Text>,
    /// The prefix of every link and form action: the path under which visitors see the site.
    pub prefix: Prefix,
}

/// Templates get all their texts through these methods.
impl Layout {
    /// The message `id`.
    pub(super) fn t(&self, id: &'static str) -> String {
        Text::new(id).in_language(self.language)
    }

    /// The message `id` with a value in it.
    pub(super) fn t_with(&self, id: &'static str, name: &'static str, value: impl Display) -> String {
        Text::new(id).with(name, value).in_language(self.language)
    }

    /// The message `id` with a number in it.
    pub(super) fn t_count(&self, id: &'static str, count: impl Display) -> String {
        Text::new(id).with_count(count).in_language(self.language)
    }

    /// The message `id` with another text in it.
    pub(super) fn t_text(&self, id: &'static str, name: &'static str, text: &Text) -> String {
        Text::new(id).with_text(name, text.clone()).in_language(self.language)
    }

    /// The value of the highest bar of a chart.
    pub(super) fn most(&self, most: u64) -> String {
        self.t_count("chart-most", most)
    }

    /// The comma between a greeting and a name.
    pub(super) fn comma(&self) -> &'static str {
        match self.language {
            Language::English => ", ",
            Language::Chinese => "，",
        }
    }

    /// The name and password of the demonstration user.
    pub(super) fn demo(&self, name: &str, password: &str) -> String {
        Text::new("login-demo").with("name", name).with("password", password).in_language(self.language)
    }

    /// "Page 2 of 3".
    pub(super) fn position(&self, page: impl Display, pages: impl Display) -> String {
        Text::new("pages-position").with("page", page).with("pages", pages).in_language(self.language)
    }

    /// "2 of 12".
    pub(super) fn chosen(&self, chosen: impl Display, all: impl Display) -> String {
        Text::new("admin-rights-chosen").with("chosen", chosen).with("all", all).in_language(self.language)
    }

    /// The message `id` with a relative time in it: `{ $when }`.
    pub(super) fn t_when(&self, id: &'static str, at: &When) -> String {
        self.t_text(id, "when", &at.relative())
    }

    /// The relative time.
    pub(super) fn ago(&self, at: &When) -> String {
        self.say(&at.relative())
    }

    /// A text that was chosen elsewhere.
    pub(super) fn say(&self, text: &Text) -> String {
        text.in_language(self.language)
    }
}

/// The visitor of a page.
#[derive(Clone, Debug, Default)]
pub enum Visitor {
    /// The session could not be read: the page offers neither sign-in nor sign-out.
    #[default]
    Unknown,
    /// The visitor is not signed in.
    Anonymous,
    /// This user is signed in.
    SignedIn(SignedIn),
}

/// The user in the header of the page.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The name.
    pub username: String,
    /// Whether to show a link to the admin pages.
    pub is_staff: bool,
}

/// The preference `theme`. Anything but `"light"` and `"dark"` follows the visitor's system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// The visitor's system decides.
    #[default]
    System,
    /// Dark text on a light background.
    Light,
    /// Light text on a dark background.
    Dark,
}

impl Theme {
    /// The theme with this name.
    #[must_use]
    pub fn from_preference(name: &str) -> Self {
        match name {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    /// The name of the theme in the preference.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.attribute().unwrap_or("system")
    }

    pub(super) fn attribute(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }

    pub(super) fn color_scheme(self) -> &'static str {
        self.attribute().unwrap_or("light dark")
    }
}

/// A time, and the time at which the page was made. Both are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// The time.
    pub at: i64,
    /// The time of the page.
    pub now: i64,
}

impl When {
    /// A time of the session store.
    #[must_use]
    pub fn of(at: StoreTime, now: i64) -> Self {
        Self { at: seconds(at), now }
    }

    pub(super) fn rfc3339(self) -> String {
        rfc3339(self.at)
    }

    fn relative(self) -> Text {
        relative_time(self.at, self.now)
    }
}

/// The errors in a form.
#[derive(Clone, Debug, Default)]
pub struct FieldErrors(pub Vec<FieldError>);

impl FieldErrors {
    pub(super) fn has(&self, field: &str) -> bool {
        self.iter().any(|error| error.field == field)
    }

    /// Whether `field` gets the cursor: the field of the first error, or `first` if there is no error.
    pub(super) fn begin_at(&self, field: &str, first: &str) -> bool {
        self.iter().next().map_or(first, |error| error.field) == field
    }
}

impl Deref for FieldErrors {
    type Target = [FieldError];

    fn deref(&self) -> &[FieldError] {
        &self.0
    }
}

//! The user table of a Django site, and the names of its columns.

#[cfg(feature = "django")]
use crate::django::zone::TimeZone;

/// Django's own table of users.
pub(super) const AUTH_USER: &str = "auth_user";

/// The table of a user model of Django. For the stock model the name is enough: `"auth_user".into()`.
///
/// Set the names of columns that a custom model renames. The service finds the rest in the table itself: its primary
/// key (of a view, `id`), the key's type (number, UUID, text), and which of the optional columns exist. The hashed
/// password is in `password`. For a missing column a user has an empty text or `false`, but is active if the column for
/// that is missing.
///
/// ```
/// use shared_session::users::UserTable;
///
/// // class User(AbstractBaseUser):
/// //     email = EmailField(unique=True); is_admin = BooleanField(); USERNAME_FIELD = "email"
/// let table = UserTable::new("accounts_user").with_username_column("email").with_staff_column("is_admin");
/// # drop(table);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct UserTable {
    pub(super) name: String,
    pub(super) username: String,
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) is_active: String,
    pub(super) is_staff: String,
    pub(super) is_superuser: String,
    pub(super) date_joined: String,
    pub(super) last_login: String,
    #[cfg(feature = "django")]
    pub(super) time_zone: Option<TimeZone>,
}

impl UserTable {
    /// The table `name` or `schema.name`, with the columns of Django's own model.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            username: "username".to_owned(),
            email: "email".to_owned(),
            first_name: "first_name".to_owned(),
            last_name: "last_name".to_owned(),
            is_active: "is_active".to_owned(),
            is_staff: "is_staff".to_owned(),
            is_superuser: "is_superuser".to_owned(),
            date_joined: "date_joined".to_owned(),
            last_login: "last_login".to_owned(),
            #[cfg(feature = "django")]
            time_zone: None,
        }
    }

    /// The sign-in column: the model's `USERNAME_FIELD`. Default: `username`. If several users have the same value in
    /// it, none of them can sign in.
    pub fn with_username_column(mut self, column: impl Into<String>) -> Self {
        self.username = column.into();
        self
    }

    /// The e-mail address: the model's `EMAIL_FIELD`. Default: `email`; it may be missing.
    pub fn with_email_column(mut self, column: impl Into<String>) -> Self {
        self.email = column.into();
        self
    }

    /// The first and the last name. Default: `first_name` and `last_name`; they may be missing.
    pub fn with_name_columns(mut self, first: impl Into<String>, last: impl Into<String>) -> Self {
        self.first_name = first.into();
        self.last_name = last.into();
        self
    }

    /// Whether the user may sign in. Default: `is_active`; if it is missing, every user may.
    pub fn with_active_column(mut self, column: impl Into<String>) -> Self {
        self.is_active = column.into();
        self
    }

    /// Whether the user may enter the administration. Default: `is_staff`; if it is missing, no user may.
    pub fn with_staff_column(mut self, column: impl Into<String>) -> Self {
        self.is_staff = column.into();
        self
    }

    /// Whether the user has every permission. Default: `is_superuser`; if it is missing, no user has.
    pub fn with_superuser_column(mut self, column: impl Into<String>) -> Self {
        self.is_superuser = column.into();
        self
    }

    /// The times of the creation and of the last sign-in. Default: `date_joined` and `last_login`; they may be missing.
    pub fn with_time_columns(mut self, joined: impl Into<String>, last_login: impl Into<String>) -> Self {
        self.date_joined = joined.into();
        self.last_login = last_login.into();
        self
    }

    /// The zone of local times in these columns: Django's `TIME_ZONE` if its `USE_TZ` is `False`. Default: none; times
    /// are in UTC.
    ///
    /// It applies to SQLite, and in PostgreSQL to columns of type `timestamp without time zone`. PostgreSQL's
    /// `timestamp with time zone`, which Django creates, stores points in time regardless of the zone.
    #[cfg(feature = "django")]
    pub fn with_time_zone(mut self, zone: TimeZone) -> Self {
        self.time_zone = Some(zone);
        self
    }
}

impl From<&str> for UserTable {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for UserTable {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl From<&String> for UserTable {
    fn from(name: &String) -> Self {
        Self::new(name)
    }
}

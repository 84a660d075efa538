//! The code that the two example services share.
//!
//! - [`settings`]: the environment, checked before anything starts
//! - [`setup`]: from settings to running parts, with [`users`], `sessions` and `cookies`
//! - [`metrics`]: the body of `/metrics`
//! - [`cli`], [`check`] and [`health`]: the command lines, and the code of two commands
//! - `data_dir` and `secret_key`: the files of an embedded start, and the secret keys
//! - [`serving`]: connection limits and shutdown
//! - [`network`] and [`prefix`]: the client's address, and the path of the site, behind trusted proxies
//! - [`forms`] and [`links`]: checks of input, and links that stay on the site
//! - [`times`] and [`browsers`]: the display of times and browsers
//! - [`preferences`]: names of entries that both services use
//! - [`language`] and [`translations`]: the language of pages
//! - [`usernames`] and [`passwords`]: the names and passwords that new users may have
//! - [`logging`]: the log, and limits on it
//! - [`operations`]: access to metrics and readiness
//! - [`sign_in`]: sign-in under a typed name
//! - [`throttles`]: limits on password guesses, registrations and new sessions
//! - [`paging`]: long lists, a page at a time
//! - [`rights`]: the users that a member of staff may change
//! - [`staff_log`]: the actions of staff, in a table
//! - [`pages`]: the HTML of `site`

pub mod browsers;
pub mod check;
pub mod cli;
mod cookies;
mod data_dir;
pub mod forms;
pub mod health;
pub mod language;
pub mod links;
pub mod logging;
pub mod metrics;
pub mod network;
pub mod operations;
pub mod pages;
pub mod paging;
pub mod passwords;
pub mod preferences;
pub mod prefix;
pub mod rights;
mod secret_key;
pub mod serving;
mod sessions;
pub mod settings;
pub mod setup;
pub mod sign_in;
pub mod staff_log;
pub mod throttles;
pub mod times;
pub mod translations;
pub mod usernames;
pub mod users;

/// The session entry with the visit counter of both services.
pub const VISITS: shared_session::Key<u64> = shared_session::Key::new("visits");

/// Compiles the examples of the project's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// Compiles the examples of the guides.
#[cfg(doctest)]
#[doc = include_str!("../../docs/operations.md")]
pub struct Operations;

#[cfg(doctest)]
#[doc = include_str!("../../docs/django.md")]
pub struct DjangoGuide;

#[cfg(doctest)]
#[doc = include_str!("../../docs/from-tower-sessions.md")]
pub struct FromTowerSessions;

#[cfg(doctest)]
#[doc = include_str!("../../docs/from-actix-session.md")]
pub struct FromActixSession;

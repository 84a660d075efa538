//! What the two example services share.
//!
//! - [`settings`]: the environment, checked before anything starts
//! - [`setup`] and [`sessions`]: from settings to running parts
//! - [`metrics`]: what `/metrics` answers
//! - [`cli`], [`check`] and [`health`]: the command lines, and what two of the commands do
//! - [`data_dir`] and [`secret_key`]: the files of an embedded start
//! - [`serving`]: what both do the same way where connections come in
//! - [`network`] and [`prefix`]: the client's address, and the path of the site, behind trusted proxies
//! - [`forms`] and [`text`]: what visitors type, and how things are shown to them
//! - [`language`] and [`translations`]: in which language that is
//! - [`usernames`] and [`passwords`]: which ones new users may have
//! - [`log_filter`]: how much is in the log
//! - [`operations`]: who may ask for metrics and readiness
//! - [`sign_in`]: who may sign in under which name
//! - [`throttles`]: what slows down who guesses passwords or fills the store
//! - [`paging`]: long lists, a page at a time
//! - [`rights`]: which users a member of staff may change
//! - [`staff_log`]: what staff did, in a table
//! - [`pages`]: the HTML of `site`

pub mod check;
pub mod cli;
pub mod data_dir;
pub mod forms;
pub mod health;
pub mod language;
pub mod log_filter;
pub mod metrics;
pub mod network;
pub mod operations;
pub mod pages;
pub mod paging;
pub mod passwords;
pub mod prefix;
pub mod rights;
pub mod secret_key;
pub mod serving;
pub mod sessions;
pub mod settings;
pub mod setup;
pub mod sign_in;
pub mod staff_log;
pub mod text;
pub mod throttles;
pub mod translations;
pub mod usernames;

/// The entry that both services count visits in.
pub const VISITS: shared_session::Key<u64> = shared_session::Key::new("visits");

/// The programs in the project's README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// So do those of the guides.
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

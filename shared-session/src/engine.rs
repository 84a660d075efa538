//! What happens to a session between a request's `Cookie` header and its response.
//!
//! In the order of a request:
//!
//! 1. [`mod@open`] makes a [`request`] of what its headers say; [`credentials`] and [`bearer`] are its two forms.
//! 2. [`load`] reads the record.
//! 3. [`session`] edits a [`draft`] of its entries ([`data`]).
//! 4. The draft decides what to write.
//! 5. [`write`](mod@write) stores it and merges conflicts; [`overtaken`] and [`turns`] say who goes on when several
//!    write. [`ended`] keeps an ended session ended, and [`to_end`] runs what has begun to its end.
//! 6. [`outcome`] is what that means for the response.
//!
//! All of them share the [`core`]. Beside the request: [`near`] keeps sessions in the process, [`form_tokens`] makes
//! and checks those of its pages, [`devices`] lists a user's, [`fleet`] compares the settings with what is stored,
//! [`audited`] tells what was done.

pub(crate) mod audited;
pub(crate) mod bearer;
pub(crate) mod clock;
pub(crate) mod commit;
pub(crate) mod core;
pub(crate) mod credentials;
pub(crate) mod crowd;
pub(crate) mod data;
pub(crate) mod devices;
pub(crate) mod draft;
pub(crate) mod ended;
pub(crate) mod fleet;
pub(crate) mod form_state;
pub(crate) mod form_tokens;
#[cfg(feature = "users")]
pub(crate) mod indexed;
pub(crate) mod kept;
pub(crate) mod key;
pub(crate) mod last_write;
pub(crate) mod lazy_session;
pub(crate) mod limit;
pub(crate) mod load;
pub(crate) mod manager;
#[cfg(feature = "redis")]
pub(crate) mod near;
#[cfg(not(feature = "redis"))]
#[path = "engine/near/none.rs"]
pub(crate) mod near;
pub(crate) mod open;
pub(crate) mod options;
pub(crate) mod outcome;
mod overtaken;
pub(crate) mod own_commit;
#[cfg(feature = "users")]
pub(crate) mod owners;
pub(crate) mod reopened;
pub(crate) mod request;
pub(crate) mod session;
pub(crate) mod size;
pub(crate) mod standing;
pub(crate) mod stats;
mod to_end;
pub(crate) mod turns;
pub(crate) mod write;
pub(crate) mod writes;
mod written;

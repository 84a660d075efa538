//! The path of a session from a request's `Cookie` header to its response.
//!
//! In the order of a request:
//!
//! 1. [`manager`] opens it: [`open`](manager::open) makes a [`request`] from its headers.
//! 2. [`load`] reads the record: the first store call.
//! 3. Handlers hold a [`session`]; their edits go into a [`draft`].
//! 4. When the handler has answered, [`commit`](request::commit) closes the session: [`decide`](plan::decide) turns the
//!    draft into a plan.
//! 5. [`write`](mod@write) carries out the plan: the second store call. If another write was faster, [`write::merge`]
//!    merges both. [`end_session`] deletes a session for good, and its [tombstone](end_session::tombstone) marks it as
//!    ended where Django could bring it back. [`revoke`] ends a session from elsewhere.
//! 6. [`outcome`] turns the result into cookies and headers, and [`end`](request::end) ends the request.
//!
//! All of them share the [`core`]; [`near`] keeps sessions in the process.

pub(crate) mod core;
pub(crate) mod draft;
pub(crate) mod end_session;
pub(crate) mod load;
pub(crate) mod manager;
#[cfg(feature = "redis")]
pub(crate) mod near;
// Without Redis there is no near cache.
#[cfg(not(feature = "redis"))]
#[path = "engine/near/none.rs"]
pub(crate) mod near;
pub(crate) mod outcome;
pub(crate) mod plan;
pub(crate) mod read_records;
pub(crate) mod request;
pub(crate) mod revoke;
pub(crate) mod session;
pub(crate) mod write;

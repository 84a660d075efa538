//! Empty; the crate contains only the test. It counts allocations, which needs `unsafe`, and the workspace forbids
//! that.

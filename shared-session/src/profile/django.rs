//! Django's session formats: so far the pickles that its caches hold.

pub mod pickle;

//! Without Redis no store announces changes, so there is no near cache.

use std::{convert::Infallible, sync::Arc};

use crate::record::{
    Record,
    id::{Handle, Token},
};

/// Never exists.
pub(crate) struct Near(Infallible);

pub(crate) enum Ticket {}

impl Near {
    pub(crate) fn get(&self, _: &Token) -> Option<Arc<Record>> {
        match self.0 {}
    }

    pub(crate) fn begin(&self, _: &Handle) -> Option<Ticket> {
        match self.0 {}
    }

    pub(crate) fn fill(&self, _: &Token, _: Ticket, _: &Arc<Record>) {
        match self.0 {}
    }

    pub(crate) fn evict(&self, _: &Handle) {
        match self.0 {}
    }
}

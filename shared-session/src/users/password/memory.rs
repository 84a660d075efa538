//! The memory that argon2 fills, kept for the next password.
//!
//! An allocator does not return blocks of this size to the system: glibc keeps them, one for nearly every thread that
//! ever hashed a password. Sixteen sign-ins at once left a process with 780 MB. One buffer per core is enough, because
//! at most one password per core is computed at a time.

use std::{
    num::NonZero,
    sync::{Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
};

use argon2::Block;

/// In blocks of 1 KiB. Larger memory returns to the system by itself, because it is mapped separately.
const MAX_KEPT: usize = 32 * 1024;

static BUFFERS: Buffers = Buffers(Mutex::new(Vec::new()));

/// Runs `work` in a buffer of `blocks` blocks with arbitrary content; `None` if there is not enough memory.
pub(super) fn with<T>(blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> Option<T> {
    BUFFERS.with(blocks, work)
}

/// The unused buffers.
struct Buffers(Mutex<Vec<Vec<Block>>>);

impl Buffers {
    fn with<T>(&self, blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> Option<T> {
        let mut buffer = self.idle().pop().unwrap_or_default();
        if buffer.len() < blocks {
            // The old content is not worth moving.
            buffer = Vec::new();
            buffer.try_reserve_exact(blocks).ok()?;
            buffer.resize(blocks, Block::default());
        }
        let done = work(buffer.get_mut(..blocks)?);
        let mut idle = self.idle();
        if buffer.len() <= MAX_KEPT && idle.len() < available_parallelism().map_or(1, NonZero::get) {
            idle.push(buffer);
        }
        Some(done)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again() {
        let buffers = Buffers(Mutex::default());
        assert_eq!(buffers.with(8, |buffer| buffer.len()), Some(8));
        assert_eq!(buffers.with(8, |buffer| buffer.as_ptr()), buffers.with(7, |buffer| buffer.as_ptr()));
        assert_eq!(buffers.with(9, |buffer| buffer.len()), Some(9));
        assert_eq!(buffers.idle().len(), 1);
        assert_eq!(buffers.with(usize::MAX, |buffer| buffer.len()), None);
    }

    #[test]
    fn no_more_are_kept_than_there_are_cores_and_none_that_is_large() {
        let buffers = Buffers(Mutex::default());
        // Takes each buffer while the previous one is in use.
        fn nested(buffers: &Buffers, depth: usize) {
            buffers.with(8, |_| {
                if depth > 0 {
                    nested(buffers, depth - 1);
                }
            });
        }
        let cores = available_parallelism().unwrap().get();
        nested(&buffers, 2 * cores);
        assert_eq!(buffers.idle().len(), cores);
        buffers.idle().clear();
        assert_eq!(buffers.with(MAX_KEPT, |buffer| buffer.len()), Some(MAX_KEPT));
        assert_eq!(buffers.idle().len(), 1);
        buffers.idle().clear();
        assert_eq!(buffers.with(MAX_KEPT + 1, |buffer| buffer.len()), Some(MAX_KEPT + 1));
        assert!(buffers.idle().is_empty());
    }
}

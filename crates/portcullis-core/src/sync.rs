//! What two threads share is made of; under `cfg(portcullis_loom)`, of loom's stand-ins.

#[cfg(not(portcullis_loom))]
pub(crate) use core::sync::atomic::{AtomicU32, Ordering};
#[cfg(not(portcullis_loom))]
pub(crate) use std::sync::OnceLock;

#[cfg(portcullis_loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, Ordering};
#[cfg(portcullis_loom)]
pub use model::OnceLock;

#[cfg(portcullis_loom)]
mod model {
    use loom::sync::atomic::{AtomicBool, Ordering};

    /// [`std::sync::OnceLock`], whose every `get` and `set` loom interleaves with other threads.
    #[derive(Debug)]
    pub struct OnceLock<T> {
        is_set: AtomicBool,
        value: std::sync::OnceLock<T>,
    }

    impl<T> Default for OnceLock<T> {
        fn default() -> Self {
            Self {
                is_set: AtomicBool::new(false),
                value: std::sync::OnceLock::new(),
            }
        }
    }

    impl<T> OnceLock<T> {
        /// The value, if it was set.
        pub fn get(&self) -> Option<&T> {
            match self.is_set.load(Ordering::Acquire) {
                true => self.value.get(),
                false => None,
            }
        }

        /// Sets the value.
        ///
        /// # Errors
        /// Gives it back when there was one.
        pub fn set(&self, value: T) -> Result<(), T> {
            self.value.set(value)?;
            self.is_set.store(true, Ordering::Release);
            Ok(())
        }
    }
}

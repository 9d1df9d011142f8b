//! A box that is dropped in one place.

use core::fmt;
use core::ops::{Deref, DerefMut};

/// A box for what is large to drop, and is not often looked at.
///
/// rustc makes what drops a type anew in each part of a crate that has to do with one, and in each crate: of the
/// types that are everywhere that was a tenth of a client. Here it is called through a pointer.
pub(crate) struct Apart<T>(Box<dyn Held<T>>);

trait Held<T>: Send + Sync {
    fn get(&self) -> &T;

    fn get_mut(&mut self) -> &mut T;

    fn into_inner(self: Box<Self>) -> T;
}

impl<T: Send + Sync> Held<T> for T {
    fn get(&self) -> &T {
        self
    }

    fn get_mut(&mut self) -> &mut T {
        self
    }

    fn into_inner(self: Box<Self>) -> T {
        *self
    }
}

impl<T: Send + Sync + 'static> Apart<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Box::new(value))
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        (*self.0).get()
    }
}

impl<T> DerefMut for Apart<T> {
    fn deref_mut(&mut self) -> &mut T {
        (*self.0).get_mut()
    }
}

impl<T: fmt::Debug> fmt::Debug for Apart<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

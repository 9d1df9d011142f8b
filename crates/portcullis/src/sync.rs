//! What the halves share is made of; under `cfg(portcullis_loom)`, of loom's stand-ins.

#[cfg(not(portcullis_loom))]
pub(crate) use atomic_waker::AtomicWaker;
#[cfg(not(portcullis_loom))]
pub(crate) use std::sync::OnceLock;

#[cfg(portcullis_loom)]
pub(crate) use portcullis_core::sync::OnceLock;

#[cfg(portcullis_loom)]
pub(crate) use self::model::AtomicWaker;

#[cfg(portcullis_loom)]
mod model {
    use std::task::Waker;

    /// loom's model of an atomic waker, with the methods of the crate `atomic-waker`.
    #[derive(Debug, Default)]
    pub(crate) struct AtomicWaker(loom::future::AtomicWaker);

    impl AtomicWaker {
        pub(crate) fn register(&self, waker: &Waker) {
            self.0.register_by_ref(waker);
        }

        pub(crate) fn wake(&self) {
            self.0.wake();
        }
    }
}

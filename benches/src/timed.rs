//! The processor time that a future takes while it is polled.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;

/// Which clock a [`Timed`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The thread's processor time. Reading it is a system call.
    Processor,
    /// Time on the clock, for polls that are much shorter than a system call.
    Wall,
}

/// Polls `inner` and adds up how long that takes.
#[derive(Debug)]
pub struct Timed<'a, F> {
    inner: Pin<Box<F>>,
    clock: Clock,
    spent: &'a mut Duration,
}

impl<'a, F: Future> Timed<'a, F> {
    /// Adds the time of each poll to `spent`.
    pub fn new(clock: Clock, spent: &'a mut Duration, inner: F) -> Self {
        Self {
            inner: Box::pin(inner),
            clock,
            spent,
        }
    }
}

impl<F: Future> Future for Timed<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.clock {
            Clock::Processor => {
                let start = ThreadTime::now();
                let result = self.inner.as_mut().poll(cx);
                *self.spent += start.elapsed();
                result
            }
            Clock::Wall => {
                let start = Instant::now();
                let result = self.inner.as_mut().poll(cx);
                *self.spent += start.elapsed();
                result
            }
        }
    }
}

//! How long sending may take: a call that waits for it, and a transport that takes nothing.

use std::pin::{Pin, pin};
use std::task::Context;
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep};

use crate::error::Error;
use crate::last_words::Failure;
use crate::write::Sending;

/// How long a client may take nothing of what is sent to it.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(300);
/// No time is long enough.
const NEVER: u32 = u32::MAX;
/// How often a transport that takes nothing is looked at until its time is over.
const LOOKS: u32 = 4;

/// The limits of a connection; in milliseconds, since every connection has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SendLimits {
    write_timeout: u32,
    send_timeout: u32,
    /// Whether a send that takes longer ends the connection.
    pub(crate) closes: bool,
}

fn millis(time: Option<Duration>) -> u32 {
    let millis = |time: Duration| u32::try_from(time.as_nanos().div_ceil(1_000_000));
    time.map_or(NEVER, |time| millis(time).unwrap_or(NEVER))
}

fn time(millis: u32) -> Option<Duration> {
    (millis != NEVER).then(|| Duration::from_millis(millis.into()))
}

impl Default for SendLimits {
    fn default() -> Self {
        Self {
            write_timeout: NEVER,
            send_timeout: NEVER,
            closes: false,
        }
    }
}

impl SendLimits {
    /// Those that nobody has chosen.
    pub(crate) fn usual(of_server: bool) -> Self {
        let mut usual = Self::default();
        usual.set_write_timeout(of_server.then_some(WRITE_TIMEOUT));
        usual
    }

    pub(crate) fn set_write_timeout(&mut self, limit: Option<Duration>) {
        self.write_timeout = millis(limit);
    }

    pub(crate) fn set_send_timeout(&mut self, limit: Option<Duration>) {
        self.send_timeout = millis(limit);
    }

    /// How long the transport may take nothing while bytes wait.
    pub(crate) fn write_timeout(&self) -> Option<Duration> {
        time(self.write_timeout)
    }

    /// How long a call may wait.
    #[inline]
    pub(crate) fn send_timeout(&self) -> Option<Duration> {
        time(self.send_timeout)
    }
}

/// A transport that takes nothing.
#[derive(Debug)]
pub(crate) struct Stall {
    timer: Pin<Box<Sleep>>,
    /// What had been sent when it was looked at last.
    sent: u64,
    quiet: u32,
}

impl Stall {
    fn new(limit: Duration, sent: u64) -> Self {
        Self {
            timer: Box::pin(sleep(limit / LOOKS)),
            sent,
            quiet: 0,
        }
    }

    /// Whether nothing has moved for so long; if not, the task is woken to look again.
    fn is_over(&mut self, cx: &mut Context<'_>, limit: Duration, sent: u64) -> bool {
        // A task whose budget is used up is to be told all the same.
        while pin!(unconstrained(self.timer.as_mut())).poll(cx).is_ready() {
            self.quiet = match self.sent == sent {
                true => self.quiet + 1,
                false => 0,
            };
            if self.quiet >= LOOKS {
                return true;
            }
            self.sent = sent;
            self.timer.as_mut().reset(Instant::now() + limit / LOOKS);
        }
        false
    }
}

/// What few connections have.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    /// Why nothing more is sent.
    pub(crate) failed: Option<Failure>,
    /// If they were chosen.
    limits: Option<SendLimits>,
    /// While the transport takes nothing.
    stall: Option<Stall>,
}

impl Sending {
    #[inline]
    pub(crate) fn failed(&self) -> Option<&Failure> {
        self.rare.as_ref()?.failed.as_ref()
    }

    #[inline]
    pub(crate) fn limits(&self) -> SendLimits {
        let chosen = self.rare.as_ref().and_then(|rare| rare.limits);
        chosen.unwrap_or_else(|| SendLimits::usual(self.is_of_server))
    }

    pub(crate) fn set_limits(&mut self, limits: SendLimits) {
        self.is_of_server = limits == SendLimits::usual(true);
        if limits != SendLimits::usual(self.is_of_server) {
            self.rare.get_or_insert_default().limits = Some(limits);
        } else if let Some(rare) = &mut self.rare {
            rare.limits = None;
        }
    }

    pub(crate) fn change_limits(&mut self, change: impl FnOnce(&mut SendLimits)) {
        let mut limits = self.limits();
        change(&mut limits);
        self.set_limits(limits);
    }

    /// The transport has taken everything.
    #[inline]
    pub(crate) fn moves(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.stall = None;
            if rare.failed.is_none() && rare.limits.is_none() {
                self.rare = None;
            }
        }
    }

    /// The transport takes nothing now: fails when it has not for as long as it may. Without a runtime nobody
    /// counts.
    #[cold]
    pub(crate) fn check_stalled(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        let Some(limit) = self.limits().write_timeout() else {
            return Ok(());
        };
        let sent = self.sent().bytes();
        let rare = self.rare.get_or_insert_default();
        if rare.stall.is_none() && tokio::runtime::Handle::try_current().is_ok() {
            rare.stall = Some(Stall::new(limit, sent));
        }
        let stall = rare.stall.as_mut();
        if stall.is_some_and(|stall| stall.is_over(cx, limit, sent)) {
            rare.stall = None;
            let error = Error::stalled(limit);
            self.fail(error.clone());
            return Err(error);
        }
        Ok(())
    }

    /// A call has waited for as long as it may. What was sealed goes out all the same, unless that ends the
    /// connection.
    pub(crate) fn give_up_waiting(&mut self, limit: Duration, sent: usize) -> Error {
        let error = Error::late_send(limit, sent);
        if self.limits().closes {
            self.fail(error.clone());
        }
        error
    }

    /// Why the connection has ended, if that is because it took too long to write.
    #[inline]
    pub(crate) fn timed_out(&self) -> Option<Error> {
        let failure = self.failed()?;
        let error = failure.error();
        error.is_timeout().then(|| error.clone())
    }
}

//! What few connections have besides data: sessions, early data, further handshakes, certificates that are asked for.

use std::mem;
use std::task::{Context, Waker};

use bytes::Bytes;
use portcullis_core::EarlyDataStatus;

use super::{Manners, Receiving};
use crate::authentication::{Authentication, Reading};
use crate::conduct::Conduct;
use crate::environment::Member;
use crate::sessions::Received;

/// What few connections have.
#[derive(Default)]
pub(super) struct Besides {
    pub(super) sessions: Received,
    /// If there may be further handshakes.
    pub(super) further: Option<Box<Further>>,
    pub(super) early_data: Option<Box<Early>>,
    pub(super) seldom: Option<Box<Seldom>>,
}

/// Of further handshakes.
pub(super) struct Further {
    /// How they are run.
    pub(super) conduct: Conduct,
    /// The task that waits to read: a handshake may begin without it.
    pub(super) waiting: Option<Waker>,
    /// Whether this side has asked for one, and the peer has not answered in time: it may answer yet.
    pub(super) is_unanswered: bool,
}

/// What fewer have.
#[derive(Default)]
pub(super) struct Seldom {
    /// There if the client may be asked for a certificate.
    pub(super) authentication: Option<Reading>,
    /// Reading was ended here: how the connection behaves that is read away.
    pub(super) discarding: Option<Manners>,
    /// In an environment.
    pub(super) member: Option<Member>,
}

/// Of data before the handshake was over, what nobody has been told.
#[derive(Default)]
pub(super) struct Early {
    /// Server: what nobody has read.
    unread: Bytes,
    /// Client: whether it was accepted.
    accepted: Option<bool>,
}

impl Further {
    #[cold]
    fn remember(&mut self, cx: &Context<'_>) {
        match &mut self.waiting {
            Some(waiting) => waiting.clone_from(cx.waker()),
            waiting => *waiting = Some(cx.waker().clone()),
        }
    }
}

impl Receiving {
    #[inline]
    pub(super) fn seldom(&self) -> Option<&Seldom> {
        self.besides.as_ref()?.seldom.as_deref()
    }

    pub(super) fn seldom_mut(&mut self) -> Option<&mut Seldom> {
        self.besides.as_mut()?.seldom.as_deref_mut()
    }

    pub(super) fn make_seldom(&mut self) -> &mut Seldom {
        let besides = self.besides.get_or_insert_default();
        besides.seldom.get_or_insert_default()
    }

    /// Notes how further handshakes are run, if there may be any.
    pub(crate) fn keep_conduct(&mut self, conduct: &Conduct) {
        if self.reader.may_renegotiate() {
            let besides = self.besides.get_or_insert_default();
            let conduct = conduct.clone();
            match &mut besides.further {
                Some(further) => further.conduct = conduct,
                further => {
                    *further = Some(Box::new(Further {
                        conduct,
                        waiting: None,
                        is_unanswered: false,
                    }));
                }
            }
        }
    }

    /// Whether a write may have to look for what comes, as few have.
    #[inline]
    pub(crate) fn may_look(&self) -> bool {
        let besides = self.besides.as_ref();
        besides.is_some_and(|besides| besides.seldom.is_some() || besides.further.is_some())
    }

    /// The peer has not answered this side's request for another handshake in time.
    pub(crate) fn note_unanswered(&mut self) {
        if let Some(further) = self
            .besides
            .as_mut()
            .and_then(|besides| besides.further.as_mut())
        {
            further.is_unanswered = true;
        }
    }

    /// Whether it may answer yet.
    pub(crate) fn is_unanswered(&self) -> bool {
        let further = self
            .besides
            .as_ref()
            .and_then(|besides| besides.further.as_ref());
        further.is_some_and(|further| further.is_unanswered)
    }

    /// Server: keeps early data that nobody has read.
    pub(crate) fn keep_early_data(&mut self, unread: Bytes) {
        if !unread.is_empty() {
            self.early_data().unread = unread;
        }
    }

    /// Client: notes what became of its early data.
    pub(crate) fn keep_early_data_status(&mut self, status: EarlyDataStatus) {
        if status != EarlyDataStatus::NotOffered {
            self.early_data().accepted = Some(status == EarlyDataStatus::Accepted);
        }
    }

    fn early_data(&mut self) -> &mut Early {
        let besides = self.besides.get_or_insert_default();
        besides.early_data.get_or_insert_default()
    }

    /// Early data that nobody has read.
    pub(crate) fn take_early_data(&mut self) -> Option<Bytes> {
        let early = self.besides.as_mut()?.early_data.as_mut()?;
        let unread = mem::take(&mut early.unread);
        (!unread.is_empty()).then_some(unread)
    }

    /// Early data that was taken and is to be read again, before all other.
    pub(crate) fn unread_early_data(&mut self, data: &[u8]) {
        let later = self.take_early_data().unwrap_or_default();
        self.keep_early_data([data, &later].concat().into());
    }

    /// Whether early data was accepted, told once.
    pub(crate) fn take_early_data_status(&mut self) -> Option<bool> {
        self.besides.as_mut()?.early_data.as_mut()?.accepted.take()
    }

    /// Notes how the client authenticates after the handshake, if it may.
    pub(crate) fn keep_authentication(&mut self, authentication: Option<Authentication>) {
        if let Some(authentication) = authentication {
            self.make_seldom().authentication = Some(Reading(authentication));
        }
    }

    pub(crate) fn authentication(&self) -> Option<&Authentication> {
        let reading = self.seldom()?.authentication.as_ref()?;
        Some(&reading.0)
    }

    /// Reading is pending: the task is woken for what somebody has answered meanwhile.
    #[inline]
    pub(crate) fn attend(&mut self, cx: &Context<'_>) {
        if let Some(besides) = &mut self.besides {
            if let Some(further) = &mut besides.further {
                further.remember(cx);
            }
            self.attend_authentication(cx);
        }
    }

    #[cold]
    fn attend_authentication(&mut self, cx: &Context<'_>) {
        let authentication = self.authentication();
        if let Some(error) = authentication.and_then(|one| one.attend(cx)) {
            self.fail(error);
            // The next read says why.
            cx.waker().wake_by_ref();
        }
    }

    /// Nothing more is read, and whoever waits for a certificate hears so.
    #[cold]
    pub(super) fn end_authentication(&self) {
        if let Some(seldom) = self.seldom()
            && let Some(reading) = &seldom.authentication
        {
            reading.end(self.failure());
        }
    }
}

//! Another handshake on a connection of before TLS 1.3: how it begins, and that it may not come to
//! anything.
//!
//! RFC 5246 §7.4.1.1, §7.2.2 (`no_renegotiation`).

use core::any::Any;

use rustls_pki_types::UnixTime;

use super::machine::Machine;
use super::renegotiation::Kept;
use super::{Handshake, Outcome};
use crate::alert::{AlertDescription, AlertLevel};
use crate::apart::Apart;
use crate::clock::Now;
use crate::config::Policy;
use crate::crypto::random::Random;
use crate::error::{Abort, Error, Misuse, Reason, Stage};
use crate::record::{
    Another, Barred, HandshakeBytes, Incoming, MAX_IDLE, Outgoing, Reader, Writer,
};
#[cfg(feature = "dtls")]
use crate::record::{DatagramReader, DatagramWriter};
use crate::role::Role;
use crate::violation::Violation;
use crate::wire::tls12::HelloRequest;
use crate::wire::{HandshakeMessage as _, HandshakeType};

/// What a handshake that is not the first knows besides.
pub(super) struct Again {
    kept: Kept,
    not_before: UnixTime,
    /// Whether a message of the peer has come: until then it may decline.
    has_begun: bool,
    /// Whether its change_cipher_spec has come.
    has_changed_keys: bool,
    /// Whether a HelloRequest has crossed the hello.
    has_crossed: bool,
    empty_records: u8,
    /// What came between the messages.
    pub(super) data: Option<Vec<u8>>,
    end: Ending,
}

/// What a handshake begins with that is not the first.
struct Beginning {
    kept: Kept,
    not_before: UnixTime,
    /// Client: where it stands if its hello is out.
    unanswered: Option<Box<dyn Any + Send + Sync>>,
    /// The peer has asked for it.
    is_asked: bool,
}

impl Beginning {
    /// Nothing is taken yet.
    fn of(another: &Another) -> Option<Self> {
        Some(Self {
            kept: another.kept.downcast_ref::<Kept>()?.clone(),
            not_before: another.not_before,
            unanswered: None,
            is_asked: false,
        })
    }

    fn policy(&self) -> &Policy {
        self.kept.end.policy()
    }
}

/// The reading half of a connection that another handshake takes over from.
trait Predecessor {
    /// Why there is none, where there is none.
    fn barred(&self) -> Barred;
    /// Whether the peer has asked for it.
    fn is_requested(&self) -> bool;
    fn another(&mut self) -> Option<&mut Another>;
    /// What reads on.
    fn incoming(&mut self) -> Incoming;
}

impl Predecessor for Reader {
    fn barred(&self) -> Barred {
        self.barred()
    }

    fn is_requested(&self) -> bool {
        self.is_requested()
    }

    fn another(&mut self) -> Option<&mut Another> {
        self.another()
    }

    fn incoming(&mut self) -> Incoming {
        Incoming::after(self)
    }
}

#[cfg(feature = "dtls")]
impl Predecessor for DatagramReader {
    fn barred(&self) -> Barred {
        self.barred()
    }

    fn is_requested(&self) -> bool {
        self.is_requested()
    }

    fn another(&mut self) -> Option<&mut Another> {
        self.another()
    }

    fn incoming(&mut self) -> Incoming {
        Incoming::after_datagrams(self)
    }
}

/// How it has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With new keys, or not yet.
    New,
    /// By the peer, or by this side, as the peer has not answered.
    Declined,
    /// The peer has said close_notify instead.
    Closed,
}

impl Handshake {
    /// Begins another handshake on a connection of before TLS 1.3 (RFC 5246 §7.4.1): the one that the
    /// peer has asked for ([`Reader::take_request`]), else by this side's request. It is bound to the one
    /// before (RFC 5746).
    ///
    /// What the writer has sealed has to be sent before anything of this handshake, and what the
    /// reader has not read is to be given to [`receive`](Self::receive) first. Both halves are of no
    /// use from here on; the connection in the end brings new ones. Until the peer changes its keys its
    /// data may come between its messages, and is given as [`Step::Data`](crate::Step::Data) (§6.2.1).
    ///
    /// A peer need not agree. Then the handshake is over as well, and
    /// [`was_declined`](Self::was_declined) says so: its connection goes on with the old keys.
    ///
    /// # Errors
    /// [`Reason::Misuse`] when there can be none: in TLS 1.3, with a configuration that does not allow
    /// it, with a peer that does not know RFC 5746, over HTTP/2, after a session was resumed without
    /// the extended master secret, and after close_notify. Then both halves are as they were.
    pub fn renegotiate(
        reader: &mut Reader,
        writer: &mut Writer,
        now: impl Into<Now>,
    ) -> Result<Self, Error> {
        Self::renegotiate_with(
            reader,
            writer,
            now.into(),
            Random::system(),
            #[cfg(test)]
            None,
        )
    }

    /// Whether [`renegotiate`](Self::renegotiate) is possible, as far as the reader knows.
    ///
    /// # Errors
    /// [`Reason::Misuse`] when it is not, with the reason.
    pub fn check_renegotiation(reader: &mut Reader) -> Result<(), Error> {
        match reader.another() {
            Some(_) => Ok(()),
            None => Err(refused(reader.barred())),
        }
    }

    pub(crate) fn renegotiate_with(
        reader: &mut Reader,
        writer: &mut Writer,
        now: Now,
        random: Random,
        #[cfg(test)] tamper: Option<super::tests::Tamper>,
    ) -> Result<Self, Error> {
        Self::take_over(
            reader,
            |_| Outgoing::after(writer),
            (now, random),
            #[cfg(test)]
            tamper,
        )
    }

    /// Nothing has changed where it gives an error. `outgoing` is told whether a handshake goes on that was given up.
    fn take_over(
        reader: &mut impl Predecessor,
        outgoing: impl FnOnce(bool) -> Result<Outgoing, Error>,
        (now, random): (Now, Random),
        #[cfg(test)] tamper: Option<super::tests::Tamper>,
    ) -> Result<Self, Error> {
        let (barred, is_asked) = (reader.barred(), reader.is_requested());
        let Some(another) = reader.another() else {
            return Err(refused(barred));
        };
        let Some(mut beginning) = Beginning::of(another) else {
            return Err(refused(barred));
        };
        let outgoing = outgoing(another.unanswered.is_some())?;
        beginning.unanswered = another.unanswered.take();
        beginning.is_asked = is_asked;
        let mut this = Self::over(reader.incoming(), outgoing, beginning.policy(), random);
        this.now = now;
        #[cfg(test)]
        if let Some(tamper) = tamper {
            this.tamper(tamper);
        }
        this.begin_again(beginning)?;
        Ok(this)
    }

    /// Takes over what the connection has kept, whatever carries its records.
    fn begin_again(&mut self, beginning: Beginning) -> Result<(), Error> {
        let Beginning {
            kept,
            not_before,
            unanswered,
            is_asked,
        } = beginning;
        self.again = Some(Apart::new(Again {
            kept: kept.clone(),
            not_before,
            has_begun: false,
            has_changed_keys: false,
            has_crossed: false,
            empty_records: 0,
            data: None,
            end: Ending::New,
        }));
        let Kept { end, previous } = kept;
        let unanswered = unanswered.map(|one| one.downcast::<Box<dyn Machine>>());
        if let Some(Ok(unanswered)) = unanswered {
            // As it was when the hello went out.
            self.incoming.allow_ccs(true);
            let limit = end.policy().max_fragment_sent;
            self.outgoing.set_max_fragment(limit);
            self.machine = Some(*unanswered);
            return Ok(());
        }
        let restarted = end.restart(previous, is_asked, &mut self.cx());
        self.machine = Some(restarted.map_err(|abort| abort.into_error(Stage::Start))?);
        Ok(())
    }

    /// Whether the peer did not want this renegotiation, or has closed instead: the connection goes
    /// on as it was.
    pub fn was_declined(&self) -> bool {
        self.ending() != Ending::New
    }

    /// In a renegotiation: whether this message says nothing, because it crossed the hello (RFC 5246
    /// §7.4.1.1). Any other is the peer's beginning.
    pub(super) fn has_crossed(&mut self, message: &HandshakeBytes) -> Result<bool, Abort> {
        let is_client = self.role() == Some(Role::Client);
        let Some(again) = &mut self.again else {
            return Ok(false);
        };
        let is_request = message.typ() == HandshakeType::HELLO_REQUEST;
        if is_request && !again.has_begun && !again.has_crossed && is_client {
            again.has_crossed = true;
            HelloRequest::decode(message.body())?;
            self.incoming.end_of_flight()?;
            return Ok(true);
        }
        again.has_begun = true;
        Ok(false)
    }

    /// What comes from here on is under the peer's new keys.
    pub(super) fn note_changed_keys(&mut self) {
        if let Some(again) = &mut self.again {
            again.has_changed_keys = true;
        }
    }

    /// The peer has sent data, which RFC 5246 §6.2.1 has everybody take in a handshake that is not the first:
    /// NSS' and Java's clients send some behind their hello. The keys before say whose it is; of those that come with
    /// change_cipher_spec nobody knows that before Finished (§7.4.9).
    pub(super) fn on_data(&mut self, data: Vec<u8>) -> Result<(), Abort> {
        match &mut self.again {
            None => Err(Violation::ApplicationDataTooEarly.into()),
            Some(again) if again.has_changed_keys => Err(Violation::DataBeforeFinished.into()),
            Some(again) if data.is_empty() => {
                if again.empty_records == MAX_IDLE {
                    return Err(Violation::TooManyEmptyRecords.into());
                }
                again.empty_records += 1;
                Ok(())
            }
            Some(again) => {
                again.empty_records = 0;
                again.data = Some(data);
                Ok(())
            }
        }
    }

    /// Gives a renegotiation up that this side has begun and the peer has not answered: as if it had been declined, the
    /// connection goes on with the old keys. A HelloRequest may be ignored (RFC 5246 §7.4.1.1), and there are
    /// servers that ignore a ClientHello. An answer that comes all the same later on is one to
    /// [`Reader::take_request`], with which that handshake goes on; so is a HelloRequest, which has crossed the hello, and
    /// then the handshake can be given up again. Over datagrams the same hello is said once more then, unless its answer is
    /// here, and until then it is not said at all.
    ///
    /// Whether that was possible: not once something of an answer is here, nor in any other handshake.
    pub fn give_up_renegotiation(&mut self) -> bool {
        let is_quiet = self.error.is_none() && self.incoming.end_of_flight().is_ok();
        let again = self.again.as_mut();
        let Some(again) = again.filter(|again| is_quiet && !again.has_begun) else {
            return false;
        };
        if again.end == Ending::New {
            again.end = Ending::Declined;
            // A server waits for a hello after this as before.
            let machine = self.machine.take();
            let unanswered = machine.filter(|machine| machine.role() == Role::Client);
            let keeps = unanswered.is_some();
            let outcome = Outcome::unchanged(&again.kept, again.not_before, unanswered);
            self.unchanged(outcome, keeps);
        }
        true
    }

    /// Whether this alert says that the peer does not want to renegotiate; then that is the end.
    pub(super) fn is_declined_by(
        &mut self,
        level: AlertLevel,
        description: AlertDescription,
    ) -> bool {
        let Some(again) = self.again.as_mut().filter(|again| !again.has_begun) else {
            return false;
        };
        #[cfg(feature = "dtls")]
        if level == AlertLevel::WARNING
            && description == AlertDescription::NO_RENEGOTIATION
            && self.outgoing.is_late_refusal(self.now.monotonic)
        {
            // Was this one meant, it is said again, and declined once more.
            return true;
        }
        again.end = match description {
            AlertDescription::NO_RENEGOTIATION if level == AlertLevel::WARNING => Ending::Declined,
            AlertDescription::CLOSE_NOTIFY => Ending::Closed,
            _ => return false,
        };
        let outcome = Outcome::unchanged(&again.kept, again.not_before, None);
        self.unchanged(outcome, false);
        true
    }

    /// With `keeps` the handshake may go on.
    #[cfg_attr(not(feature = "dtls"), allow(unused_variables))]
    fn unchanged(&mut self, outcome: Outcome, keeps: bool) {
        #[cfg(feature = "dtls")]
        {
            self.incoming.end_again();
            self.outgoing.end_again(keeps);
        }
        self.connected(outcome);
    }

    /// How this handshake has ended; one that is the first has brought its keys.
    pub(super) fn ending(&self) -> Ending {
        let again = self.again.as_ref();
        again.map_or(Ending::New, |again| again.end)
    }
}

/// What a test does to make one end break the rules.
#[cfg(test)]
impl Handshake {
    /// All messages pass through `tamper`.
    pub(crate) fn renegotiate_tampering(
        reader: &mut Reader,
        writer: &mut Writer,
        tamper: super::tests::Tamper,
    ) -> Self {
        let now = crate::testing::now().into();
        Self::renegotiate_with(reader, writer, now, Random::system(), Some(tamper)).unwrap()
    }
}

/// Over datagrams.
#[cfg(feature = "dtls")]
impl Handshake {
    /// The same over datagrams, before DTLS 1.3: [`renegotiate`](Self::renegotiate) in all but what carries it. What comes goes
    /// to [`receive`](Self::receive), one datagram at a time, and the rest is as in the first handshake: there are
    /// [deadlines](Self::deadline), and what is lost is sent again. In the end there is another
    /// [`DatagramConnection`](crate::DatagramConnection).
    ///
    /// Each handshake has an epoch of its own (RFC 6347 §4.1), one more than that before. What the peer sends under the one
    /// before is given as [`Step::Data`](crate::Step::Data), also while a [question](crate::Step::Ask) is open, and after the
    /// handshake by the new reader, for four minutes.
    ///
    /// # Errors
    /// As [`renegotiate`](Self::renegotiate), and in the last of the 65,535 epochs.
    pub fn renegotiate_datagrams(
        reader: &mut DatagramReader,
        writer: &mut DatagramWriter,
        now: Now,
    ) -> Result<Self, Error> {
        Self::renegotiate_datagrams_with(
            reader,
            writer,
            now,
            Random::system(),
            #[cfg(test)]
            None,
        )
    }

    /// Whether [`renegotiate_datagrams`](Self::renegotiate_datagrams) is possible, as far as the reader knows.
    ///
    /// # Errors
    /// [`Reason::Misuse`] when it is not, with the reason.
    pub fn check_datagram_renegotiation(reader: &mut DatagramReader) -> Result<(), Error> {
        match reader.another() {
            Some(_) => Ok(()),
            None => Err(refused(reader.barred())),
        }
    }

    pub(crate) fn renegotiate_datagrams_with(
        reader: &mut DatagramReader,
        writer: &mut DatagramWriter,
        now: Now,
        random: Random,
        #[cfg(test)] tamper: Option<super::tests::Tamper>,
    ) -> Result<Self, Error> {
        Self::take_over(
            reader,
            |goes_on| Outgoing::after_datagrams(writer, goes_on, now.monotonic),
            (now, random),
            #[cfg(test)]
            tamper,
        )
    }
}

#[cold]
fn refused(why: Barred) -> Error {
    let reason = Reason::Misuse(Misuse::new(why.sentence()));
    Error::new(Stage::Connected, None, reason)
}

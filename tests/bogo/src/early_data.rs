//! Early data: what a client writes before the server has answered, and a server reads and echoes.

use portcullis_core::session::ServerSession;
use portcullis_core::wire::extension::OfferedPsks;
use portcullis_core::wire::{ClientHello, HandshakeHeader, HandshakeMessage, HandshakeType};
use portcullis_core::{
    ConnectionInformation, EarlyDataRejection, EarlyDataStatus, Event, Handshake, ProtocolVersion,
};

use crate::handshake::Done;
use crate::options::{Options, of_tls};
use crate::transport::Transport;
use crate::{Past, Stop, configuration};

/// The early data of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Early {
    is_offered: bool,
    /// The client's writes that were no early data, or only in part.
    pub(crate) unwritten: Option<Vec<Vec<u8>>>,
    /// Whether the next transmission is to be left unfinished.
    stops_short: bool,
}

impl Early {
    pub(crate) fn new(options: &Options, handshake: &Handshake) -> Self {
        Self {
            is_offered: !options.server && handshake.room() > 0,
            unwritten: None,
            stops_short: false,
        }
    }

    pub(crate) fn is_offered(&self) -> bool {
        self.is_offered
    }

    /// The client writes before anybody has answered, unless it is to wait for a message.
    pub(crate) fn start(
        &mut self,
        options: &Options,
        handshake: &mut Handshake,
    ) -> Result<(), Stop> {
        if !self.is_offered {
            return Ok(());
        }
        let body = &options.body;
        if body.export_keying_material > 0 {
            // There is no exporter before there is a connection.
            return Err(Stop::Failed {
                token: Some(":HANDSHAKE_NOT_COMPLETE:"),
                message: "there is nothing to export from yet".into(),
            });
        }
        if options.early_write_after.is_none() {
            self.write(options, handshake);
        }
        Ok(())
    }

    /// What it was to wait for may have come.
    pub(crate) fn on_event(
        &mut self,
        event: &Event,
        options: &Options,
        handshake: &mut Handshake,
    ) -> Result<(), Stop> {
        let Event::Message { direction, typ, .. } = event else {
            return Ok(());
        };
        let has_come = *direction == portcullis_core::Direction::Received
            && options.early_write_after == Some(*typ);
        if self.is_offered && has_come && self.unwritten.is_none() {
            if handshake.room() == 0 {
                return Err(Stop::failed("no early data can be written any more"));
            }
            self.write(options, handshake);
        }
        Ok(())
    }

    fn write(&mut self, options: &Options, handshake: &mut Handshake) {
        let body = &options.body;
        if !body.shim_writes_first && !body.read_with_unfinished_write {
            return;
        }
        let write = body.initial_write.as_deref().unwrap_or(b"hello");
        let mut unwritten = Vec::new();
        for _ in 0..body.repeat_initial_write.unwrap_or(1) {
            let taken = handshake.send(write);
            let rest = write.get(taken..).unwrap_or_default();
            if !rest.is_empty() {
                unwritten.push(rest.to_vec());
            }
        }
        self.unwritten = Some(unwritten);
        self.stops_short = body.read_with_unfinished_write;
    }

    /// Sends what the handshake transmits; of unfinished early data the last byte goes later.
    pub(crate) fn transmit(&mut self, bytes: &[u8], transport: &mut Transport) -> Result<(), Stop> {
        if !std::mem::take(&mut self.stops_short) {
            return transport.send(bytes);
        }
        let (hello, early) = bytes.split_at(last_record(bytes));
        transport.send(hello)?;
        transport.send_one(early)
    }

    /// The server echoes it, every bit turned, before the handshake is over.
    pub(crate) fn echo(
        options: &Options,
        handshake: &mut Handshake,
        data: &[u8],
    ) -> Result<(), Stop> {
        let size = match options.body.read_size {
            0 => 512,
            size => size,
        };
        for read in data.chunks(size) {
            let turned: Vec<u8> = read.iter().map(|byte| byte ^ 0xff).collect();
            if handshake.send(&turned) != turned.len() {
                return Err(Stop::failed("early data cannot be answered"));
            }
        }
        Ok(())
    }

    /// The same in the midst of the handshake, before anything is written that the limit would end.
    pub(crate) fn is_lost(&self, handshake: &Handshake) -> bool {
        self.is_offered && handshake.room() == 0
    }

    /// Whether the client's early data is lost.
    pub(crate) fn was_rejected(&self, information: &ConnectionInformation) -> bool {
        self.is_offered && information.early_data() != EarlyDataStatus::Accepted
    }
}

/// Where the last of these records begins.
fn last_record(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some([_, _, _, high, low]) = bytes.get(at..at + 5) {
        let next = at + 5 + usize::from(u16::from_be_bytes([*high, *low]));
        if next >= bytes.len() {
            break;
        }
        at = next;
    }
    at
}

/// What is expected of the connection as it was before a rejection.
pub(crate) fn check(options: &Options, done: &Done, past: &Past) -> Result<(), Stop> {
    let expect = &options.expect;
    let information = &done.information;
    let is_accepted = information.early_data() == EarlyDataStatus::Accepted;
    let wrong = |what: &str| Err(Stop::failed(format!("not as expected: {what}")));
    if (expect.accept_early_data && !is_accepted) || (expect.reject_early_data && is_accepted) {
        return wrong("early data is accepted or not");
    }
    if expect.reject_early_data && !options.server && past.is_resumed && !done.early.is_offered {
        return wrong("no early data was offered that could be rejected");
    }
    if expect.no_offer_early_data && done.early.is_offered {
        return wrong("early data was offered");
    }
    match (expect.ticket_age_skew, done.ticket_age_skew) {
        (Some(expected), Some(skew)) if past.is_resumed && expected != skew => {
            Err(Stop::failed(format!("the ticket's age is off by {skew} s")))
        }
        (Some(_), None) if past.is_resumed => wrong("no ticket was looked into"),
        _ => Ok(()),
    }
}

/// Why there is no early data, in BoringSSL's words.
pub(crate) fn check_reason(options: &Options, done: &Done, past: &Past) -> Result<(), Stop> {
    let Some(expected) = &options.expect.early_data_reason else {
        return Ok(());
    };
    let information = &done.information;
    let is_older = of_tls(information.version()) < ProtocolVersion::TLS_1_3;
    let session = configuration::sessions(options, past).next();
    let reason = match information.early_data() {
        EarlyDataStatus::Accepted => "accept",
        EarlyDataStatus::Rejected(why) => match why {
            EarlyDataRejection::Declined => "peer_declined",
            EarlyDataRejection::Disabled => "disabled",
            EarlyDataRejection::NotResumed => "session_not_resumed",
            EarlyDataRejection::Retried => "hello_retry_request",
            EarlyDataRejection::NotAllowed => "unsupported_for_session",
            EarlyDataRejection::OtherProtocol => "alpn_mismatch",
            EarlyDataRejection::TicketAge => "ticket_age_skew",
            _ => "unknown",
        },
        _ if !options.enable_early_data => "disabled",
        _ if is_older => "protocol_version",
        _ if options.server => match information.is_resumed() {
            true => "unsupported_for_session",
            false => "no_session_offered",
        },
        _ => match session {
            None => "no_session_offered",
            Some(session) if of_tls(session.version()) < ProtocolVersion::TLS_1_3 => {
                "protocol_version"
            }
            Some(session) if session.max_early_data() == 0 => "unsupported_for_session",
            Some(_) => "alpn_mismatch",
        },
    };
    match reason == expected {
        true => Ok(()),
        false => Err(Stop::failed(format!(
            "not as expected: early data: {reason} instead of {expected}"
        ))),
    }
}

/// How much older the ticket is by the client's hello than by the server's clock, in seconds.
pub(crate) fn ticket_age_skew(heard: &[u8], session: &ServerSession, past: &Past) -> Option<i64> {
    let hello = crate::first_hello::first_message(heard)?;
    let Ok((HandshakeType::CLIENT_HELLO, body)) = HandshakeHeader::split(&hello) else {
        return None;
    };
    let hello = ClientHello::decode(body).ok()?;
    let offered = hello.extensions.find::<OfferedPsks<'_>>()?.ok()?;
    let said = offered.identities.into_iter().next()?.obfuscated_ticket_age;
    // The record of a session ends with what hides the age, the lifetime and the time.
    let record = session.to_bytes();
    let hidden = record.len().checked_sub(16)?;
    let hidden = u32::from_be_bytes(*record.get(hidden..)?.first_chunk()?);
    let said = i64::from(said.wrapping_sub(hidden) / 1_000);
    let age = past
        .now
        .as_secs()
        .checked_sub(session.issued_at().as_secs())?;
    Some(said - i64::try_from(age).ok()?)
}

//! From received bytes to handshake messages and alerts.
//!
//! RFC 8446 §5.1 (framing, interleaving), §5.2 (protection), §4.2.10 (early data),
//! D.4 (change_cipher_spec).

use std::sync::Arc;

use bytes::{Buf as _, BytesMut};

use super::super::alert;
use super::super::assembler::{Assembler, HandshakeBytes, grow, take};
use super::super::header::{self, Header};
use super::super::keys::Keys;
use super::super::reader::HandedOver;
use super::super::{HEADER, MAX_CLIENT_HELLO, MAX_RECORD, MAX_WARNINGS, Mailbox, Reader, Role};
use super::opener::Opener;
use crate::alert::{AlertDescription, AlertLevel};
use crate::error::{Abort, Reason};
use crate::version::ProtocolVersion;
use crate::violation::Violation;
use crate::wire::ContentType;

/// What the peer sent.
#[derive(Debug)]
pub(crate) enum Message {
    /// A complete handshake message.
    Handshake(HandshakeBytes),
    /// An alert of a known level; its description may be one nobody knows.
    Alert {
        level: AlertLevel,
        description: AlertDescription,
    },
    /// Before TLS 1.3: the peer's next record is under its new keys.
    ChangeCipherSpec,
    /// A record of application data, which no state of the handshake wants: only where it is not the
    /// first there may be some.
    ApplicationData(Vec<u8>),
    /// A record of early data, which is granted; not empty.
    EarlyData(Vec<u8>),
}

/// The reading side during the handshake.
///
/// Holds what was fed and not yet consumed, which after [`next`](Self::next) has said `None` is
/// less than one record, and the handshake message being assembled (at most
/// `max_handshake_size` and one record). While the handshake is paused the driver must not
/// feed without bound. Total work is linear in the bytes fed, in whatever pieces they come.
///
/// After an `Err` the connection is over; the value must not be used again.
pub(crate) struct Incoming {
    /// From the first record that was not taken.
    buffer: BytesMut,
    first_record: bool,
    opener: Opener,
    assembler: Assembler,
    max_handshake_size: usize,
    /// A server whose flight is not out yet; a HelloRetryRequest is no flight.
    is_unanswered: bool,
    /// Whether there is more memory behind `buffer` than for a record, until it is answered.
    has_grown: bool,
    strict_alert_levels: bool,
    /// Whether early data is to be granted to nobody.
    declines_early_data: bool,
    /// How many warning alerts have come.
    warnings: u8,
}

impl Incoming {
    /// Starts without keys; handshake messages have at most `max_handshake_size` bytes of body,
    /// and a ClientHello no more than [`MAX_CLIENT_HELLO`].
    pub(crate) fn new(role: Role, max_handshake_size: usize) -> Self {
        let is_unanswered = role == Role::Server;
        let max_handshake_size = match is_unanswered {
            true => max_handshake_size.min(MAX_CLIENT_HELLO),
            false => max_handshake_size,
        };
        Self {
            buffer: BytesMut::new(),
            first_record: true,
            opener: Opener::new(role),
            assembler: Assembler::default(),
            max_handshake_size,
            is_unanswered,
            has_grown: false,
            strict_alert_levels: false,
            declines_early_data: false,
            warnings: 0,
        }
    }

    /// Goes on where the reader of a connection stands, before TLS 1.3. What is unread there has to be
    /// fed here.
    pub(crate) fn after(reader: &mut Reader) -> Self {
        let HandedOver {
            keys,
            inner_limit,
            role,
            max_handshake_size,
            strict_alert_levels,
            begun,
        } = reader.hand_over();
        Self {
            first_record: false,
            opener: Opener::after(role, keys, inner_limit),
            assembler: begun,
            strict_alert_levels,
            ..Self::new(role, max_handshake_size)
        }
    }

    /// Drops what has come of a message.
    pub(crate) fn forget_message(&mut self) {
        self.assembler = Assembler::default();
    }

    /// The server's flight is out: the bodies of the messages that follow have at most
    /// `max_handshake_size` bytes.
    pub(crate) fn hello_answered(&mut self, max_handshake_size: usize) {
        self.is_unanswered = false;
        self.max_handshake_size = max_handshake_size;
    }

    /// Says whether a protected alert that names an error must be fatal. One that is not
    /// protected may be of an older version, which has warnings.
    pub(crate) fn set_strict_alert_levels(&mut self, on: bool) {
        self.strict_alert_levels = on;
    }

    /// Adds received bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.is_unanswered {
            grow(&mut self.buffer, bytes.len(), MAX_RECORD);
            self.has_grown |= self.buffer.len() + bytes.len() > MAX_RECORD;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Gives the next message, or `None` until more is fed.
    ///
    /// Call it again after each message: keys may have to be installed in between.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Abort> {
        loop {
            if let Some(message) = self.assembler.pop(self.max_handshake_size)? {
                return Ok(Some(Message::Handshake(message)));
            }
            let Some(header) = self.frame()? else {
                if self.has_grown && self.is_unanswered {
                    // The start of a record would keep the memory of all that came with it.
                    self.buffer = BytesMut::from(&self.buffer[..]);
                    self.has_grown = false;
                }
                return Ok(None);
            };
            if let Some(message) = self.on_record(header)? {
                return Ok(Some(message));
            }
        }
    }

    /// Installs the key under which the next record is protected.
    ///
    /// # Errors
    /// When handshake bytes wait that came under the old key (§5.1).
    pub(crate) fn install_read(&mut self, keys: impl Into<Keys>) -> Result<(), Abort> {
        if !self.assembler.is_empty() {
            return Err(Violation::MessageSpansKeyChange.into());
        }
        self.opener.install(keys.into());
        Ok(())
    }

    /// Says that the peer has to wait for this side's answer now.
    ///
    /// # Errors
    /// When more handshake bytes have come in the same record all the same.
    pub(crate) fn end_of_flight(&self) -> Result<(), Violation> {
        if self.assembler.is_empty() {
            Ok(())
        } else {
            Err(Violation::MessageAfterFlight)
        }
    }

    /// The version is decided, and is older than TLS 1.3: a change_cipher_spec is a
    /// [message](Message::ChangeCipherSpec) from here on, and records are of the version.
    ///
    /// # Errors
    /// When a change_cipher_spec came before.
    pub(crate) fn decided_before_tls13(
        &mut self,
        version: ProtocolVersion,
    ) -> Result<(), Violation> {
        self.opener.decided_before_tls13(version)
    }

    /// Whether that is so.
    pub(crate) fn is_before_tls13(&self) -> bool {
        self.opener.is_older()
    }

    /// Says what `record_size_limit` this side announced: the most inner plaintext (content,
    /// type and padding) in a protected record, and before TLS 1.3 the most content (RFC 8449 §4).
    pub(crate) fn set_record_size_limit(&mut self, limit: u16) {
        self.opener.limit_inner(limit.into());
    }

    /// Says what `max_fragment_length` was negotiated: the most content in a record
    /// (RFC 6066 §4), padding included (§5.4).
    pub(crate) fn set_max_fragment(&mut self, limit: u16) {
        let more = usize::from(!self.opener.is_older());
        self.opener.limit_inner(usize::from(limit) + more);
    }

    /// Whether change_cipher_spec is let pass: from the first ClientHello to the peer's
    /// Finished (§5).
    pub(crate) fn allow_ccs(&mut self, allow: bool) {
        self.opener.allow_ccs(allow);
    }

    /// Skips the early data of a client that is not granted any, up to `max_bytes` of content,
    /// and as many records (§4.2.10).
    ///
    /// Without read keys, that is after HelloRetryRequest, records of application_data are
    /// skipped until the next handshake record. With read keys, records that do not open are
    /// skipped until the first that does.
    pub(crate) fn skip_early_data(&mut self, max_bytes: usize) {
        self.opener.skip(max_bytes);
    }

    /// Says that nobody here takes early data.
    pub(crate) fn decline_early_data(&mut self) {
        self.declines_early_data = true;
    }

    pub(crate) const fn declines_early_data(&self) -> bool {
        self.declines_early_data
    }

    /// Installs the key of early data, which is granted, up to `max_bytes` of content (§4.2.10): until
    /// the next key is installed application data is a [message](Message::EarlyData).
    ///
    /// # Errors
    /// As [`install_read`](Self::install_read).
    pub(crate) fn take_early_data(
        &mut self,
        keys: impl Into<Keys>,
        max_bytes: u32,
    ) -> Result<(), Abort> {
        if !self.assembler.is_empty() {
            return Err(Violation::MessageSpansKeyChange.into());
        }
        let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        self.opener.take_early_data(keys.into(), max_bytes);
        Ok(())
    }

    /// The bytes fed and not consumed, when the handshake is given up.
    pub(crate) fn take_unread(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.buffer).into()
    }

    /// Turns into the data path: the reader goes on with the installed keys, and the bytes are
    /// those it must be given before any other.
    ///
    /// # Errors
    /// When part of a handshake message waits, or when no keys are installed.
    pub(crate) fn take_reader(
        &mut self,
        mailbox: Arc<Mailbox>,
    ) -> Result<(Reader, Vec<u8>), Abort> {
        if !self.assembler.is_empty() {
            return Err(Violation::MessageSpansKeyChange.into());
        }
        // Almost always nothing: the buffer of the handshake is not kept for it.
        let unread = self.buffer.to_vec();
        let mut reader = self.opener.take_reader(self.max_handshake_size, mailbox)?;
        reader.post_handshake.strict_alert_levels = self.strict_alert_levels;
        Ok((reader, unread))
    }

    /// The header of the record at the start of `buffer`, once that is complete.
    fn frame(&mut self) -> Result<Option<Header>, Abort> {
        let Some(&bytes) = self.buffer.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        if self.first_record && !header::is_known(ContentType(bytes[0])) {
            return Err(Abort(Reason::NotTls { first_bytes: bytes }));
        }
        let header = Header::check(bytes, self.opener.form()).map_err(|violation| {
            let [_, major, minor, ..] = bytes;
            match violation {
                Violation::WrongRecordVersion | Violation::RecordVersionChanged => {
                    violation.explained(format!("its version is {major}.{minor}"))
                }
                other => other.into(),
            }
        })?;
        if self.buffer.len() < HEADER + header.body {
            return Ok(None);
        }
        self.first_record = false;
        Ok(Some(header))
    }

    /// Opens the record at the start of `buffer`, sorts its content, and takes it out.
    fn on_record(&mut self, header: Header) -> Result<Option<Message>, Abort> {
        let mid_message = !self.assembler.is_empty();
        let length = HEADER + header.body;
        let record = self.buffer.get_mut(..length).unwrap_or_default();
        let Some((typ, content)) = self.opener.open(header, record, mid_message)? else {
            self.buffer.advance(length);
            return Ok(None);
        };
        let message = match typ {
            ContentType::HANDSHAKE if content.is_empty() => Err(Violation::EmptyRecord.into()),
            ContentType::HANDSHAKE => {
                // It stands at the start of what was opened.
                let content = content.len();
                let mut record = take(&mut self.buffer, length);
                record.advance(HEADER);
                record.truncate(content);
                self.assembler.put(record);
                return Ok(None);
            }
            ContentType::ALERT => {
                let alert = alert::decode(content)?;
                if mid_message && alert::is_closure(alert.description) {
                    return Err(Violation::InterleavedRecord.into());
                }
                if self.strict_alert_levels
                    && self.opener.is_protected()
                    && !self.opener.is_older()
                    && alert::is_understated(alert)
                {
                    return Err(Violation::WrongAlertLevel.into());
                }
                if alert.level == AlertLevel::WARNING {
                    if self.warnings == MAX_WARNINGS {
                        return Err(Violation::TooManyWarnings.into());
                    }
                    self.warnings += 1;
                }
                Ok(Some(Message::Alert {
                    level: alert.level,
                    description: alert.description,
                }))
            }
            ContentType::APPLICATION_DATA if mid_message => {
                Err(Violation::InterleavedRecord.into())
            }
            ContentType::APPLICATION_DATA => {
                let data = content.to_vec();
                match self.opener.on_data(data.len())? {
                    true if data.is_empty() => Ok(None),
                    true => Ok(Some(Message::EarlyData(data))),
                    false => Ok(Some(Message::ApplicationData(data))),
                }
            }
            ContentType::CHANGE_CIPHER_SPEC if self.opener.is_older() => {
                Ok(Some(Message::ChangeCipherSpec))
            }
            ContentType::CHANGE_CIPHER_SPEC => Err(Violation::UnexpectedChangeCipherSpec.into()),
            _ => Err(Violation::UnknownRecordType.into()),
        };
        self.buffer.advance(length);
        message
    }
}

impl core::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Incoming")
            .field("unread", &self.buffer.len())
            .field("assembler", &self.assembler)
            .field("opener", &self.opener)
            .finish_non_exhaustive()
    }
}

/// What only a test asks.
#[cfg(test)]
impl Incoming {
    /// Makes the current key as old as its cipher lets it become.
    pub(crate) fn wear_out(&mut self) {
        self.opener.wear_out();
    }

    /// The memory held for what came, in bytes.
    pub(crate) fn held(&self) -> usize {
        let hidden = if self.has_grown { usize::MAX / 2 } else { 0 };
        hidden + self.buffer.capacity() + self.assembler.held()
    }
}

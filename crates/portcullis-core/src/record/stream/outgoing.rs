//! From handshake messages and alerts to bytes to transmit.
//!
//! RFC 8446 §5.1 (fragmentation, legacy versions), §5.2, §5.4, D.4.

use std::sync::Arc;

use super::super::alert;
use super::super::header;
use super::super::keys::Keys;
use super::super::size::RecordSize;
use super::super::writer::HandedOver;
use super::super::{HEADER, Mailbox, PaddingPolicy, Role, Writer};
use crate::alert::AlertDescription;
use crate::crypto::CryptoFailure;
use crate::error::{Abort, Error, Stage};
use crate::key_schedule::Hashed;
use crate::version::ProtocolVersion;
use crate::wire::ContentType;

/// Bytes to make room for at once: the messages of a server with a certificate or two.
const USUAL_FLIGHT: usize = 1_024;

/// The writing side during the handshake.
///
/// Handshake messages are collected and go out in as few records as the limits allow, when
/// something else is queued, when the key changes, or when the bytes are taken.
pub(crate) struct Outgoing {
    /// Records, ready for the transport; the last may be open.
    out: Vec<u8>,
    /// Where the open record begins: room for its header, and handshake messages in the clear.
    open: Option<usize>,
    keys: Option<Keys>,
    /// Of data, sealed under them by the writer before.
    bytes: u64,
    size: RecordSize,
    /// In another handshake on a connection: what holds from the next keys on.
    next_size: Option<RecordSize>,
    /// The legacy version of the next unprotected handshake record.
    hello_version: u16,
    /// What stands in the headers after it.
    version: u16,
    /// Whether a change_cipher_spec goes before the next protected record.
    change_cipher_spec_due: bool,
    /// How much data may go out before the handshake is over, in bytes: a client's early data, or a
    /// server's that answers some (§2.3).
    room: u64,
}

impl Outgoing {
    /// Starts without keys and with the limits of the protocol.
    pub(crate) fn new(role: Role) -> Self {
        Self {
            out: Vec::new(),
            open: None,
            keys: None,
            bytes: 0,
            size: RecordSize::default(),
            next_size: None,
            // §5.1: the initial ClientHello may carry 0x0301, for the sake of old servers.
            hello_version: match role {
                Role::Client => 0x0301,
                Role::Server => header::LEGACY_VERSION,
            },
            version: header::LEGACY_VERSION,
            change_cipher_spec_due: false,
            room: 0,
        }
    }

    /// Goes on where the writer of a connection stands, before TLS 1.3.
    ///
    /// # Errors
    /// When the writer cannot seal any more.
    pub(crate) fn after(writer: &mut Writer) -> Result<Self, Error> {
        let HandedOver {
            keys,
            size,
            bytes,
            declines,
        } = writer.hand_over()?;
        let mut this = Self {
            keys: Some(keys),
            size,
            bytes,
            next_size: Some(RecordSize::default()),
            ..Self::new(Role::Server)
        };
        if declines {
            // The peer has asked before; it counts the answers.
            let warning = alert::encode_warning(AlertDescription::NO_RENEGOTIATION);
            this.record(ContentType::ALERT, &warning, header::LEGACY_VERSION)
                .map_err(|abort| abort.into_error(Stage::Connected))?;
        }
        Ok(this)
    }

    /// No newer version than this one was offered: what follows the hello says no more than that.
    pub(crate) fn offered_before_tls12(&mut self, version: ProtocolVersion) {
        self.version = version.0;
    }

    /// The version is decided: unprotected records say so from here on, where it is older than TLS
    /// 1.3 (RFC 5246 §6.2.1).
    pub(crate) fn decided_before_tls13(&mut self, version: ProtocolVersion) {
        (self.hello_version, self.version) = (version.0, version.0);
    }

    /// Queues the handshake message that `put` writes with its header; gives what it wrote.
    pub(crate) fn handshake(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> Hashed<'_> {
        if self.open.is_none() {
            self.open = Some(self.begin());
        }
        let at = self.out.len();
        put(&mut self.out);
        let message = self.out.get(at..).unwrap_or_default();
        Hashed::new(message)
    }

    /// Queues the dummy change_cipher_spec of middlebox compatibility mode (D.4); it is never
    /// protected.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn change_cipher_spec(&mut self) -> Result<(), Abort> {
        self.flush()?;
        self.put_change_cipher_spec();
        Ok(())
    }

    /// Sends a dummy change_cipher_spec before the first protected record, even if that is an
    /// alert: a middlebox that follows TLS 1.2 waits for it there (D.4).
    pub(crate) fn change_cipher_spec_before_protected(&mut self) {
        self.change_cipher_spec_due = true;
    }

    /// Queues an alert; its level follows from its description (§6).
    ///
    /// `user_canceled` alone would be ignored by the peer, so close_notify follows it (§6.1).
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn alert(&mut self, description: AlertDescription) -> Result<(), Abort> {
        self.flush()?;
        self.record(
            ContentType::ALERT,
            &alert::encode(description),
            self.version,
        )?;
        if description == AlertDescription::USER_CANCELED {
            let close = alert::encode(AlertDescription::CLOSE_NOTIFY);
            self.record(ContentType::ALERT, &close, self.version)?;
        }
        Ok(())
    }

    /// Protects everything queued from now on with these keys; what is queued goes out under the
    /// old ones.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn install_write(&mut self, keys: impl Into<Keys>) -> Result<(), Abort> {
        self.flush()?;
        self.keys = Some(keys.into());
        (self.room, self.bytes) = (0, 0);
        Ok(())
    }

    /// Protects nothing from now on, until there are other keys: those of early data are of no use to a
    /// server that has asked for another hello (§4.2.10).
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn drop_keys(&mut self) -> Result<(), Abort> {
        self.flush()?;
        self.keys = None;
        self.room = 0;
        Ok(())
    }

    /// Lets data go out under these keys before the handshake is over, at most so many bytes.
    pub(crate) fn allow_data(&mut self, bytes: u64) {
        self.room = bytes;
    }

    /// How many bytes of data may still go out before the handshake is over.
    pub(crate) fn room(&self) -> u64 {
        self.room
    }

    /// Queues data, as much as may go out before the handshake is over; gives how much that is.
    ///
    /// # Errors
    /// When the crypto library fails, or the key has done what it may.
    pub(crate) fn data(&mut self, data: &[u8]) -> Result<usize, Abort> {
        let len = usize::try_from(self.room)
            .unwrap_or(usize::MAX)
            .min(data.len());
        if len == 0 {
            return Ok(0);
        }
        self.flush()?;
        let limit = self.size.protected();
        for content in data.get(..len).unwrap_or_default().chunks(limit) {
            self.record(ContentType::APPLICATION_DATA, content, self.version)?;
        }
        self.room = self.room.saturating_sub(len as u64);
        self.bytes = self.bytes.saturating_add(len as u64);
        Ok(len)
    }

    /// Says change_cipher_spec, and changes to these keys of before TLS 1.3 (RFC 5246 §7.1).
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn switch_keys(&mut self, keys: Keys) -> Result<(), Abort> {
        self.flush()?;
        match self.keys {
            None => self.put_change_cipher_spec(),
            // It is protected by the keys that it ends.
            Some(_) => {
                let version = header::LEGACY_VERSION;
                self.record(ContentType::CHANGE_CIPHER_SPEC, &[1], version)?;
            }
        }
        self.keys = Some(keys);
        self.bytes = 0;
        self.size = self.next_size.unwrap_or(self.size);
        Ok(())
    }

    /// Takes the peer's `record_size_limit` (RFC 8449 §4), which binds protected records.
    pub(crate) fn set_record_size_limit(&mut self, limit: u16) {
        let size = self.next_size.as_mut().unwrap_or(&mut self.size);
        size.set_record_size_limit(limit);
    }

    /// Bounds the content of every record: `max_fragment_length` or this side's own limit.
    pub(crate) fn set_max_fragment(&mut self, limit: u16) {
        let size = self.next_size.as_mut().unwrap_or(&mut self.size);
        size.set_max_fragment(limit);
    }

    /// Sets how protected records are padded.
    pub(crate) fn set_padding(&mut self, padding: PaddingPolicy) {
        self.size.set_padding(padding);
    }

    /// The next handshake message has a record of its own.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn end_record(&mut self) -> Result<(), Abort> {
        self.flush()
    }

    /// Takes the bytes to transmit.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn take(&mut self) -> Result<Vec<u8>, Abort> {
        self.flush()?;
        Ok(core::mem::take(&mut self.out))
    }

    /// Turns into the data path: the writer goes on with the installed keys, and the bytes are
    /// to be transmitted before any of its own.
    ///
    /// `key_update_at` is how many bytes of content one key protects before it is updated.
    ///
    /// # Errors
    /// When no keys are installed, or the crypto library fails.
    pub(crate) fn take_writer(
        &mut self,
        mailbox: Arc<Mailbox>,
        key_update_at: u64,
    ) -> Result<(Writer, Vec<u8>), Abort> {
        let bytes = self.take()?;
        let keys = self.keys.as_mut().map(Keys::take);
        let keys = keys.ok_or(CryptoFailure::RecordKeys)?;
        let writer = Writer::new(keys, self.size, key_update_at, mailbox).after(self.bytes);
        Ok((writer, bytes))
    }

    /// Closes the open record; what is too long for it goes into others.
    fn flush(&mut self) -> Result<(), Abort> {
        let Some(at) = self.open.take() else {
            return Ok(());
        };
        if self.out.len() <= at + HEADER {
            self.out.truncate(at);
            return Ok(());
        }
        let limit = match self.keys {
            Some(_) => self.size.protected(),
            None => self.size.unprotected(),
        };
        let version = core::mem::replace(&mut self.hello_version, self.version);
        let end = self.out.len().min(at + HEADER + limit);
        let rest = self.out.split_off(end);
        self.close(at, ContentType::HANDSHAKE, version)?;
        for fragment in rest.chunks(limit) {
            self.record(ContentType::HANDSHAKE, fragment, version)?;
        }
        Ok(())
    }

    fn put_change_cipher_spec(&mut self) {
        self.reserve_flight();
        let head = header::header(ContentType::CHANGE_CIPHER_SPEC, self.version, 1);
        self.out.extend_from_slice(&head);
        self.out.push(1);
    }

    fn record(&mut self, typ: ContentType, content: &[u8], version: u16) -> Result<(), Abort> {
        let at = self.begin();
        self.out.extend_from_slice(content);
        self.close(at, typ, version)
    }

    /// Room for all of a flight that begins here.
    fn reserve_flight(&mut self) {
        if self.out.is_empty() {
            self.out.reserve(USUAL_FLIGHT);
        }
    }

    /// Begins a record with room for its header; gives where.
    fn begin(&mut self) -> usize {
        self.reserve_flight();
        if self.keys.is_some() && core::mem::take(&mut self.change_cipher_spec_due) {
            self.put_change_cipher_spec();
        }
        let at = self.out.len();
        self.out.extend_from_slice(&[0; HEADER]);
        at
    }

    /// Ends the record that begins at `at`: protects it, if there are keys.
    ///
    /// On failure it is gone: nothing goes out in the clear that should not.
    fn close(&mut self, at: usize, typ: ContentType, version: u16) -> Result<(), Abort> {
        if self.keys.is_some() {
            let sealed = self.seal(at, typ);
            return sealed.inspect_err(|_| self.out.truncate(at));
        }
        let content = self.out.len().saturating_sub(at + HEADER);
        let record = self.out.get_mut(at..).unwrap_or_default();
        if let Some(head) = record.first_chunk_mut() {
            *head = header::header(typ, version, content);
        }
        Ok(())
    }

    fn seal(&mut self, at: usize, typ: ContentType) -> Result<(), Abort> {
        let keys = self.keys.as_mut().ok_or(CryptoFailure::SealingRecord)?;
        let content = self.out.len().saturating_sub(at + HEADER);
        // Room for what comes behind the content.
        let length = self.size.record(&keys.protection, content);
        self.out.resize(at + length, 0);
        let record = self.out.get_mut(at..).unwrap_or_default();
        Ok(keys.seal_in_place(typ, content, record)?)
    }
}

impl core::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Outgoing")
            .field("out", &self.out.len())
            .field("open", &self.open)
            .field("keys", &self.keys)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// What only a test sends.
#[cfg(test)]
impl Outgoing {
    /// Queues a handshake message with its header.
    pub(crate) fn queue(&mut self, message: &[u8]) {
        self.handshake(|out| out.extend_from_slice(message));
    }

    /// Queues bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.flush().unwrap();
        self.out.extend_from_slice(bytes);
    }

    /// Queues one record of any type and content under the current keys, without regard to
    /// limits.
    pub(crate) fn any_record(&mut self, typ: ContentType, content: &[u8]) {
        self.flush().unwrap();
        self.record(typ, content, self.version).unwrap();
    }

    /// Makes the current key as old as its cipher lets it become.
    pub(crate) fn wear_out(&mut self) {
        self.keys.as_mut().unwrap().left = 0;
    }

    /// Goes on with the next keys, as after a KeyUpdate.
    pub(crate) fn update_keys(&mut self) {
        self.flush().unwrap();
        self.keys.as_mut().unwrap().update();
    }
}

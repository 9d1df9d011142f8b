//! What this side sends on an established connection, sealed from where it stands.
//!
//! RFC 8446 §5.1, §5.2, §5.4, §5.5, §4.6.3, §6.1.

use std::io::IoSlice;
use std::sync::Arc;

use super::gather::Gather;
use super::keys::Keys;
use super::protect::Cipher;
use super::size::RecordSize;
use super::{HEADER, Mailbox, alert, misuse};
use crate::alert::AlertDescription;
use crate::error::{Abort, Direction, Error, Reason, Stage};
use crate::wire::{ContentType, HandshakeType, KeyUpdateRequest};

/// Bytes of a KeyUpdate message, the longest content that is not application data.
const KEY_UPDATE: usize = 5;
/// Before TLS 1.3: which part of what a key may protect is kept for the time until it is replaced, and for
/// the handshake that does that.
const KEPT_FOR_RENEGOTIATION: u64 = 8;

/// How far sealing came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Bytes of the data that are in records now.
    pub consumed: usize,
    /// Bytes at the front of the output to transmit.
    pub written: usize,
}

/// The writing half of an established connection.
///
/// It holds a secret and counters and no buffer, and from the first record to
/// [`hibernate`](Self::hibernate) the cipher: data is sealed from the caller's slices straight
/// into the output. Everything written must reach the transport, whole and in order.
///
/// Keys are updated here and nowhere else: before the cipher's limit (§5.5), after
/// `key_update_at` bytes, when the peer asks for it, and on [`key_update`](Self::key_update).
#[derive(Debug)]
pub struct Writer {
    pub(super) keys: Keys,
    size: RecordSize,
    /// The most content in a record; `size.protected()`.
    fragment: usize,
    key_update_at: u64,
    /// Bytes of data sealed under this key.
    pub(super) bytes: u64,
    state: State,
    mailbox: Arc<Mailbox>,
}

/// The cipher of a [`Writer`] while it is kept elsewhere.
pub struct ParkedCipher {
    cipher: Cipher,
    generation: u32,
    owner: Arc<Mailbox>,
}

impl core::fmt::Debug for ParkedCipher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ParkedCipher(..)")
    }
}

/// What a handshake goes on with.
pub(super) struct HandedOver {
    pub(super) keys: Keys,
    pub(super) size: RecordSize,
    /// Of data, sealed under the key.
    pub(super) bytes: u64,
    /// Whether a request of the peer is still to be declined.
    pub(super) declines: bool,
}

#[derive(Debug)]
enum State {
    Open,
    Closed,
    Failed(Error),
}

impl Writer {
    pub(super) fn new(
        keys: Keys,
        size: RecordSize,
        key_update_at: u64,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        // Before TLS 1.3 a key lasts as long as the connection.
        let byte_limit = keys.protection.byte_limit();
        Self {
            keys,
            fragment: size.protected(),
            size,
            key_update_at: byte_limit.unwrap_or(key_update_at),
            bytes: 0,
            state: State::Open,
            mailbox,
        }
    }

    /// Seals `data` into `out`; as [`seal_vectored`](Self::seal_vectored) with one slice.
    ///
    /// # Errors
    /// As [`seal_vectored`](Self::seal_vectored).
    #[inline]
    pub fn seal(&mut self, data: &[u8], out: &mut [u8]) -> Result<Sealed, Error> {
        self.seal_vectored(&[IoSlice::new(data)], out)
    }

    /// Seals as much of `data` into `out` as fits, in as few records as possible.
    ///
    /// What the mailbox asks for, and a KeyUpdate that is due, come first, so `consumed` may be
    /// 0 while `written` is not. Both are 0 only when `data` is empty or `out` is shorter than
    /// [`max_sealed_len(1)`](Self::max_sealed_len), and once before the key is worn out, where another
    /// handshake may replace it ([`Mailbox::take_wish`]). A record is cut short to fit only when it
    /// is the first in `out`.
    ///
    /// # Errors
    /// [`Reason::Closed`] after [`close_notify`](Self::close_notify); the reader's error once
    /// its alert is written. [`Reason::KeyWornOut`] before TLS 1.3, once the last record that the
    /// key may protect, a fatal `internal_error`, is written.
    pub fn seal_vectored(&mut self, data: &[IoSlice<'_>], out: &mut [u8]) -> Result<Sealed, Error> {
        let mut sealed = Sealed::default();
        if self.mailbox.has_work() || !matches!(self.state, State::Open) {
            self.check_open()?;
            sealed.written = self.drain_mailbox(out)?;
            if !matches!(self.state, State::Open) {
                return Ok(sealed);
            }
        }
        let mut data = Gather::new(data);
        // What stands before the first record that may be cut short.
        let mut before = 0;
        let front = self.keys.protection.mitigation().in_front(data.left());
        if let Some(front) = front {
            let rest = out.get_mut(sealed.written..).unwrap_or_default();
            // The key has to last for what follows as well, which is not asked again.
            if self.is_update_due(data.left().min(front + self.fragment), 2) {
                if sealed.written == 0 {
                    sealed.written = self.put_end(rest)?;
                }
                return Ok(sealed);
            }
            match self.put_front(&mut data, front, rest)? {
                0 => return Ok(sealed),
                written => sealed.written += written,
            }
            sealed.consumed = front;
            before = sealed.written;
        }
        while data.left() > 0 {
            let rest = out.get_mut(sealed.written..).unwrap_or_default();
            let mut fragment = self.fragment.min(data.left());
            let mut padding = self.size.padding(fragment);
            let mut length = self.keys.protection.record_len(fragment + padding);
            if length > rest.len() {
                if sealed.written > before {
                    break;
                }
                let fitting = self.size.fitting(&self.keys.protection, rest.len());
                fragment = fitting.min(fragment);
                if fragment == 0 {
                    break;
                }
                padding = self.size.padding(fragment);
                length = self.keys.protection.record_len(fragment + padding);
            }
            let is_behind_front = front.is_some() && sealed.written == before;
            if !is_behind_front && self.is_update_due(fragment, 1) {
                // Before TLS 1.3 that is the end, or is to be soon, which is told when all else is out.
                if sealed.written > 0 && self.keys.protection.is_older() {
                    break;
                }
                match self.put_key_update(KeyUpdateRequest::UPDATE_NOT_REQUESTED, rest)? {
                    0 => break,
                    written => sealed.written += written,
                }
                if !matches!(self.state, State::Open) {
                    break;
                }
                continue;
            }
            let Some(record) = rest.get_mut(..length) else {
                break;
            };
            self.put_data(&mut data, fragment, padding, record)?;
            sealed.written += length;
            sealed.consumed += fragment;
        }
        Ok(sealed)
    }

    /// Does what the reader has asked for: answers KeyUpdates, asks for a certificate or shows one, or sends
    /// the alert with which the reader has failed. Gives the bytes written to `out`; to be called when
    /// [`Mailbox::has_work`] and there is no data to seal.
    ///
    /// What does not fit into `out` stays to be done; [`control_len`](Self::control_len) bytes
    /// are enough.
    ///
    /// # Errors
    /// The reader's error, once there is nothing left to send for it.
    pub fn drain_mailbox(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let work = self.mailbox.take();
        match &self.state {
            State::Failed(error) => return Err(error.clone()),
            // §6.1: nothing may follow close_notify.
            State::Closed => return Ok(0),
            State::Open => {}
        }
        if work.failed()
            && let Some(error) = self.mailbox.failure().cloned()
        {
            let written = match error.alert() {
                Some((Direction::Sent, description)) => {
                    match self.put(ContentType::ALERT, &alert::encode(description), out)? {
                        0 => {
                            self.mailbox.put_back(work);
                            return Ok(0);
                        }
                        written => written,
                    }
                }
                _ => 0,
            };
            self.state = State::Failed(error.clone());
            return if written > 0 { Ok(written) } else { Err(error) };
        }
        if work.declines_renegotiation() {
            let warning = alert::encode_warning(AlertDescription::NO_RENEGOTIATION);
            let written = self.put(ContentType::ALERT, &warning, out)?;
            if written == 0 {
                self.mailbox.put_back(work);
            }
            return Ok(written);
        }
        if work.authenticates() {
            let (written, is_done) = self.put_authentication(out)?;
            self.mailbox.put_back(match is_done {
                true => work.authenticated(),
                false => work,
            });
            return Ok(written);
        }
        let request = match work.key_update() {
            None => return Ok(0),
            Some(false) => KeyUpdateRequest::UPDATE_NOT_REQUESTED,
            Some(true) => KeyUpdateRequest::UPDATE_REQUESTED,
        };
        let written = self.put_key_update(request, out)?;
        if written == 0 {
            self.mailbox.put_back(work);
        }
        Ok(written)
    }

    /// Updates this side's key, and asks the peer to update its own if `request_peer`
    /// (§4.6.3). Gives the bytes written to `out`.
    ///
    /// # Errors
    /// [`Reason::Misuse`] when `out` is shorter than [`control_len`](Self::control_len), and before
    /// TLS 1.3, which alone has KeyUpdates; both change nothing. [`Reason::Closed`] after
    /// close_notify; the reader's error.
    pub fn key_update(&mut self, request_peer: bool, out: &mut [u8]) -> Result<usize, Error> {
        self.check_open()?;
        if self.keys.protection.is_older() {
            return Err(misuse(
                "keys of TLS 1.2 and older are not updated: open a new connection",
            ));
        }
        let request = if request_peer {
            KeyUpdateRequest::UPDATE_REQUESTED
        } else {
            KeyUpdateRequest::UPDATE_NOT_REQUESTED
        };
        self.put_key_update(request, out).and_then(enough_room)
    }

    /// Says that no more data comes (§6.1); the peer may go on sending. Gives the bytes written
    /// to `out`, 0 when it was said before.
    ///
    /// When the reader has failed its alert is sent instead.
    ///
    /// # Errors
    /// [`Reason::Misuse`] when `out` is shorter than [`control_len`](Self::control_len), which
    /// changes nothing; the error with which the connection has failed.
    pub fn close_notify(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        if self.mailbox.has_failed() {
            return self.drain_mailbox(out).and_then(enough_room);
        }
        match &self.state {
            State::Failed(error) => return Err(error.clone()),
            State::Closed => return Ok(0),
            State::Open => {}
        }
        let content = alert::encode(AlertDescription::CLOSE_NOTIFY);
        let written = self
            .put(ContentType::ALERT, &content, out)
            .and_then(enough_room)?;
        self.state = State::Closed;
        self.mailbox.silence();
        Ok(written)
    }

    /// Ends the connection with a fatal alert (§6.2). Gives the bytes written to `out`.
    ///
    /// `close_notify` is no failure and is sent as by [`close_notify`](Self::close_notify).
    ///
    /// # Errors
    /// As [`key_update`](Self::key_update).
    pub fn alert(&mut self, description: AlertDescription, out: &mut [u8]) -> Result<usize, Error> {
        if description == AlertDescription::CLOSE_NOTIFY {
            return self.close_notify(out);
        }
        self.check_open()?;
        let written = self
            .put(ContentType::ALERT, &alert::encode(description), out)
            .and_then(enough_room)?;
        let alert = Some((Direction::Sent, description));
        self.state = State::Failed(Error::new(Stage::Connected, alert, Reason::Closed));
        Ok(written)
    }

    /// An output of this length takes `n` bytes of data, and a KeyUpdate or an alert before
    /// them.
    ///
    /// With a `key_update_at` below `n`, KeyUpdates between the records need
    /// [`control_len`](Self::control_len) each; without that room sealing stops earlier.
    pub fn max_sealed_len(&self, n: usize) -> usize {
        let sealed = self.size.sealed(&self.keys.protection, n);
        sealed.saturating_add(self.control_len())
    }

    /// An output of this length takes any record that is not data, and what waits of an authentication after
    /// the handshake, of which the longest run of messages has 32 KiB.
    pub fn control_len(&self) -> usize {
        let record = self.size.record(&self.keys.protection, KEY_UPDATE);
        let waiting = self.mailbox.authentication().map_or(0, |one| one.waiting());
        record.max(self.size.sealed(&self.keys.protection, waiting))
    }

    /// The most data in one record: 16,384 bytes, or what the peer has asked for.
    pub fn fragment_len(&self) -> usize {
        self.fragment
    }

    /// Bytes a record of `n` bytes of data has more than these.
    pub fn overhead(&self, n: usize) -> usize {
        let n = n.min(self.fragment);
        self.size.record(&self.keys.protection, n) - n
    }

    /// Gives the memory of the cipher back until the next record is sealed; setting it up again
    /// costs two derivations from the traffic secret; before TLS 1.3 its key is kept. RC4 stays, since its
    /// state cannot be had again; it has 256 bytes.
    pub fn hibernate(&mut self) {
        self.keys.protection.hibernate();
    }

    /// Whether no cipher is set up that could be given back: before the first record, since
    /// [`hibernate`](Self::hibernate), and always with RC4.
    pub fn is_hibernating(&self) -> bool {
        self.keys.protection.is_hibernating()
    }

    /// Takes the cipher out, so that somebody else can drop it while this half is not used. Given
    /// back or not, the writer goes on as before.
    pub fn park(&mut self) -> Option<ParkedCipher> {
        Some(ParkedCipher {
            cipher: self.keys.take_cipher()?,
            generation: self.keys.protection.generation(),
            owner: Arc::clone(&self.mailbox),
        })
    }

    /// Puts back what [`park`](Self::park) has taken out. The cipher of another connection, or of
    /// a key that was updated since, is dropped.
    pub fn unpark(&mut self, parked: ParkedCipher) {
        if Arc::ptr_eq(&parked.owner, &self.mailbox)
            && parked.generation == self.keys.protection.generation()
        {
            self.keys.put_cipher(parked.cipher);
        }
    }

    /// What this half shares with its reader.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Why nothing more can be sealed, once the alert that says so was.
    ///
    /// Unlike [`Mailbox::failure`], which may hold an error whose alert is still to be sent.
    pub fn failure(&self) -> Option<&Error> {
        match &self.state {
            State::Failed(error) => Some(error),
            State::Open | State::Closed => None,
        }
    }

    /// Moves the writer to where the reader is, for
    /// [`Handshake::renegotiate`](crate::Handshake::renegotiate). What stays here seals nothing more.
    pub fn take(&mut self) -> Self {
        let state = State::Failed(misuse(
            "this writer was moved to where the reader is: put back the one that is there",
        ));
        Self {
            keys: self.keys.take(),
            state: core::mem::replace(&mut self.state, state),
            mailbox: Arc::clone(&self.mailbox),
            ..*self
        }
    }

    /// Moves what a handshake goes on with; nothing more is sealed here.
    ///
    /// # Errors
    /// When nothing can be sealed any more, or the reader has failed.
    pub(super) fn hand_over(&mut self) -> Result<HandedOver, Error> {
        self.check_open()?;
        if let Some(error) = self.mailbox.failure() {
            return Err(error.clone());
        }
        self.state = State::Failed(misuse(
            "a handshake goes on with this connection: take the new one when it is over",
        ));
        let declines = self.mailbox.take().declines_renegotiation();
        self.use_key_up();
        Ok(HandedOver {
            keys: self.keys.take(),
            size: self.size,
            bytes: self.bytes,
            declines,
        })
    }

    /// Before TLS 1.3, where there may be another handshake: wishes for it once this many bytes are sealed, and
    /// in any case while enough is left of the key for that handshake and for what goes out before.
    pub(crate) fn renegotiate_at(&mut self, bytes: Option<u64>) {
        let Some(limit) = self.keys.protection.byte_limit() else {
            return;
        };
        // What has no limit needs no other key, unless that is wanted.
        let early = match limit {
            u64::MAX => limit,
            limit => limit - limit / KEPT_FOR_RENEGOTIATION,
        };
        self.key_update_at = bytes.unwrap_or(u64::MAX).min(early);
        if self.is_to_be_renegotiated() {
            self.keys.left -= self.keys.left / KEPT_FOR_RENEGOTIATION;
        }
    }

    /// Whether there is to be another handshake before the key is worn out.
    fn is_to_be_renegotiated(&self) -> bool {
        let limit = self.keys.protection.byte_limit();
        limit.is_some_and(|limit| self.key_update_at < limit)
    }

    /// From here on nothing but the key's own limits counts. Whether others did until now.
    #[cold]
    fn use_key_up(&mut self) -> bool {
        let is_early = self.is_to_be_renegotiated();
        if is_early && let Some(limit) = self.keys.protection.byte_limit() {
            self.key_update_at = limit;
            let records = self.keys.protection.record_limit();
            self.keys.left = records.saturating_sub(self.keys.seq);
        }
        is_early
    }

    /// Goes on where this many bytes were sealed under the key before.
    pub(super) const fn after(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Whether close_notify was sent.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The current traffic secret of this side's direction.
    ///
    /// With it one can read and forge what this side sends from here on: for key logs and
    /// for handing the connection to a kernel.
    /// `None` for versions before TLS 1.3, which have no traffic secrets.
    pub fn traffic_secret(&self) -> Option<&[u8]> {
        self.keys.protection.traffic_secret()
    }

    /// How many times the key was updated: the N of `application_traffic_secret_N`.
    pub fn key_generation(&self) -> u64 {
        self.keys.protection.generation().into()
    }

    /// How many records were sealed under the current key: the next sequence number.
    pub fn sequence_number(&self) -> u64 {
        self.keys.seq
    }

    /// How many bytes of data were sealed under the current key.
    pub fn bytes_under_key(&self) -> u64 {
        self.bytes
    }

    fn check_open(&self) -> Result<(), Error> {
        match &self.state {
            State::Open => Ok(()),
            State::Closed => Err(Abort(Reason::Closed).into_error(Stage::Closed)),
            State::Failed(error) => Err(error.clone()),
        }
    }

    /// Whether this much data, in so many records, must wait for a new key. One record is kept for the KeyUpdate, or
    /// for the alert that says that there is none.
    #[inline]
    fn is_update_due(&self, fragment: usize, records: u64) -> bool {
        // A first record is never too much.
        let bytes = self.bytes.wrapping_add(fragment as u64);
        self.keys.left <= records || (bytes > self.key_update_at && self.bytes > 0)
    }

    /// Seals the next `fragment` bytes of data and their padding as `record`, which has their length.
    #[inline]
    fn put_data(
        &mut self,
        data: &mut Gather<'_>,
        fragment: usize,
        padding: usize,
        record: &mut [u8],
    ) -> Result<(), Error> {
        let typ = ContentType::APPLICATION_DATA;
        let sealed = match data.take_whole(fragment) {
            // Straight from where the data stands.
            Some(slice) if padding == 0 => self.keys.seal_data(slice, record),
            slice => {
                if let Some(content) = record.get_mut(HEADER..HEADER + fragment) {
                    match slice {
                        Some(slice) => content.copy_from_slice(slice),
                        None => data.copy_to(content),
                    }
                }
                self.keys.seal_in_place(typ, fragment, record)
            }
        };
        sealed.map_err(|failure| self.fail(failure.into()))?;
        self.bytes = self.bytes.wrapping_add(fragment as u64);
        Ok(())
    }

    /// Seals the first bytes of a write by themselves, or none: what nobody foresees is the MAC that
    /// comes with them. Each write has its own, because the last was seen before this one was made.
    /// Gives 0 when there is no room for it and for a byte more.
    #[cold]
    fn put_front(
        &mut self,
        data: &mut Gather<'_>,
        front: usize,
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let protection = &self.keys.protection;
        let length = protection.record_len(front);
        if out.len() < length + protection.record_len(1) {
            return Ok(0);
        }
        let record = out.get_mut(..length).unwrap_or_default();
        if let Some(content) = record.get_mut(HEADER..HEADER + front) {
            data.copy_to(content);
        }
        let typ = ContentType::APPLICATION_DATA;
        let sealed = self.keys.seal_in_place(typ, front, record);
        sealed.map_err(|failure| self.fail(failure.into()))?;
        self.bytes = self.bytes.wrapping_add(front as u64);
        Ok(length)
    }

    /// Seals the next run of messages of an authentication (§4.4: nothing may come between them), if it fits into
    /// `out`. How many bytes that were, and whether no other waits.
    #[cold]
    fn put_authentication(&mut self, out: &mut [u8]) -> Result<(usize, bool), Error> {
        let Some(authentication) = self.mailbox.authentication() else {
            return Ok((0, true));
        };
        let length = self
            .size
            .sealed(&self.keys.protection, authentication.waiting());
        let Some(secret) = self.keys.protection.secret() else {
            return Ok((0, true));
        };
        if length == 0 || length > out.len() {
            return Ok((0, length == 0));
        }
        // A key that is worn out is updated before.
        if self.keys.left <= (length / HEADER) as u64 {
            let written = self.put_key_update(KeyUpdateRequest::UPDATE_NOT_REQUESTED, out)?;
            return Ok((written, false));
        }
        let messages = authentication.take(secret);
        let is_done = authentication.waiting() == 0;
        let mut written = 0;
        for fragment in messages.chunks(self.fragment) {
            let rest = out.get_mut(written..).unwrap_or_default();
            written += self.put(ContentType::HANDSHAKE, fragment, rest)?;
        }
        Ok((written, is_done))
    }

    fn put_key_update(
        &mut self,
        request: KeyUpdateRequest,
        out: &mut [u8],
    ) -> Result<usize, Error> {
        if self.keys.protection.is_older() {
            return self.put_end(out);
        }
        let message: [u8; KEY_UPDATE] = [HandshakeType::KEY_UPDATE.0, 0, 0, 1, request.0];
        let written = self.put(ContentType::HANDSHAKE, &message, out)?;
        if written > 0 {
            self.keys.update();
            self.bytes = 0;
        }
        Ok(written)
    }

    /// RFC 5246 knows no way to go on but another handshake. Where there may be one it is wished for before this, and
    /// whoever has both halves begins it. That nothing more comes, though there
    /// was more, is said in the last record; of the protocol's alerts `internal_error` alone blames
    /// nobody's bytes (RFC 5246 §7.2.2).
    #[cold]
    fn put_end(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        if self.use_key_up() {
            self.mailbox.wish_to_renegotiate();
            return Ok(0);
        }
        let worn_out = Abort(Reason::KeyWornOut);
        // Another alert had that record.
        if self.keys.left == 0 {
            return Err(self.fail(worn_out));
        }
        let last_words = AlertDescription::INTERNAL_ERROR;
        let written = self.put(ContentType::ALERT, &alert::encode(last_words), out)?;
        if written > 0 {
            let alert = Some((Direction::Sent, last_words));
            self.state = State::Failed(Error::new(Stage::Connected, alert, worn_out.0));
        }
        Ok(written)
    }

    /// Seals one record, or gives 0 when it does not fit into `out`.
    fn put(&mut self, typ: ContentType, content: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let length = self.size.record(&self.keys.protection, content.len());
        let Some(record) = out.get_mut(..length) else {
            return Ok(0);
        };
        if let Some(place) = record.get_mut(HEADER..HEADER + content.len()) {
            place.copy_from_slice(content);
        }
        // What is left of a key is not data's alone.
        if self.keys.left == 0 && self.use_key_up() {
            self.mailbox.wish_to_renegotiate();
        }
        // The last record under a key is kept for the KeyUpdate; an alert may take its place.
        match self.keys.seal_in_place(typ, content.len(), record) {
            Ok(()) => Ok(length),
            Err(failure) => Err(self.fail(failure.into())),
        }
    }

    /// Fails without an alert: there is nothing to protect one with.
    #[cold]
    fn fail(&mut self, abort: Abort) -> Error {
        let error = Error::new(Stage::Connected, None, abort.0);
        self.state = State::Failed(error.clone());
        error
    }
}

/// Nothing written means that the output was too short.
fn enough_room(written: usize) -> Result<usize, Error> {
    match written {
        0 => Err(misuse(
            "the output is too short: a record that is not data takes `control_len()` bytes",
        )),
        written => Ok(written),
    }
}

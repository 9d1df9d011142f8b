//! One record at a time: which are let through, which are dropped, and what they hold.
//!
//! RFC 8446 §5 (change_cipher_spec), §5.2 (protection), §4.2.10 (early data, taken or skipped).

use std::sync::Arc;

use super::super::header::{self, Form, Header};
use super::super::keys::Keys;
use super::super::protect::Unopened;
use super::super::{HEADER, MAX_IDLE, MAX_INNER_PLAINTEXT, Mailbox, Reader, Role};
use crate::crypto::CryptoFailure;
use crate::crypto::aead::TAG_LEN;
use crate::error::Abort;
use crate::version::ProtocolVersion;
use crate::violation::Violation;
use crate::wire::{ContentType, MAX_PLAINTEXT};

/// Takes the protection off records, once there is any.
#[derive(Debug)]
pub(super) struct Opener {
    role: Role,
    keys: Option<Keys>,
    inner_limit: usize,
    /// In another handshake on a connection: what holds from the next keys on.
    next_inner_limit: Option<usize>,
    allow_ccs: bool,
    /// change_cipher_spec records dropped in all.
    dropped: u8,
    /// What becomes of early data, while any may come.
    early: Option<EarlyData>,
    opened_any: bool,
    /// The version, once it is decided and is none that has other records: before TLS 1.3 a
    /// change_cipher_spec means something.
    older: Option<ProtocolVersion>,
}

impl Opener {
    pub(super) fn new(role: Role) -> Self {
        Self {
            role,
            keys: None,
            inner_limit: MAX_INNER_PLAINTEXT,
            next_inner_limit: None,
            allow_ccs: false,
            dropped: 0,
            early: None,
            opened_any: false,
            older: None,
        }
    }

    /// Goes on with the keys and the limit of a connection of before TLS 1.3.
    pub(super) fn after(role: Role, keys: Keys, inner_limit: usize) -> Self {
        Self {
            older: keys.protection.older_version(),
            keys: Some(keys),
            inner_limit,
            next_inner_limit: Some(MAX_PLAINTEXT),
            ..Self::new(role)
        }
    }

    /// The records are those of before TLS 1.3 from here on.
    ///
    /// # Errors
    /// When a change_cipher_spec came before, which meant nothing (RFC 5246 §7.1).
    pub(super) fn decided_before_tls13(
        &mut self,
        version: ProtocolVersion,
    ) -> Result<(), Violation> {
        if self.dropped > 0 {
            return Err(Violation::UnexpectedChangeCipherSpec);
        }
        self.older = Some(version);
        self.inner_limit = self.inner_limit.min(MAX_PLAINTEXT);
        Ok(())
    }

    pub(super) fn is_older(&self) -> bool {
        self.older.is_some()
    }

    /// What the next record can be.
    pub(super) fn form(&self) -> Form {
        let protected = self.is_protected();
        match self.older {
            Some(version) => Form::Older { version, protected },
            None if protected => Form::Tls13,
            None => Form::Plain,
        }
    }

    pub(super) fn install(&mut self, keys: Keys) {
        self.keys = Some(keys);
        if let Some(EarlyData::Taken(_)) = self.early {
            self.early = None;
        }
        self.inner_limit = self.next_inner_limit.unwrap_or(self.inner_limit);
    }

    pub(super) fn is_protected(&self) -> bool {
        self.keys.is_some()
    }

    /// Bounds the inner plaintext; of several bounds the strictest counts.
    pub(super) fn limit_inner(&mut self, limit: usize) {
        let bound = self
            .next_inner_limit
            .as_mut()
            .unwrap_or(&mut self.inner_limit);
        *bound = limit.min(*bound);
    }

    pub(super) fn allow_ccs(&mut self, allow: bool) {
        self.allow_ccs = allow;
    }

    pub(super) fn skip(&mut self, max_bytes: usize) {
        self.early = Some(EarlyData::Skipped(Allowance {
            bytes: max_bytes,
            records: max_bytes,
        }));
    }

    /// Goes on with the keys of early data, which until the next keys may come.
    pub(super) fn take_early_data(&mut self, keys: Keys, max_bytes: usize) {
        self.keys = Some(keys);
        self.early = Some(EarlyData::Taken(Allowance {
            bytes: max_bytes,
            records: MAX_IDLE.into(),
        }));
    }

    /// Counts what was opened and is application data; says whether it is early data.
    pub(super) fn on_data(&mut self, content: usize) -> Result<bool, Violation> {
        match &mut self.early {
            Some(EarlyData::Taken(left)) => left.take(content).map(|()| true),
            _ => Ok(false),
        }
    }

    pub(super) fn take_reader(
        &mut self,
        max_handshake_size: usize,
        mailbox: Arc<Mailbox>,
    ) -> Result<Reader, Abort> {
        let keys = self.keys.as_mut().map(Keys::take);
        let keys = keys.ok_or(CryptoFailure::RecordKeys)?;
        Ok(Reader::new(
            self.role,
            keys,
            self.inner_limit,
            max_handshake_size,
            mailbox,
        ))
    }

    /// Gives the true type and the content of a record, or `None` when it is dropped.
    pub(super) fn open<'a>(
        &mut self,
        header: Header,
        record: &'a mut [u8],
        mid_message: bool,
    ) -> Result<Option<(ContentType, &'a [u8])>, Abort> {
        let Some((head, body)) = record.split_first_chunk_mut::<HEADER>() else {
            return Ok(None);
        };
        if self.is_older() {
            return self.open_older(header, head, body, mid_message).map(Some);
        }
        if header.typ == ContentType::CHANGE_CIPHER_SPEC {
            return self.on_change_cipher_spec(body, mid_message).map(|()| None);
        }
        let Some(keys) = &mut self.keys else {
            return match (header.typ, &mut self.early) {
                (ContentType::APPLICATION_DATA, Some(EarlyData::Skipped(left))) => {
                    left.discard(header.body).map(|()| None)
                }
                (ContentType::HANDSHAKE, early) => {
                    *early = None;
                    Ok(Some((header.typ, body)))
                }
                _ => Ok(Some((header.typ, body))),
            };
        };
        if header.typ != ContentType::APPLICATION_DATA {
            // A client that cannot derive the keys can only say so in the clear.
            if header.typ == ContentType::ALERT && self.role == Role::Server && !self.opened_any {
                return Ok(Some((header.typ, body)));
            }
            return Err(match keys.open_in_place(head, body) {
                Err(Unopened::Forged) => Violation::UnprotectedRecord.into(),
                Err(Unopened::Crypto(failure)) => failure.into(),
                Ok(_) | Err(Unopened::NoContentType | Unopened::TooLong(_)) => {
                    Violation::WrongOuterType.into()
                }
            });
        }
        if keys.left == 0 {
            return Err(Violation::AeadLimitReached.into());
        }
        let (typ, content) = match (keys.open_in_place(head, body), &mut self.early) {
            (Ok(opened), _) => opened,
            (Err(Unopened::Forged), Some(EarlyData::Skipped(left))) => {
                return left.discard(header.body).map(|()| None);
            }
            (Err(unopened), _) => return Err(unopened.into()),
        };
        let inner = header.body.saturating_sub(keys.protection.least_overhead());
        self.opened_any = true;
        let limit = match self.early {
            // A limit of this handshake is for its keys (RFC 8449 §4): the client has not seen it.
            Some(EarlyData::Taken(_)) => MAX_INNER_PLAINTEXT,
            _ => {
                self.early = None;
                self.inner_limit
            }
        };
        header::check_inner(inner, limit)?;
        Ok(body.get(content).map(|content| (typ, content)))
    }

    /// The same before TLS 1.3, where the header says what a record is, and what is due under keys
    /// is under them.
    fn open_older<'a>(
        &mut self,
        header: Header,
        head: &[u8; HEADER],
        body: &'a mut [u8],
        mid_message: bool,
    ) -> Result<(ContentType, &'a [u8]), Abort> {
        let typ = header.typ;
        let content = match &mut self.keys {
            // A limit that this side has announced is for what is protected (RFC 8449 §4).
            None => &*body,
            Some(keys) if keys.left == 0 => return Err(Violation::AeadLimitReached.into()),
            Some(keys) => {
                let (_, content) = keys.open_in_place(head, body)?;
                let length = content.len();
                header::check_content(length, self.inner_limit)?;
                // To the front, where whoever takes it looks for it.
                body.copy_within(content, 0);
                body.get(..length).unwrap_or_default()
            }
        };
        match typ {
            // RFC 5246 §7.1: not inside of a message. That it comes once is for the states to say.
            ContentType::CHANGE_CIPHER_SPEC if content != [1] => {
                Err(Violation::MalformedChangeCipherSpec.into())
            }
            ContentType::CHANGE_CIPHER_SPEC if mid_message => {
                Err(Violation::InterleavedRecord.into())
            }
            _ => Ok((typ, content)),
        }
    }

    #[cfg(test)]
    pub(super) fn wear_out(&mut self) {
        self.keys.as_mut().unwrap().left = 0;
    }

    fn on_change_cipher_spec(&mut self, body: &[u8], mid_message: bool) -> Result<(), Abort> {
        if !self.allow_ccs {
            return Err(Violation::UnexpectedChangeCipherSpec.into());
        }
        if body != [1] {
            return Err(Violation::MalformedChangeCipherSpec.into());
        }
        if mid_message {
            return Err(Violation::InterleavedRecord.into());
        }
        if self.dropped == MAX_IDLE {
            return Err(Violation::TooManyChangeCipherSpecs.into());
        }
        self.dropped += 1;
        Ok(())
    }
}

/// What becomes of early data.
#[derive(Debug)]
enum EarlyData {
    /// It is not granted, and thrown away.
    Skipped(Allowance),
    Taken(Allowance),
}

/// How much of it may still come.
#[derive(Debug)]
struct Allowance {
    bytes: usize,
    /// Of what is taken: those that are empty.
    records: usize,
}

impl Allowance {
    /// §4.2.10: content counts, and neither padding nor type.
    fn take(&mut self, content: usize) -> Result<(), Violation> {
        if content == 0 {
            let left = self.records.checked_sub(1);
            self.records = left.ok_or(Violation::TooManyEmptyRecords)?;
        }
        let left = self.bytes.checked_sub(content);
        self.bytes = left.ok_or(Violation::EarlyDataBeyondLimit)?;
        Ok(())
    }

    /// Counts a record as §4.6.1 does: neither header, content type nor tag. Padding cannot be
    /// told from content here. A record with content has a byte of it at least, so there may be
    /// as many records as bytes, and records without content cost as much.
    fn discard(&mut self, body: usize) -> Result<(), Abort> {
        // Of the longest tag: what sealed it is unknown.
        let content = body.saturating_sub(1 + TAG_LEN);
        let beyond = Violation::TooMuchEarlyData;
        self.bytes = self.bytes.checked_sub(content).ok_or(beyond)?;
        self.records = self.records.checked_sub(1).ok_or(beyond)?;
        Ok(())
    }
}

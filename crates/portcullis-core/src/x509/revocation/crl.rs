//! A certificate revocation list, read once, with an index of its entries.
//!
//! RFC 5280 §5. The bytes are kept, and what is looked up is read where it stands: an entry takes 16 bytes more than
//! its own.

use core::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls_pki_types::UnixTime;

use super::is_same_name;
use super::scope::{DistributionPoint, FRESHEST_CRL, RevocationReason, Scope, directory_names};
use crate::der::{self, BIT_STRING, INTEGER, Reader, SEQUENCE, context};
use crate::misuse::Misuse;
use crate::x509::certificate::Extensions;
use crate::x509::names::distinguished_name;
use crate::x509::pem;
use crate::x509::time::{is_time, read_time};

/// 2.5.29.18, 20, 27, 28, 35
const ISSUER_ALT_NAME: &[u8] = b"\x55\x1d\x12";
const CRL_NUMBER: &[u8] = b"\x55\x1d\x14";
const DELTA_CRL_INDICATOR: &[u8] = b"\x55\x1d\x1b";
const ISSUING_DISTRIBUTION_POINT: &[u8] = b"\x55\x1d\x1c";
const AUTHORITY_KEY_IDENTIFIER: &[u8] = b"\x55\x1d\x23";
/// Of an entry: 2.5.29.21, 23, 24, 29
const REASON_CODE: &[u8] = b"\x55\x1d\x15";
const HOLD_INSTRUCTION_CODE: &[u8] = b"\x55\x1d\x17";
const INVALIDITY_DATE: &[u8] = b"\x55\x1d\x18";
const CERTIFICATE_ISSUER: &[u8] = b"\x55\x1d\x1d";

const ENUMERATED: u8 = 0x0a;

/// A certificate revocation list (RFC 5280 §5). Nothing says that it is genuine: its signature is verified where it is
/// used, once for each key.
pub struct Crl {
    der: Box<[u8]>,
    tbs: Span,
    algorithm: Span,
    signature: Span,
    /// With its header.
    issuer: Span,
    this_update: i64,
    next_update: Option<i64>,
    /// The contents of the INTEGER.
    number: Option<Span>,
    /// The same of the list that this one adds to.
    base_number: Option<Span>,
    /// The values of extensions.
    authority_key: Option<Span>,
    issuing_point: Option<Span>,
    freshest: Option<Span>,
    /// Why it says nothing about any certificate.
    useless: Option<&'static str>,
    /// In the order of their hashes.
    index: Box<[Slot]>,
    hasher: RandomState,
    pub(super) verified_by: OnceLock<Verified>,
}

/// Where something stands in the list.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

/// One entry.
#[derive(Clone, Copy)]
struct Slot {
    /// Of the serial number, by a key that nobody knows who could make numbers collide.
    hash: u64,
    /// Where the entry stands.
    entry: u32,
    /// Where the names of the issuer of the certificate stand that is in force for it (§5.3.3); 0: the issuer of the
    /// list.
    issuer: u32,
}

/// Whose key has signed the list.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) spki: Box<[u8]>,
    /// The policy may have other keys.
    pub(super) key_minimum: u32,
}

/// What a list says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) reason: RevocationReason,
    pub(super) date: i64,
}

impl Entry {
    pub(super) fn date(&self) -> UnixTime {
        unix_time(self.date)
    }
}

/// A list that cannot be read: where, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlError {
    at: usize,
    what: &'static str,
}

impl fmt::Display for CrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damaged at byte {}: {}", self.at, self.what)
    }
}

impl core::error::Error for CrlError {}

impl Crl {
    /// The longest list that is read, in bytes.
    pub const MAX_BYTES: usize = 128 << 20;

    /// Reads a list in DER and makes its index, which takes a quarter of a microsecond for each entry: long ones are
    /// better read where nobody waits.
    ///
    /// # Errors
    /// When it is none, or longer than [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn from_der(der: impl Into<Vec<u8>>) -> Result<Self, CrlError> {
        let der = der.into().into_boxed_slice();
        if der.len() > Self::MAX_BYTES {
            return Err(CrlError {
                at: Self::MAX_BYTES,
                what: "longer than 128 MiB",
            });
        }
        read(der)
    }

    /// Reads lists: one in DER, or all in a PEM text, in its order.
    ///
    /// # Errors
    /// When there is none, or one is damaged: which one, and where.
    pub fn from_der_or_pem(bytes: &[u8]) -> Result<Vec<Arc<Self>>, Misuse> {
        if bytes.first() == Some(&SEQUENCE) {
            let crl = Self::from_der(bytes)
                .map_err(|error| Misuse::new(format!("the list is {error}")))?;
            return Ok(vec![Arc::new(crl)]);
        }
        let texts = pem::crls(bytes)?;
        let count = texts.len();
        let mut crls = Vec::with_capacity(count);
        for (at, der) in texts.into_iter().enumerate() {
            let crl = Self::from_der(der)
                .map_err(|error| Misuse::new(format!("list {} of {count} is {error}", at + 1)))?;
            crls.push(Arc::new(crl));
        }
        Ok(crls)
    }

    /// The same of a file.
    ///
    /// # Errors
    /// When it cannot be read, has more than 192 MiB, or is as above; with its name.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Vec<Arc<Self>>, Misuse> {
        /// What the longest list has in PEM.
        const MAX_FILE: u64 = 192 << 20;
        let path = path.as_ref();
        let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        if length > MAX_FILE {
            let error = Misuse::new(format!(
                "a list has at most 192 MiB, and this has {length} bytes"
            ));
            return Err(pem::in_file(path, &error));
        }
        let bytes = pem::read_file(path)?;
        Self::from_der_or_pem(&bytes).map_err(|error| pem::in_file(path, &error))
    }

    /// The list as it was read.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// Who issued it: a Name with its header.
    pub fn issuer(&self) -> &[u8] {
        self.at(self.issuer)
    }

    /// Who issued it, for people.
    pub fn issuer_name(&self) -> String {
        distinguished_name(self.issuer())
    }

    /// How many certificates are in it.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether no certificate is in it.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// How many bytes it takes, with its index.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.der.len() + size_of_val(&*self.index)
    }

    /// When it was issued.
    pub fn this_update(&self) -> UnixTime {
        unix_time(self.this_update)
    }

    /// When the next one comes at the latest.
    pub fn next_update(&self) -> Option<UnixTime> {
        self.next_update.map(unix_time)
    }

    /// The number of the list in digits, if it has one (§5.2.3).
    pub fn number(&self) -> Option<String> {
        self.number.map(|number| decimal(self.at(number)))
    }

    /// Whether it only says what has changed since a list before (§5.2.4).
    pub fn is_delta(&self) -> bool {
        self.base_number.is_some()
    }

    /// Whether it is over by then, or does not say when it is.
    pub fn is_stale(&self, now: UnixTime) -> bool {
        let now = seconds(now);
        self.next_update.is_none_or(|next| now >= next)
    }

    /// The URIs that it says it is found at (§5.2.5).
    pub fn uris(&self) -> Vec<String> {
        let point = DistributionPoint {
            name: self.scope().name,
            reasons: self.scope().reasons,
            crl_issuer: None,
        };
        point.uris()
    }

    /// Whether this is a later one of the same kind than `other`: of the same issuer and scope, a complete or a delta
    /// list as that, and not older by number or date.
    pub fn replaces(&self, other: &Self) -> bool {
        self.is_delta() == other.is_delta()
            && self.has_same_scope(other)
            && self.this_update >= other.this_update
            && match (self.number, other.number) {
                (Some(own), Some(number)) => {
                    let (own, number) = (self.at(own), other.at(number));
                    compare(own, number).is_ge()
                }
                (own, number) => own.is_some() || number.is_none(),
            }
    }

    pub(super) fn has_same_scope(&self, other: &Self) -> bool {
        let value = |crl: &Self| crl.issuing_point.map(|span| crl.at(span).to_vec());
        is_same_name(self.issuer(), other.issuer()) && value(self) == value(other)
    }

    /// Whether both name the same key of their issuer (§5.2.1).
    pub fn has_same_authority_key(&self, other: &Self) -> bool {
        let value = |crl: &Self| crl.authority_key.map(|span| crl.at(span).to_vec());
        value(self) == value(other)
    }

    /// §5.2.4: of these numbers, the base of a delta list and its own, the first is at most that of the complete list
    /// and the second more.
    pub(super) fn is_updated_by(&self, delta: &Self) -> bool {
        let (Some(number), Some(base), Some(newer)) =
            (self.number, delta.base_number, delta.number)
        else {
            return false;
        };
        let number = self.at(number);
        compare(delta.at(base), number).is_le() && compare(number, delta.at(newer)).is_lt()
    }

    /// The newest first.
    pub(super) fn order(&self, other: &Self) -> core::cmp::Ordering {
        let number = |crl: &Self| crl.number.map(|span| crl.at(span).to_vec());
        let by_number = match (number(self), number(other)) {
            (Some(own), Some(other)) => compare(&other, &own),
            _ => core::cmp::Ordering::Equal,
        };
        other.this_update.cmp(&self.this_update).then(by_number)
    }

    pub(super) fn is_from_future(&self, now: UnixTime) -> bool {
        /// Clocks differ.
        const TOLERATED: i64 = 300;
        self.this_update > seconds(now).saturating_add(TOLERATED)
    }

    pub(super) fn useless(&self) -> Option<&'static str> {
        self.useless
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        // It was read before.
        let read = self
            .issuing_point
            .and_then(|span| Scope::read(self.at(span)));
        read.unwrap_or(Scope::WHOLE)
    }

    pub(super) fn freshest(&self) -> Option<&[u8]> {
        self.freshest.map(|span| self.at(span))
    }

    pub(super) fn signed(&self) -> (&[u8], &[u8], &[u8]) {
        (
            self.at(self.tbs),
            self.at(self.algorithm),
            self.at(self.signature),
        )
    }

    /// Whether its signature was found good by some key.
    pub fn is_verified(&self) -> bool {
        self.verified_by.get().is_some()
    }

    /// What it says of the certificate of this issuer, a Name with its header, with this number, the contents of an
    /// INTEGER. Of several entries the one that revokes it counts.
    pub(super) fn find(&self, serial: &[u8], issuer: &[u8]) -> Option<Entry> {
        let hash = self.hasher.hash_one(serial);
        let start = self.index.partition_point(|slot| slot.hash < hash);
        let from_start = self.index.get(start..).unwrap_or_default();
        let mut found: Option<Entry> = None;
        for slot in from_start.iter().take_while(|slot| slot.hash == hash) {
            let Some((own, entry)) = self.entry(*slot) else {
                continue;
            };
            if own != serial || !self.is_of(*slot, issuer) {
                continue;
            }
            if found.is_none_or(|found| found.reason == RevocationReason::RemoveFromCrl) {
                found = Some(entry);
            }
        }
        found
    }

    /// Whether an entry is about a certificate of this issuer.
    fn is_of(&self, slot: Slot, issuer: &[u8]) -> bool {
        if slot.issuer == 0 {
            return is_same_name(self.issuer(), issuer);
        }
        let value = self.from(slot.issuer);
        let names = Reader::new(value).contents(SEQUENCE).unwrap_or_default();
        directory_names(names).any(|name| is_same_name(name, issuer))
    }

    /// The serial number in an entry, and what else it says.
    fn entry(&self, slot: Slot) -> Option<(&[u8], Entry)> {
        let mut fields = Reader::new(Reader::new(self.from(slot.entry)).contents(SEQUENCE)?);
        let serial = fields.contents(INTEGER)?;
        let date = read_time(&mut fields)?;
        let mut reason = RevocationReason::Unspecified;
        for extension in Extensions::of(fields.optional(SEQUENCE).unwrap_or_default()) {
            let extension = extension.ok()?;
            if extension.oid == REASON_CODE {
                reason = reason_code(extension.value)?;
            }
        }
        Some((serial, Entry { reason, date }))
    }

    fn at(&self, span: Span) -> &[u8] {
        let range = span.start as usize..span.end as usize;
        self.der.get(range).unwrap_or_default()
    }

    fn from(&self, start: u32) -> &[u8] {
        self.der.get(start as usize..).unwrap_or_default()
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crl")
            .field("issuer", &self.issuer_name())
            .field("number", &self.number())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

fn reason_code(value: &[u8]) -> Option<RevocationReason> {
    match der::only(value, ENUMERATED)? {
        [code @ 0..=0x7f] => Some(RevocationReason::of(*code)),
        _ => None,
    }
}

fn unix_time(seconds: i64) -> UnixTime {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    UnixTime::since_unix_epoch(core::time::Duration::from_secs(seconds))
}

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// Of two numbers that are not negative, as the contents of INTEGERs.
fn compare(one: &[u8], other: &[u8]) -> core::cmp::Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// In digits what fits into 128 bits, else in hexadecimal ones: §5.2.3 allows 20 bytes.
fn decimal(contents: &[u8]) -> String {
    match contents.len() {
        ..=16 => {
            let value = contents
                .iter()
                .fold(0_u128, |value, byte| value << 8 | u128::from(*byte));
            value.to_string()
        }
        _ => {
            let digits = contents.iter().map(|byte| format!("{byte:02x}"));
            format!("0x{}", digits.collect::<String>())
        }
    }
}

/// Positions of parts of one run of bytes.
#[derive(Clone, Copy)]
struct Places<'a>(&'a [u8]);

impl Places<'_> {
    /// Where the part begins: it is one of these bytes, of which there are fewer than 2^32.
    fn start(self, part: &[u8]) -> usize {
        part.as_ptr().addr().wrapping_sub(self.0.as_ptr().addr())
    }

    fn span(self, part: &[u8]) -> Span {
        let start = self.start(part);
        Span {
            start: start as u32,
            end: (start + part.len()) as u32,
        }
    }
}

/// What the extensions of a list say.
#[derive(Default)]
struct Extended {
    number: Option<Span>,
    base_number: Option<Span>,
    authority_key: Option<Span>,
    issuing_point: Option<Span>,
    freshest: Option<Span>,
    is_indirect: bool,
    useless: Option<&'static str>,
}

fn read(der: Box<[u8]>) -> Result<Crl, CrlError> {
    let places = Places(&der);
    let damaged = |at: usize, what| CrlError { at, what };
    let not_der = |what| move || damaged(0, what);
    let whole = der::only(&der, SEQUENCE).ok_or_else(not_der("not DER, or not all of it"))?;
    let mut parts = Reader::new(whole);
    let (Some(tbs), Some(algorithm), Some(signature), true) = (
        parts.element(SEQUENCE),
        parts.contents(SEQUENCE),
        parts.contents(BIT_STRING),
        parts.is_empty(),
    ) else {
        return Err(damaged(0, "not a certificate revocation list"));
    };
    let tbs_start = places.start(tbs.whole);
    let head = |what| move || damaged(tbs_start, what);
    let mut fields = Reader::new(tbs.contents);
    let is_version_2 = match fields.optional(INTEGER) {
        None => false,
        // §5.1.2.1: v2 is 1.
        Some([1]) => true,
        Some(_) => return Err(damaged(tbs_start, "its version is not 2")),
    };
    let inner = fields
        .contents(SEQUENCE)
        .ok_or_else(head("its algorithm"))?;
    let issuer = fields
        .element(SEQUENCE)
        .ok_or_else(head("its issuer"))?
        .whole;
    let this_update = read_time(&mut fields).ok_or_else(head("its thisUpdate"))?;
    let next_update = match is_time(&fields) {
        true => Some(read_time(&mut fields).ok_or_else(head("its nextUpdate"))?),
        false => None,
    };
    let entries = fields.optional(SEQUENCE).unwrap_or_default();
    let extensions = match fields.optional(context(0)) {
        Some(extensions) => {
            let contents = der::only(extensions, SEQUENCE);
            contents.ok_or_else(head("its extensions"))?
        }
        None => &[],
    };
    if !fields.is_empty() {
        return Err(damaged(tbs_start, "something follows what a list has"));
    }
    let mut extended = read_extensions(places, extensions)
        .ok_or_else(|| damaged(places.start(extensions), "its extensions"))?;
    if !is_version_2 && !extensions.is_empty() {
        return Err(damaged(tbs_start, "version 1 has no extensions"));
    }
    // §5.1.1.2: "MUST contain the same algorithm identifier".
    if inner != algorithm {
        extended.useless = Some("names two algorithms");
    }
    let hasher = RandomState::new();
    let index = read_entries(places, entries, is_version_2, &mut extended, &hasher)?;
    let (tbs, algorithm, signature, issuer) = (
        places.span(tbs.whole),
        places.span(algorithm),
        places.span(signature),
        places.span(issuer),
    );
    Ok(Crl {
        tbs,
        algorithm,
        signature,
        issuer,
        this_update,
        next_update,
        number: extended.number,
        base_number: extended.base_number,
        authority_key: extended.authority_key,
        issuing_point: extended.issuing_point,
        freshest: extended.freshest,
        useless: extended.useless,
        index,
        hasher,
        verified_by: OnceLock::new(),
        der,
    })
}

fn read_extensions(places: Places<'_>, extensions: &[u8]) -> Option<Extended> {
    /// More are not taken from anybody.
    const MAX_EXTENSIONS: usize = 64;
    let mut extended = Extended::default();
    let mut seen: Vec<&[u8]> = Vec::new();
    for extension in Extensions::of(extensions) {
        let extension = extension.ok()?;
        let (oid, value) = (extension.oid, extension.value);
        if seen.contains(&oid) || seen.len() == MAX_EXTENSIONS {
            return None;
        }
        seen.push(oid);
        let number = || {
            let number = der::only(value, INTEGER)?;
            der::unsigned(number)?;
            Some(places.span(number))
        };
        match oid {
            CRL_NUMBER => extended.number = Some(number()?),
            DELTA_CRL_INDICATOR => extended.base_number = Some(number()?),
            AUTHORITY_KEY_IDENTIFIER => extended.authority_key = Some(places.span(value)),
            ISSUING_DISTRIBUTION_POINT => {
                extended.is_indirect = Scope::read(value)?.is_indirect;
                extended.issuing_point = Some(places.span(value));
            }
            FRESHEST_CRL => {
                DistributionPoint::read_all(value)?;
                extended.freshest = Some(places.span(value));
            }
            ISSUER_ALT_NAME => {}
            // §5.2.
            _ if extension.critical => {
                extended.useless = Some("has a critical extension that is not known");
            }
            _ => {}
        }
    }
    Some(extended)
}

fn read_entries(
    places: Places<'_>,
    entries: &[u8],
    may_have_extensions: bool,
    extended: &mut Extended,
    hasher: &RandomState,
) -> Result<Box<[Slot]>, CrlError> {
    // Longer than nearly all entries are, so that what is not needed is seldom asked for.
    let mut index = Vec::with_capacity(entries.len() / 36);
    let mut reader = Reader::new(entries);
    let mut issuer = 0;
    while !reader.is_empty() {
        let before = reader.rest().len();
        let mut read = || {
            let entry = reader.element(SEQUENCE)?;
            let mut fields = Reader::new(entry.contents);
            let serial = fields.contents(INTEGER)?;
            read_time(&mut fields)?;
            let extensions = fields.optional(SEQUENCE);
            if !fields.is_empty() || extensions.is_some() && !may_have_extensions {
                return None;
            }
            if let Some(extensions) = extensions {
                read_entry_extensions(places, extensions, extended, &mut issuer)?;
            }
            Some(Slot {
                hash: hasher.hash_one(serial),
                entry: places.start(entry.whole) as u32,
                issuer,
            })
        };
        let Some(slot) = read() else {
            return Err(CrlError {
                at: places.start(entries) + entries.len().saturating_sub(before),
                what: "the entry of a certificate",
            });
        };
        index.push(slot);
    }
    index.sort_unstable_by_key(|slot| slot.hash);
    Ok(index.into_boxed_slice())
}

/// §5.3: what an entry says besides; notes the issuer that is in force from here on.
fn read_entry_extensions(
    places: Places<'_>,
    extensions: &[u8],
    extended: &mut Extended,
    issuer: &mut u32,
) -> Option<()> {
    let mut seen = [false; 2];
    for extension in Extensions::of(extensions) {
        let extension = extension.ok()?;
        match extension.oid {
            REASON_CODE => {
                let reason = reason_code(extension.value)?;
                if reason == RevocationReason::RemoveFromCrl && extended.base_number.is_none() {
                    extended.useless = Some("has removeFromCRL, and is no delta list");
                }
                if core::mem::replace(&mut seen[0], true) {
                    return None;
                }
            }
            CERTIFICATE_ISSUER => {
                if !extended.is_indirect {
                    extended.useless =
                        Some("has entries of another issuer, and is no indirect list");
                }
                if core::mem::replace(&mut seen[1], true) {
                    return None;
                }
                der::only(extension.value, SEQUENCE)?;
                *issuer = places.start(extension.value) as u32;
            }
            HOLD_INSTRUCTION_CODE | INVALIDITY_DATE => {}
            // "MUST NOT use that CRL to determine the status of any certificates".
            _ if extension.critical => {
                extended.useless = Some("has an entry with a critical extension that is not known");
            }
            _ => {}
        }
    }
    Some(())
}

/// The number of a certificate (§4.1.2.2): the contents of an INTEGER.
pub(in crate::x509) fn serial_number(certificate: &[u8]) -> Option<&[u8]> {
    let mut parts = Reader::new(der::only(certificate, SEQUENCE)?);
    let mut tbs = Reader::new(parts.contents(SEQUENCE)?);
    tbs.optional(context(0));
    tbs.contents(INTEGER)
}

const _: () = assert!(size_of::<Slot>() <= 24);

#[cfg(test)]
impl Crl {
    pub(in crate::x509) fn is_listed(&self, serial: &[u8], issuer: &[u8]) -> bool {
        self.find(serial, issuer).is_some()
    }
}

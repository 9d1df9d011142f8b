//! What the fuzzer decides: two configurations, how questions are answered, and what happens to
//! which record or message.

use arbitrary::{Arbitrary, Unstructured};

use crate::early_data::MARK;
use crate::later;

/// How many operations a plan has at most.
pub const MAX_OPERATIONS: usize = 24;
const HEAD: usize = 10;

/// One conversation.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// See [`crate::settings`].
    pub settings: [u8; 8],
    pub flags: Flags,
    /// Which question is answered otherwise than by default, and how: see [`crate::end`].
    pub answers: u8,
    pub operations: Vec<Operation>,
}

/// How the ends and whoever sits between them behave in general.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    /// CertificateVerify and Finished are made right again after messages were changed.
    pub repair: bool,
    /// Each end updates its keys between its first and its second application data.
    pub key_updates: bool,
    /// The wire gives few bytes at a time.
    pub piecewise: bool,
    /// The conversation is one of [`crate::early_data`].
    pub early_data: bool,
    /// The server asks for a certificate after the handshake: see [`crate::later`].
    pub authentication: bool,
}

/// What happens to one unit: a record, or a handshake message if the plan needs the keys.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub what: What,
    /// Who wrote the unit: 0 the client, 1 the server.
    pub writer: usize,
    /// Which of the writer's units, from 0.
    pub unit: usize,
    pub position: u16,
    pub value: u8,
}

macro_rules! operations {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What may happen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum What {
            $($(#[doc = $doc])+ $name,)+
        }

        impl What {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

operations! {
    /// Wire: it is not delivered.
    WireDrop,
    /// Wire: it comes twice.
    WireDuplicate,
    /// Wire: one byte is changed.
    WireFlip,
    /// Wire: its end is missing.
    WireTruncate,
    /// Wire: its end is missing, and its length says so.
    WireShorten,
    /// Wire: an earlier record of either direction comes instead.
    WireSplice,
    /// Wire: it is cut into two records with headers of their own.
    WireSplit,
    /// Wire: an unprotected record comes before it.
    WireInsert,
    /// Wire: its outer type is another.
    WireType,
    /// Wire: the transport ends here.
    WireEnd,
    /// It comes after the next one or more units.
    Hold,
    /// Under the keys: it is left out.
    Drop,
    /// Under the keys: it comes twice.
    Duplicate,
    /// Under the keys: one byte is changed.
    Flip,
    /// Under the keys: its end is missing; an odd value makes its length fit.
    Truncate,
    /// Under the keys: bytes are added, and its length fits.
    Extend,
    /// Under the keys: an earlier message of either direction comes instead.
    Splice,
    /// Under the keys: the type of the message is another.
    MessageType,
    /// Under the keys: the type of the record's content is another.
    ContentType,
    /// Under the keys: something comes before it.
    Insert,
    /// Under the keys: an extension is left out.
    ExtensionDrop,
    /// Under the keys: an extension comes twice.
    ExtensionDuplicate,
    /// Under the keys: an extension has another type.
    ExtensionType,
    /// Under the keys: a byte of an extension is changed.
    ExtensionFlip,
    /// Under the keys: an extension is added, empty or with a body.
    ExtensionInsert,
    /// Legal: it is cut into two records.
    Fragment,
    /// Legal: it shares a record with the next message, if that may be.
    Coalesce,
    /// Legal: its record is padded.
    Pad,
}

impl What {
    /// Whether it needs the keys.
    pub fn is_keyed(self) -> bool {
        !self.is_wire() && self != Self::Hold
    }

    /// Whether a peer may do this.
    pub fn is_legal(self) -> bool {
        matches!(self, Self::Fragment | Self::Coalesce | Self::Pad)
    }

    pub fn is_wire(self) -> bool {
        (self as usize) < Self::Hold as usize
    }
}

impl Plan {
    /// Whether handshake messages are taken out of their records and sealed anew.
    pub fn is_keyed(&self) -> bool {
        self.flags.repair || self.operations.iter().any(|op| op.what.is_keyed())
    }

    /// Whether nothing happens that a peer or a network may not do.
    pub fn is_legal(&self) -> bool {
        // Repairing signs anew, which with ECDSA is another signature.
        !self.flags.repair && self.operations.iter().all(|op| op.what.is_legal())
    }

    /// Reads what [`encode`](Self::encode) has written; any bytes are a plan.
    pub fn decode(data: &[u8]) -> Self {
        Self::arbitrary_take_rest(Unstructured::new(data)).unwrap_or_default()
    }

    /// As bytes, for seeds.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.settings.to_vec();
        let Flags {
            repair,
            key_updates,
            piecewise,
            early_data,
            authentication,
        } = self.flags;
        let mark = match (early_data, authentication) {
            (true, _) => MARK,
            (_, true) => later::MARK,
            _ => 0,
        };
        bytes.push(u8::from(repair) | u8::from(key_updates) << 1 | u8::from(piecewise) << 2 | mark);
        bytes.push(self.answers);
        for op in &self.operations {
            let [high, low] = op.position.to_be_bytes();
            let unit = (op.writer as u8) << 7 | op.unit as u8;
            bytes.extend_from_slice(&[op.what as u8, unit, high, low, op.value]);
        }
        bytes
    }
}

impl<'a> Arbitrary<'a> for Plan {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut head = [0; HEAD];
        u.fill_buffer(&mut head)?;
        let [settings @ .., flags, answers] = head;
        let mut operations = Vec::new();
        while u.len() >= 5 && operations.len() < MAX_OPERATIONS {
            let mut bytes = [0; 5];
            u.fill_buffer(&mut bytes)?;
            let [what, unit, high, low, value] = bytes;
            operations.push(Operation {
                what: What::ALL[usize::from(what) % What::ALL.len()],
                writer: usize::from(unit >> 7),
                unit: usize::from(unit & 15),
                position: u16::from_be_bytes([high, low]),
                value,
            });
        }
        Ok(Self {
            settings,
            flags: Flags {
                repair: flags & 1 != 0,
                key_updates: flags & 2 != 0,
                piecewise: flags & 4 != 0,
                early_data: flags & !7 == MARK,
                authentication: flags & !7 == later::MARK,
            },
            answers,
            operations,
        })
    }
}

//! Why a record or a datagram was dropped without a word.
//!
//! RFC 9147 §4.5.2: whatever anybody can send costs a counter, and neither an alert nor the connection.

macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// Why a record was dropped. Anybody can have sent it, so nothing else follows from it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Discarded {
            $($(#[$doc])+ $name,)+
        }

        impl Discarded {
            /// Every reason, in the order of [`Discards`].
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name of the reason, as in this list.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

reasons! {
    /// The first byte is that of no record of DTLS (RFC 9147 §4.1).
    ForeignByte,
    /// The header cannot be read; the rest of the datagram is lost with it.
    Malformed,
    /// The ciphertext is shorter than what its number is encrypted with (RFC 9147 §4.2.3), or a hello is
    /// shorter than half of what would answer it.
    TooShort,
    /// The header has a version that is none of DTLS.
    WrongVersion,
    /// There are no keys for its epoch, and there will be none soon.
    UnknownEpoch,
    /// A record with this number was opened before.
    Replayed,
    /// The number is so old that nobody knows whether the record came before.
    TooOld,
    /// It was not sealed under this key with this number.
    DoesNotOpen,
    /// It has a connection id, and none was agreed on.
    UnknownConnectionId,
    /// It has a message that is too far ahead of the next one (RFC 9147 §5.2).
    BeyondWindow,
    /// It has a message of a flight that is over, in an epoch where nobody needs it any more.
    OldMessage,
    /// It has a fragment whose message has another length or type than the fragments before.
    ContradictsFragment,
    /// The memory for messages that are not whole is full.
    ReassemblyFull,
    /// The memory for records that came before their keys is full.
    EarlyFull,
    /// A change_cipher_spec, which means nothing in DTLS 1.3.
    ChangeCipherSpec,
    /// It is not protected, and what it holds does not belong there.
    UnprotectedFault,
    /// It is not protected, and a protected one was opened before.
    UnprotectedAfterKeys,
    /// It came after the peer's close_notify, or after this side had failed.
    AfterClose,
    /// A cookie that was not given to this address, or not for this hello.
    BadCookie,
    /// A cookie that is older than a minute.
    StaleCookie,
    /// Nothing that a gate has an answer to.
    NoHello,
    /// A piece of a hello, which a gate keeps for a second until the rest comes.
    NotWhole,
    /// A hello that is encrypted (RFC 9849), of an address that may be forged, and so many were decrypted in this second
    /// ([`Gate::decryptions`](crate::Gate::decryptions)).
    TooManyEncrypted,
}

/// How many records were dropped, by reason. The counters stay at their maximum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discards([u32; Discarded::ALL.len()]);

impl Default for Discards {
    fn default() -> Self {
        Self([0; Discarded::ALL.len()])
    }
}

impl Discards {
    /// How many were dropped for this reason.
    pub fn count(&self, reason: Discarded) -> u32 {
        self.0.get(reason as usize).copied().unwrap_or_default()
    }

    /// How many were dropped in all.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|count| u64::from(*count)).sum()
    }

    /// The reasons for which any was dropped.
    pub fn iter(&self) -> impl Iterator<Item = (Discarded, u32)> {
        let pairs = Discarded::ALL.iter().copied().zip(self.0);
        pairs.filter(|(_, count)| *count > 0)
    }

    /// Counts one more: for what was dropped before there was a connection ([`Verdict`](crate::Verdict)).
    pub fn add(&mut self, reason: Discarded) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_counter_of_its_own() {
        let mut discards = Discards::default();
        for reason in Discarded::ALL {
            assert_eq!(discards.count(*reason), 0);
            discards.add(*reason);
            assert_eq!(discards.count(*reason), 1);
        }
        assert_eq!(discards.total(), Discarded::ALL.len() as u64);
        assert_eq!(discards.iter().count(), Discarded::ALL.len());
    }
}

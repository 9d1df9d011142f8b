//! What is done about the chained IVs of TLS 1.0.
//!
//! RFC 4346 §F.3: who sees a record knows the IV of the next. Who can also choose the beginning of
//! what the next holds, as a web page can, tries guesses of an earlier block with it (BEAST, Duong
//! and Rizzo 2011). A record in front whose MAC nobody foresees takes that away.

/// How data of TLS 1.0 under a block cipher is protected against BEAST. TLS 1.1 and newer have no
/// need of it, and a stream cipher or an AEAD has not either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BeastMitigation {
    /// The first byte of each write goes out in a record of its own, as browsers have done since.
    #[default]
    OneNMinusOne,
    /// A record without content goes out before each write, as OpenSSL does it. There are peers that
    /// take it for the end.
    ZeroN,
    /// Nothing is done: for a peer that fails over more records than it expects, and where nobody
    /// but the application can choose what is sent.
    Off,
}

impl BeastMitigation {
    /// How much of `data` bytes goes out in front, if anything has to.
    pub(super) const fn in_front(self, data: usize) -> Option<usize> {
        match self {
            // A single byte is its own front: nobody can choose a whole block with it.
            Self::OneNMinusOne if data > 1 => Some(1),
            Self::ZeroN if data > 0 => Some(0),
            _ => None,
        }
    }
}

//! NewConnectionId and RequestConnectionId: other ids for the records of a connection.
//!
//! RFC 9147 §9.

use super::codec::{Cursor, DecodeError, put_vec8, put_vec16};
use super::handshake::{HandshakeMessage, put_message};
use super::handshake_type::HandshakeType;
use super::list::{Element, List};
use crate::code_point::code_points;

code_points! {
    /// When the ids are to be used; other values are for the caller to refuse.
    pub struct ConnectionIdUsage(u8) {
        /// One of them from here on.
        IMMEDIATE = 0, "cid_immediate";
        /// When it is wanted.
        SPARE = 1, "cid_spare";
    }
}

/// An id in the list, of 0 to 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedConnectionId<'a>(pub &'a [u8]);

impl<'a> Element<'a> for ListedConnectionId<'a> {
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        cursor.vec8().map(Self)
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_vec8(out, |out| out.extend_from_slice(self.0));
    }
}

/// The sender wishes to see these ids on what it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewConnectionId<'a> {
    /// Any number of them.
    pub cids: List<'a, ListedConnectionId<'a>>,
    /// `usage`.
    pub usage: ConnectionIdUsage,
}

impl NewConnectionId<'_> {
    /// Writes the message. Each id must have at most 255 bytes, and all of them 65,535.
    pub fn put<I>(out: &mut Vec<u8>, cids: impl IntoIterator<Item = I>, usage: ConnectionIdUsage)
    where
        I: AsRef<[u8]>,
    {
        put_message(out, Self::TYPE, |out| {
            put_vec16(out, |out| {
                for cid in cids {
                    ListedConnectionId(cid.as_ref()).put(out);
                }
            });
            out.push(usage.0);
        });
    }
}

impl<'a> HandshakeMessage<'a> for NewConnectionId<'a> {
    const TYPE: HandshakeType = HandshakeType::NEW_CONNECTION_ID;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                cids: List::decode(cursor.vec16()?)?,
                usage: ConnectionIdUsage(cursor.u8()?),
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_vec16(out, |out| self.cids.iter().for_each(|cid| cid.put(out)));
        out.push(self.usage.0);
    }
}

/// The sender wants so many ids more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestConnectionId {
    /// `num_cids`.
    pub num_cids: u8,
}

impl RequestConnectionId {
    /// Writes the message.
    pub fn put(out: &mut Vec<u8>, num_cids: u8) {
        Self { num_cids }.encode(out);
    }
}

impl HandshakeMessage<'_> for RequestConnectionId {
    const TYPE: HandshakeType = HandshakeType::REQUEST_CONNECTION_ID;

    fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let num_cids = Cursor::whole(body, Cursor::u8)?;
        Ok(Self { num_cids })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.push(self.num_cids);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let mut out = Vec::new();
        NewConnectionId::put(&mut out, [&[1, 2][..], &[], &[3]], ConnectionIdUsage::SPARE);
        assert_eq!(out, [10, 0, 0, 9, 0, 6, 2, 1, 2, 0, 1, 3, 1]);
        let message = NewConnectionId::decode(&out[4..]).unwrap();
        assert!(
            message
                .cids
                .iter()
                .map(|cid| cid.0)
                .eq([&[1, 2][..], &[], &[3]])
        );
        for end in 4..out.len() {
            assert!(NewConnectionId::decode(&out[4..end]).is_err());
        }
        assert!(NewConnectionId::decode(&[0, 2, 2, 1, 0]).is_err());
        assert!(RequestConnectionId::decode(&[]).is_err());
        assert!(RequestConnectionId::decode(&[1, 2]).is_err());
        assert_eq!(
            RequestConnectionId::decode(&[7]),
            Ok(RequestConnectionId { num_cids: 7 })
        );
    }
}

//! return_routability_check: whether a peer reads where it seems to be by now.
//!
//! RFC 9853 §4. It is no handshake message: it has a content type of its own.

use super::codec::{Cursor, DecodeError};
use crate::code_point::code_points;

code_points! {
    /// What is said of a path; other values are passed over.
    pub struct PathMessageType(u8) {
        /// Whoever reads this sends the cookie back.
        CHALLENGE = 0, "path_challenge";
        /// The cookie of a challenge.
        RESPONSE = 1, "path_response";
        /// The cookie of a challenge, on a path that is not to be used.
        DROP = 2, "path_drop";
    }
}

/// The content of such a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnRoutabilityCheck {
    /// `msg_type`, one of those that are known.
    pub msg_type: PathMessageType,
    /// 64 bits that nobody can guess.
    pub cookie: [u8; 8],
}

impl ReturnRoutabilityCheck {
    /// Bytes of the content.
    pub const SIZE: usize = 9;

    /// Reads the content of a record; `None` for a type that is not known, whose rest may be anything.
    ///
    /// # Errors
    /// When one that is known has another length.
    pub fn decode(content: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut cursor = Cursor::new(content);
        let msg_type = PathMessageType(cursor.u8()?);
        if msg_type.name().is_none() {
            return Ok(None);
        }
        let cookie = *cursor.array()?;
        cursor.end()?;
        Ok(Some(Self { msg_type, cookie }))
    }

    /// Writes the content of a record.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut content = [0; Self::SIZE];
        let [typ, cookie @ ..] = &mut content;
        *typ = self.msg_type.0;
        *cookie = self.cookie;
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_types_are_known() {
        for typ in 0..3 {
            let content = [&[typ][..], &[1, 2, 3, 4, 5, 6, 7, 8]].concat();
            let message = ReturnRoutabilityCheck::decode(&content).unwrap().unwrap();
            assert_eq!(message.cookie, [1, 2, 3, 4, 5, 6, 7, 8]);
            assert_eq!(&message.encode()[..], content);
            assert!(ReturnRoutabilityCheck::decode(&content[..8]).is_err());
            assert!(ReturnRoutabilityCheck::decode(&[&content[..], &[0]].concat()).is_err());
        }
        assert_eq!(ReturnRoutabilityCheck::decode(&[3]), Ok(None));
        assert!(ReturnRoutabilityCheck::decode(&[]).is_err());
    }
}

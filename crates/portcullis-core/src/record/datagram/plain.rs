//! What goes in the clear before there is a handshake: hellos in pieces, and what answers them.
//!
//! RFC 9147 §4, §5.2.

use super::Discarded;
use super::connection_id::OwnIds;
use super::header::{self, Header, PLAIN};
use crate::alert::AlertDescription;
use crate::record::alert;
use crate::version::ProtocolVersion;
use crate::wire::{
    ContentType, FragmentHeader, HELLO_RETRY_REQUEST_RANDOM, HandshakeHeader, HandshakeType,
};

/// A piece of a ClientHello.
#[derive(Debug)]
pub(crate) struct HelloPiece<'a> {
    pub(crate) header: FragmentHeader,
    pub(crate) fragment: &'a [u8],
    /// The number of its record.
    pub(crate) sequence: u64,
}

/// The message_seq of a client's last hello: a server of before DTLS 1.3 may ask for a cookie again when that which it
/// gave is not good any more (RFC 6347 §4.2.1).
const MOST_HELLOS: u16 = 3;

/// The pieces of one hello, a first or a second, in a datagram that has nothing else.
///
/// # Errors
/// When it has, or is no hello.
pub(crate) fn hello_pieces(datagram: &[u8]) -> Result<Vec<HelloPiece<'_>>, Discarded> {
    let (mut rest, mut pieces) = (datagram, Vec::<HelloPiece<'_>>::new());
    let none = OwnIds::default();
    while !rest.is_empty() {
        let (header, length) = header::split(rest, &none)?;
        let Header::Plain {
            typ: ContentType::HANDSHAKE,
            epoch: 0,
            sequence,
            ..
        } = header
        else {
            return Err(Discarded::NoHello);
        };
        let (record, behind) = rest.split_at_checked(length).ok_or(Discarded::Malformed)?;
        rest = behind;
        add_pieces(record, sequence, &mut pieces)?;
    }
    match pieces.is_empty() {
        true => Err(Discarded::NoHello),
        false => Ok(pieces),
    }
}

/// Adds the pieces of a hello that a record in the clear has, of the same hello as those that are there.
///
/// # Errors
/// When it has something else.
fn add_pieces<'d>(
    record: &'d [u8],
    sequence: u64,
    pieces: &mut Vec<HelloPiece<'d>>,
) -> Result<(), Discarded> {
    let mut content = record.get(PLAIN..).unwrap_or_default();
    while !content.is_empty() {
        let split = FragmentHeader::split(content).map_err(|_| Discarded::Malformed)?;
        let (header, fragment, behind) = split;
        content = behind;
        let before = pieces.first().map(|piece| piece.header.message_seq);
        if header.msg_type != HandshakeType::CLIENT_HELLO
            || header.message_seq > MOST_HELLOS
            || before.is_some_and(|before| before != header.message_seq)
        {
            return Err(Discarded::NoHello);
        }
        pieces.push(HelloPiece {
            header,
            fragment,
            sequence,
        });
    }
    Ok(())
}

/// The pieces of one hello, a first or a second, that a datagram begins with. What follows them, as early data does, is passed by.
///
/// # Errors
/// Why there is none.
pub(crate) fn first_hello_pieces(datagram: &[u8]) -> Result<Vec<HelloPiece<'_>>, Discarded> {
    let (mut rest, mut pieces) = (datagram, Vec::<HelloPiece<'_>>::new());
    let none = OwnIds::default();
    while !rest.is_empty() {
        let (sequence, length) = match header::split(rest, &none) {
            Ok((
                Header::Plain {
                    typ: ContentType::HANDSHAKE,
                    epoch: 0,
                    sequence,
                    ..
                },
                length,
            )) => (sequence, length),
            Err(why) if pieces.is_empty() => return Err(why),
            Ok(_) | Err(_) => break,
        };
        let Some((record, behind)) = rest.split_at_checked(length) else {
            break;
        };
        rest = behind;
        add_pieces(record, sequence, &mut pieces)?;
    }
    match pieces.is_empty() {
        true => Err(Discarded::NoHello),
        false => Ok(pieces),
    }
}

/// Whether a server's datagram has nothing but what servers say to addresses that may be forged: that another hello is wanted
/// (RFC 6347 §4.2.1, RFC 9147 §5.1), and alerts in the clear.
pub(crate) fn is_said_to_anybody(datagram: &[u8]) -> bool {
    let (mut rest, none) = (datagram, OwnIds::default());
    while !rest.is_empty() {
        let (header, length) = match header::split(rest, &none) {
            Ok(found) => found,
            // It is protected.
            Err(Discarded::UnknownConnectionId) => return false,
            Err(_) => return true,
        };
        let Some((record, behind)) = rest.split_at_checked(length) else {
            return true;
        };
        rest = behind;
        let is_so = match header {
            Header::Plain {
                typ: ContentType::ALERT,
                epoch: 0,
                ..
            } => true,
            Header::Plain {
                typ: ContentType::HANDSHAKE,
                epoch: 0,
                ..
            } => asks_again(record.get(PLAIN..).unwrap_or_default()),
            _ => false,
        };
        if !is_so {
            return false;
        }
    }
    true
}

/// Whether these fragments are of a HelloVerifyRequest or a HelloRetryRequest, as far as they show that.
fn asks_again(mut content: &[u8]) -> bool {
    // Behind `legacy_version` (RFC 8446 §4.1.3).
    const RANDOM: core::ops::Range<usize> = 2..34;
    while let Ok((header, fragment, behind)) = FragmentHeader::split(content) {
        content = behind;
        let is_so = match header.msg_type {
            HandshakeType::HELLO_VERIFY_REQUEST => true,
            HandshakeType::SERVER_HELLO if header.fragment_offset == 0 => fragment
                .get(RANDOM)
                .is_none_or(|random| random == HELLO_RETRY_REQUEST_RANDOM),
            HandshakeType::SERVER_HELLO => true,
            _ => false,
        };
        if !is_so {
            return false;
        }
    }
    true
}

/// A message, given with its header of four bytes, as one record in the clear.
pub(crate) fn plain_message(sequence: u64, message_seq: u16, message: &[u8]) -> Vec<u8> {
    plain_message_of(ProtocolVersion::DTLS_1_2, sequence, message_seq, message)
}

/// The same in a record of this version.
pub(crate) fn plain_message_of(
    version: ProtocolVersion,
    sequence: u64,
    message_seq: u16,
    message: &[u8],
) -> Vec<u8> {
    let (header, body) = message
        .split_at_checked(HandshakeHeader::SIZE)
        .unwrap_or_default();
    // Lengths of messages have 24 bits.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut record = vec![0; PLAIN];
    FragmentHeader {
        msg_type: HandshakeType(header.first().copied().unwrap_or_default()),
        length,
        message_seq,
        fragment_offset: 0,
        fragment_length: length,
    }
    .put(&mut record);
    record.extend_from_slice(body);
    close(ContentType::HANDSHAKE, version, sequence, record)
}

/// A message in datagrams of at most so many bytes, each of one record. Their numbers end with `sequence`: whoever passes a
/// message on takes those of the records that it has come in.
pub(crate) fn plain_message_in_pieces(
    sequence: u64,
    message_seq: u16,
    message: &[u8],
    longest: usize,
) -> Vec<Vec<u8>> {
    let (header, body) = message
        .split_at_checked(HandshakeHeader::SIZE)
        .unwrap_or_default();
    let msg_type = HandshakeType(header.first().copied().unwrap_or_default());
    // Lengths of messages have 24 bits.
    let in_24_bits = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let room = longest.saturating_sub(PLAIN + FragmentHeader::SIZE).max(1);
    let count = body.len().div_ceil(room).max(1) as u64;
    let first = sequence.saturating_sub(count - 1);
    let pieces = body.chunks(room).zip(first..);
    pieces
        .zip((0_usize..).step_by(room))
        .map(|((piece, sequence), offset)| {
            let mut record = vec![0; PLAIN];
            FragmentHeader {
                msg_type,
                length: in_24_bits(body.len()),
                message_seq,
                fragment_offset: in_24_bits(offset),
                fragment_length: in_24_bits(piece.len()),
            }
            .put(&mut record);
            record.extend_from_slice(piece);
            close(
                ContentType::HANDSHAKE,
                ProtocolVersion::DTLS_1_2,
                sequence,
                record,
            )
        })
        .collect()
}

/// The pieces of a ServerHello that a datagram begins with, in the clear; what follows them, or is something else, is passed
/// by.
pub(crate) fn server_hello_pieces(datagram: &[u8]) -> Vec<HelloPiece<'_>> {
    let (mut rest, mut pieces) = (datagram, Vec::new());
    let none = OwnIds::default();
    while let Ok((
        Header::Plain {
            typ: ContentType::HANDSHAKE,
            epoch: 0,
            sequence,
            ..
        },
        length,
    )) = header::split(rest, &none)
    {
        let Some((record, behind)) = rest.split_at_checked(length) else {
            break;
        };
        rest = behind;
        let mut content = record.get(PLAIN..).unwrap_or_default();
        while let Ok((header, fragment, behind)) = FragmentHeader::split(content) {
            content = behind;
            if header.msg_type == HandshakeType::SERVER_HELLO {
                pieces.push(HelloPiece {
                    header,
                    fragment,
                    sequence,
                });
            }
        }
    }
    pieces
}

/// An alert in the clear.
pub(crate) fn plain_alert(sequence: u64, description: AlertDescription) -> Vec<u8> {
    let mut record = vec![0; PLAIN];
    record.extend_from_slice(&alert::encode(description));
    close(
        ContentType::ALERT,
        ProtocolVersion::DTLS_1_2,
        sequence,
        record,
    )
}

fn close(
    typ: ContentType,
    version: ProtocolVersion,
    sequence: u64,
    mut record: Vec<u8>,
) -> Vec<u8> {
    let body = record.len().saturating_sub(PLAIN);
    if let Some(head) = record.first_chunk_mut() {
        header::put_plain(head, typ, version, sequence, body);
    }
    record
}

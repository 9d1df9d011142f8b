//! How a message or a record is changed.

use crate::keys::{HEADER, header, plain, plain_like};
use crate::messages::{
    ENCRYPTED_EXTENSIONS, FINISHED, KEY_UPDATE, NEW_SESSION_TICKET, extensions, extensions_at,
    fix_length, message,
};
use crate::observer::{ALERT, CCS, DATA, HANDSHAKE};
use crate::plan::{Operation, What};

/// A number below `length`, or 0.
pub fn place(position: u16, length: usize) -> usize {
    usize::from(position) % length.max(1)
}

/// Changes one byte: never to itself.
pub fn flip(bytes: &mut [u8], position: u16, value: u8) {
    let at = place(position, bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= value.max(1);
    }
}

/// What comes under the keys where nothing should: a content type and content.
pub fn intruder(op: Operation) -> (u8, Vec<u8>) {
    let Operation {
        position, value, ..
    } = op;
    match value % 20 {
        0 => (HANDSHAKE, message(KEY_UPDATE, &[0])),
        1 => (HANDSHAKE, message(KEY_UPDATE, &[1])),
        2 => {
            let ticket = [0, 0, 1, 0, 1, 2, 3, 4, 1, 9, 0, 2, 8, 8, 0, 0];
            (HANDSHAKE, message(NEW_SESSION_TICKET, &ticket))
        }
        3 => (HANDSHAKE, Vec::new()),
        4 => (DATA, Vec::new()),
        5 => (DATA, b"x".to_vec()),
        6 => (ALERT, vec![1, 0]),
        7 => (ALERT, vec![1, 90]),
        8 => (ALERT, vec![2, position as u8]),
        9 => (CCS, vec![1]),
        10 => (HANDSHAKE, message(FINISHED, &[0; 32])),
        11 => (HANDSHAKE, message(0, &[])),
        12 => {
            let body = vec![value; usize::from(position >> 8)];
            (HANDSHAKE, message(position as u8, &body))
        }
        13 => (HANDSHAKE, message(5, &[])),
        14 => {
            let body = [0, 0, 8, 0, 13, 0, 4, 0, 2, 8, 7];
            (HANDSHAKE, message(13, &body))
        }
        15 => (HANDSHAKE, vec![position as u8, 255, 255, 255]),
        16 => (position as u8, vec![0; 4]),
        17 => (HANDSHAKE, message(ENCRYPTED_EXTENSIONS, &[0, 0])),
        18 => (HANDSHAKE, message(11, &[0, 0, 0, 0])),
        _ => (ALERT, vec![1]),
    }
}

/// What comes without protection where nothing should: whole records.
pub fn plain_intruder(op: Operation) -> Vec<u8> {
    let Operation {
        position, value, ..
    } = op;
    match value % 12 {
        0 => plain(CCS, &[1]),
        1 => plain(CCS, &[2]),
        2 => plain(CCS, &[1]).repeat(usize::from(position % 64)),
        3 => plain(ALERT, &[1, 0]),
        4 => plain(ALERT, &[2, position as u8]),
        5 => plain(HANDSHAKE, &[]),
        6 => plain(DATA, &vec![value; usize::from(position % 512)]),
        7 => plain(24, &[1, 0, 16]),
        8 => plain(HANDSHAKE, &message(0, &[])),
        9 => header(position as u8, 0xffff),
        10 => plain(ALERT, &[1, 90]).repeat(usize::from(position % 16)),
        _ => plain(position as u8, &[value; 3]),
    }
}

/// Changes the content of a record or a message.
pub fn content(content: &mut Vec<u8>, op: Operation) {
    let Operation {
        position, value, ..
    } = op;
    match op.what {
        What::Flip => flip(content, position, value),
        What::Truncate => {
            content.truncate(place(position, content.len()));
            if value & 1 != 0 {
                fix_length(content);
            }
        }
        What::Extend => {
            content.extend(vec![value; usize::from(position % 300) + 1]);
            fix_length(content);
        }
        What::MessageType => {
            if let Some(first) = content.first_mut() {
                *first = value;
            }
        }
        _ => extension(content, op),
    }
}

fn extension(message: &mut Vec<u8>, op: Operation) {
    let all = extensions(message);
    let Some(block) = extensions_at(message) else {
        return;
    };
    let chosen = all.get(place(op.position >> 8, all.len())).cloned();
    match (op.what, chosen) {
        (What::ExtensionInsert, _) => {
            let body = vec![op.position as u8; usize::from(op.position >> 13)];
            let mut extension = vec![0, op.value, 0, body.len() as u8];
            extension.extend(body);
            message.splice(block + 2..block + 2, extension);
        }
        (What::ExtensionDrop, Some(range)) => {
            message.drain(range);
        }
        (What::ExtensionDuplicate, Some(range)) => {
            let copy = message[range.clone()].to_vec();
            message.splice(range.end..range.end, copy);
        }
        (What::ExtensionType, Some(range)) => message[range.start + 1] = op.value,
        (What::ExtensionFlip, Some(range)) => {
            flip(
                &mut message[range.start + 2..range.end],
                op.position,
                op.value,
            );
            return;
        }
        _ => return,
    }
    let length = (message.len() - block - 2) as u16;
    message[block..block + 2].copy_from_slice(&length.to_be_bytes());
    fix_length(message);
}

/// Changes what goes over the wire; `earlier` is what went over it before.
pub fn wire(pieces: &mut Vec<Vec<u8>>, op: Operation, earlier: &[Vec<u8>]) {
    let Operation {
        position, value, ..
    } = op;
    let Some(record) = pieces.last_mut() else {
        return;
    };
    match op.what {
        What::WireDrop => {
            pieces.pop();
        }
        What::WireDuplicate => {
            let copy = record.clone();
            pieces.push(copy);
        }
        What::WireFlip => flip(record, position, value),
        What::WireTruncate => record.truncate(place(position, record.len())),
        What::WireShorten if record.len() > HEADER => {
            record.truncate(HEADER + place(position, record.len() - HEADER));
            let head = header(record[0], record.len() - HEADER);
            record[3..HEADER].copy_from_slice(&head[3..]);
        }
        What::WireSplice => {
            if let Some(other) = earlier.get(place(position, earlier.len())) {
                record.clone_from(other);
            }
        }
        What::WireSplit if record.len() > HEADER => {
            let body = record.split_off(HEADER);
            let (one, two) = body.split_at(place(position, body.len() + 1));
            let (typ, head) = (record[0], record.clone());
            pieces.pop();
            pieces.extend([one, two].map(|part| plain_like(&head, typ, part)));
        }
        What::WireInsert => {
            let at = pieces.len() - 1;
            pieces.insert(at, plain_intruder(op));
        }
        What::WireType => {
            if let Some(first) = record.first_mut() {
                *first = value;
            }
        }
        _ => {}
    }
}

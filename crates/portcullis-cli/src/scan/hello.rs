//! Hellos as no library would send them: any versions, suites, groups and schemes, and shares of no key.
//!
//! RFC 8446 §4.1.2, and what came before it; over datagrams RFC 9147 §5.3 and RFC 6347 §4.2.

use super::codes::Over;

/// TLS 1.3, as `supported_versions` has it.
pub(super) const TLS_1_3: u16 = 0x0304;
pub(super) const TLS_1_2: u16 = 0x0303;
pub(super) const TLS_1_0: u16 = 0x0301;

/// What a hello says.
#[derive(Clone, Debug)]
pub(super) struct Hello {
    /// The newest that is offered.
    pub(super) version: u16,
    pub(super) suites: Vec<u16>,
    pub(super) groups: Vec<u16>,
    pub(super) schemes: Vec<u16>,
    /// Also DEFLATE.
    pub(super) deflate: bool,
    /// Also what servers echo if they have it: tickets, heartbeat, encrypt_then_mac, extended_master_secret, and over
    /// datagrams connection_id.
    pub(super) extras: bool,
    pub(super) server_name: Option<String>,
    pub(super) shape: Shape,
}

/// In what a hello differs from those that servers see every day. Each of these has to make no difference.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    pub(super) cut: Cut,
    /// So many bytes of message at least (RFC 7685): no more than 65,535.
    pub(super) least: usize,
    /// Also values that nobody knows, before all others (RFC 8701).
    pub(super) has_unknown: bool,
    /// Another newest version than is offered in the form of before TLS 1.3 (RFC 5246 E.1).
    pub(super) old_version: Option<u16>,
    /// What `supported_versions` has instead (RFC 8446 §4.2.1).
    pub(super) versions: Vec<u16>,
}

/// How a hello goes over a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cut {
    /// In records as long as can be, all at once.
    #[default]
    Not,
    /// In two records (RFC 8446 §5.1).
    Records,
    /// In two parts, between which nothing is sent for a moment.
    Segments,
}

/// What is in a record at most (RFC 8446 §5.1).
const RECORD: usize = 1 << 14;

/// Values that nobody will ever know (RFC 8701 §2).
const UNKNOWN_SUITE: u16 = 0x1a1a;
const UNKNOWN_GROUP: u16 = 0x2a2a;
const UNKNOWN_SCHEME: u16 = 0x3a3a;
const UNKNOWN_VERSION: u16 = 0x4a4a;
const UNKNOWN_EXTENSIONS: [u16; 2] = [0x5a5a, 0x6a6a];

impl Hello {
    /// The parts that it is sent in, a moment apart.
    pub(super) fn parts(&self, random: &[u8; 32]) -> Vec<Vec<u8>> {
        let records = self.records(random);
        match self.shape.cut {
            Cut::Not | Cut::Records => vec![records],
            Cut::Segments => {
                let (first, second) = records.split_at(records.len() / 2);
                vec![first.to_vec(), second.to_vec()]
            }
        }
    }

    /// The records with the hello in them: one, if it is as usual. Of TLS 1.3 it has an empty `key_share`: the server names the group that it wants
    /// (§4.2.8), so that no key is needed. SSL 3 has no extensions.
    fn records(&self, random: &[u8; 32]) -> Vec<u8> {
        let mut message = vec![1];
        with_length(&mut message, 3, |message| {
            message.extend(self.body(random, None))
        });
        let most = match self.shape.cut {
            Cut::Records => message.len().div_ceil(2),
            Cut::Not | Cut::Segments => RECORD,
        };
        let mut records = Vec::new();
        for part in message.chunks(most) {
            records.push(22);
            // Some servers of old take no other version in the first record (§5.1).
            records.extend(self.version.min(TLS_1_0).to_be_bytes());
            with_length(&mut records, 2, |records| records.extend(part));
        }
        records
    }

    /// The same in one datagram, with a cookie of the server's if it has given one; the how manieth message and record of
    /// ours it is (RFC 6347 §4.2.2).
    pub(super) fn datagram(
        &self,
        random: &[u8; 32],
        cookie: &[u8],
        message: u16,
        record: u32,
    ) -> Vec<u8> {
        let body = self.body(random, Some(cookie));
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
        let [_, length @ ..] = length;
        let mut fragment = vec![1];
        fragment.extend(length);
        fragment.extend(message.to_be_bytes());
        // All of it.
        fragment.extend([0; 3]);
        fragment.extend(length);
        fragment.extend(body);
        // Of DTLS 1.0, as the first record of a client is (RFC 9147 §5.3).
        let mut datagram = vec![22, 0xfe, 0xff, 0, 0, 0, 0];
        datagram.extend(record.to_be_bytes());
        with_length(&mut datagram, 2, |datagram| datagram.extend(fragment));
        datagram
    }

    /// The message, with a cookie where it goes over datagrams.
    fn body(&self, random: &[u8; 32], cookie: Option<&[u8]>) -> Vec<u8> {
        let over = match cookie {
            Some(_) => Over::Datagrams,
            None => Over::Stream,
        };
        let mut body = Vec::new();
        let version = self.shape.old_version.unwrap_or(self.version.min(TLS_1_2));
        body.extend(over.wire(version).to_be_bytes());
        body.extend(random);
        body.push(0);
        if let Some(cookie) = cookie {
            with_length(&mut body, 1, |body| body.extend(cookie));
        }
        let mut suites = self.with_unknown(UNKNOWN_SUITE, &self.suites);
        if self.version < TLS_1_0 {
            // Nothing else says it there (RFC 5746 §3.3).
            suites.push(0x00ff);
        }
        with_length(&mut body, 2, |body| put(body, &suites));
        let methods: &[u8] = if self.deflate { &[1, 0] } else { &[0] };
        with_length(&mut body, 1, |body| body.extend(methods));
        if self.version >= TLS_1_0 {
            let mut extensions = Vec::new();
            self.extensions(&mut extensions, over);
            // Behind the length of all of them, its own head and that of the message.
            let length = body.len().saturating_add(extensions.len());
            let missing = self.shape.least.saturating_sub(length.saturating_add(10));
            if missing > 0 {
                extension(&mut extensions, 21, |into| {
                    into.resize(into.len().saturating_add(missing), 0);
                });
            }
            with_length(&mut body, 2, |body| body.append(&mut extensions));
        }
        body
    }

    /// These behind one that nobody knows, if there are such.
    fn with_unknown(&self, unknown: u16, known: &[u16]) -> Vec<u16> {
        let unknown = self.shape.has_unknown.then_some(unknown);
        unknown.into_iter().chain(known.iter().copied()).collect()
    }

    fn extensions(&self, into: &mut Vec<u8>, over: Over) {
        let has_unknown = self.shape.has_unknown;
        let [first, last] = UNKNOWN_EXTENSIONS;
        if has_unknown {
            extension(into, first, |_| {});
        }
        if let Some(name) = &self.server_name {
            extension(into, 0, |into| {
                with_length(into, 2, |into| {
                    into.push(0);
                    with_length(into, 2, |into| into.extend(name.as_bytes()));
                });
            });
        }
        extension(into, 10, |into| {
            with_length(into, 2, |into| {
                put(into, &self.with_unknown(UNKNOWN_GROUP, &self.groups))
            })
        });
        if self.version >= TLS_1_2 {
            extension(into, 13, |into| {
                with_length(into, 2, |into| {
                    put(into, &self.with_unknown(UNKNOWN_SCHEME, &self.schemes))
                })
            });
        }
        if self.version < TLS_1_3 {
            extension(into, 11, |into| into.extend([1, 0]));
            extension(into, 0xff01, |into| into.push(0));
        }
        let versions = match (&*self.shape.versions, self.version) {
            ([], TLS_1_3..) => vec![over.wire(TLS_1_3)],
            (versions, _) => versions.to_vec(),
        };
        if !versions.is_empty() {
            extension(into, 43, |into| {
                with_length(into, 1, |into| {
                    put(into, &self.with_unknown(UNKNOWN_VERSION, &versions))
                })
            });
        }
        if self.version >= TLS_1_3 {
            extension(into, 45, |into| into.extend([1, 1]));
            extension(into, 51, |into| {
                with_length(into, 2, |into| {
                    if has_unknown {
                        // A share of one byte.
                        into.extend(UNKNOWN_GROUP.to_be_bytes());
                        into.extend([0, 1, 0]);
                    }
                });
            });
        }
        if self.extras {
            extension(into, 15, |into| into.push(1));
            extension(into, 22, |_| {});
            extension(into, 23, |_| {});
            extension(into, 35, |_| {});
            if over == Over::Datagrams {
                // One of no bytes: the server's may have some (RFC 9146 §3).
                extension(into, 54, |into| into.push(0));
            }
        }
        if has_unknown {
            extension(into, last, |into| into.push(0));
        }
    }
}

fn extension(into: &mut Vec<u8>, code: u16, body: impl FnOnce(&mut Vec<u8>)) {
    into.extend(code.to_be_bytes());
    with_length(into, 2, body);
}

/// What `body` appends, behind its length in so many bytes.
fn with_length(into: &mut Vec<u8>, bytes: usize, body: impl FnOnce(&mut Vec<u8>)) {
    let mut appended = Vec::new();
    body(&mut appended);
    let length = appended.len().to_be_bytes();
    into.extend(length.iter().skip(length.len().saturating_sub(bytes)));
    into.append(&mut appended);
}

fn put(into: &mut Vec<u8>, values: &[u16]) {
    into.extend(values.iter().flat_map(|value| value.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_is_read_by_the_library_as_it_was_meant() {
        let hello = Hello {
            version: TLS_1_3,
            suites: vec![0x1301, 0x0a0a],
            groups: vec![0x11ec, 0x001d],
            schemes: vec![0x0403],
            deflate: false,
            extras: true,
            server_name: Some("a.test".to_owned()),
            shape: Shape::default(),
        };
        let record = hello.records(&[7; 32]);
        assert_eq!(record[..3], [22, 3, 1]);
        assert_eq!(
            usize::from(u16::from_be_bytes([record[3], record[4]])),
            record.len() - 5
        );
        // The empty share is the last but for what servers echo.
        let share = [0, 51, 0, 2, 0, 0];
        assert!(record.windows(share.len()).any(|window| window == share));
        // SSL 3 ends with the compression methods, and says what it understands by a suite.
        let old = Hello {
            version: 0x0300,
            deflate: true,
            ..hello
        };
        assert!(old.records(&[7; 32]).ends_with(&[0x00, 0xff, 2, 1, 0]));
    }

    /// The message in these records, and how long each of them is.
    fn joined(mut records: &[u8]) -> (Vec<u8>, Vec<usize>) {
        let (mut message, mut lengths) = (Vec::new(), Vec::new());
        while let [22, 3, 1, high, low, rest @ ..] = records {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            message.extend(&rest[..length]);
            lengths.push(length);
            records = &rest[length..];
        }
        assert!(records.is_empty());
        (message, lengths)
    }

    #[test]
    fn other_forms_say_the_same() {
        let usual = Hello {
            version: TLS_1_3,
            suites: vec![0x1301],
            groups: vec![0x001d],
            schemes: vec![0x0403],
            deflate: false,
            extras: false,
            server_name: None,
            shape: Shape::default(),
        };
        let parts = |shape: Shape| {
            let hello = Hello {
                shape,
                ..usual.clone()
            };
            hello.parts(&[7; 32])
        };
        let [whole] = &parts(Shape::default())[..] else {
            panic!("parts")
        };
        let (message, lengths) = joined(whole);
        assert_eq!(lengths, [message.len()]);
        let cut = |cut| Shape {
            cut,
            ..Shape::default()
        };
        let [records] = &parts(cut(Cut::Records))[..] else {
            panic!("parts")
        };
        let (same, lengths) = joined(records);
        assert_eq!((&same, lengths.len()), (&message, 2));
        let segments = parts(cut(Cut::Segments));
        assert_eq!((segments.len(), &segments.concat()), (2, whole));
        for least in [4_096, 16_384, 20_000] {
            let long = parts(Shape {
                least,
                ..Shape::default()
            });
            let (long, lengths) = joined(&long.concat());
            let length = u32::from_be_bytes([0, long[1], long[2], long[3]]);
            assert_eq!((long.len(), length as usize), (least, least - 4));
            assert!(lengths.iter().all(|length| *length <= 1 << 14));
            // The padding is the last of its extensions (RFC 7685).
            assert_eq!(long[message.len()..message.len() + 2], [0, 21]);
        }
    }

    #[test]
    fn over_datagrams_it_has_a_number_a_cookie_and_other_versions() {
        let hello = Hello {
            version: TLS_1_3,
            // As many as there are in one.
            suites: vec![0x1301; 100],
            groups: super::super::codes::groups(),
            schemes: super::super::codes::SCHEMES.to_vec(),
            deflate: true,
            extras: true,
            server_name: Some("a".repeat(253)),
            shape: Shape::default(),
        };
        let datagram = hello.datagram(&[7; 32], &[9; 255], 1, 5);
        // It is not to be cut on its way, wherever that goes (RFC 8200 §5).
        assert!(datagram.len() <= 1_232, "{}", datagram.len());
        let length = u16::try_from(datagram.len() - 13).unwrap().to_be_bytes();
        let head = [&[22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 5][..], &length].concat();
        assert_eq!(datagram[..13], head);
        let length = u16::try_from(datagram.len() - 25).unwrap().to_be_bytes();
        let length = [&[0][..], &length].concat();
        let head = [&[1][..], &length, &[0, 1, 0, 0, 0], &length, &[0xfe, 0xfd]].concat();
        assert_eq!(datagram[13..27], head);
        assert_eq!(datagram[59..61], [0, 255]);
        let versions = [0, 43, 0, 3, 2, 0xfe, 0xfc];
        assert!(datagram.windows(7).any(|part| part == versions));
        let old = Hello {
            version: 0x0302,
            ..hello
        };
        assert_eq!(old.datagram(&[7; 32], &[], 0, 0)[25..27], [0xfe, 0xff]);
    }
}

//! What can be asked about: all code points that were ever registered, not only those that are spoken here.

use portcullis::{NamedGroup, SignatureScheme};

use super::ssl2;
use super::suites::{self, Suite};

/// The versions, newest first, with their names; SSL 2, which is asked about in another way, is none of them.
pub(super) const VERSIONS: [(u16, &str); 5] = [
    (0x0304, "TLSv1.3"),
    (0x0303, "TLSv1.2"),
    (0x0302, "TLSv1.1"),
    (0x0301, "TLSv1.0"),
    (0x0300, "SSLv3"),
];

/// Those over datagrams, by the version of TLS that each was made of (RFC 4347, RFC 6347, RFC 9147).
const DATAGRAM_VERSIONS: [(u16, &str); 3] = [
    (0x0304, "DTLSv1.3"),
    (0x0303, "DTLSv1.2"),
    (0x0302, "DTLSv1.0"),
];

/// What is spoken over. Versions are everywhere those of TLS, and those of DTLS by what they were made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Over {
    #[default]
    Stream,
    Datagrams,
}

impl Over {
    /// What there is to be asked about, newest first.
    pub(super) fn versions(self) -> &'static [(u16, &'static str)] {
        match self {
            Self::Stream => &VERSIONS,
            Self::Datagrams => &DATAGRAM_VERSIONS,
        }
    }

    pub(super) fn version_name(self, version: u16) -> String {
        if version == ssl2::VERSION {
            return "SSLv2".to_owned();
        }
        let named = self.versions().iter().find(|(code, _)| *code == version);
        named.map_or_else(|| format!("{version:#06x}"), |(_, name)| (*name).to_owned())
    }

    /// How a version is written.
    pub(super) fn wire(self, version: u16) -> u16 {
        match (self, version) {
            (Self::Datagrams, 0x0304) => 0xfefc,
            (Self::Datagrams, 0x0303) => 0xfefd,
            (Self::Datagrams, _) => 0xfeff,
            (Self::Stream, version) => version,
        }
    }

    /// Which one is written so; what is none stays as it is.
    pub(super) fn meant(self, wire: u16) -> u16 {
        match (self, wire) {
            (Self::Datagrams, 0xfefc) => 0x0304,
            (Self::Datagrams, 0xfefd) => 0x0303,
            (Self::Datagrams, 0xfeff) => 0x0302,
            // None of DTLS is written like one of TLS.
            (Self::Datagrams, 0x0300..=0x03ff) => 0,
            (_, wire) => wire,
        }
    }
}

/// All suites of the versions before TLS 1.3, but the one that is no protection at all, and that nobody may agree on (RFC
/// 5246 A.5). The strongest first: a server that follows its clients then shows what it does with most of them.
pub(super) fn older_suites() -> Vec<u16> {
    suites::all()
        .filter(|code| *code != 0 && !is_new(*code))
        .collect()
}

/// All suites of TLS 1.3 (RFC 8446 B.4, RFC 8998, RFC 9150, RFC 9367).
pub(super) fn new_suites() -> Vec<u16> {
    suites::all().filter(|code| is_new(*code)).collect()
}

fn is_new(code: u16) -> bool {
    Suite::of(code).is_some_and(Suite::is_new)
}

/// All groups on curves, and hybrids.
const CURVES: [(u16, u16); 3] = [(0x0001, 0x0029), (0x0200, 0x0202), (0x11eb, 0x11ee)];
/// Those of finite fields.
const FIELDS: (u16, u16) = (0x0100, 0x0104);

/// The groups of TLS 1.3, the newest first.
pub(super) fn groups() -> Vec<u16> {
    let mut groups = curves();
    groups.extend(FIELDS.0..=FIELDS.1);
    groups
}

/// The groups of ECDHE.
pub(super) fn curves() -> Vec<u16> {
    let mut groups: Vec<_> = CURVES
        .into_iter()
        .rev()
        .flat_map(|(from, to)| from..=to)
        .collect();
    // The most common ones before those of binary fields.
    groups.sort_by_key(|group| match group {
        0x0200.. => 0,
        0x001d | 0x001e => 1,
        0x0017..=0x0019 => 2,
        _ => 3,
    });
    groups
}

/// The schemes that a server may sign its key exchange with, the strongest first.
pub(super) const SCHEMES: [u16; 30] = [
    0x0602, 0x0502, 0x0906, 0x0905, 0x0904, 0x0807, 0x0808, 0x0603, 0x0503, 0x0403, 0x081c, 0x081b,
    0x081a, 0x080b, 0x080a, 0x0809, 0x0806, 0x0805, 0x0804, 0x0601, 0x0501, 0x0401, 0x0303, 0x0301,
    0x0402, 0x0302, 0x0203, 0x0201, 0x0202, 0x0101,
];

/// Names, or numbers of what has none here.
pub(super) fn suite_name(code: u16) -> String {
    suites::name(code).map_or_else(|| format!("{code:#06x}"), str::to_owned)
}

pub(super) fn group_name(code: u16) -> String {
    NamedGroup(code).to_string()
}

pub(super) fn scheme_name(code: u16) -> String {
    SignatureScheme(code).to_string()
}

/// What is to be said against a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weakness {
    Null,
    Export,
    Anonymous,
    Rc4,
    Des,
    TripleDes,
    Cbc,
    RsaKeyExchange,
    NoForwardSecrecy,
}

impl Weakness {
    pub(super) const ALL: [(Self, &'static str); 9] = [
        (Self::Null, "null"),
        (Self::Export, "export"),
        (Self::Anonymous, "anonymous"),
        (Self::Rc4, "rc4"),
        (Self::Des, "des"),
        (Self::TripleDes, "3des"),
        (Self::Cbc, "cbc"),
        (Self::RsaKeyExchange, "rsa-kx"),
        (Self::NoForwardSecrecy, "no-fs"),
    ];

    /// Whether a suite has it. Of what is no suite nothing is known.
    pub(super) fn is_of(self, code: u16) -> bool {
        Suite::of(code).is_some_and(|suite| match self {
            Self::Null => suite.is_null(),
            Self::Export => suite.has("_EXPORT"),
            Self::Anonymous => suite.is_anonymous(),
            Self::Rc4 => suite.has("_RC4_"),
            Self::Des => suite.has("_WITH_DES_") || suite.has("_WITH_DES40_"),
            Self::TripleDes => suite.has("_3DES_"),
            Self::Cbc => suite.has("_CBC_"),
            Self::RsaKeyExchange => suite.has_rsa_key_exchange(),
            Self::NoForwardSecrecy => suite.lacks_forward_secrecy(),
        })
    }
}

#[cfg(test)]
mod tests {
    use portcullis::suite::CipherSuite;

    use super::*;

    #[test]
    fn every_suite_is_asked_about_once() {
        let (older, new) = (older_suites(), new_suites());
        for suite in CipherSuite::KNOWN {
            assert!(
                older.contains(&suite.0) || new.contains(&suite.0),
                "{suite}"
            );
        }
        let mut once = [older.clone(), new.clone()].concat();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), older.len() + new.len());
        // What is no suite, and what is none to be agreed on.
        for code in [0x0000, 0x00ff, 0x5600] {
            assert!(!once.contains(&code), "{code:#06x}");
        }
        assert!(new.contains(&0xc0b4) && older.contains(&0xc100));
    }

    #[test]
    fn every_class_has_suites_that_the_library_does_not_speak() {
        for (weakness, code) in [
            (Weakness::Null, 0x003b),
            (Weakness::Export, 0x0026),
            (Weakness::Anonymous, 0x0046),
            (Weakness::Rc4, 0x0020),
            (Weakness::Des, 0x0008),
            (Weakness::TripleDes, 0x001f),
            (Weakness::Cbc, 0x0041),
            (Weakness::RsaKeyExchange, 0xc09c),
            (Weakness::NoForwardSecrecy, 0xc054),
        ] {
            assert!(CipherSuite(code).info().is_none(), "{code:#06x}");
            assert!(weakness.is_of(code), "{weakness:?}");
        }
        for (weakness, _) in Weakness::ALL {
            assert!(!weakness.is_of(0xc02f) && !weakness.is_of(0x1301) && !weakness.is_of(0xfafa));
        }
    }

    #[test]
    fn all_groups_and_schemes_that_are_spoken_are_asked_about() {
        for group in NamedGroup::SUPPORTED {
            assert!(groups().contains(&group.0), "{group}");
        }
        for scheme in SignatureScheme::SUPPORTED {
            assert!(SCHEMES.contains(&scheme.0), "{scheme}");
        }
    }
}

//! What can be asked about: all code points that were ever registered, not only those that are spoken here.

use portcullis::suite::{CipherSuite, KeyExchange};
use portcullis::{NamedGroup, SignatureScheme};

/// The versions, newest first, with their names.
pub(super) const VERSIONS: [(u16, &str); 5] = [
    (0x0304, "TLSv1.3"),
    (0x0303, "TLSv1.2"),
    (0x0302, "TLSv1.1"),
    (0x0301, "TLSv1.0"),
    (0x0300, "SSLv3"),
];

pub(super) fn version_name(version: u16) -> String {
    let named = VERSIONS.iter().find(|(code, _)| *code == version);
    named.map_or_else(|| format!("{version:#06x}"), |(_, name)| (*name).to_owned())
}

/// All suites of the versions before TLS 1.3, but what only looks like one.
pub(super) fn older_suites() -> Vec<u16> {
    let ranges = [
        0x0001..=0x00c5,
        0xc001..=0xc0af,
        0xcc13..=0xcc15,
        0xcca8..=0xccae,
        0xd001..=0xd005,
    ];
    let known = CipherSuite::KNOWN.iter().map(|suite| suite.0);
    // The strongest first: a server that follows its clients then shows what it does with most of them.
    let mut suites: Vec<_> = known.filter(|code| *code >> 8 != 0x13).collect();
    for code in ranges.into_iter().flatten() {
        if !suites.contains(&code) {
            suites.push(code);
        }
    }
    suites
}

/// All suites of TLS 1.3 (RFC 8446 B.4, RFC 8998, RFC 9367).
pub(super) const NEW_SUITES: [u16; 11] = [
    0x1302, 0x1301, 0x1303, 0x1304, 0x1305, 0x00c6, 0x00c7, 0xc103, 0xc104, 0xc105, 0xc106,
];

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
    let name = CipherSuite(code).name();
    name.map_or_else(|| format!("{code:#06x}"), str::to_owned)
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
    TripleDes,
    Cbc,
    RsaKeyExchange,
}

impl Weakness {
    pub(super) const ALL: [(Self, &'static str); 7] = [
        (Self::Null, "null"),
        (Self::Export, "export"),
        (Self::Anonymous, "anonymous"),
        (Self::Rc4, "rc4"),
        (Self::TripleDes, "3des"),
        (Self::Cbc, "cbc"),
        (Self::RsaKeyExchange, "rsa-kx"),
    ];

    /// Whether a suite has it. Of suites that have no name here only the first four are known.
    pub(super) fn is_of(self, code: u16) -> bool {
        let name = CipherSuite(code).name().unwrap_or_default();
        let info = CipherSuite(code).info();
        match self {
            // RFC 5246 A.5, RFC 4785, RFC 5487, RFC 4492, RFC 5489.
            Self::Null => matches!(
                code,
                0x0000..=0x0002 | 0x002c..=0x002e | 0x003b | 0x00b0 | 0x00b1 | 0x00b4 | 0x00b5 | 0x00b8 | 0x00b9
                    | 0xc001 | 0xc006 | 0xc00b | 0xc010 | 0xc015 | 0xc039..=0xc03b
            ),
            // RFC 2246 A.5, RFC 2712.
            Self::Export => matches!(
                code,
                0x0003
                    | 0x0006
                    | 0x0008
                    | 0x000b
                    | 0x000e
                    | 0x0011
                    | 0x0014
                    | 0x0017
                    | 0x0019
                    | 0x0026..=0x002b
            ),
            Self::Anonymous => {
                matches!(
                    code,
                    0x0017..=0x001b | 0x0034 | 0x003a | 0x0046 | 0x006c | 0x006d | 0x0089 | 0x009b | 0x00a6
                        | 0x00a7 | 0x00bf | 0x00c5 | 0xc015..=0xc019 | 0xc046 | 0xc047 | 0xc05a | 0xc05b
                        | 0xc084 | 0xc085
                )
            }
            Self::Rc4 => matches!(
                code,
                0x0003
                    ..=0x0005
                        | 0x0017
                        | 0x0018
                        | 0x0020
                        | 0x0024
                        | 0x0028
                        | 0x002b
                        | 0x008a
                        | 0x008e
                        | 0x0092
                        | 0xc002
                        | 0xc007
                        | 0xc00c
                        | 0xc011
                        | 0xc016
                        | 0xc033
            ),
            Self::TripleDes => name.contains("3DES"),
            Self::Cbc => name.contains("_CBC_"),
            Self::RsaKeyExchange => info.is_some_and(|info| {
                matches!(info.key_exchange, KeyExchange::Rsa | KeyExchange::RsaPsk)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_that_is_known_is_asked_about_once() {
        let asked = older_suites();
        for suite in CipherSuite::KNOWN {
            assert!(
                asked.contains(&suite.0) || NEW_SUITES.contains(&suite.0),
                "{suite}"
            );
        }
        let mut once = asked.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), asked.len());
        // What is no suite.
        assert!(!asked.contains(&0x00ff) && !asked.contains(&0x5600));
    }

    #[test]
    fn weaknesses_by_number_are_those_by_name() {
        for suite in CipherSuite::KNOWN {
            let name = suite.name().unwrap();
            for (weakness, part) in [
                (Weakness::Anonymous, "_anon_"),
                (Weakness::Rc4, "_RC4_"),
                (Weakness::Null, "_WITH_NULL_"),
                (Weakness::Export, "_EXPORT_"),
            ] {
                assert_eq!(weakness.is_of(suite.0), name.contains(part), "{name}");
            }
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

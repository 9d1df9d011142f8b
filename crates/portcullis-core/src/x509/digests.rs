//! What a session remembers of an identity that was shown: whose key it was, what names, and what
//! the certificate is called in a channel binding.
//!
//! RFC 8446 §4.6.1; RFC 5280 §4.1.2.6, §4.2.1.6; RFC 5929 §4. Nothing of a process is in a digest: it is the
//! same after a restart, and on every server that shares sessions.

use super::certificate::Certificate;
use super::extension::alt_name::{DNS_NAME, GeneralNames};
use super::identity::Identity;
use super::signature_algorithm::server_end_point;
use crate::crypto::hash::{HashAlgorithm, Hasher};
use crate::sort::sort;

/// SHA-256.
pub(crate) type Sha256Digest = [u8; 32];

/// What a server's session knows of the certificate that the client was shown when it began. A
/// server that resumes it shows none, and may have a renewed one by now.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct LeafDigests {
    /// The same for every certificate with these names, and for no other.
    pub(crate) names: Sha256Digest,
    pub(crate) end_point: EndPoint,
}

/// The channel binding `tls-server-end-point`, which may be undefined.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndPoint {
    bytes: [u8; Self::LONGEST],
    length: u8,
}

impl EndPoint {
    /// SHA-512.
    const LONGEST: usize = 64;

    const UNDEFINED: Self = Self {
        bytes: [0; Self::LONGEST],
        length: 0,
    };

    /// `None` for what is longer than any; what is empty is undefined.
    pub(crate) fn from_bytes(from: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::LONGEST];
        bytes.get_mut(..from.len())?.copy_from_slice(from);
        let length = u8::try_from(from.len()).ok()?;
        Some(Self { bytes, length })
    }

    /// Empty if it is undefined.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or_default()
    }
}

pub(super) fn leaf_digests(leaf: &[u8], fields: &Certificate<'_>) -> LeafDigests {
    let end_point = server_end_point(leaf).unwrap_or_default();
    LeafDigests {
        names: names_digest(leaf, fields),
        end_point: EndPoint::from_bytes(&end_point).unwrap_or(EndPoint::UNDEFINED),
    }
}

/// The same of a raw key, for which RFC 5929 defines nothing.
pub(super) fn raw_key_digests(spki: &[u8]) -> LeafDigests {
    LeafDigests {
        names: raw_key_digest(spki),
        end_point: EndPoint::UNDEFINED,
    }
}

/// Of a SubjectPublicKeyInfo: a renewed certificate with the same key is the same peer.
pub(super) fn key_digest(spki: &[u8]) -> Sha256Digest {
    labelled(b"portcullis: key of an identity", [spki])
}

/// In the place of names: a raw public key has none, so it is like nothing but itself.
fn raw_key_digest(spki: &[u8]) -> Sha256Digest {
    labelled(b"portcullis: raw public key of an identity", [spki])
}

/// Of the names that a certificate is for: a renewed one with other keys has the same. Their
/// order does not count, nor the case of DNS names. All kinds of name count, because a client may
/// look for any; without subjectAltName it is the subject.
fn names_digest(leaf: &[u8], fields: &Certificate<'_>) -> Sha256Digest {
    match subject_alt_names(fields) {
        Some(names) if !names.is_empty() => {
            let names = names.iter().map(Vec::as_slice);
            labelled(b"portcullis: names of an identity", names)
        }
        Some(_) => labelled(b"portcullis: subject of an identity", [fields.subject]),
        // What cannot be read is like nothing but itself.
        None => labelled(b"portcullis: certificate of an identity", [leaf]),
    }
}

/// Each GeneralName with its header, sorted; none without the extension; `None` if it is no DER.
fn subject_alt_names(certificate: &Certificate<'_>) -> Option<Vec<Vec<u8>>> {
    let names = GeneralNames::of_subject(certificate).ok()?.iter();
    let mut names: Vec<_> = names
        .map(|entry| {
            let mut name = entry.whole.to_vec();
            if entry.tag == DNS_NAME {
                name.make_ascii_lowercase();
            }
            name
        })
        .collect();
    sort(&mut names);
    names.dedup();
    Some(names)
}

impl Identity {
    /// Of the keys of these, in any order; `None` of none.
    pub(crate) fn digest_of_keys(identities: &[Self]) -> Option<Sha256Digest> {
        let mut keys: Vec<_> = identities.iter().map(Self::key_digest).collect();
        sort(&mut keys);
        keys.dedup();
        let keys = keys.iter().map(|key| key.as_slice());
        (keys.len() > 0).then(|| labelled(b"portcullis: keys of a configuration", keys))
    }
}

/// The parts say where they end: they are DER, or have one length. The label ends with a zero.
fn labelled<'a>(label: &[u8], parts: impl IntoIterator<Item = &'a [u8]>) -> Sha256Digest {
    let mut hasher = Hasher::new(HashAlgorithm::Sha256);
    hasher.update(label);
    hasher.update(&[0]);
    parts.into_iter().for_each(|part| hasher.update(part));
    let digest = hasher.finish();
    digest.as_slice().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, KeyPair};

    use super::*;

    fn digest(extension: Option<&[u8]>, subject: &str) -> Sha256Digest {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, subject);
        if let Some(content) = extension {
            let extension = CustomExtension::from_oid_content(&[2, 5, 29, 17], content.to_vec());
            params.custom_extensions.push(extension);
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let fields = Certificate::read(certificate.der()).unwrap();
        names_digest(certificate.der(), &fields)
    }

    #[test]
    fn names_are_a_set() {
        let of = |content: &[u8], subject| digest(Some(content), subject);
        let both = of(&[0x30, 6, 0x82, 1, b'a', 0x82, 1, b'b'], "x");
        assert_eq!(both, of(&[0x30, 6, 0x82, 1, b'B', 0x82, 1, b'a'], "y"));
        let twice = [0x30, 9, 0x82, 1, b'a', 0x82, 1, b'b', 0x82, 1, b'a'];
        assert_eq!(both, of(&twice, "x"));
        for other in [
            &[0x30, 3, 0x82, 1, b'a'][..],
            &[0x30, 4, 0x82, 2, b'a', b'b'],
            &[0x30, 6, 0x86, 1, b'a', 0x82, 1, b'b'],
            &[0x30, 6, 0x87, 1, b'a', 0x82, 1, b'b'],
        ] {
            assert_ne!(both, of(other, "x"));
        }
        // Only DNS names are the same in capital letters.
        let uri = |letter| of(&[0x30, 3, 0x86, 1, letter], "x");
        assert_ne!(uri(b'a'), uri(b'A'));
    }

    #[test]
    fn without_names_it_is_the_subject() {
        assert_eq!(digest(None, "x"), digest(None, "x"));
        assert_eq!(digest(None, "x"), digest(Some(&[0x30, 0]), "x"));
        assert_ne!(digest(None, "x"), digest(None, "y"));
        // What cannot be read is like nothing else, not even with the same bytes.
        for broken in [&[0x30, 3, 0x82, 1][..], &[0x31, 0], &[0x30, 1, 0x82], &[]] {
            assert_ne!(digest(Some(broken), "x"), digest(Some(broken), "x"));
        }
    }
}

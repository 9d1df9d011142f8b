//! What a session remembers of an identity that was shown: whose key it was, and what names.
//!
//! RFC 8446 §4.6.1; RFC 5280 §4.1.2.6, §4.2.1.6. Nothing of a process is in a digest: it is the
//! same after a restart, and on every server that shares sessions.

use super::identity::Identity;
use crate::crypto::hash::{HashAlgorithm, Hasher};
use crate::der::{CertificateFields, Reader, SEQUENCE};

/// SHA-256.
pub(crate) type Sha256Digest = [u8; 32];

/// id-ce-subjectAltName, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// `[2]` of GeneralName.
const DNS_NAME: u8 = 0x82;

/// Of a SubjectPublicKeyInfo: a renewed certificate with the same key is the same peer.
pub(super) fn key_digest(spki: &[u8]) -> Sha256Digest {
    labelled(b"portcullis: key of an identity", [spki])
}

/// Of the names that a certificate is for: a renewed one with other keys has the same. Their
/// order does not count, nor the case of DNS names. All kinds of name count, because a client may
/// look for any; without subjectAltName it is the subject.
pub(super) fn names_digest(leaf: &[u8], fields: &CertificateFields<'_>) -> Sha256Digest {
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
fn subject_alt_names(fields: &CertificateFields<'_>) -> Option<Vec<Vec<u8>>> {
    let Some(extension) = fields.extension(SUBJECT_ALT_NAME).ok()? else {
        return Some(Vec::new());
    };
    let mut entries = Reader::new(Reader::new(extension).contents(SEQUENCE)?);
    let mut names = Vec::new();
    while !entries.is_empty() {
        let entry = entries.any()?;
        let mut name = entry.whole.to_vec();
        if entry.tag == DNS_NAME {
            name.make_ascii_lowercase();
        }
        names.push(name);
    }
    names.sort_unstable();
    names.dedup();
    Some(names)
}

impl Identity {
    /// Of the keys of these, in any order; `None` of none.
    pub(crate) fn digest_of_keys(identities: &[Self]) -> Option<Sha256Digest> {
        let mut keys: Vec<_> = identities.iter().map(Self::key_digest).collect();
        keys.sort_unstable();
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

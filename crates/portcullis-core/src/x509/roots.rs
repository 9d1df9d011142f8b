//! Trust anchors: the authorities whose word is taken.
//!
//! RFC 5280 §6.1.1.

use core::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, TrustAnchor};

use super::authority;
use super::certificate::Certificate;
use super::name::CanonicalName;
use super::pem::{self, Contents};
use super::time::Validity;
use crate::crypto::verification::KeptKey;
use crate::der::{self, Reader};
use crate::misuse::Misuse;

/// A set of trusted certificates. Cheap to clone; a clone that is added to becomes its own set.
///
/// What each is trusted for follows from what it is:
///
/// * The certificate of an **authority** (basicConstraints with cA TRUE and, if there is a
///   keyUsage, keyCertSign in it) is a trust anchor: what it has issued is trusted, directly or
///   through intermediates. It need not be self-signed. Of an anchor its name, its key, its name
///   constraints, its pathLenConstraint and its dates count, the last unless
///   [`anchor_dates`](crate::x509::ChainPolicy::anchor_dates) says no; other extensions do not.
///   Certificates of version 1 cannot say that they are of an
///   authority, and are anchors.
/// * **Every other** certificate is pinned: exactly this one is accepted when a peer shows it as
///   its own, within its dates and for the names and purposes it has. It never makes another one
///   trusted, neither the one that signed it nor those that its key has signed.
///
/// A self-signed certificate of an authority is accepted from a peer itself, too: tools make
/// such certificates for servers.
///
/// Anchors also come without certificates, as [`TrustAnchor`]s. The crate `webpki-roots` has those
/// of Mozilla's browsers:
///
/// ```
/// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
/// use portcullis::Roots;
///
/// let roots: Roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
/// assert!(roots.len() > 50);
/// ```
#[derive(Clone, Default)]
pub struct Roots(Arc<Set>);

#[derive(Clone, Default)]
struct Set {
    /// In the order of their subjects, so that those of one name stand together.
    anchors: Vec<TrustAnchor<'static>>,
    /// What else is known of each.
    details: Vec<Details>,
    /// Those of the anchors, as they were added.
    certificates: Vec<CertificateDer<'static>>,
    /// The names of the anchors that came without a certificate.
    bare_names: Vec<Box<[u8]>>,
    /// In the order of their bytes.
    pinned: Vec<CertificateDer<'static>>,
    /// The names of their issuers, once each and sorted.
    pinned_issuers: Vec<Box<[u8]>>,
    /// Those of the anchors, in the order of their encoding.
    keys: Vec<KeptKey>,
    ignored: usize,
}

#[derive(Clone)]
struct Details {
    canonical_name: Option<CanonicalName>,
    limits: Limits,
}

/// What the certificate of an anchor says of it; one that came without says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// The pathLenConstraint.
    pub(super) path_length: Option<usize>,
    pub(super) validity: Option<Validity>,
}

impl Roots {
    /// Trusts nobody, until something is added.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::{Identity, Roots};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    /// let mut roots = Roots::empty();
    /// assert!(roots.is_empty());
    /// // One server of your own, and no authority.
    /// roots.add_pem(&pem)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn empty() -> Self {
        Self::default()
    }

    /// Whether one is a clone of the other to which nothing was added.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The certificates in a PEM text.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::Roots;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    /// let roots = Roots::from_pem(&pem)?;
    /// assert_eq!(roots.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When there is none, or one is damaged.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, Misuse> {
        let mut roots = Self::empty();
        roots.add_pem(pem)?;
        Ok(roots)
    }

    /// The certificates in a PEM file.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::Roots;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let error = Roots::from_pem_file("/no/such/roots.pem").unwrap_err();
    /// assert!(error.to_string().contains("/no/such/roots.pem"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it cannot be read, contains no certificate, or one is damaged.
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<Self, Misuse> {
        let mut roots = Self::empty();
        roots.add_pem_file(path)?;
        Ok(roots)
    }

    /// Trusts the certificates in a PEM text, too. See [`add_der`](Self::add_der).
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::Roots;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    /// let mut roots = Roots::empty();
    /// roots.add_pem(&pem)?;
    /// // Once more is the same.
    /// roots.add_pem(&pem)?;
    /// assert_eq!(roots.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem). Then nothing was added.
    pub fn add_pem(&mut self, pem: impl AsRef<[u8]>) -> Result<(), Misuse> {
        let contents = Contents::read(pem.as_ref())?;
        if contents.certificates.is_empty() {
            return Err(contents.no_certificate());
        }
        let mut more = self.clone();
        let set = Arc::make_mut(&mut more.0);
        for (at, certificate) in contents.certificates.into_iter().enumerate() {
            set.add(certificate)
                .ok_or_else(|| not_a_certificate(&format!("certificate {}", at + 1)))?;
        }
        *self = more;
        Ok(())
    }

    /// Trusts the certificates in a PEM file, too. See [`add_der`](Self::add_der).
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::Roots;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("root.pem");
    /// # std::fs::write(&path, pem)?;
    /// let mut roots = Roots::empty();
    /// roots.add_pem_file(&path)?;
    /// assert_eq!(roots.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`from_pem_file`](Self::from_pem_file). Then nothing was added.
    pub fn add_pem_file(&mut self, path: impl AsRef<Path>) -> Result<(), Misuse> {
        let path = path.as_ref();
        let pem = pem::read_file(path)?;
        self.add_pem(&*pem)
            .map_err(|error| pem::in_file(path, &error))
    }

    /// Trusts one more certificate; one that is there already is not added again. What is not
    /// of an authority is pinned and makes no other certificate trusted.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::Roots;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let certificate = made.cert.der().clone();
    /// let mut roots = Roots::empty();
    /// // A `CertificateDer`, or the bytes of a file in DER.
    /// roots.add_der(certificate)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it is not a certificate.
    pub fn add_der(&mut self, der: impl Into<CertificateDer<'static>>) -> Result<(), Misuse> {
        Arc::make_mut(&mut self.0)
            .add(der.into())
            .ok_or_else(|| not_a_certificate("the certificate"))
    }

    /// Trusts an authority of which name, key and name constraints are known, and no certificate.
    ///
    /// An anchor like that has no pathLenConstraint: there may be as many intermediates below it as
    /// anywhere. Nor is it ever accepted as the certificate of a peer itself. One that is there
    /// already is not added again. One that is damaged makes nothing trusted.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*, suite::*}; }
    /// use portcullis::Roots;
    ///
    /// // The authorities that browsers trust, compiled in.
    /// let mut roots = Roots::empty();
    /// for anchor in webpki_roots::TLS_SERVER_ROOTS {
    ///     roots.add_trust_anchor(anchor.clone());
    /// }
    /// assert!(roots.len() > 100);
    /// ```
    pub fn add_trust_anchor(&mut self, anchor: TrustAnchor<'static>) {
        Arc::make_mut(&mut self.0).add_bare(anchor);
    }

    /// How many certificates and anchors without one are trusted.
    pub fn len(&self) -> usize {
        self.0.anchors.len() + self.0.pinned.len()
    }

    /// Trusts those that are certificates, and counts the others with those that were ignored.
    #[cfg(feature = "os-roots")]
    pub(super) fn of_all(certificates: Vec<CertificateDer<'static>>, ignored: usize) -> Self {
        let mut set = Set {
            ignored,
            ..Set::default()
        };
        for certificate in certificates {
            if set.add(certificate).is_none() {
                set.ignored += 1;
            }
        }
        Self(Arc::new(set))
    }

    /// Whether nothing is trusted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many certificates of the operating system could not be used, or files not read.
    pub fn ignored(&self) -> usize {
        self.0.ignored
    }

    /// The names of the authorities as DER-encoded Names, for the extension
    /// certificate_authorities (RFC 8446 §4.2.4): the subjects of the anchors and the issuers of
    /// pinned certificates, by which a peer finds a certificate to show.
    pub fn subjects(&self) -> impl Iterator<Item = &[u8]> {
        let set = &*self.0;
        let subject = |certificate| Certificate::read(certificate).map(|fields| fields.subject);
        let anchors = set
            .certificates
            .iter()
            .map(AsRef::as_ref)
            .filter_map(subject);
        let others = set.bare_names.iter().chain(&set.pinned_issuers);
        anchors.chain(others.map(AsRef::as_ref))
    }

    /// Where the anchors are that have this name, which is a Name with its header, byte by byte.
    pub(super) fn named(&self, name: &[u8]) -> Range<usize> {
        let set = &*self.0;
        let name = Reader::new(name)
            .contents(der::SEQUENCE)
            .unwrap_or_default();
        let start = set
            .anchors
            .partition_point(|anchor| *anchor.subject < *name);
        let (_, from_start) = set.anchors.split_at_checked(start).unwrap_or_default();
        let count = from_start.partition_point(|anchor| *anchor.subject == *name);
        start..start + count
    }

    /// Where the next anchor is, from this place on, that has this name in any encoding.
    pub(super) fn renamed(&self, name: &[u8], from: usize) -> Option<usize> {
        let contents = Reader::new(name).contents(der::SEQUENCE)?;
        let name = CanonicalName::new(contents)?;
        let mut details = self.0.details.iter().enumerate().skip(from);
        let is_same = |own: &Details| own.canonical_name.as_ref() == Some(&name);
        details.find_map(|(at, own)| is_same(own).then_some(at))
    }

    /// The anchor at a place.
    pub(super) fn anchor(&self, at: usize) -> Option<(&TrustAnchor<'static>, Limits)> {
        let limits = self.0.details.get(at)?.limits;
        Some((self.0.anchors.get(at)?, limits))
    }

    /// The certificate of the anchor at a place, if it came with one.
    pub(super) fn certificate_of(&self, at: usize) -> Option<&CertificateDer<'static>> {
        let (anchor, limits) = self.anchor(at)?;
        self.0.certificates.iter().find(|own| {
            Certificate::read(own).is_some_and(|own| {
                der::only(own.subject, der::SEQUENCE) == Some(&*anchor.subject)
                    && der::only(own.spki, der::SEQUENCE) == Some(&*anchor.subject_public_key_info)
                    && own.validity() == limits.validity
            })
        })
    }

    /// Those of the authorities, as they were added.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.0.certificates.iter()
    }

    /// The key of an anchor that is encoded so.
    pub(super) fn key(&self, encoded: &[u8]) -> Option<&KeptKey> {
        let at = self.0.key_at(encoded).ok()?;
        self.0.keys.get(at)
    }

    /// Whether exactly this certificate, to the last byte, is trusted as that of a peer itself:
    /// because it is pinned, or self-signed and an anchor.
    pub(super) fn has_pinned(
        &self,
        certificate: &CertificateDer<'_>,
        fields: &Certificate<'_>,
    ) -> bool {
        let set = &*self.0;
        set.is_pinned(certificate)
            || fields.subject == fields.issuer && set.certificates.contains(certificate)
    }

    /// Whether a certificate that is trusted for itself alone has this name.
    pub(super) fn has_pinned_name(&self, name: &[u8]) -> bool {
        let mut pinned = self.0.pinned.iter();
        pinned.any(|own| Certificate::read(own).is_some_and(|own| own.subject == name))
    }
}

impl Set {
    fn add(&mut self, certificate: CertificateDer<'static>) -> Option<()> {
        if self.certificates.contains(&certificate) || self.is_pinned(&certificate) {
            return Some(());
        }
        let anchor = webpki::anchor_from_trusted_cert(&certificate)
            .ok()?
            .to_owned();
        let fields = Certificate::read(&certificate)?;
        if !authority::is_authority(&fields) {
            let issuer = fields.issuer;
            if let Err(at) = self
                .pinned_issuers
                .binary_search_by(|own| (**own).cmp(issuer))
            {
                self.pinned_issuers.insert(at, issuer.into());
            }
            let at = self
                .pinned
                .partition_point(|own| own.as_ref() < certificate.as_ref());
            self.pinned.insert(at, certificate);
            return Some(());
        }
        let limits = Limits {
            path_length: authority::path_length(&fields),
            validity: fields.validity(),
        };
        self.add_anchor(anchor, limits);
        self.certificates.push(certificate);
        Some(())
    }

    fn add_bare(&mut self, anchor: TrustAnchor<'static>) {
        let mut known = self.anchors.iter().zip(&self.details);
        // A limit that another certificate of this authority has is not one of the anchor.
        if known.any(|(own, details)| details.limits == Limits::default() && *own == anchor) {
            return;
        }
        let name = der::sequence(&anchor.subject).into_boxed_slice();
        if !self.bare_names.contains(&name) {
            self.bare_names.push(name);
        }
        self.add_anchor(anchor, Limits::default());
    }

    fn add_anchor(&mut self, anchor: TrustAnchor<'static>, limits: Limits) {
        if let Some((_, key)) = der::public_key_info_contents(&anchor.subject_public_key_info)
            && let Err(at) = self.key_at(key)
        {
            self.keys.insert(at, KeptKey::new(key));
        }
        // Behind those of the same name: they are tried in the order they came.
        let before = |own: &TrustAnchor<'_>| *own.subject <= *anchor.subject;
        let at = self.anchors.partition_point(before);
        let details = Details {
            canonical_name: CanonicalName::new(&anchor.subject),
            limits,
        };
        self.details.insert(at, details);
        self.anchors.insert(at, anchor);
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        let order = |own: &CertificateDer<'_>| own.as_ref().cmp(certificate.as_ref());
        self.pinned.binary_search_by(order).is_ok()
    }

    /// Where the key is, or where it belongs.
    fn key_at(&self, encoded: &[u8]) -> Result<usize, usize> {
        self.keys.binary_search_by(|key| key.encoded().cmp(encoded))
    }
}

impl Extend<TrustAnchor<'static>> for Roots {
    /// [Adds](Self::add_trust_anchor) each of them.
    fn extend<T: IntoIterator<Item = TrustAnchor<'static>>>(&mut self, anchors: T) {
        let set = Arc::make_mut(&mut self.0);
        anchors.into_iter().for_each(|anchor| set.add_bare(anchor));
    }
}

impl FromIterator<TrustAnchor<'static>> for Roots {
    /// Trusts these authorities and nobody else. See [`add_trust_anchor`](Self::add_trust_anchor).
    fn from_iter<T: IntoIterator<Item = TrustAnchor<'static>>>(anchors: T) -> Self {
        let mut roots = Self::empty();
        roots.extend(anchors);
        roots
    }
}

fn not_a_certificate(which: &str) -> Misuse {
    Misuse::new(format!("{which} is damaged: it is not DER-encoded X.509"))
}

impl core::fmt::Debug for Roots {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Roots")
            .field("len", &self.len())
            .field("ignored", &self.ignored())
            .finish()
    }
}

//! The keys with which a server decrypts hellos, and how they change.
//!
//! RFC 9849 §7, §7.1, §10.5.

use std::sync::{Arc, PoisonError, RwLock};

use rustls_pki_types::DnsName;
use zeroize::Zeroizing;

use super::config_list::public_name;
use super::{EchConfigError, EchConfigList, info};
use crate::crypto::hpke::{HpkePrivateKey, Kem, Opener, Suite};
use crate::crypto::random::Random;
use crate::misuse::Misuse;
use crate::wire::codec::{put_u16, put_vec16};
use crate::wire::extension::{EchOuter, put_extension};
use crate::wire::list::{Element as _, List, put_list16};
use crate::wire::{EchConfigContents, EchConfigEntry, ExtensionType, HpkeCipherSuite, is_grease};

/// The most keys at a time.
const MOST_KEYS: usize = 16;

/// The most keys of one id that a hello is tried with: ids are a byte, and may be there twice (§4.1).
const MOST_OF_AN_ID: usize = 4;

/// How keys are encapsulated (RFC 9180 §7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EchKem {
    /// What everybody has.
    #[default]
    X25519,
    /// P-256.
    P256,
}

impl From<EchKem> for Kem {
    fn from(kem: EchKem) -> Self {
        match kem {
            EchKem::X25519 => Self::X25519,
            EchKem::P256 => Self::P256,
        }
    }
}

/// A private key with the configuration that clients have. Cheap to clone. The key is wiped when the last clone is dropped.
#[derive(Clone)]
pub struct EchKey {
    key: Arc<Key>,
    is_retry: bool,
}

struct Key {
    private: HpkePrivateKey,
    config_id: u8,
    suites: Box<[Suite]>,
    public_name: DnsName<'static>,
    /// The entry of an ECHConfigList, and what HPKE binds it with.
    config: Box<[u8]>,
    info: Box<[u8]>,
}

impl EchKey {
    /// Starts to make a key for a server that shows a certificate for `public_name` to whoever cannot do better.
    pub fn builder(public_name: impl Into<String>) -> EchKeyBuilder {
        EchKeyBuilder {
            public_name: public_name.into(),
            kem: EchKem::default(),
            config_id: None,
            maximum_name_length: 64,
            grease: false,
        }
    }

    /// A key that is kept somewhere: an ECHConfigList, and the PrivateKeyInfo (PKCS#8, in DER) of its key. What
    /// `openssl ech` and `portcullis ech new` write has both in PEM.
    ///
    /// Configurations of other versions, and those of other keys, are passed by, and so are cipher suites that are not
    /// known here (RFC 9849 §4.1): a hello that names one of them is declined.
    ///
    /// # Errors
    /// When no configuration of the list is that of the key, or it has no suite that is known here, or its public
    /// name is none.
    pub fn from_pkcs8(config_list: &[u8], private_key: &[u8]) -> Result<Self, Misuse> {
        let private = HpkePrivateKey::from_pkcs8(private_key);
        let private = private.map_err(|_| {
            Misuse::new(
                "ech: the private key is none of X25519 or P-256 in PKCS#8; `portcullis ech new` makes one",
            )
        })?;
        Self::new(config_list, private)
    }

    /// The same with the bare scalar of the key (RFC 9180 §7.1.2).
    ///
    /// # Errors
    /// As [`from_pkcs8`](Self::from_pkcs8).
    pub fn from_scalar(config_list: &[u8], private_key: &[u8]) -> Result<Self, Misuse> {
        let of_kem = |kem| HpkePrivateKey::from_bytes(kem, private_key).ok();
        let mut tried = [Kem::X25519, Kem::P256].into_iter().filter_map(of_kem);
        tried
            .find_map(|private| Self::new(config_list, private).ok())
            .ok_or_else(|| {
                Misuse::new(
                    "ech: the private key is that of no configuration that can be used; both have to be of one `ech new`",
                )
            })
    }

    fn new(config_list: &[u8], private: HpkePrivateKey) -> Result<Self, Misuse> {
        let (entry, contents) = of_key(config_list, &private)?;
        let suites: Box<[Suite]> = contents
            .cipher_suites
            .iter()
            .filter_map(|suite| Suite::from_ids(suite.0, suite.1))
            .collect();
        if suites.is_empty() {
            return Err(Misuse::new(
                "ech: the configuration has no KDF and AEAD that are known here: HKDF-SHA256 and -SHA384, AES-GCM and \
                 ChaCha20-Poly1305",
            ));
        }
        let public_name = public_name(contents.public_name).ok_or_else(|| {
            Misuse::new(
                "ech: the public name is no host name of letters, digits and hyphens; no client would use it",
            )
        })?;
        let mut config = Vec::new();
        entry.put(&mut config);
        let key = Key {
            config_id: contents.config_id,
            suites,
            public_name,
            info: info(&config).into(),
            config: config.into(),
            private,
        };
        Ok(Self {
            key: Arc::new(key),
            is_retry: true,
        })
    }

    /// Whether a client that has another configuration is told of this one (§7.1). Default: yes. A key that is about to
    /// be published, or not to be used any more, decrypts and is not told of.
    #[must_use]
    pub fn send_as_retry(mut self, on: bool) -> Self {
        self.is_retry = on;
        self
    }

    /// The configuration, alone in a list: what `ech` in an HTTPS record has. Of several keys the lists are put together
    /// by [`EchKeys::config_list`].
    pub fn config_list(&self) -> EchConfigList {
        EchConfigList::of([&*self.key.config])
    }

    /// The name that is seen instead of another, for which the server needs a certificate.
    pub fn public_name(&self) -> &str {
        self.key.public_name.as_ref()
    }
}

impl core::fmt::Debug for EchKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EchKey")
            .field("config_id", &self.key.config_id)
            .field("public_name", &self.public_name())
            .field("is_retry", &self.is_retry)
            .finish_non_exhaustive()
    }
}

/// The configuration of a list that is that of the key.
fn of_key<'a>(
    list: &'a [u8],
    private: &HpkePrivateKey,
) -> Result<(EchConfigEntry<'a>, EchConfigContents<'a>), Misuse> {
    let refused = |error: EchConfigError| Misuse::new(format!("ech: {error}"));
    EchConfigList::from_bytes(list).map_err(refused)?;
    let entries = List::<EchConfigEntry<'_>>::checked(list.get(2..).unwrap_or_default());
    let known = entries.iter().filter_map(|entry| {
        let contents = entry.known()?.ok()?;
        Some((entry, contents))
    });
    let mut versions = entries.iter().map(|entry| entry.version);
    let is_its = |contents: &EchConfigContents<'_>| {
        contents.kem_id == private.kem().id() && contents.public_key == private.public_key()
    };
    let found = known.clone().find(|(_, contents)| is_its(contents));
    found.ok_or_else(|| match (known.count(), versions.next()) {
        (0, Some(version)) => Misuse::new(format!(
            "ech: the configuration is of version {version:#06x}; known is 0xfe0d, that of RFC 9849"
        )),
        _ => Misuse::new(
            "ech: the private key is not that of its configuration; both have to be of one `ech new`",
        ),
    })
}

/// Makes an [`EchKey`].
#[derive(Clone, Debug)]
#[must_use]
pub struct EchKeyBuilder {
    public_name: String,
    kem: EchKem,
    config_id: Option<u8>,
    maximum_name_length: u8,
    grease: bool,
}

impl EchKeyBuilder {
    /// How keys are encapsulated. Default: X25519.
    pub fn kem(mut self, kem: EchKem) -> Self {
        self.kem = kem;
        self
    }

    /// How a hello says which key it is for. Default: random. Keys that are used at a time should have different ones.
    pub fn config_id(mut self, id: u8) -> Self {
        self.config_id = Some(id);
        self
    }

    /// The length of the longest name of the server, in bytes: shorter ones are padded to it. Default: 64.
    pub fn maximum_name_length(mut self, bytes: u8) -> Self {
        self.maximum_name_length = bytes;
        self
    }

    /// Whether the configuration has an extension that means nothing, so that clients keep passing by what they do not
    /// know (§6.2.2). Default: no.
    pub fn grease(mut self, on: bool) -> Self {
        self.grease = on;
        self
    }

    /// Makes the key, and its private half as a PrivateKeyInfo in DER (PKCS#8) for whoever keeps it.
    ///
    /// # Errors
    /// When the public name is no host name of letters, digits and hyphens, looks like an IPv4 address, or has
    /// more than 253 bytes; and when there are no random bytes.
    pub fn generate(self) -> Result<(EchKey, Zeroizing<Vec<u8>>), Misuse> {
        let random_failed = |_| Misuse::new("ech: there are no random bytes");
        let random = &mut Random::system();
        if public_name(self.public_name.as_bytes()).is_none() {
            return Err(Misuse::new(format!(
                "public_name: {:?} is no host name of letters, digits and hyphens, and clients would pass it by",
                self.public_name
            )));
        }
        let kem = self.kem.into();
        let (private, scalar) = HpkePrivateKey::generate(kem, random).map_err(random_failed)?;
        let mut bytes = [0; 2];
        random
            .fill(&mut bytes)
            .map_err(|_| Misuse::new("ech: there are no random bytes"))?;
        let [id, grease] = bytes;
        let mut entry = Vec::new();
        // HKDF-SHA256 with AES-128-GCM and with ChaCha20-Poly1305.
        let suites = [HpkeCipherSuite(1, 1), HpkeCipherSuite(1, 3)];
        put_u16(&mut entry, crate::wire::ech_config::ECH_VERSION);
        put_vec16(&mut entry, |out| {
            out.push(self.config_id.unwrap_or(id));
            put_u16(out, kem.id());
            put_vec16(out, |out| out.extend_from_slice(private.public_key()));
            put_list16::<HpkeCipherSuite>(out, suites);
            out.push(self.maximum_name_length);
            crate::wire::codec::put_vec8(out, |out| {
                out.extend_from_slice(self.public_name.as_bytes());
            });
            put_vec16(out, |out| {
                if self.grease {
                    put_extension(out, grease_extension(grease), |_| {});
                }
            });
        });
        let pkcs8 = HpkePrivateKey::pkcs8(kem, &scalar);
        let list = EchConfigList::of([&*entry]);
        Ok((EchKey::new(list.as_bytes(), private)?, pkcs8))
    }
}

/// One of those of RFC 8701 that are not mandatory.
fn grease_extension(random: u8) -> ExtensionType {
    let nibble = u16::from(random & 0x7) << 4 | 0xa;
    let typ = nibble << 8 | nibble;
    debug_assert!(is_grease(typ));
    ExtensionType(typ)
}

/// The keys of a server, which can be replaced while it runs. Cheap to clone; clones are the same keys.
///
/// Clients learn of a configuration from DNS, and keep it as long as the record says. So that none of them is turned
/// away: give the new key with [`send_as_retry(false)`](EchKey::send_as_retry), publish its configuration, wait as long as the
/// record lives, let the new one be sent and the old one not, wait once more and a day, and then leave the old one
/// out. Whoever is turned away all the same gets the new configurations and connects once more.
#[derive(Clone)]
pub struct EchKeys(Arc<Ring>);

struct Ring {
    snapshot: RwLock<Arc<Snapshot>>,
    /// Whether keys are tried whatever id a hello names.
    tries_all: bool,
}

/// The keys that a handshake goes on with, whatever they are replaced with meanwhile.
pub(crate) struct Snapshot {
    keys: Vec<EchKey>,
    tries_all: bool,
    /// Those that are told of, as an ECHConfigList with its length.
    retry: EchConfigList,
}

impl EchKeys {
    /// 1 to 16 keys, of which at least one is sent to clients that have another
    /// ([`EchKey::send_as_retry`]).
    ///
    /// # Errors
    /// When there are none or more, or none of them is sent.
    pub fn new(keys: impl IntoIterator<Item = EchKey>) -> Result<Self, Misuse> {
        Self::with(keys, false)
    }

    /// The same, and a hello is tried with every key, whatever id it names (§10.3): for clients that must not show by the
    /// id which configuration they have.
    ///
    /// Whoever connects can make the server try all of them: each costs a key exchange, 20 to 40 microseconds.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn trying_all(keys: impl IntoIterator<Item = EchKey>) -> Result<Self, Misuse> {
        Self::with(keys, true)
    }

    fn with(keys: impl IntoIterator<Item = EchKey>, tries_all: bool) -> Result<Self, Misuse> {
        let snapshot = RwLock::new(Arc::new(Snapshot::new(keys, tries_all)?));
        Ok(Self(Arc::new(Ring {
            snapshot,
            tries_all,
        })))
    }

    /// Others in their place. Handshakes under way go on with those that they began with.
    ///
    /// # Errors
    /// As [`new`](Self::new); the keys stay as they are then.
    pub fn replace(&self, keys: impl IntoIterator<Item = EchKey>) -> Result<(), Misuse> {
        let snapshot = Arc::new(Snapshot::new(keys, self.0.tries_all)?);
        let place = &self.0.snapshot;
        *place.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
        Ok(())
    }

    /// The configurations that clients are told of, in the order of the keys: what `ech` in an HTTPS record has.
    pub fn config_list(&self) -> EchConfigList {
        self.snapshot().retry.clone()
    }

    /// The public names, for each of which the server needs a certificate.
    pub fn public_names(&self) -> Vec<String> {
        let snapshot = self.snapshot();
        let mut names: Vec<_> = snapshot
            .keys
            .iter()
            .map(|key| key.public_name().to_owned())
            .collect();
        names.dedup();
        names
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        let place = &self.0.snapshot;
        Arc::clone(&place.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl core::fmt::Debug for EchKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("EchKeys")
            .field(&self.snapshot().keys)
            .finish()
    }
}

/// What a hello was decrypted with.
pub(crate) struct Opened {
    pub(crate) encoded: Vec<u8>,
    pub(crate) opener: Opener,
}

impl Snapshot {
    fn new(keys: impl IntoIterator<Item = EchKey>, tries_all: bool) -> Result<Self, Misuse> {
        let keys: Vec<_> = keys.into_iter().collect();
        if !(1..=MOST_KEYS).contains(&keys.len()) {
            return Err(Misuse::new(format!(
                "ech_keys: there are {} keys; 1 to {MOST_KEYS} can be used at a time",
                keys.len()
            )));
        }
        let retry = keys.iter().filter(|key| key.is_retry);
        if retry.clone().next().is_none() {
            return Err(Misuse::new(
                "ech_keys: none of the keys is sent to clients that have another, so that they could not connect \
                 again; leave out `send_as_retry(false)` for one",
            ));
        }
        Ok(Self {
            tries_all,
            retry: EchConfigList::of(retry.map(|key| &*key.key.config)),
            keys,
        })
    }

    /// What a client is told that has another configuration.
    pub(crate) fn retry_configs(&self) -> &[u8] {
        self.retry.as_bytes()
    }

    /// Decrypts what a hello has in it with the first key that can (§7.1); `None` if none can, for whatever reason.
    pub(crate) fn open(&self, outer: &EchOuter<'_>, aad: &[u8]) -> Option<Opened> {
        self.open_behind(0, outer, aad)
    }

    /// The same of a second hello, if nothing is left of the first but the encapsulated key, which is given as if the
    /// second had it (§7.1.1).
    #[cfg(feature = "dtls")]
    pub(crate) fn open_second(&self, outer: &EchOuter<'_>, aad: &[u8]) -> Option<Opened> {
        self.open_behind(1, outer, aad)
    }

    /// The same of the message behind so many others.
    fn open_behind(&self, others: u64, outer: &EchOuter<'_>, aad: &[u8]) -> Option<Opened> {
        let (kdf, aead) = outer.cipher_suite;
        let suite = Suite::from_ids(kdf, aead)?;
        self.candidates(outer.config_id, suite).find_map(|key| {
            let opener = Opener::new(&key.private, outer.enc, suite, &key.info).ok()?;
            let mut opener = opener.behind(others);
            let encoded = opener.open(aad, outer.payload).ok()?;
            Some(Opened { encoded, opener })
        })
    }

    /// The keys that are tried on a hello that names this.
    fn candidates(&self, config_id: u8, suite: Suite) -> impl Iterator<Item = &Key> {
        let fits = move |key: &&Key| {
            (self.tries_all || key.config_id == config_id) && key.suites.contains(&suite)
        };
        let most = match self.tries_all {
            true => MOST_KEYS,
            false => MOST_OF_AN_ID,
        };
        let keys = self.keys.iter().map(|key| &*key.key);
        keys.filter(fits).take(most)
    }

    /// How many keys are tried on it at most: each costs a key exchange.
    #[cfg(feature = "dtls")]
    pub(crate) fn tries(&self, outer: &EchOuter<'_>) -> usize {
        let (kdf, aead) = outer.cipher_suite;
        let suite = Suite::from_ids(kdf, aead);
        suite.map_or(0, |suite| self.candidates(outer.config_id, suite).count())
    }
}

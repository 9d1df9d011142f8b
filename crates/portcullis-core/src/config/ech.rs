//! What a configuration says of Encrypted ClientHello.
//!
//! RFC 9849.

use super::client::ClientConfig;
use super::{ClientConfigBuilder, ServerConfig, ServerConfigBuilder};
use crate::ech::{EchConfigList, EchKeys};
use crate::error::Misuse;
use crate::suite::CipherSuite;
use crate::version::Version;
use std::sync::Arc;

/// What a server does with hellos that are encrypted.
#[derive(Clone, Debug)]
pub(crate) enum ServerEch {
    /// It decrypts them.
    Keys(EchKeys),
    /// Another one has decrypted them.
    Backend,
}

/// What a client says.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientEch {
    pub(crate) list: Option<EchConfigList>,
    /// `None` if nobody said.
    pub(crate) required: Option<bool>,
    /// Whether it pretends to have encrypted one.
    pub(crate) grease: bool,
}

impl ClientEch {
    /// Whether the server's name may not be seen.
    pub(crate) fn is_required(&self) -> bool {
        self.required.unwrap_or(self.list.is_some())
    }
}

const UNUSABLE: &str = "ech: none of the configurations can be used: their versions, algorithms or mandatory \
     extensions are not known here, or their public names are no host names; ask DNS again, or let the name be seen with \
     `ech_required(false)`";

impl ClientConfig {
    /// The name that is seen of a connection whose hello is encrypted, in the place of the one that it is to.
    pub fn seen_name(&self) -> Option<String> {
        let list = self.0.ech.as_ref()?.list.as_ref();
        let selected = list
            .filter(|_| self.0.policy.speaks(Version::V1_3))?
            .select()?;
        Some(selected.public_name.as_ref().to_owned())
    }

    /// The same configuration with the list of another server: a list belongs to a name, a configuration does not.
    ///
    /// # Errors
    /// As [`ClientConfigBuilder::ech`].
    pub fn with_ech(&self, list: EchConfigList) -> Result<Self, Misuse> {
        let ech = ClientEch {
            list: Some(list),
            ..self.0.ech.as_deref().cloned().unwrap_or_default()
        };
        self.with(ech)
    }

    /// As [`with_ech`](Self::with_ech), and [required](ClientConfigBuilder::ech_required), whatever this configuration
    /// says: the server's name is not seen, or there is no connection.
    ///
    /// # Errors
    /// As [`ClientConfigBuilder::ech`].
    pub fn with_ech_required(&self, list: EchConfigList) -> Result<Self, Misuse> {
        let ech = ClientEch {
            list: Some(list),
            required: Some(true),
            ..self.0.ech.as_deref().cloned().unwrap_or_default()
        };
        self.with(ech)
    }

    fn with(&self, ech: ClientEch) -> Result<Self, Misuse> {
        let mut options = (*self.0).clone();
        options.ech = Some(Box::new(ech));
        let builder = ClientConfigBuilder { client: options };
        builder.check_ech()?;
        Ok(Self(Arc::new(builder.client)))
    }
}

impl ClientConfigBuilder {
    /// Encrypts the ClientHello for this server (RFC 9849): the list is from its HTTPS record (RFC 9848), and belongs to
    /// one server, or to those of one provider; for another one there is
    /// [`ClientConfig::with_ech`]. Of the name, the sessions and the names of authorities nothing is seen but lengths.
    /// Default: none.
    ///
    /// A server that cannot decrypt it is no failure of the network, and there is no connection:
    /// [`Error::ech_rejection`](crate::Error::ech_rejection) says what can be tried. The certificate that it shows
    /// then has to have the public name of the configuration, and no certificate of this side is shown to it.
    ///
    /// What else is in a ClientHello, such as application protocols and groups, stands in the clear for the server with
    /// the public name.
    ///
    /// # Errors
    /// [`build`](Self::build) refuses it where no configuration of the list can be used and
    /// [`ech_required`](Self::ech_required) is not off, without TLS 1.3, and with cipher suites of before TLS 1.3 that
    /// have no certificates: a server that does not decrypt would learn whose key is used.
    pub fn ech(mut self, list: EchConfigList) -> Self {
        self.client.ech.get_or_insert_default().list = Some(list);
        self
    }

    /// Whether nothing is sent where the ClientHello cannot be encrypted with any configuration of the
    /// [list](Self::ech), nor without a list. Default: yes with a list, else no. With no the server's name is seen then.
    pub fn ech_required(mut self, on: bool) -> Self {
        self.client.ech.get_or_insert_default().required = Some(on);
        self
    }

    /// Pretends to have encrypted a ClientHello where none is (RFC 9849 §6.2), so that those who have are not the only
    /// ones who look so. Default: no. It costs a key pair and about 250 bytes.
    pub fn ech_grease(mut self, on: bool) -> Self {
        self.client.ech.get_or_insert_default().grease = on;
        self
    }

    /// Says code points that mean nothing, one in each list of suites, groups, key shares, signature schemes, versions and
    /// extensions (RFC 8701 §3.1), so that servers keep ignoring what they do not know. They are the same in both hellos of a connection, and
    /// others in the next. Default: no. Fingerprints of the hello leave them out.
    pub fn grease(mut self, on: bool) -> Self {
        self.client.grease = on;
        self
    }

    /// What `build` looks at.
    pub(super) fn check_ech(&self) -> Result<(), Misuse> {
        let Some(ech) = &self.client.ech else {
            return Ok(());
        };
        let policy = &self.client.policy;
        if ech.is_required() {
            let Some(list) = &ech.list else {
                return Err(Misuse::new(
                    "ech_required: there is no list of configurations; give one with `ech`",
                ));
            };
            if !policy.speaks(Version::V1_3) {
                return Err(Misuse::new(
                    "ech: only a ClientHello of TLSv1.3 can be encrypted, and `versions` has it not",
                ));
            }
            if !list.is_usable() {
                return Err(Misuse::new(UNUSABLE));
            }
        }
        if ech.list.is_some() {
            let shares_secret = |suite: &&CipherSuite| {
                let exchange = suite.exchange();
                exchange.is_some_and(|exchange| exchange.shared().is_some())
            };
            if let Some(suite) = policy.cipher_suites.iter().find(shares_secret) {
                return Err(Misuse::new(format!(
                    "ech: with {suite} a server that does not decrypt the hello would learn whose secret is used; \
                     leave out one of the two"
                )));
            }
            if self.client.srp.is_some() {
                return Err(Misuse::new(
                    "ech: the user of `srp` stands in the clear; leave out one of the two",
                ));
            }
        }
        Ok(())
    }
}

impl ServerConfig {
    /// Whether hellos are decrypted here.
    pub fn decrypts_hellos(&self) -> bool {
        matches!(self.0.ech, Some(ServerEch::Keys(_)))
    }

    /// Whether a server in front of this one decrypts them.
    #[cfg(feature = "dtls")]
    pub(crate) fn is_behind_front(&self) -> bool {
        matches!(self.0.ech, Some(ServerEch::Backend))
    }

    /// Whether hellos may have been encrypted, for this server or for one in front of it: their names are not for logs.
    pub fn reads_encrypted_hellos(&self) -> bool {
        self.0.ech.is_some()
    }
}

impl ServerConfigBuilder {
    /// Decrypts hellos that are encrypted for these keys (RFC 9849 §7). What cannot be decrypted goes on with what
    /// is said in the clear, and is told of the configurations. Default: hellos are not decrypted.
    ///
    /// There should be a certificate for each [public name](EchKeys::public_names): without, a client that has an old
    /// configuration is turned away for good, since it takes a new one only from whoever has proved that name.
    ///
    /// The keys can be [replaced](EchKeys::replace) while the server runs. Over datagrams hellos are decrypted before it is
    /// known whether their addresses are forged, as the answer that asks for a cookie has to say whether one was read; a
    /// second one is decrypted with the keys that are there when it comes.
    pub fn ech_keys(mut self, keys: EchKeys) -> Self {
        self.server.ech = Some(ServerEch::Keys(keys));
        self
    }

    /// Whether this server is behind one that decrypts hellos for it (RFC 9849 §3.1, split mode) and passes on what was
    /// encrypted. Default: no. It needs no keys. Between the two has to be something that others cannot read, or they
    /// see what was hidden.
    pub fn ech_backend(mut self, on: bool) -> Self {
        self.server.ech = match self.server.ech {
            Some(ServerEch::Keys(keys)) if !on => Some(ServerEch::Keys(keys)),
            _ => on.then_some(ServerEch::Backend),
        };
        self
    }

    /// Says code points that mean nothing, so that clients keep ignoring what they do not know (RFC 8701 §4.1): in TLS 1.3 an
    /// extension and a signature scheme where a certificate is asked for, and an extension with each ticket. Default: no, as a
    /// [client's](ClientConfigBuilder::grease).
    pub fn grease(mut self, on: bool) -> Self {
        self.server.grease = on;
        self
    }

    /// What `build` looks at.
    pub(super) fn check_ech(&self) -> Result<(), Misuse> {
        match (&self.server.ech, self.server.policy.speaks(Version::V1_3)) {
            (Some(_), false) => Err(Misuse::new(
                "ech: only a ClientHello of TLSv1.3 can be encrypted, and `versions` has it not",
            )),
            _ => Ok(()),
        }
    }
}

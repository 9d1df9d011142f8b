//! SRTP: for which profiles a connection over datagrams gives keys.
//!
//! RFC 5764.

use super::policy::implemented;
use super::{ClientConfig, ClientConfigBuilder, ServerConfig, ServerConfigBuilder};
use crate::error::Misuse;
use crate::srtp::{LONGEST_MKI, SrtpProfile};

/// Nothing without profiles.
#[derive(Clone, Debug, Default)]
pub(crate) struct SrtpOptions {
    /// Best first.
    pub(crate) profiles: Vec<SrtpProfile>,
    /// What a client offers.
    pub(crate) mki: Box<[u8]>,
    /// Whether a server takes what a client offers.
    pub(crate) accepts_mki: bool,
}

impl SrtpOptions {
    pub(crate) fn is_on(&self) -> bool {
        !self.profiles.is_empty()
    }

    pub(super) fn check(&self) -> Result<(), Misuse> {
        if self.is_on() {
            implemented("srtp", &self.profiles, SrtpProfile::SUPPORTED)?;
        } else if !self.mki.is_empty() || self.accepts_mki {
            return Err(Misuse::new(
                "srtp_mki, accept_srtp_mki: without profiles there are no keys to identify; name some in `srtp`",
            ));
        }
        match self.mki.len() {
            0..=LONGEST_MKI => Ok(()),
            length => Err(Misuse::new(format!(
                "srtp_mki: {length} bytes are more than 255 (RFC 5764 §4.1.1)"
            ))),
        }
    }

    /// What there is no place for over a stream.
    pub(crate) fn check_stream(&self) -> Result<(), Misuse> {
        match self.is_on() {
            false => Ok(()),
            true => Err(Misuse::new(
                "srtp: keys for SRTP are settled over datagrams alone (RFC 5764); leave it out for TLS",
            )),
        }
    }
}

impl ClientConfig {
    /// Whether connections over a stream can be had with it. Whoever connects over one asks this; a configuration for
    /// SRTP is of datagrams alone (RFC 5764).
    ///
    /// # Errors
    /// When they cannot: what every handshake would fail with.
    pub fn check_stream(&self) -> Result<(), Misuse> {
        self.0.policy.srtp.check_stream()
    }
}

impl ServerConfig {
    /// As [`ClientConfig::check_stream`].
    ///
    /// # Errors
    /// When there can be no connections over a stream.
    pub fn check_stream(&self) -> Result<(), Misuse> {
        self.0.policy.srtp.check_stream()
    }
}

impl ClientConfigBuilder {
    /// The identifier that packets of SRTP would have behind them (RFC 5764 §4.1.3), at most 255 bytes; the server says whether
    /// they do, [`srtp_mki`](crate::ConnectionInformation::srtp_mki). Default: none.
    pub fn srtp_mki(mut self, mki: impl AsRef<[u8]>) -> Self {
        self.client.policy.srtp.mki = mki.as_ref().into();
        self
    }
}

impl ServerConfigBuilder {
    /// Whether packets of SRTP have the identifier behind them that the client offers (RFC 5764 §4.1.3), of at most 255 bytes:
    /// [`srtp_mki`](crate::ConnectionInformation::srtp_mki). Default: no, and the client is told so.
    pub fn accept_srtp_mki(mut self, on: bool) -> Self {
        self.server.policy.srtp.accepts_mki = on;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{client_config, server_config};

    #[test]
    fn what_could_not_be_meant_is_refused() {
        let client = || client_config().to_builder();
        let said = |builder: ClientConfigBuilder| builder.build().unwrap_err().to_string();
        assert_eq!(
            said(client().srtp([SrtpProfile(3)])),
            "srtp: 0x0003 is not implemented here; choose from [SRTP_AES128_CM_SHA1_80, \
             SRTP_AES128_CM_SHA1_32, SRTP_NULL_SHA1_80, SRTP_NULL_SHA1_32, SRTP_AEAD_AES_128_GCM, \
             SRTP_AEAD_AES_256_GCM]"
        );
        let twice = [SrtpProfile::AEAD_AES_128_GCM; 2];
        assert!(said(client().srtp(twice)).starts_with("srtp: "));
        let one = [SrtpProfile::AEAD_AES_128_GCM];
        assert_eq!(
            said(client().srtp(one).srtp_mki([0; 256])),
            "srtp_mki: 256 bytes are more than 255 (RFC 5764 §4.1.1)"
        );
        assert!(client().srtp(one).srtp_mki([0; 255]).build().is_ok());
        let alone = "srtp_mki, accept_srtp_mki: without profiles there are no keys to identify; name some in `srtp`";
        assert_eq!(said(client().srtp_mki([1])), alone);
        let server = server_config().to_builder().accept_srtp_mki(true);
        assert_eq!(server.build().unwrap_err().to_string(), alone);
    }
}

//! Which types of certificates are accepted of a peer, and which raw keys.
//!
//! RFC 7250 §4. One rule for both roles.

use crate::misuse::Misuse;
use crate::wire::extension::CertificateType;
use crate::x509::RawKeys;

/// What a peer may show.
#[derive(Clone, Debug)]
pub(crate) struct AcceptedOfPeer {
    /// Best first.
    pub(crate) types: Vec<CertificateType>,
    /// Which raw public keys are trusted; `None` if nobody said.
    pub(crate) raw_keys: Option<RawKeys>,
}

impl Default for AcceptedOfPeer {
    fn default() -> Self {
        Self {
            types: vec![CertificateType::X509],
            raw_keys: None,
        }
    }
}

/// What everybody accepts who says nothing (§4.1): then the extension is left out.
pub(crate) fn is_default(types: &[CertificateType]) -> bool {
    matches!(types, [] | [CertificateType::X509])
}

/// A list for `option`, which has to be one that can be sent.
pub(super) fn check_types(option: &str, types: &[CertificateType]) -> Result<(), Misuse> {
    let known = [CertificateType::X509, CertificateType::RAW_PUBLIC_KEY];
    if types.is_empty() {
        return Err(Misuse::new(format!(
            "{option}: the list is empty; name X509, RAW_PUBLIC_KEY or both"
        )));
    }
    for (at, typ) in types.iter().enumerate() {
        if !known.contains(typ) {
            return Err(Misuse::new(format!(
                "{option}: the type {typ} is not supported; there are X509 and RawPublicKey"
            )));
        }
        if types.iter().take(at).any(|before| before == typ) {
            return Err(Misuse::new(format!("{option}: {typ} is there twice")));
        }
    }
    Ok(())
}

impl AcceptedOfPeer {
    pub(crate) fn accepts(&self, typ: CertificateType) -> bool {
        self.types.contains(&typ)
    }

    /// `asked`: somebody is asked whom to trust, or everybody is accepted.
    pub(super) fn check(&self, option: &str, asked: bool) -> Result<(), Misuse> {
        check_types(option, &self.types)?;
        let takes_raw_keys = self.accepts(CertificateType::RAW_PUBLIC_KEY);
        match &self.raw_keys {
            Some(_) if !takes_raw_keys => Err(Misuse::new(format!(
                "raw_keys: no raw public key is accepted; add RAW_PUBLIC_KEY to {option}"
            ))),
            Some(keys) if keys.is_empty() && !asked => Err(Misuse::new(
                "raw_keys: there is none, so every raw public key would be refused; add one",
            )),
            None if takes_raw_keys && !asked => Err(Misuse::new(format!(
                "{option}: raw public keys are accepted, and none is trusted; name them with `raw_keys`, or have \
                 somebody asked with `ask_verification`"
            ))),
            _ => Ok(()),
        }
    }
}

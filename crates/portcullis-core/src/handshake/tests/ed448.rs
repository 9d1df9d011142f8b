//! Certificates and signatures with Ed448, for those who name it.

#![cfg(feature = "curve448")]

use super::older::talking_in;
use crate::config::{ClientAuthentication, ClientConfig, ServerConfig};
use crate::testing::Pair;
use crate::x509::{Identity, Roots};
use crate::{ProtocolVersion, SignatureScheme, Violation};

/// `openssl req -new -newkey ed448` for an authority and for a leaf, signed by `openssl ca -startdate
/// 20260101000000Z -enddate 21260101000000Z`.
const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBcTCB8qADAgECAgEBMAUGAytlcTAaMRgwFgYDVQQDDA9FZDQ0OCBhdXRob3Jp
dHkwIBcNMjYwMTAxMDAwMDAwWhgPMjEyNjAxMDEwMDAwMDBaMBoxGDAWBgNVBAMM
D0VkNDQ4IGF1dGhvcml0eTBDMAUGAytlcQM6AFhx1uxBYsAJUCGDGDizKkx2G8EN
7B9TY5kuBA2inMWswl/z4qqRyFQPa8U9KgF6cq2kS7yCIkpJAKNCMEAwDwYDVR0T
AQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAgQwHQYDVR0OBBYEFNI2l0j/2eerZGb2
y/LUpW+SRHSOMAUGAytlcQNzAB28cf5WdTw+6TN1hqIBsAU1s35te2PEJuDhjA5I
nYz1VI1NA87JvW0JYJJ4DNI5JuF/aF8d8msvALvZJQ1GQXQIyFtnf+oqILPpC+ed
yxgzfoAu73ZcxphRF3I2Jdi7IASJMhfWlYX4xzCVpir9BysGAA==
-----END CERTIFICATE-----
";

const LEAF: &str = "\
-----BEGIN CERTIFICATE-----
MIIBoDCCASCgAwIBAgIBAjAFBgMrZXEwGjEYMBYGA1UEAwwPRWQ0NDggYXV0aG9y
aXR5MCAXDTI2MDEwMTAwMDAwMFoYDzIxMjYwMTAxMDAwMDAwWjAUMRIwEAYDVQQD
DAlsb2NhbGhvc3QwQzAFBgMrZXEDOgCT8BYC2bvRD4+90zE57zgbpxVX3GCdZZW4
sTzvHEdd6FjBvX5nbLDpkJHprVFUs5xGuuVA/Q0H4ICjdjB0MBQGA1UdEQQNMAuC
CWxvY2FsaG9zdDAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDAdBgNVHQ4E
FgQUYPnBvx8IoSMy8eC1+aEC+R/5ElkwHwYDVR0jBBgwFoAU0jaXSP/Z56tkZvbL
8tSlb5JEdI4wBQYDK2VxA3MAPp/EogHW64GLKiYuUEDjPtSHEh5Ylg/F+pcUkhDp
vWxREmd97TPdWatWM1w0snkbgC3K/ow3Qz2AUUxYel5WCRGkdC4fv8QrfjLyXtbx
ADNeuBAVEMIzfyRhemkInsvg0CII5sXemhC3X96RtM0UCRgA
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MEcCAQAwBQYDK2VxBDsEOV2+uLrfG4s4HUh6X92YLoVCgSOsRHLESzIWHCLecQYl
tK4e8qCaUZhXt53LfjuUTfBABLWiOd9rmg==
-----END PRIVATE KEY-----
";

pub(super) fn identity() -> Identity {
    Identity::from_pem(LEAF, None).unwrap()
}

#[test]
fn both_ends_prove_who_they_are_with_ed448() {
    let roots = || Roots::from_pem(AUTHORITY).unwrap();
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let client = ClientConfig::builder(roots())
            .versions([version])
            .identity(identity())
            .alpn(["h2"]);
        let server = ServerConfig::builder()
            .versions([version])
            .identity(identity())
            .alpn(["h2"]);
        // The key is good for both, as it has no extended key usage.
        let required = ClientAuthentication::Required(roots());
        let named = server
            .clone()
            .client_authentication(required)
            .signature_schemes([SignatureScheme::ED448])
            .build()
            .unwrap();
        let naming = client
            .clone()
            .signature_schemes([SignatureScheme::ED448])
            .build()
            .unwrap();
        let pair = Pair::new(naming, named);
        let (client_end, server_end) = talking_in(version, pair);
        for connection in [client_end, server_end] {
            let information = &connection.information;
            let scheme = information.peer_signature_scheme();
            assert_eq!(scheme, Some(SignatureScheme::ED448), "{version}");
            assert_eq!(information.peer_certificates(), identity().chain());
        }
        // Who does not name it does not offer it.
        assert!(!SignatureScheme::DEFAULT.contains(&SignatureScheme::ED448));
        let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
        let (_, server_end) = pair.run();
        let violation = server_end.unwrap_err().violation();
        assert!(
            matches!(
                violation,
                Some(Violation::NoSharedSignatureScheme | Violation::NoSharedCipherSuite)
            ),
            "{violation:?}"
        );
    }
}

//! Fingerprints of clients: JA3 and JA4.
//!
//! JA3: salesforce/ja3. JA4: FoxIO's specification of the TLS client fingerprint. Neither proves
//! anything about a client; both group clients that were built alike. With feature `fingerprint`:
//! JA3 needs MD5, which nothing else here does.

use core::fmt::Write;

use aws_lc_rs::digest;
use md5::{Digest, Md5};

use crate::client_hello_view::ClientHelloView;
use crate::version::ProtocolVersion;
use crate::wire::extension::{EcPointFormat, EcPointFormats};
use crate::wire::{ExtensionType, is_grease};

impl ClientHelloView {
    /// The JA3 string of the client and the MD5 of it in hex, which is the JA3 fingerprint.
    /// With feature `fingerprint`.
    pub fn ja3(&self) -> (String, String) {
        ja3(self)
    }

    /// The JA4 fingerprint of the client (TLS over TCP). With feature `fingerprint`.
    pub fn ja4(&self) -> String {
        ja4(self)
    }

    /// The forms of points on curves; of use in TLS 1.2 and older only.
    fn ec_point_formats(&self) -> impl Iterator<Item = EcPointFormat> + '_ {
        self.list(|formats: EcPointFormats<'_>| formats.formats)
    }
}

/// The JA3 string and its MD5 in hex.
fn ja3(hello: &ClientHelloView) -> (String, String) {
    let string = [
        hello.legacy_version().0.to_string(),
        decimal(hello.cipher_suites().map(|suite| suite.0)),
        decimal(hello.extensions().map(|(extension, _)| extension.0)),
        decimal(hello.groups().map(|group| group.0)),
        decimal(hello.ec_point_formats().map(|format| format.0.into())),
    ]
    .join(",");
    let hash = hex(&Md5::digest(&string));
    (string, hash)
}

/// The JA4 fingerprint of a hello that came over TCP.
fn ja4(hello: &ClientHelloView) -> String {
    let parts = Ja4::of(hello);
    let (ciphers, extensions) = (short_hash(&parts.ciphers), short_hash(&parts.extensions));
    format!("{}_{ciphers}_{extensions}", parts.head)
}

/// The three parts of a JA4 fingerprint before they are hashed.
struct Ja4 {
    head: String,
    ciphers: String,
    extensions: String,
}

impl Ja4 {
    fn of(hello: &ClientHelloView) -> Self {
        let mut ciphers = without_grease(hello.cipher_suites().map(|suite| suite.0));
        let mut extensions = without_grease(hello.extensions().map(|(extension, _)| extension.0));
        let head = format!(
            "t{version}{name}{suites:02}{extensions:02}{alpn}",
            version = version(hello),
            name = match hello.extension(ExtensionType::SERVER_NAME) {
                Some(_) => 'd',
                None => 'i',
            },
            suites = ciphers.len().min(99),
            extensions = extensions.len().min(99),
            alpn = alpn(hello.alpn_protocols().next().unwrap_or_default()),
        );
        ciphers.sort_unstable();
        // Counted above, left out here: both change from one connection to the next.
        let varying = [
            ExtensionType::SERVER_NAME.0,
            ExtensionType::APPLICATION_LAYER_PROTOCOL_NEGOTIATION.0,
        ];
        extensions.retain(|extension| !varying.contains(extension));
        extensions.sort_unstable();
        let mut extensions = hexadecimal(&extensions);
        let schemes = without_grease(hello.signature_schemes().map(|scheme| scheme.0));
        if !schemes.is_empty() {
            extensions.push('_');
            extensions.push_str(&hexadecimal(&schemes));
        }
        Self {
            head,
            ciphers: hexadecimal(&ciphers),
            extensions,
        }
    }
}

/// The highest version the client supports, in two characters.
fn version(hello: &ClientHelloView) -> &'static str {
    let versions = hello.supported_versions();
    let highest = versions.filter(|version| !is_grease(version.0)).max();
    match highest.unwrap_or(hello.legacy_version()) {
        ProtocolVersion::TLS_1_3 => "13",
        ProtocolVersion::TLS_1_2 => "12",
        ProtocolVersion::TLS_1_1 => "11",
        ProtocolVersion::TLS_1_0 => "10",
        ProtocolVersion::SSL_3_0 => "s3",
        ProtocolVersion(0x0002) => "s2",
        _ => "00",
    }
}

/// The first and the last character of a protocol name; of its hex when they are not
/// alphanumeric; zeros when there is no name.
fn alpn(protocol: &[u8]) -> String {
    let ends = |text: &[u8]| Some([*text.first()?, *text.last()?]);
    let ends = match ends(protocol) {
        None => *b"00",
        Some(ends) if ends.iter().all(u8::is_ascii_alphanumeric) => ends,
        Some(_) => ends(hex(protocol).as_bytes()).unwrap_or(*b"00"),
    };
    ends.map(char::from).iter().collect()
}

fn without_grease(code_points: impl Iterator<Item = u16>) -> Vec<u16> {
    code_points.filter(|point| !is_grease(*point)).collect()
}

fn decimal(code_points: impl Iterator<Item = u16>) -> String {
    let words: Vec<_> = without_grease(code_points)
        .iter()
        .map(u16::to_string)
        .collect();
    words.join("-")
}

fn hexadecimal(code_points: &[u16]) -> String {
    let words: Vec<_> = code_points
        .iter()
        .map(|point| format!("{point:04x}"))
        .collect();
    words.join(",")
}

/// The first 12 digits of the SHA-256 of a list, or zeros when there is none.
fn short_hash(list: &str) -> String {
    if list.is_empty() {
        return "0".repeat(12);
    }
    let hash = digest::digest(&digest::SHA256, list.as_bytes());
    hex(hash.as_ref()).chars().take(12).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::named_group::NamedGroup;
    use crate::signature_scheme::SignatureScheme;
    use crate::suite::CipherSuite;
    use crate::wire::extension::{
        Alpn, ServerName, SignatureAlgorithms, SupportedGroups, SupportedVersions, put_extension,
    };
    use crate::wire::{ClientHello, HandshakeMessage, HandshakeType, Syntax};

    fn view(suites: &[u16], extensions: impl FnOnce(&mut Vec<u8>)) -> ClientHelloView {
        let suites: Vec<_> = suites.iter().copied().map(CipherSuite).collect();
        let mut out = Vec::new();
        ClientHello::put(
            &mut out,
            ProtocolVersion::TLS_1_2,
            &[0; 32],
            &[],
            &suites,
            extensions,
        );
        ClientHelloView::new(out.into(), Syntax::Tls).unwrap()
    }

    /// The example in the README of JA3.
    #[test]
    fn ja3_published() {
        let suites = [
            0x1a1a, 47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4,
        ];
        let mut raw = view(&suites, |out| {
            ServerName::put(out, "a");
            SupportedGroups::put(out, [0x2a2a, 23, 24, 25].map(NamedGroup));
            EcPointFormats::put(out, [EcPointFormat::UNCOMPRESSED]);
        })
        .raw_bytes()
        .to_vec();
        raw[5] = 1;
        let (string, hash) = ja3(&ClientHelloView::new(raw.into(), Syntax::Tls).unwrap());
        let expected = "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0";
        assert_eq!(string, expected);
        assert_eq!(hash, "ada70206e40642a3e4461f35503241d5");
    }

    /// The same without extensions.
    #[test]
    fn ja3_published_without_extensions() {
        let suites = [4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99];
        let mut message = Vec::new();
        crate::wire::put_message(&mut message, HandshakeType::CLIENT_HELLO, |out| {
            let suites: Vec<u8> = suites.into_iter().flat_map(u16::to_be_bytes).collect();
            let mut body = vec![3, 1];
            body.extend([0; 33]);
            crate::wire::codec::put_vec16(&mut body, |out| out.extend(suites));
            body.extend([1, 0]);
            ClientHello::decode(&body).unwrap().encode_body(out);
        });
        let hello = ClientHelloView::new(message.into(), Syntax::Tls).unwrap();
        let (string, hash) = ja3(&hello);
        assert_eq!(string, "769,4-5-10-9-100-98-3-6-19-18-99,,,");
        assert_eq!(hash, "de350869b8c85de67a350c8d186f11e6");
        assert!(ja4(&hello).starts_with("t10i110000_"));
        assert!(ja4(&hello).ends_with("_000000000000"));
    }

    /// The example in the specification of JA4: Chrome, whatever the order of its extensions.
    #[test]
    fn ja4_published() {
        let suites = [
            0x8a8a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
            0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
        ];
        let schemes = [
            0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601,
        ];
        let hello = view(&suites, |out| {
            put_extension(out, ExtensionType(0x4a4a), |_| {});
            for empty in [
                0x001b, 0x0033, 0x4469, 0x0017, 0x002d, 0x000b, 0x0005, 0x0023, 0x0012, 0x000a,
                0xff01, 0x0015,
            ] {
                put_extension(out, ExtensionType(empty), |_| {});
            }
            ServerName::put(out, "example.com");
            SupportedVersions::put(out, [0x0a0a, 0x0304, 0x0303].map(ProtocolVersion));
            Alpn::put(out, ["h2", "http/1.1"]);
            SignatureAlgorithms::put(out, schemes.map(SignatureScheme));
            put_extension(out, ExtensionType(0xdada), |out| out.push(0));
        });
        assert_eq!(ja4(&hello), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn ja4_alpn() {
        assert_eq!(alpn(b""), "00");
        assert_eq!(alpn(b"h2"), "h2");
        assert_eq!(alpn(b"http/1.1"), "h1");
        assert_eq!(alpn(b"x"), "xx");
        assert_eq!(alpn(&[0xab]), "ab");
        assert_eq!(alpn(&[0x30, 0x31, 0xab, 0xcd]), "3d");
    }
}

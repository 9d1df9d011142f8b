//! What means nothing, said so that servers keep ignoring what they do not know.
//!
//! RFC 8701 §3; RFC 9849 §6.2.

use super::super::Cx;
use crate::crypto::aead::TAG_LEN;
use crate::crypto::hpke::{Kem, fresh_public_key};
use crate::error::Abort;
use crate::wire::codec::{put_u16, put_vec8, put_vec16};
use crate::wire::extension::{
    EchOuter, EncryptedClientHello, Extension as _, RawExtension, put_extension,
};
use crate::wire::list::{Element as _, List};
use crate::wire::{
    ClientHello, ExtensionType, HandshakeType, grease_point as code_point, put_message,
};

/// The code points of one connection, the same in both hellos.
#[derive(Clone, Copy)]
pub(super) struct Grease {
    suite: u16,
    group: u16,
    version: u16,
    scheme: u16,
    first_extension: ExtensionType,
    last_extension: ExtensionType,
}

impl Grease {
    pub(super) fn new(cx: &mut Cx<'_>) -> Result<Self, Abort> {
        let [[suite, group, version, scheme, first, last, ..]] = cx.random_bytes()?;
        // Two extensions of one message have different types.
        let last = match code_point(first) == code_point(last) {
            true => last ^ 0x10,
            false => last,
        };
        Ok(Self {
            suite: code_point(suite),
            group: code_point(group),
            version: code_point(version),
            scheme: code_point(scheme),
            first_extension: ExtensionType(code_point(first)),
            last_extension: ExtensionType(code_point(last)),
        })
    }
}

/// The body of a pretended encrypted_client_hello (RFC 9849 §6.2): it looks as one for a server that has the suite which
/// all have, and hides a hello of some length.
pub(super) fn encrypted_client_hello(cx: &mut Cx<'_>) -> Result<Vec<u8>, Abort> {
    let [[config_id, blocks, ..], ..] = cx.random_bytes::<1>()?;
    // Random bytes would be told apart: every second of them is no key.
    let enc = fresh_public_key(Kem::X25519, cx.random)?;
    let mut payload = vec![0; 32 * (4 + usize::from(blocks % 4)) + TAG_LEN];
    cx.fill_random(&mut payload)?;
    let outer = EchOuter {
        cipher_suite: (1, 1),
        config_id,
        enc: &enc,
        payload: &payload,
    };
    let mut body = Vec::new();
    EncryptedClientHello::Outer(outer).encode_body(&mut body);
    Ok(body)
}

/// The hello with what means nothing put in: `grease` and the body of an encrypted_client_hello. A second hello that was
/// asked for a share has that one alone.
pub(super) fn put_into(
    hello: &ClientHello<'_>,
    grease: Option<&Grease>,
    ech: Option<&[u8]>,
    adds_share: bool,
) -> Vec<u8> {
    let mut out = Vec::new();
    put_message(&mut out, HandshakeType::CLIENT_HELLO, |out| {
        put_u16(out, hello.legacy_version.0);
        out.extend_from_slice(hello.random);
        put_vec8(out, |out| out.extend_from_slice(hello.legacy_session_id));
        if let Some(cookie) = hello.legacy_cookie {
            put_vec8(out, |out| out.extend_from_slice(cookie));
        }
        put_vec16(out, |out| {
            if let Some(grease) = grease {
                put_u16(out, grease.suite);
            }
            out.extend_from_slice(hello.cipher_suites.as_bytes());
        });
        put_vec8(out, |out| {
            out.extend_from_slice(hello.legacy_compression_methods.as_bytes());
        });
        put_vec16(out, |out| {
            if let Some(grease) = grease {
                put_extension(out, grease.first_extension, |_| {});
            }
            let mut is_ended = false;
            let end = |out: &mut Vec<u8>| {
                if let Some(body) = ech {
                    put_extension(out, ExtensionType::ENCRYPTED_CLIENT_HELLO, |out| {
                        out.extend_from_slice(body);
                    });
                }
                if let Some(grease) = grease {
                    put_extension(out, grease.last_extension, |out| out.push(0));
                }
            };
            for extension in hello.extensions.iter() {
                if extension.extension_type == ExtensionType::PRE_SHARED_KEY {
                    // It stays the last.
                    end(out);
                    is_ended = true;
                }
                match grease {
                    Some(grease) => put_greased(out, &extension, grease, adds_share),
                    None => extension.put(out),
                }
            }
            if !is_ended {
                end(out);
            }
        });
    });
    out
}

/// A list has one more in front.
fn put_greased(out: &mut Vec<u8>, extension: &RawExtension<'_>, grease: &Grease, adds_share: bool) {
    use ExtensionType as E;
    let typ = extension.extension_type;
    let list = |prefix: usize| extension.body.get(prefix..).unwrap_or_default();
    match typ {
        E::SUPPORTED_GROUPS => put_extension(out, typ, |out| {
            put_vec16(out, |out| {
                put_u16(out, grease.group);
                out.extend_from_slice(list(2));
            });
        }),
        E::SIGNATURE_ALGORITHMS => put_extension(out, typ, |out| {
            put_vec16(out, |out| {
                put_u16(out, grease.scheme);
                out.extend_from_slice(list(2));
            });
        }),
        E::KEY_SHARE if adds_share => put_extension(out, typ, |out| {
            put_vec16(out, |out| {
                put_u16(out, grease.group);
                put_vec16(out, |out| out.push(0));
                out.extend_from_slice(list(2));
            });
        }),
        E::SUPPORTED_VERSIONS => put_extension(out, typ, |out| {
            put_vec8(out, |out| {
                put_u16(out, grease.version);
                out.extend_from_slice(list(1));
            });
        }),
        _ => extension.put(out),
    }
}

/// The versions of a list that mean nothing, in front of `version`: what is left of supported_versions where nothing older is
/// offered.
pub(super) fn only_version(body: &[u8], version: u16) -> Vec<u8> {
    let mut out = Vec::new();
    put_vec8(&mut out, |out| {
        let offered =
            List::<crate::version::ProtocolVersion>::checked(body.get(1..).unwrap_or_default());
        for one in offered {
            if one.0 == version || crate::wire::is_grease(one.0) {
                put_u16(out, one.0);
            }
        }
    });
    out
}

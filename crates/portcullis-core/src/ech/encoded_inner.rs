//! EncodedClientHelloInner: the inner hello without what the outer one says already.
//!
//! RFC 9849 §5.1, §6.1.3, Appendix A.

use crate::violation::Violation;
use crate::wire::codec::{Cursor, DecodeError, put_u16, put_vec8, put_vec16};
use crate::wire::extension::{EchOuterExtensions, Extension as _, Extensions, RawExtension};
use crate::wire::list::Element as _;
use crate::wire::{
    ClientHello, ExtensionType, HandshakeMessage as _, HandshakeType, Syntax, put_message,
};

/// What is encrypted has a length that is a multiple of this (§6.1.3).
const BLOCK: usize = 32;

/// ClientHelloInner with its header, from what was decrypted and the hello that it was in.
///
/// One pass over either: what refers to the outer hello has to stand in its order.
pub(crate) fn decode(outer: &ClientHello<'_>, encoded: &[u8]) -> Result<Vec<u8>, Violation> {
    let malformed = |_: DecodeError| Violation::MalformedMessage;
    let mut cursor = Cursor::new(encoded);
    let version = cursor.u16().map_err(malformed)?;
    let random = cursor.array::<32>().map_err(malformed)?;
    let session_id = cursor.vec8().map_err(malformed)?;
    // Over datagrams a hello has a field more (RFC 9147 §5.3).
    let cookie = outer.legacy_cookie.map(|_| cursor.vec8());
    let cookie = cookie.transpose().map_err(malformed)?;
    let suites = cursor.vec16().map_err(malformed)?;
    let compression = cursor.vec8().map_err(malformed)?;
    let extensions = Extensions::read(&mut cursor).map_err(malformed)?;
    if !session_id.is_empty() {
        return Err(Violation::EchSessionIdNotEmpty);
    }
    if cursor.rest().iter().any(|byte| *byte != 0) {
        return Err(Violation::EchPaddingNotZero);
    }
    let block = expand(&extensions, &outer.extensions)?;
    let mut message = Vec::with_capacity(encoded.len() + block.len());
    put_message(&mut message, HandshakeType::CLIENT_HELLO, |out| {
        put_u16(out, version);
        out.extend_from_slice(random);
        put_vec8(out, |out| out.extend_from_slice(outer.legacy_session_id));
        if let Some(cookie) = cookie {
            put_vec8(out, |out| out.extend_from_slice(cookie));
        }
        put_vec16(out, |out| out.extend_from_slice(suites));
        put_vec8(out, |out| out.extend_from_slice(compression));
        put_vec16(out, |out| out.extend_from_slice(&block));
    });
    Ok(message)
}

/// Puts the extensions of the outer hello where the inner one refers to them.
fn expand(inner: &Extensions<'_>, outer: &Extensions<'_>) -> Result<Vec<u8>, Violation> {
    let mut block = Vec::new();
    let mut outer = Some(outer.iter());
    for extension in inner.iter() {
        if extension.extension_type != ExtensionType::ECH_OUTER_EXTENSIONS {
            extension.put(&mut block);
            continue;
        }
        let reference = EchOuterExtensions::decode_body(extension.body);
        let reference = reference.map_err(|_| Violation::MalformedExtension)?;
        // A second one would refer to the same again.
        let mut rest = outer.take().ok_or(Violation::OuterExtensionMissing)?;
        for typ in reference.types {
            if typ == ExtensionType::ENCRYPTED_CLIENT_HELLO {
                return Err(Violation::OuterExtensionSelfReference);
            }
            let found = rest.find(|extension| extension.extension_type == typ);
            let found = found.ok_or(Violation::OuterExtensionMissing)?;
            found.put(&mut block);
        }
    }
    match block.len() <= usize::from(u16::MAX) {
        true => Ok(block),
        false => Err(Violation::HandshakeMessageTooLong),
    }
}

/// EncodedClientHelloInner of `inner`, without padding: all extensions for which `is_shared` says so, which stand in one
/// piece, are referred to.
pub(crate) fn encode(
    inner: &ClientHello<'_>,
    is_shared: impl Fn(&RawExtension<'_>) -> bool,
) -> Vec<u8> {
    let mut out = Vec::new();
    put_u16(&mut out, inner.legacy_version.0);
    out.extend_from_slice(inner.random);
    out.push(0);
    if let Some(cookie) = inner.legacy_cookie {
        put_vec8(&mut out, |out| out.extend_from_slice(cookie));
    }
    put_vec16(&mut out, |out| {
        out.extend_from_slice(inner.cipher_suites.as_bytes());
    });
    put_vec8(&mut out, |out| {
        out.extend_from_slice(inner.legacy_compression_methods.as_bytes());
    });
    put_vec16(&mut out, |out| {
        let mut is_said = false;
        for extension in inner.extensions.iter() {
            if !is_shared(&extension) {
                extension.put(out);
            } else if !is_said {
                let shared = inner.extensions.iter().filter(&is_shared);
                EchOuterExtensions::put(out, shared.map(|extension| extension.extension_type));
                is_said = true;
            }
        }
    });
    out
}

/// §6.1.3: how much hides the length of the name, and of everything else up to a block.
pub(crate) fn pad(encoded: &mut Vec<u8>, maximum_name_length: u8, name: Option<&[u8]>) {
    let most = usize::from(maximum_name_length);
    let of_name = match name {
        Some(name) => most.saturating_sub(name.len()),
        // What the extension takes besides.
        None => most + 9,
    };
    let length = encoded.len() + of_name;
    encoded.resize(length.next_multiple_of(BLOCK), 0);
}

/// ClientHelloInner, with its header, from EncodedClientHelloInner and the body of the ClientHelloOuter that it was
/// encrypted in (RFC 9849 §5.1): for whoever decrypts by other means.
///
/// # Errors
/// When `outer` is no ClientHello; else the rule that the client broke.
pub fn reconstruct(
    outer: &[u8],
    encoded: &[u8],
) -> Result<Result<Vec<u8>, Violation>, DecodeError> {
    let outer = ClientHello::decode(outer)?;
    Ok(decode(&outer, encoded))
}

/// The same of hellos over datagrams, which have a field more (RFC 9147 §5.3).
///
/// # Errors
/// As [`reconstruct`].
pub fn reconstruct_of_datagrams(
    outer: &[u8],
    encoded: &[u8],
) -> Result<Result<Vec<u8>, Violation>, DecodeError> {
    let outer = ClientHello::decode_as(Syntax::Dtls, outer)?;
    Ok(decode(&outer, encoded))
}

//! LDAP: the extended operation StartTLS (RFC 4511 §4.14), in the BER of §5.1.

use tokio::io::{AsyncRead, AsyncWrite};

use super::wire::{Result, Wire};

/// The longest answer.
const MAX_ANSWER: usize = 16 * 1024;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const ENUMERATED: u8 = 0x0a;
/// `[APPLICATION 24]`, constructed.
const EXTENDED_RESPONSE: u8 = 0x78;
/// §4.12
const SUCCESS: u8 = 0;

/// `LDAPMessage { messageID 1, extendedReq [APPLICATION 23] { requestName [0] } }`
const REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

pub(super) async fn start<IO>(wire: &mut Wire<'_, IO>) -> Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    const NOT_LDAP: &str = "the server's answer is no LDAPMessage";
    wire.send(REQUEST).await?;
    let message = loop {
        // Said at once, rather than when what looks like a length has come.
        if wire.unread().first().is_some_and(|tag| *tag != SEQUENCE) {
            return Err(wire.failure(NOT_LDAP));
        }
        match element(wire.unread()) {
            Ok(Some(message)) => {
                let (contents, size) = (message.contents.to_vec(), message.size);
                wire.take(size);
                break contents;
            }
            Err(NotBer) => return Err(wire.failure(NOT_LDAP)),
            Ok(None) => wire.fill().await?,
        }
    };
    match result_code(&message) {
        Some(SUCCESS) => Ok(()),
        Some(code) => Err(wire.failure(&format!(
            "the server declines with the result code {code} ({})",
            code_name(code)
        ))),
        None => Err(wire.failure("the server's answer is not that to StartTLS")),
    }
}

/// The result code of the ExtendedResponse to message 1.
fn result_code(message: &[u8]) -> Option<u8> {
    let number = element(message).ok()??;
    let response = element(message.get(number.size..)?).ok()??;
    let code = element(response.contents).ok()??;
    match (
        number.tag,
        number.contents,
        response.tag,
        code.tag,
        code.contents,
    ) {
        (INTEGER, [1], EXTENDED_RESPONSE, ENUMERATED, [code]) => Some(*code),
        _ => None,
    }
}

/// RFC 4511 §4.1.9, those that StartTLS gives.
fn code_name(code: u8) -> &'static str {
    match code {
        1 => "operationsError",
        2 => "protocolError",
        8 => "strongerAuthRequired",
        10 => "referral",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        _ => "see RFC 4511 appendix A",
    }
}

struct NotBer;

struct Element<'a> {
    tag: u8,
    contents: &'a [u8],
    /// With its head.
    size: usize,
}

/// The first element; `None` if it has not come whole. Lengths are definite (§5.1), and need not be the shortest.
fn element(bytes: &[u8]) -> std::result::Result<Option<Element<'_>>, NotBer> {
    let (Some(&tag), Some(&first)) = (bytes.first(), bytes.get(1)) else {
        return Ok(None);
    };
    let (length, head) = match first {
        0..=0x7f => (usize::from(first), 2),
        0x81..=0x84 => {
            let count = usize::from(first - 0x80);
            let Some(octets) = bytes.get(2..2 + count) else {
                return Ok(None);
            };
            let length = octets
                .iter()
                .fold(0_u32, |sum, octet| sum << 8 | u32::from(*octet));
            (length as usize, 2 + count)
        }
        _ => return Err(NotBer),
    };
    if length > MAX_ANSWER {
        return Err(NotBer);
    }
    let end = head + length;
    Ok(bytes.get(head..end).map(|contents| Element {
        tag,
        contents,
        size: end,
    }))
}

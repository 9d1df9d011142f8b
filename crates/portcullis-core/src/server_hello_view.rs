//! What the server said in its ServerHello, for its review.
//!
//! RFC 8446 §4.1.3.

use bytes::Bytes;

use crate::named_group::NamedGroup;
use crate::suite::CipherSuite;
use crate::version::ProtocolVersion;
use crate::wire::codec::DecodeError;
use crate::wire::extension::{
    Extensions, KeyShareHelloRetryRequest, KeyShareServerHello, RawExtension, SelectedIdentity,
    SelectedVersion,
};
use crate::wire::{ExtensionType, HandshakeHeader, HandshakeMessage, HandshakeType, ServerHello};

/// A ServerHello as it came, unauthenticated. Cheap to clone.
#[derive(Clone)]
pub struct ServerHelloView {
    message: Bytes,
    legacy_version: ProtocolVersion,
    random: [u8; 32],
    session_id: Bytes,
    cipher_suite: CipherSuite,
    extensions: Bytes,
    is_hello_retry_request: bool,
}

impl ServerHelloView {
    /// Takes a whole message, header included.
    ///
    /// # Errors
    /// When it is not a ServerHello or does not have its syntax.
    pub(crate) fn new(message: Bytes) -> Result<Self, DecodeError> {
        let (msg_type, body) = HandshakeHeader::split(&message)?;
        if msg_type != HandshakeType::SERVER_HELLO {
            return Err(DecodeError);
        }
        let hello = ServerHello::decode(body)?;
        Ok(Self {
            legacy_version: hello.legacy_version,
            random: *hello.random,
            session_id: message.slice_ref(hello.legacy_session_id_echo),
            cipher_suite: hello.cipher_suite,
            extensions: message.slice_ref(hello.extensions.as_bytes()),
            is_hello_retry_request: hello.is_hello_retry_request(),
            message,
        })
    }

    /// The message as it came, with its four-byte header.
    pub fn raw_bytes(&self) -> &[u8] {
        &self.message
    }

    /// The version the server selected.
    pub fn version(&self) -> ProtocolVersion {
        match self.block().find() {
            Some(Ok(SelectedVersion(version))) => version,
            _ => self.legacy_version,
        }
    }

    /// 0x0303 in TLS 1.3; the selected version before.
    pub const fn legacy_version(&self) -> ProtocolVersion {
        self.legacy_version
    }

    /// The server's 32 random bytes.
    pub const fn random(&self) -> &[u8; 32] {
        &self.random
    }

    /// Whether the server asks for another ClientHello.
    pub const fn is_hello_retry_request(&self) -> bool {
        self.is_hello_retry_request
    }

    /// `legacy_session_id_echo`, 0 to 32 bytes.
    pub fn session_id(&self) -> &[u8] {
        &self.session_id
    }

    /// The suite the server selected.
    pub const fn cipher_suite(&self) -> CipherSuite {
        self.cipher_suite
    }

    /// The group of the server's key share, or the one a HelloRetryRequest asks for.
    pub fn group(&self) -> Option<NamedGroup> {
        if self.is_hello_retry_request {
            let share = self.block().find::<KeyShareHelloRetryRequest>()?;
            share.ok().map(|share| share.selected_group)
        } else {
            let share = self.block().find::<KeyShareServerHello<'_>>()?;
            share.ok().map(|share| share.server_share.group)
        }
    }

    /// Which of the offered pre-shared keys the server selected, counted from 0.
    pub fn selected_identity(&self) -> Option<u16> {
        let selected = self.block().find::<SelectedIdentity>()?;
        selected.ok().map(|identity| identity.0)
    }

    /// All extensions with their bodies, in order.
    pub fn extensions(&self) -> impl Iterator<Item = (ExtensionType, &[u8])> + '_ {
        self.block().iter().map(RawExtension::parts)
    }

    /// The body of the extension of that type.
    pub fn extension(&self, extension_type: ExtensionType) -> Option<&[u8]> {
        self.block().raw(extension_type)
    }

    fn block(&self) -> Extensions<'_> {
        Extensions::checked(&self.extensions)
    }
}

impl core::fmt::Debug for ServerHelloView {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ServerHelloView")
            .field("version", &self.version())
            .field("cipher_suite", &self.cipher_suite)
            .field("group", &self.group())
            .field("is_hello_retry_request", &self.is_hello_retry_request)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_selected() {
        let mut out = Vec::new();
        let suite = CipherSuite::TLS_AES_128_GCM_SHA256;
        ServerHello::put(
            &mut out,
            ProtocolVersion::TLS_1_2,
            &[1; 32],
            &[2],
            suite,
            |out| {
                SelectedVersion::put(out, ProtocolVersion::TLS_1_3);
                KeyShareServerHello::put(out, NamedGroup::X25519, &[8; 32]);
                SelectedIdentity::put(out, 1);
            },
        );
        let view = ServerHelloView::new(out.into()).unwrap();
        assert_eq!(view.version(), ProtocolVersion::TLS_1_3);
        assert_eq!(view.legacy_version(), ProtocolVersion::TLS_1_2);
        assert_eq!(view.cipher_suite(), suite);
        assert_eq!(view.group(), Some(NamedGroup::X25519));
        assert_eq!(view.selected_identity(), Some(1));
        assert_eq!(view.session_id(), [2]);
        assert_eq!(view.extensions().count(), 3);
        assert!(!view.is_hello_retry_request());
    }
}

//! The types of handshake messages.
//!
//! RFC 8446 §4 and the IANA registry "TLS HandshakeType".

use crate::code_point::code_points;

code_points! {
    /// The type of a handshake message (RFC 8446 §4).
    pub struct HandshakeType(u8) {
        /// TLS 1.2 and older (RFC 5246 §7.4.1.1).
        HELLO_REQUEST = 0, "hello_request";
        /// RFC 8446 §4.1.2.
        CLIENT_HELLO = 1, "client_hello";
        /// RFC 8446 §4.1.3; also carries HelloRetryRequest.
        SERVER_HELLO = 2, "server_hello";
        /// DTLS 1.2 and older (RFC 6347 §4.2.1).
        HELLO_VERIFY_REQUEST = 3, "hello_verify_request";
        /// RFC 8446 §4.6.1; RFC 5077 before.
        NEW_SESSION_TICKET = 4, "new_session_ticket";
        /// RFC 8446 §4.5.
        END_OF_EARLY_DATA = 5, "end_of_early_data";
        /// Drafts of TLS 1.3 only; reserved.
        HELLO_RETRY_REQUEST = 6, "hello_retry_request";
        /// RFC 8446 §4.3.1.
        ENCRYPTED_EXTENSIONS = 8, "encrypted_extensions";
        /// RFC 9147 §9.
        REQUEST_CONNECTION_ID = 9, "request_connection_id";
        /// RFC 9147 §9.
        NEW_CONNECTION_ID = 10, "new_connection_id";
        /// RFC 8446 §4.4.2.
        CERTIFICATE = 11, "certificate";
        /// TLS 1.2 and older (RFC 5246 §7.4.3).
        SERVER_KEY_EXCHANGE = 12, "server_key_exchange";
        /// RFC 8446 §4.3.2.
        CERTIFICATE_REQUEST = 13, "certificate_request";
        /// TLS 1.2 and older (RFC 5246 §7.4.5).
        SERVER_HELLO_DONE = 14, "server_hello_done";
        /// RFC 8446 §4.4.3.
        CERTIFICATE_VERIFY = 15, "certificate_verify";
        /// TLS 1.2 and older (RFC 5246 §7.4.7).
        CLIENT_KEY_EXCHANGE = 16, "client_key_exchange";
        /// RFC 8446 §4.4.4.
        FINISHED = 20, "finished";
        /// RFC 6066 §5; not supported.
        CERTIFICATE_URL = 21, "certificate_url";
        /// TLS 1.2 and older (RFC 6066 §8).
        CERTIFICATE_STATUS = 22, "certificate_status";
        /// RFC 4680; not supported.
        SUPPLEMENTAL_DATA = 23, "supplemental_data";
        /// RFC 8446 §4.6.3.
        KEY_UPDATE = 24, "key_update";
        /// RFC 8879; not supported.
        COMPRESSED_CERTIFICATE = 25, "compressed_certificate";
        /// TLS 1.2 and older, NPN (draft-agl-tls-nextprotoneg).
        NEXT_PROTOCOL = 67, "next_protocol";
        /// Stands for the first ClientHello in the transcript (RFC 8446 §4.4.1); never sent.
        MESSAGE_HASH = 254, "message_hash";
    }
}

//! The runner's flags: three configurations, generic prefixes, and 89 for whatever is not here.
//!
//! A flag that is accepted is either acted on or checked. Those that are accepted and have no
//! effect are listed in [`NO_EFFECT`] with the reason.

mod command_line;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use portcullis_core::{
    CertificateType, NamedGroup, ProtocolVersion, SignatureScheme, suite::CipherSuite,
    wire::HandshakeType,
};

pub(crate) use command_line::AllOptions;
use values::{named_suites, number, supported_group};

use crate::Stop;
use crate::ech::EchOptions;
use crate::text::{from_base64, from_hex};

/// What BoringSSL speaks over TCP.
pub(crate) const EVERY_VERSION: [ProtocolVersion; 4] = [
    ProtocolVersion::TLS_1_0,
    ProtocolVersion::TLS_1_1,
    ProtocolVersion::TLS_1_2,
    ProtocolVersion::TLS_1_3,
];

/// Flags that need nothing done, and why.
const NO_EFFECT: &[(&str, &str)] = &[
    ("ipv6", "both addresses are tried"),
    (
        "implicit-handshake",
        "there is no other way to drive the core",
    ),
    (
        "use-old-client-cert-callback",
        "there is one way to be asked for an identity",
    ),
    (
        "use-early-callback",
        "there is one way to be asked for an identity",
    ),
    (
        "install-ddos-callback",
        "a hello that is not refused goes on",
    ),
    ("partial-write", "sealing is partial by its signature"),
];

/// One credential: the default one, or what follows `-new-x509-credential`.
#[derive(Clone, Debug, Default)]
pub(crate) struct CredentialOptions {
    pub(crate) cert_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) signing_prefs: Vec<SignatureScheme>,
    pub(crate) must_match_issuer: bool,
    /// Bytes of any kind.
    pub(crate) ocsp_response: Vec<u8>,
    /// The key is shown without a certificate (RFC 7250).
    pub(crate) raw_key: bool,
    pub(crate) psk: Option<PskOptions>,
}

/// A pre-shared key that is imported (RFC 9258).
#[derive(Clone, Debug, Default)]
pub(crate) struct PskOptions {
    pub(crate) key: Vec<u8>,
    pub(crate) identity: Vec<u8>,
    pub(crate) context: Vec<u8>,
    pub(crate) is_of_sha384: bool,
}

/// What one connection is to do, and what is to be expected of it.
#[derive(Default, Clone, Debug)]
pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) shim_id: u64,
    pub(crate) is_handshaker_supported: bool,
    pub(crate) server: bool,
    pub(crate) dtls: bool,
    pub(crate) mtu: Option<u16>,
    pub(crate) initial_timeout: Option<Duration>,
    pub(crate) asynchronous: bool,
    pub(crate) resume_count: u32,
    /// In seconds.
    pub(crate) resumption_delay: u64,
    /// Of a server; tickets of a client's are another thing in TLS 1.2.
    pub(crate) no_ticket: bool,
    pub(crate) no_server_name_ack: bool,
    pub(crate) reverify_on_resume: bool,
    min_version: Option<ProtocolVersion>,
    max_version: Option<ProtocolVersion>,
    excluded_versions: Vec<ProtocolVersion>,
    pub(crate) default_credential: CredentialOptions,
    pub(crate) credentials: Vec<CredentialOptions>,
    pub(crate) curves: Vec<NamedGroup>,
    pub(crate) key_shares: Option<Vec<NamedGroup>>,
    pub(crate) tls13_ciphers: Vec<CipherSuite>,
    /// Of TLS 1.2 and older.
    pub(crate) ciphers: Option<Vec<CipherSuite>>,
    pub(crate) verify_prefs: Vec<SignatureScheme>,
    pub(crate) server_preference: bool,
    pub(crate) host_name: Option<String>,
    pub(crate) max_cert_list: Option<usize>,
    pub(crate) max_send_fragment: Option<u16>,
    /// DER-encoded names.
    pub(crate) client_ca_list: Option<Vec<Vec<u8>>>,
    pub(crate) advertise_alpn: Vec<u8>,
    pub(crate) select_alpn: Vec<u8>,
    /// Names with colons between them.
    pub(crate) srtp_profiles: String,
    pub(crate) decline_alpn: bool,
    pub(crate) reject_alpn: bool,
    pub(crate) select_empty_alpn: bool,
    pub(crate) allow_unknown_alpn_protos: bool,
    /// NPN: the server's list, as it is on the wire.
    pub(crate) advertise_npn: Vec<u8>,
    pub(crate) advertise_empty_npn: bool,
    /// NPN: what the client selects, whatever the server lists.
    pub(crate) select_next_proto: Vec<u8>,
    pub(crate) select_empty_next_proto: bool,
    pub(crate) psk: Vec<u8>,
    pub(crate) psk_identity: Vec<u8>,
    pub(crate) fallback_scsv: bool,
    pub(crate) cbc_record_splitting: bool,
    pub(crate) enable_ocsp_stapling: bool,
    pub(crate) use_ocsp_callback: bool,
    pub(crate) enable_signed_cert_timestamps: bool,
    pub(crate) fail_ocsp_callback: bool,
    pub(crate) decline_ocsp_callback: bool,
    /// When it is set makes no difference here: nothing has asked for it before.
    pub(crate) set_ocsp_in_callback: bool,
    /// All mock algorithms, or this one.
    pub(crate) install_cert_compression_algs: bool,
    pub(crate) install_one_cert_compression_alg: Option<u16>,
    /// What is accepted of the peer.
    pub(crate) accepted_peer_cert_types: Vec<CertificateType>,
    /// What a client says that it can show; empty for what its credentials are.
    pub(crate) available_client_cert_types: Vec<CertificateType>,
    pub(crate) verify_peer: bool,
    pub(crate) verify_fail: bool,
    pub(crate) use_custom_verify_callback: bool,
    pub(crate) require_any_client_certificate: bool,
    pub(crate) fail_early_callback: bool,
    pub(crate) fail_ddos_callback: bool,
    pub(crate) fail_cert_callback: bool,
    pub(crate) fail_cert_callback_alert: u8,
    pub(crate) private_key_delay_ms: u64,
    pub(crate) no_op_extra_handshake: bool,
    pub(crate) handshake_never_done: bool,
    pub(crate) no_legacy_server_connect: bool,
    pub(crate) renegotiate_once: bool,
    pub(crate) renegotiate_freely: bool,
    pub(crate) renegotiate_ignore: bool,
    /// BoringSSL's application begins it then; so does the shim, which is told of a wish by the reader.
    pub(crate) renegotiate_explicit: bool,
    /// Before there is a handshake nothing could be renegotiated: this is never.
    pub(crate) forbid_renegotiation_after_handshake: bool,
    /// Client: offers early data. Server: accepts it.
    pub(crate) enable_early_data: bool,
    /// Client: the early data is written when this message has come, and not at once.
    pub(crate) early_write_after: Option<HandshakeType>,
    pub(crate) ech: EchOptions,
    pub(crate) grease: bool,
    pub(crate) body: BodyOptions,
    pub(crate) expect: Expectations,
}

/// What happens after the handshake.
#[derive(Clone, Debug, Default)]
pub(crate) struct BodyOptions {
    pub(crate) shim_writes_first: bool,
    pub(crate) initial_write: Option<Vec<u8>>,
    pub(crate) repeat_initial_write: Option<u32>,
    pub(crate) shim_shuts_down: bool,
    pub(crate) check_close_notify: bool,
    pub(crate) read_size: usize,
    pub(crate) export_keying_material: usize,
    pub(crate) export_label: Vec<u8>,
    pub(crate) export_context: Vec<u8>,
    pub(crate) use_export_context: bool,
    pub(crate) export_traffic_secrets: bool,
    pub(crate) tls_unique: bool,
    pub(crate) send_alert: bool,
    pub(crate) key_update: bool,
    pub(crate) key_update_before_read: bool,
    pub(crate) peek_then_read: bool,
    pub(crate) write_different_record_sizes: bool,
    pub(crate) read_with_unfinished_write: bool,
    pub(crate) use_exporter_between_reads: bool,
}

/// What must hold once the handshake is over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expectations {
    pub(crate) ocsp_response: Vec<u8>,
    /// A SignedCertificateTimestampList.
    pub(crate) signed_cert_timestamps: Vec<u8>,
    pub(crate) version: Option<ProtocolVersion>,
    pub(crate) alpn: Vec<u8>,
    pub(crate) advertised_alpn: Vec<u8>,
    pub(crate) server_name: Option<String>,
    pub(crate) no_server_name: bool,
    pub(crate) curve: Option<NamedGroup>,
    pub(crate) cipher: Vec<CipherSuite>,
    pub(crate) hrr: Option<bool>,
    pub(crate) verify_result: bool,
    pub(crate) peer_signature_algorithm: Option<SignatureScheme>,
    pub(crate) peer_verify_prefs: Vec<SignatureScheme>,
    pub(crate) peer_cert_file: Option<PathBuf>,
    pub(crate) no_peer_cert: bool,
    pub(crate) peer_certificate_type: Option<CertificateType>,
    pub(crate) peer_rpk_sha256: Vec<u8>,
    pub(crate) selected_credential: Option<i32>,
    pub(crate) client_ca_list: Option<String>,
    pub(crate) session_miss: bool,
    pub(crate) no_session: bool,
    pub(crate) session_id: bool,
    pub(crate) no_session_id: bool,
    /// Of the server's CertificateRequest.
    pub(crate) certificate_types: Vec<u8>,
    pub(crate) ticket_renewal: bool,
    pub(crate) extended_master_secret: bool,
    pub(crate) secure_renegotiation: bool,
    pub(crate) no_secure_renegotiation: bool,
    pub(crate) total_renegotiations: u32,
    pub(crate) accept_early_data: bool,
    pub(crate) reject_early_data: bool,
    pub(crate) no_offer_early_data: bool,
    pub(crate) ticket_supports_early_data: bool,
    pub(crate) early_data_reason: Option<String>,
    /// How much older the client says its ticket is than the server finds, in seconds.
    pub(crate) ticket_age_skew: Option<i64>,
    pub(crate) next_proto: Vec<u8>,
    pub(crate) no_next_proto: bool,
}

impl Options {
    fn is_switch(name: &str) -> bool {
        NO_EFFECT.iter().any(|(flag, _)| *flag == name)
            || Self::default().switch(name).is_some()
            || matches!(
                name,
                "no-tls1"
                    | "no-tls11"
                    | "no-tls12"
                    | "no-tls13"
                    | "no-key-shares"
                    | "expect-hrr"
                    | "expect-no-hrr"
                    | "new-x509-credential"
                    | "new-rpk-credential"
                    | "new-psk-credential"
                    | "psk-importer-sha256"
                    | "psk-importer-sha384"
                    | "must-match-issuer"
                    | "use-export-context"
            )
    }

    /// The switches that are fields.
    fn switch(&mut self, name: &str) -> Option<&mut bool> {
        let body = &mut self.body;
        let expect = &mut self.expect;
        Some(match name {
            "enable-grease" => &mut self.grease,
            "is-handshaker-supported" => &mut self.is_handshaker_supported,
            "server" => &mut self.server,
            "dtls" => &mut self.dtls,
            "async" => &mut self.asynchronous,
            "server-preference" => &mut self.server_preference,
            "decline-alpn" => &mut self.decline_alpn,
            "reject-alpn" => &mut self.reject_alpn,
            "select-empty-alpn" => &mut self.select_empty_alpn,
            "allow-unknown-alpn-protos" => &mut self.allow_unknown_alpn_protos,
            "advertise-empty-npn" => &mut self.advertise_empty_npn,
            "select-empty-next-proto" => &mut self.select_empty_next_proto,
            "expect-no-next-proto" => &mut expect.no_next_proto,
            "fallback-scsv" => &mut self.fallback_scsv,
            "cbc-record-splitting" => &mut self.cbc_record_splitting,
            "enable-ocsp-stapling" => &mut self.enable_ocsp_stapling,
            "enable-signed-cert-timestamps" => &mut self.enable_signed_cert_timestamps,
            "use-ocsp-callback" => &mut self.use_ocsp_callback,
            "fail-ocsp-callback" => &mut self.fail_ocsp_callback,
            "decline-ocsp-callback" => &mut self.decline_ocsp_callback,
            "set-ocsp-in-callback" => &mut self.set_ocsp_in_callback,
            "install-cert-compression-algs" => &mut self.install_cert_compression_algs,
            "verify-peer" => &mut self.verify_peer,
            "verify-fail" => &mut self.verify_fail,
            "use-custom-verify-callback" => &mut self.use_custom_verify_callback,
            "require-any-client-certificate" => &mut self.require_any_client_certificate,
            "fail-early-callback" => &mut self.fail_early_callback,
            "fail-ddos-callback" => &mut self.fail_ddos_callback,
            "fail-cert-callback" => &mut self.fail_cert_callback,
            "no-op-extra-handshake" => &mut self.no_op_extra_handshake,
            "handshake-never-done" => &mut self.handshake_never_done,
            "no-legacy-server-connect" => &mut self.no_legacy_server_connect,
            "renegotiate-once" => &mut self.renegotiate_once,
            "renegotiate-freely" => &mut self.renegotiate_freely,
            "renegotiate-ignore" => &mut self.renegotiate_ignore,
            "renegotiate-explicit" => &mut self.renegotiate_explicit,
            "forbid-renegotiation-after-handshake" => {
                &mut self.forbid_renegotiation_after_handshake
            }
            "shim-writes-first" => &mut body.shim_writes_first,
            "shim-shuts-down" => &mut body.shim_shuts_down,
            "check-close-notify" => &mut body.check_close_notify,
            "export-traffic-secrets" => &mut body.export_traffic_secrets,
            "tls-unique" => &mut body.tls_unique,
            "send-alert" => &mut body.send_alert,
            "key-update" => &mut body.key_update,
            "key-update-before-read" => &mut body.key_update_before_read,
            "peek-then-read" => &mut body.peek_then_read,
            "write-different-record-sizes" => &mut body.write_different_record_sizes,
            "read-with-unfinished-write" => &mut body.read_with_unfinished_write,
            "use-exporter-between-reads" => &mut body.use_exporter_between_reads,
            "enable-early-data" => &mut self.enable_early_data,
            "expect-accept-early-data" => &mut expect.accept_early_data,
            "expect-reject-early-data" => &mut expect.reject_early_data,
            "expect-no-offer-early-data" => &mut expect.no_offer_early_data,
            "expect-ticket-supports-early-data" => &mut expect.ticket_supports_early_data,
            "no-server-name-ack" => &mut self.no_server_name_ack,
            "no-ticket" => &mut self.no_ticket,
            "reverify-on-resume" => &mut self.reverify_on_resume,
            "expect-session-miss" => &mut expect.session_miss,
            "expect-no-session" => &mut expect.no_session,
            "expect-ticket-renewal" => &mut expect.ticket_renewal,
            "expect-session-id" => &mut expect.session_id,
            "expect-no-session-id" => &mut expect.no_session_id,
            "expect-extended-master-secret" => &mut expect.extended_master_secret,
            "expect-secure-renegotiation" => &mut expect.secure_renegotiation,
            "expect-no-secure-renegotiation" => &mut expect.no_secure_renegotiation,
            "expect-no-server-name" => &mut expect.no_server_name,
            "expect-verify-result" => &mut expect.verify_result,
            "expect-no-peer-cert" => &mut expect.no_peer_cert,
            name => return self.ech.switch(name),
        })
    }

    fn takes_value(name: &str) -> bool {
        EchOptions::takes_value(name)
            || matches!(
                name,
                "port"
                    | "shim-id"
                    | "resume-count"
                    | "resumption-delay"
                    | "min-version"
                    | "max-version"
                    | "cert-file"
                    | "key-file"
                    | "signing-prefs"
                    | "ocsp-response"
                    | "expect-ocsp-response"
                    | "expect-signed-cert-timestamps"
                    | "curves"
                    | "key-shares"
                    | "tls13-ciphers"
                    | "cipher"
                    | "verify-prefs"
                    | "host-name"
                    | "max-cert-list"
                    | "mtu"
                    | "initial-timeout-duration-ms"
                    | "max-send-fragment"
                    | "use-client-ca-list"
                    | "advertise-alpn"
                    | "select-alpn"
                    | "srtp-profiles"
                    | "fail-cert-callback-alert"
                    | "private-key-delay-ms"
                    | "shim-initial-write"
                    | "repeat-shim-initial-write"
                    | "read-size"
                    | "export-keying-material"
                    | "export-label"
                    | "export-context"
                    | "expect-version"
                    | "expect-alpn"
                    | "expect-advertised-alpn"
                    | "expect-server-name"
                    | "expect-curve-id"
                    | "expect-cipher"
                    | "expect-cipher-aes"
                    | "expect-cipher-no-aes"
                    | "expect-peer-signature-algorithm"
                    | "expect-peer-verify-pref"
                    | "expect-peer-cert-file"
                    | "expect-selected-credential"
                    | "expect-client-ca-list"
                    | "expect-early-data-reason"
                    | "expect-ticket-age-skew"
                    | "early-write-after-message"
                    | "expect-total-renegotiations"
                    | "advertise-npn"
                    | "select-next-proto"
                    | "expect-next-proto"
                    | "psk"
                    | "psk-identity"
                    | "psk-importer-key"
                    | "psk-importer-identity"
                    | "psk-importer-context"
                    | "expect-certificate-types"
                    | "accepted-peer-cert-types"
                    | "install-one-cert-compression-alg"
                    | "available-client-cert-types"
                    | "expect-peer-certificate-type"
                    | "expect-peer-rpk-sha256"
            )
    }

    /// The credential that credential flags belong to.
    fn credential(&mut self) -> &mut CredentialOptions {
        self.credentials
            .last_mut()
            .unwrap_or(&mut self.default_credential)
    }

    fn psk_credential(&mut self) -> Result<&mut PskOptions, Stop> {
        let credential = self.credentials.last_mut();
        let psk = credential.and_then(|credential| credential.psk.as_mut());
        psk.ok_or_else(|| Stop::failed("a flag of the importer without -new-psk-credential"))
    }

    /// The keys that are imported, with the numbers of their credentials.
    pub(crate) fn imported_psks(&self) -> impl Iterator<Item = (i32, &PskOptions)> {
        let numbered = (0..).zip(&self.credentials);
        numbered.filter_map(|(number, credential)| Some((number, credential.psk.as_ref()?)))
    }

    /// Nothing counts but keys: of a client that does not verify, which is BoringSSL's rule, and of a server without
    /// a certificate.
    pub(crate) fn takes_keys_alone(&self) -> bool {
        let default = std::iter::once(&self.default_credential);
        let mut credentials = self.credentials.iter().chain(default);
        let has_keys = self.imported_psks().next().is_some();
        has_keys
            && match self.server {
                false => !self.verify_peer,
                true => !credentials.any(|one| one.cert_file.is_some() || one.raw_key),
            }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Stop> {
        if let Some(switch) = self.switch(name) {
            *switch = true;
            return Ok(());
        }
        if self.ech.set(name, value)? {
            return Ok(());
        }
        let aes = std::arch::is_x86_feature_detected!("aes");
        match name {
            "port" => self.port = number(name, value)?,
            "shim-id" => self.shim_id = number(name, value)?,
            "resume-count" => self.resume_count = number(name, value)?,
            "resumption-delay" => self.resumption_delay = number(name, value)?,
            "no-tls1" => self.excluded_versions.push(ProtocolVersion::TLS_1_0),
            "no-tls11" => self.excluded_versions.push(ProtocolVersion::TLS_1_1),
            "no-tls12" => self.excluded_versions.push(ProtocolVersion::TLS_1_2),
            "no-tls13" => self.excluded_versions.push(ProtocolVersion::TLS_1_3),
            "min-version" => {
                self.min_version = Some(of_tls(ProtocolVersion(number(name, value)?)));
            }
            "max-version" => {
                self.max_version = Some(of_tls(ProtocolVersion(number(name, value)?)));
            }
            "mtu" => self.mtu = Some(number(name, value)?),
            "initial-timeout-duration-ms" => {
                self.initial_timeout = Some(Duration::from_millis(number(name, value)?));
            }
            "new-x509-credential" => self.credentials.push(CredentialOptions::default()),
            "new-rpk-credential" => self.credentials.push(CredentialOptions {
                raw_key: true,
                ..CredentialOptions::default()
            }),
            "new-psk-credential" => self.credentials.push(CredentialOptions {
                psk: Some(PskOptions::default()),
                ..CredentialOptions::default()
            }),
            "psk-importer-key" => self.psk_credential()?.key = from_base64(value)?,
            "psk-importer-identity" => self.psk_credential()?.identity = from_base64(value)?,
            "psk-importer-context" => self.psk_credential()?.context = from_base64(value)?,
            "psk-importer-sha256" => self.psk_credential()?.is_of_sha384 = false,
            "psk-importer-sha384" => self.psk_credential()?.is_of_sha384 = true,
            "must-match-issuer" => self.credential().must_match_issuer = true,
            "cert-file" => self.credential().cert_file = Some(value.into()),
            "key-file" => self.credential().key_file = Some(value.into()),
            "ocsp-response" => self.credential().ocsp_response = from_base64(value)?,
            "expect-signed-cert-timestamps" => {
                self.expect.signed_cert_timestamps = from_base64(value)?;
            }
            "expect-ocsp-response" => self.expect.ocsp_response = from_base64(value)?,
            "signing-prefs" => {
                let scheme = SignatureScheme(number(name, value)?);
                self.credential().signing_prefs.push(scheme);
            }
            "curves" => self.curves.push(supported_group(name, value)?),
            "key-shares" => {
                let group = supported_group(name, value)?;
                self.key_shares.get_or_insert_default().push(group);
            }
            "no-key-shares" => self.key_shares = Some(Vec::new()),
            "tls13-ciphers" => self.tls13_ciphers.push(CipherSuite(number(name, value)?)),
            "cipher" => self.ciphers = Some(named_suites(value)?),
            "verify-prefs" => self
                .verify_prefs
                .push(SignatureScheme(number(name, value)?)),
            "host-name" => self.host_name = Some(value.into()),
            "max-cert-list" => self.max_cert_list = Some(number(name, value)?),
            "max-send-fragment" => self.max_send_fragment = Some(number(name, value)?),
            "use-client-ca-list" => {
                self.client_ca_list = Some(match value {
                    "<NULL>" | "<EMPTY>" => Vec::new(),
                    names => names.split(',').map(from_hex).collect::<Result<_, _>>()?,
                });
            }
            "advertise-alpn" => self.advertise_alpn = value.into(),
            "select-alpn" => self.select_alpn = value.into(),
            "srtp-profiles" => self.srtp_profiles = value.into(),
            "advertise-npn" => self.advertise_npn = value.into(),
            "select-next-proto" => self.select_next_proto = value.into(),
            "expect-next-proto" => self.expect.next_proto = value.into(),
            "psk" => self.psk = value.into(),
            "psk-identity" => self.psk_identity = value.into(),
            "fail-cert-callback-alert" => self.fail_cert_callback_alert = number(name, value)?,
            "private-key-delay-ms" => self.private_key_delay_ms = number(name, value)?,
            "shim-initial-write" => self.body.initial_write = Some(value.into()),
            "repeat-shim-initial-write" => {
                self.body.repeat_initial_write = Some(number(name, value)?);
            }
            "read-size" => self.body.read_size = number(name, value)?,
            "export-keying-material" => self.body.export_keying_material = number(name, value)?,
            "export-label" => self.body.export_label = value.into(),
            "export-context" => self.body.export_context = value.into(),
            "use-export-context" => self.body.use_export_context = true,
            "expect-version" => self.expect.version = Some(ProtocolVersion(number(name, value)?)),
            "expect-alpn" => self.expect.alpn = value.into(),
            "expect-advertised-alpn" => self.expect.advertised_alpn = value.into(),
            "expect-server-name" => self.expect.server_name = Some(value.into()),
            "expect-curve-id" => self.expect.curve = Some(NamedGroup(number(name, value)?)),
            "expect-cipher-aes" if !aes => {}
            "expect-cipher-no-aes" if aes => {}
            "expect-cipher" | "expect-cipher-aes" | "expect-cipher-no-aes" => {
                self.expect.cipher.push(CipherSuite(number(name, value)?));
            }
            "expect-hrr" => self.expect.hrr = Some(true),
            "expect-no-hrr" => self.expect.hrr = Some(false),
            "expect-peer-signature-algorithm" => {
                let scheme = SignatureScheme(number(name, value)?);
                self.expect.peer_signature_algorithm = Some(scheme);
            }
            "expect-peer-verify-pref" => {
                let scheme = SignatureScheme(number(name, value)?);
                self.expect.peer_verify_prefs.push(scheme);
            }
            "expect-peer-cert-file" => self.expect.peer_cert_file = Some(value.into()),
            "expect-selected-credential" => {
                self.expect.selected_credential = Some(number(name, value)?);
            }
            "expect-early-data-reason" => self.expect.early_data_reason = Some(value.into()),
            "expect-ticket-age-skew" => self.expect.ticket_age_skew = Some(number(name, value)?),
            "early-write-after-message" => {
                self.early_write_after = Some(HandshakeType(number(name, value)?));
            }
            "expect-total-renegotiations" => {
                self.expect.total_renegotiations = number(name, value)?;
            }
            "install-one-cert-compression-alg" => {
                self.install_one_cert_compression_alg = Some(number(name, value)?);
            }
            "accepted-peer-cert-types" => {
                let typ = CertificateType(number(name, value)?);
                self.accepted_peer_cert_types.push(typ);
            }
            "available-client-cert-types" => {
                let typ = CertificateType(number(name, value)?);
                self.available_client_cert_types.push(typ);
            }
            "expect-peer-certificate-type" => {
                let typ = CertificateType(number(name, value)?);
                self.expect.peer_certificate_type = Some(typ);
            }
            "expect-peer-rpk-sha256" => self.expect.peer_rpk_sha256 = from_base64(value)?,
            "expect-certificate-types" => self.expect.certificate_types = from_base64(value)?,
            "expect-client-ca-list" => self.expect.client_ca_list = Some(value.into()),
            _ => {}
        }
        Ok(())
    }

    /// Whether the flags allow any version.
    pub(crate) fn allows_any_version(&self) -> bool {
        EVERY_VERSION.iter().any(|version| self.allows(*version))
    }

    /// Whether the flags allow this version; all from TLS 1.0 on unless they say otherwise.
    pub(crate) fn allows(&self, version: ProtocolVersion) -> bool {
        EVERY_VERSION.contains(&version)
            && !(self.dtls && version == ProtocolVersion::TLS_1_1)
            && self.min_version.is_none_or(|min| min <= version)
            && self.max_version.is_none_or(|max| version <= max)
            && !self.excluded_versions.contains(&version)
    }
}

/// A version of DTLS goes by the name of the one of TLS whose flags are also its: 1.0 has those of TLS 1.0.
pub(crate) fn of_tls(version: ProtocolVersion) -> ProtocolVersion {
    match version {
        ProtocolVersion::DTLS_1_0 => ProtocolVersion::TLS_1_0,
        ProtocolVersion::DTLS_1_2 => ProtocolVersion::TLS_1_2,
        ProtocolVersion::DTLS_1_3 => ProtocolVersion::TLS_1_3,
        other => other,
    }
}

//! What is known of a connection, as JSON or as text.

use portcullis::ConnectionInformation;
use portcullis::x509;
use serde_json::{Value, json};

/// Everything but secrets.
pub(crate) fn json(information: &ConnectionInformation) -> Value {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    json!({
        "version": information.version().to_string(),
        "cipher_suite": information.cipher_suite().to_string(),
        "group": information.group().map(|group| group.to_string()),
        "hello_retried": information.hello_retried(),
        "resumed": information.is_resumed(),
        "alpn": information.alpn_protocol().map(String::from_utf8_lossy),
        "server_name": information.server_name(),
        "peer_signature_scheme": information.peer_signature_scheme().map(|scheme| scheme.to_string()),
        "peer_certificates": information
            .peer_certificates()
            .iter()
            .map(|der| json!({
                "subject": x509::subject(der),
                "names": x509::subject_alt_names(der),
            }))
            .collect::<Vec<_>>(),
        "client_random": hex(information.client_random()),
        "server_random": hex(information.server_random()),
    })
}

/// One line for each fact.
pub(crate) fn text(information: &ConnectionInformation) -> String {
    let alpn = information
        .alpn_protocol()
        .map_or("none".into(), String::from_utf8_lossy);
    let names = information
        .peer_certificates()
        .first()
        .map(|der| x509::subject_alt_names(der).join(", "));
    let group = information
        .group()
        .map_or("none".into(), |group| group.to_string());
    format!(
        "version:       {}\ncipher suite:  {}\ngroup:         {group}\nresumed:       {}\nALPN:          {alpn}\nserver name:   {}\npeer's names:  {}\n",
        information.version(),
        information.cipher_suite(),
        if information.is_resumed() {
            "yes"
        } else {
            "no"
        },
        information.server_name().unwrap_or("none"),
        names.as_deref().unwrap_or("no certificate"),
    )
}

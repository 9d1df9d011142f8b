//! Which clients a route lets in.

use std::sync::Arc;

use portcullis::{AlertDescription, ClientConfig, Identity, MemorySessionStore, TlsConnector};

use crate::support::{Files, Running, connect, echo, talk, terminating};

async fn proxy(files: &Files, allow: &str) -> Running {
    let back = echo("a").await;
    files.start(&text(back, allow))
}

fn text(back: std::net::SocketAddr, allow: &str) -> String {
    let clients = format!("clients = {{ roots = \"@/ca.pem\"{allow} }}");
    let open = "[[route]]\nnames = [\"open.test\"]\nidentity = \"one\"\nbackend = \"back\"\n";
    terminating("", back, &clients) + open
}

fn client(files: &Files, identity: Option<&Identity>) -> TlsConnector {
    let mut builder = ClientConfig::builder(files.roots());
    if let Some(identity) = identity {
        builder = builder.identity(identity.clone());
    }
    TlsConnector::new(builder.build().unwrap())
}

/// What the proxy says to a client; before its first bytes a client of TLS 1.3 does not know.
async fn outcome(
    proxy: &Running,
    connector: &TlsConnector,
    name: &str,
) -> Result<String, Option<AlertDescription>> {
    let of = |error: portcullis::Error| error.alert().map(|(_, alert)| alert);
    let mut stream = connect(connector, proxy.address(), name)
        .await
        .map_err(of)?;
    let said = talk(&mut stream, "x").await;
    said.map_err(|error| {
        portcullis::Error::from_io(&error)
            .and_then(|it| it.alert())
            .map(|it| it.1)
    })
}

#[tokio::test]
async fn who_is_named_comes_in_and_nobody_else() {
    let files = Files::new();
    files.server("one", &["one.test", "open.test"]);
    let web = files.client("spiffe://example.com/ns/shop/sa/web");
    let other = files.client("spiffe://example.com/ns/shop/sa/db");
    let pin = {
        let path = files.path("web.pem");
        let der = &web.chain()[0];
        std::fs::write(&path, der).unwrap();
        portcullis::x509::PresentedChain::new(vec![der.clone()]).unwrap()
    };
    let pin = {
        use sha2::Digest as _;
        let digest = sha2::Sha256::digest(pin.end_entity_spki());
        digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    for allow in [
        r#"allow = [{ uri = "spiffe://example.com/ns/*/sa/web" }]"#.to_owned(),
        r#"allow = [{ dns = "x.test" }, { uri = "spiffe://example.com/ns/shop/sa/web", issuer = "CN=Test CA" }]"#
            .to_owned(),
        format!("allow = [{{ spki = \"{pin}\" }}]"),
    ] {
        let proxy = proxy(&files, &format!(", {allow}")).await;
        let said = outcome(&proxy, &client(&files, Some(&web)), "one.test").await;
        assert_eq!(said.unwrap(), "a:x", "{allow}");
        let said = outcome(&proxy, &client(&files, Some(&other)), "one.test").await;
        assert_eq!(said.unwrap_err(), Some(AlertDescription::ACCESS_DENIED), "{allow}");
        let said = outcome(&proxy, &client(&files, None), "one.test").await;
        let required = AlertDescription::CERTIFICATE_REQUIRED;
        assert_eq!(said.unwrap_err(), Some(required), "{allow}");
        let said = outcome(&proxy, &client(&files, None), "open.test").await;
        assert_eq!(said.unwrap(), "a:x");
    }
    // All of one rule has to hold.
    let both =
        r#", allow = [{ uri = "spiffe://example.com/ns/shop/sa/web", issuer = "CN=Other CA" }]"#;
    let proxy = proxy(&files, both).await;
    let said = outcome(&proxy, &client(&files, Some(&web)), "one.test").await;
    assert_eq!(said.unwrap_err(), Some(AlertDescription::ACCESS_DENIED));
}

#[tokio::test]
async fn of_strangers_none_comes_in_where_there_are_no_rules() {
    let files = Files::new();
    files.server("one", &["one.test", "open.test"]);
    let proxy = proxy(&files, "").await;
    let known = files.client("spiffe://example.com/a");
    let said = outcome(&proxy, &client(&files, Some(&known)), "one.test").await;
    assert_eq!(said.unwrap(), "a:x");
    let stranger = Files::new().client("spiffe://example.com/a");
    let said = outcome(&proxy, &client(&files, Some(&stranger)), "one.test").await;
    // Its authority has the same name, and another key.
    assert_eq!(said.unwrap_err(), Some(AlertDescription::BAD_CERTIFICATE));
}

/// A ticket is no way around rules that have changed, nor from a route without rules to one that has some.
/// What is compared is the whole name, however long it is.
#[tokio::test]
async fn two_long_names_that_begin_alike_are_two() {
    let files = Files::new();
    files.server("one", &["one.test", "open.test"]);
    let long = format!("spiffe://example.com/{}", "x".repeat(400));
    let proxy = proxy(&files, &format!(r#", allow = [{{ uri = "{long}" }}]"#)).await;
    let said = async |uri: &str| {
        let identity = files.client(uri);
        outcome(&proxy, &client(&files, Some(&identity)), "one.test").await
    };
    assert_eq!(said(&long).await.unwrap(), "a:x");
    let refused = said(&format!("{long}y")).await.unwrap_err();
    assert_eq!(refused, Some(AlertDescription::ACCESS_DENIED));
}

/// The authority of clients is replaced, and a client has another certificate for its key, and still its session: that is
/// no reason to refuse it.
#[tokio::test]
async fn a_session_of_an_authority_that_was_replaced_is_a_full_handshake() {
    let (files, other) = (Files::new(), Files::new());
    files.server("one", &["one.test", "open.test"]);
    files.write(
        "new.pem",
        &std::fs::read_to_string(other.path("ca.pem")).unwrap(),
    );
    let back = echo("a").await;
    let before = text(back, "");
    let proxy = files.start(&before);
    let [mine, renewed] = Files::client_of_both(&files, &other);
    let sessions = Arc::new(MemorySessionStore::default());
    let connector = |identity: Identity| {
        let config = ClientConfig::builder(files.roots()).identity(identity);
        TlsConnector::new(config.build().unwrap())
            .session_store(Arc::<MemorySessionStore>::clone(&sessions))
    };
    let said = outcome(&proxy, &connector(mine), "one.test").await;
    assert_eq!(said.unwrap(), "a:x");
    let after = before.replace("@/ca.pem", "@/new.pem");
    proxy.0.reload(files.config(&after)).await.unwrap();
    let mut stream = connect(&connector(renewed), proxy.address(), "one.test")
        .await
        .unwrap();
    assert!(!stream.is_resumed());
    assert_eq!(talk(&mut stream, "x").await.unwrap(), "a:x");
}

#[tokio::test]
async fn rules_hold_for_sessions_too() {
    let files = Files::new();
    files.server("one", &["one.test", "open.test"]);
    let back = echo("a").await;
    let allow = r#", allow = [{ uri = "spiffe://example.com/a" }]"#;
    let proxy = files.start(&text(back, allow));
    let known = files.client("spiffe://example.com/a");
    let connector = client(&files, Some(&known));
    for _ in 0..2 {
        let said = outcome(&proxy, &connector, "one.test").await;
        assert_eq!(said.unwrap(), "a:x");
    }
    let allow = r#", allow = [{ uri = "spiffe://example.com/b" }]"#;
    proxy
        .0
        .reload(files.config(&text(back, allow)))
        .await
        .unwrap();
    let said = outcome(&proxy, &connector, "one.test").await;
    assert_eq!(said.unwrap_err(), Some(AlertDescription::ACCESS_DENIED));
}

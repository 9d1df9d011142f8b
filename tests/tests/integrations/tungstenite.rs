//! Python's `websockets` speaks with the example `tungstenite`.

use crate::programs::{python, serving};

#[tokio::test]
async fn python_speaks_and_closes() {
    let (mut server, url, root) = serving("tungstenite", &["serve"]).await;
    let url = url.replace("127.0.0.1", "localhost");
    let root = root.display().to_string();
    let words = [&url, root.as_str(), "one", "zwölf"];
    let client = python("websocket.py", "python3-websockets", &words);
    let (status, output) = client.finish().await;
    assert!(status.success(), "{output}");
    // RFC 6455 is HTTP/1.1, which this client does not offer by ALPN.
    assert_eq!(output.stdout, "TLSv1.3 None\none\nzwölf\nclosed 1000\n");
    server.wait_for_line("the client has closed").await;
    let (status, output) = server.finish().await;
    assert!(status.success(), "{output}");
}

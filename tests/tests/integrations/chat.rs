//! Two clients of OpenSSL talk with each other through the example `chat`.

use portcullis_tests::peers::Program;

use crate::programs::serving;

fn member(address: &str, root: &str) -> Program {
    let words = [
        "s_client",
        "-quiet",
        "-no_ign_eof",
        "-connect",
        address,
        "-verify_hostname",
        "localhost",
        "-verify_return_error",
        "-CAfile",
        root,
    ];
    Program::start("openssl", "openssl", words)
}

#[tokio::test]
async fn two_clients_of_openssl_talk() {
    let (chat, address, root) = serving("chat", &["serve"]).await;
    let root = root.display().to_string();
    let (mut alice, mut bob) = (member(&address, &root), member(&address, &root));
    // Both are in the room then.
    alice.wait_for_line("welcome").await;
    bob.wait_for_line("welcome").await;

    // More than there are credits for at once.
    for number in 0..12 {
        let said = format!("alice says {number}.");
        alice.send(format!("{said}\n").as_bytes()).await;
        bob.wait_for_line(&said).await;
    }
    bob.send(b"bob answers.\n").await;
    alice.wait_for_line("bob answers.").await;

    // Nobody hears what he says himself; when one leaves, the other may go on.
    let (status, output) = alice.finish().await;
    assert!(status.success(), "{output}");
    assert_eq!(output.stdout, "welcome\nbob answers.\n");
    bob.send(b"is anybody there?\n").await;
    let (status, output) = bob.finish().await;
    assert!(status.success(), "{output}");
    assert!(!output.stdout.contains("bob"), "{output}");
    let (status, output) = chat.finish().await;
    assert!(status.success(), "{output}");
}

//! curl sends mail to the example `smtp`, and that to the server of Python's `aiosmtpd`.

use portcullis_tests::peers::Program;
use portcullis_tests::pki::pki;

use crate::programs::{build, example, python, serving};

#[tokio::test]
async fn curl_delivers_a_mail_after_starttls() {
    let (server, url, root) = serving("smtp", &["serve"]).await;
    let port = url.rsplit(':').next().unwrap();

    let root = root.display().to_string();
    let url = format!("smtp://localhost:{port}");
    let resolve = format!("localhost:{port}:127.0.0.1");
    let mut curl = Program::start(
        "curl",
        "curl",
        [
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--max-time",
            "15",
            "--ssl-reqd",
            "--cacert",
            &root,
            "--resolve",
            &resolve,
            "--mail-from",
            "alice@client.example",
            "--mail-rcpt",
            "bob@localhost",
            "--upload-file",
            "-",
            &url,
        ],
    );
    let mail = "Subject: hello\r\n\r\n.. begins with dots.\r\n";
    curl.send(mail.as_bytes()).await;
    let (status, output) = curl.finish().await;
    assert!(status.success(), "{output}");
    let (status, output) = server.finish().await;
    assert!(status.success(), "{output}");
    assert!(output.stdout.ends_with(mail), "{output}");
}

#[tokio::test]
async fn python_takes_a_mail_after_starttls() {
    build("smtp");
    let identity = &pki().ecdsa_p256;
    let files = [&identity.chain_file, &identity.key_file].map(|file| file.display().to_string());
    let files = [files[0].as_str(), &files[1]];
    let mut server = python("mail.py", "python3-aiosmtpd", &files);
    let line = server.wait_for_line("listens at").await;
    let address = format!("127.0.0.1:{}", line.rsplit(' ').next().unwrap());
    let root = pki().root.file.display().to_string();
    let client = example("smtp", &["deliver", &address, &root]);
    let (status, output) = client.finish().await;
    assert!(status.success(), "{output}");
    let (status, output) = server.finish().await;
    assert!(status.success(), "{output}");
    let envelope = "from alice@client.example to bob@localhost with TLS";
    let mail = "Subject: hello\r\n\r\nA line.\r\n.. and dots.\r\n";
    assert!(
        output.stdout.contains(&format!("{envelope}\n{mail}")),
        "{output}"
    );
}

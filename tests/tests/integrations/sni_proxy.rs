//! curl and OpenSSL come through the example `sni_proxy` to servers of Python.

use portcullis_tests::peers::Program;
use portcullis_tests::scratch;

use crate::programs::serving;

/// A server of files, with one of its own; its address.
async fn backend(name: &str) -> (Program, String) {
    let folder = scratch::directory().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("page"), format!("this is {name}\n")).unwrap();
    let folder = folder.display().to_string();
    let words = [
        "-u",
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "--directory",
        &folder,
        "0",
    ];
    let mut server = Program::start("python3", "python3", words);
    let line = server.wait_for_line("Serving HTTP on").await;
    let port = line.split(' ').nth(5).unwrap().to_owned();
    (server, format!("127.0.0.1:{port}"))
}

#[tokio::test]
async fn curl_and_openssl_come_to_the_server_of_the_name() {
    let (_a, to_a) = backend("a.example").await;
    let (_b, to_b) = backend("b.example").await;
    let (to_a, to_b) = (format!("a.example={to_a}"), format!("b.example={to_b}"));
    let (_proxy, address, root) = serving("sni_proxy", &["serve", &to_a, &to_b]).await;
    let root = root.display().to_string();
    for name in ["a.example", "b.example"] {
        let to = format!("{name}:443:{address}");
        let url = format!("https://{name}/page");
        let words = [
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--max-time",
            "15",
            "--cacert",
            &root,
        ];
        let words = [&words[..], &["--connect-to", &to, &url]].concat();
        let (status, output) = Program::start("curl", "curl", words).finish().await;
        assert!(status.success(), "{output}");
        assert_eq!(output.stdout, format!("this is {name}\n"));

        let words = [
            "s_client",
            "-connect",
            &address,
            "-servername",
            name,
            "-verify_hostname",
            name,
        ];
        let more = [
            "-verify_return_error",
            "-brief",
            "-ign_eof",
            "-CAfile",
            &root,
        ];
        let mut client = Program::start("openssl", "openssl", [&words[..], &more].concat());
        client.send(b"GET /page HTTP/1.0\r\n\r\n").await;
        let (_, output) = client.finish().await;
        assert!(output.stderr.contains("Verification: OK"), "{output}");
        assert!(
            output.stdout.ends_with(&format!("this is {name}\n")),
            "{output}"
        );
    }
}

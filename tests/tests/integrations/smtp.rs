//! curl sends mail to the example `smtp`.

use portcullis_tests::peers::Program;
use portcullis_tests::scratch;

#[tokio::test]
async fn curl_delivers_a_mail_after_starttls() {
    let cargo = |words: &[&'static str]| {
        let fixed = ["--quiet", "--locked", "--package", "portcullis-examples"];
        let words = [&words[..1], &fixed, &words[1..]].concat();
        words.into_iter()
    };
    // What takes longer than a program may take to start.
    let built = std::process::Command::new(env!("CARGO"))
        .args(cargo(&["build", "--example", "smtp"]))
        .status();
    assert!(built.unwrap().success());
    let words = cargo(&["run", "--example", "smtp", "--", "serve"]);
    let mut server = Program::start(env!("CARGO"), "cargo", words);
    server.wait_for_line("END CERTIFICATE").await;
    let printed = server.output().stdout;
    let (url, root) = printed.split_once('\n').unwrap();
    let port = url.rsplit(':').next().unwrap();

    let root = scratch::file("root.pem", root).display().to_string();
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

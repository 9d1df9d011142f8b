//! What the command says of itself: completions, manual pages, and the guide.

mod support;

use std::fs;

use support::{printed, run};

#[test]
fn completions_and_manual_pages_have_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(run(&["completions", shell]));
        assert!(
            script.contains("--starttls") || script.contains("starttls"),
            "{shell}"
        );
    }
    let page = printed(run(&["man"]));
    assert!(
        page.contains(".TH portcullis 1") && page.contains("Exit codes"),
        "{page}"
    );
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    printed(run(&["man", "--out", out]));
    for name in [
        "",
        "-client",
        "-server",
        "-cert",
        "-cert-dev",
        "-cert-show",
        "-bench-handshake",
        "-scan",
    ] {
        let page = fs::read_to_string(support::path(folder.path(), &format!("portcullis{name}.1")));
        assert!(page.unwrap().contains(".TH"), "{name}");
    }
}

/// `docs/command.md` and the README name no option and no command that is not there.
#[test]
fn the_guide_names_what_is_there() {
    let commands: [&[&str]; 27] = [
        &["client"],
        &["server"],
        &["cert", "dev"],
        &["cert", "show"],
        &["cert", "verify"],
        &["cert", "fingerprint"],
        &["cert", "bundle"],
        &["cert", "p12", "show"],
        &["cert", "p12", "extract"],
        &["cert", "p12", "make"],
        &["crl", "fetch"],
        &["crl", "check"],
        &["crl", "show"],
        &["ech", "new"],
        &["ech", "show"],
        &["ech", "front"],
        &["ticket-key", "new"],
        &["ticket-key", "rotate"],
        &["bench", "handshake"],
        &["bench", "throughput"],
        &["bench", "pingpong"],
        &["bench", "hold"],
        &["bench", "serve"],
        &["scan"],
        &["proxy"],
        &["completions"],
        &["man"],
    ];
    let help: String = [&[][..]]
        .iter()
        .chain(&commands)
        .map(|command| printed(run(&[*command, &["--help"]].concat())))
        .collect();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    for page in ["docs/command.md", "README.md"] {
        let text = fs::read_to_string(format!("{root}/{page}")).unwrap();
        let lines = text.lines().filter(|line| !line.contains("cargo "));
        let words = lines.flat_map(|line| line.split(|c: char| c != '-' && !c.is_alphanumeric()));
        for option in
            words.filter(|word| word.starts_with("--") && word.contains(char::is_alphanumeric))
        {
            // That of curl.
            let is_there = option == "--pinnedpubkey" || help.contains(option);
            assert!(is_there, "{page}: {option}");
        }
    }
    let guide = fs::read_to_string(format!("{root}/docs/command.md")).unwrap();
    for command in commands {
        assert!(
            guide.contains(&format!("| `{}", command.join(" "))),
            "{command:?}"
        );
    }
}

//! Configurations of the proxy: what is wrong with a text by itself. No file is read.

use portcullis_proxy::Config;

/// Takes a text.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let said = Config::check_text("a.toml", text);
    assert_eq!(said, Config::check_text("a.toml", text), "the same again");
    let lines: Vec<&str> = text.split('\n').collect();
    match said {
        Ok(()) => {
            let with_comment = format!("{text}\n# a comment");
            assert_eq!(Config::check_text("a.toml", &with_comment), Ok(()));
        }
        Err(problems) => {
            assert!(!problems.0.is_empty(), "it is refused for nothing");
            let mut last = 0;
            for problem in problems.0 {
                // In the order of the text, and inside of it.
                assert!(problem.line >= last, "{problem}");
                last = problem.line;
                let line = lines.get(problem.line - 1).expect("there is such a line");
                let columns = line.chars().count() + 1;
                assert!((1..=columns).contains(&problem.column), "{problem}");
                assert_eq!(problem.file, "a.toml");
                let said = problem.text;
                assert!(
                    !said.is_empty() && !said.contains(char::is_control),
                    "{said:?}"
                );
            }
        }
    }
}

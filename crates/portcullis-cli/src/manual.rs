//! Completions and manual pages, made from the options themselves.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::Command;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut command = Command::command();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "portcullis", &mut script);
        print(&script)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write portcullis.1, portcullis-client.1 and the others to this folder.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if let Some(folder) = self.out {
            let written = std::fs::create_dir_all(&folder)
                .and_then(|()| clap_mangen::generate_to(Command::command(), &folder));
            return written
                .map_err(|error| Failure::usage(format!("{}: {error}", folder.display())));
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(Command::command())
            .render(&mut page)
            .map_err(|error| output(&error))?;
        print(&page)
    }
}

/// Whole or not at all: the generators panic when nobody reads on.
fn print(text: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    let written = stdout.write_all(text).and_then(|()| stdout.flush());
    written.map_err(|error| output(&error))
}

fn output(error: &io::Error) -> Failure {
    Failure::transport("standard output", error)
}

//! What opens a private key: its password, or the PIN of its token.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use portcullis::{Identity, PemIdentity};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::files;

/// Where the password is.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct KeyPassword {
    /// The password of the key, or the PIN of its token: the first line of this file.
    #[arg(
        long = "password-file",
        value_name = "FILE",
        requires = "cert",
        conflicts_with = "variable"
    )]
    file: Option<PathBuf>,
    /// The password of the key, or the PIN of its token, is in this variable of the environment.
    #[arg(long = "password-env", value_name = "NAME", requires = "cert")]
    variable: Option<String>,
}

/// What `--password-file` or `--password-env` leads to.
pub(super) fn load(
    file: Option<&Path>,
    variable: Option<&str>,
) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    if let Some(file) = file {
        let wrong = |error| Failure::usage(format!("--password-file {}: {error}", file.display()));
        return files::first_line(file).map(Some).map_err(wrong);
    }
    let Some(name) = variable else {
        return Ok(None);
    };
    match env::var_os(name) {
        Some(password) => Ok(Some(Zeroizing::new(password.into_encoded_bytes()))),
        None => Err(Failure::usage(format!(
            "--password-env {name}: there is no such variable"
        ))),
    }
}

impl KeyPassword {
    /// The password, if one was given.
    pub(crate) fn load(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        load(self.file.as_deref(), self.variable.as_deref())
    }

    fn option(&self) -> &'static str {
        match self.file {
            Some(_) => "--password-file",
            None => "--password-env",
        }
    }

    /// What `--cert` and `--key` name; without a key it is in the file of the certificates.
    pub(crate) fn identity(&self, cert: &Path, key: Option<&Path>) -> Result<Identity, Failure> {
        let usage = |error: portcullis::Misuse| about_files(&error.to_string(), key.is_some());
        let read = match key {
            Some(key) => PemIdentity::read_files(cert, key),
            None => PemIdentity::read_file(cert),
        };
        let read = read.map_err(usage)?;
        let password = self.load()?;
        if password.is_some() && !read.needs_password() {
            return Err(Failure::usage(format!(
                "{} has no effect: the private key is not encrypted",
                self.option()
            )));
        }
        let password = password.as_ref().map(|password| password.as_slice());
        read.identity(password).map_err(usage)
    }
}

/// What is wrong with the files of `--cert` and `--key`, or with that of `--cert` alone.
pub(crate) fn about_files(error: &str, has_key: bool) -> Failure {
    match has_key {
        true => Failure::usage(error.replace("the two files swapped", "--cert and --key swapped")),
        false if error.contains("there is no private key") => Failure::usage(format!(
            "{error}; if it is in a file of its own, name that with --key"
        )),
        false => Failure::usage(error),
    }
}

//! `portcullis cert p12`: a key and its certificates in one file with a password, as browsers, Windows and Java have it.
//!
//! RFC 7292.

mod ber;
mod der;
mod mac;
mod oids;
mod pbmac1;
mod read;
mod write;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use portcullis::pki_types::PrivateKeyDer;
use portcullis::pki_types::pem::PemObject as _;
use portcullis::{CertificateDer, Identity, PrivateKey};
use zeroize::Zeroizing;

use super::{key_password, show};
use crate::certificate;
use crate::failure::Failure;
use crate::files::{self, Readers};
use crate::text::printable;
use read::{Certificate, Contents, Key};

/// The largest file that is read.
const MOST: usize = 4 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct P12 {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the certificates in a file, and which keys are there.
    Show(Show),
    /// Write the certificates and the key in a file as PEM.
    Extract(Extract),
    /// Make a file of a certificate and its key.
    Make(Make),
}

/// Where the password of the file is.
#[derive(Debug, Args)]
struct Password {
    /// The password: the first line of this file.
    #[arg(
        id = "password_file",
        long = "password-file",
        value_name = "FILE",
        conflicts_with = "variable"
    )]
    file: Option<PathBuf>,
    /// The password is in this variable of the environment.
    #[arg(long = "password-env", value_name = "NAME")]
    variable: Option<String>,
}

#[derive(Debug, Args)]
struct Show {
    /// The file (PKCS#12, as .p12 and .pfx).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    password: Password,
}

#[derive(Debug, Args)]
struct Extract {
    /// The file (PKCS#12, as .p12 and .pfx).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    password: Password,
    /// Write to this new file, which its owner alone can read: the certificate of the key first, and the key, without a
    /// password.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Leave the key out; without --out the certificates are printed.
    #[arg(long)]
    no_key: bool,
}

#[derive(Debug, Args)]
struct Make {
    /// The certificate of the key and those above it (PEM or DER).
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// The private key (PEM, not encrypted), if it is not in the file of the certificates.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The new file, which its owner alone can read.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What programs call it when they show it.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    #[command(flatten)]
    password: Password,
}

impl P12 {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.command {
            Command::Show(show) => show.run(),
            Command::Extract(extract) => extract.run(),
            Command::Make(make) => make.run(),
        }
    }
}

impl Password {
    fn load(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        key_password::load(self.file.as_deref(), self.variable.as_deref())
    }

    /// Opens a file with it, or with an empty one, which many have.
    fn open(&self, path: &Path) -> Result<Contents, Failure> {
        let about =
            |what: &dyn std::fmt::Display| Failure::usage(format!("{}: {what}", path.display()));
        let file = files::secret(path, MOST).map_err(|error| about(&error))?;
        let password = self.load()?;
        let given = password.as_ref().map_or(&[][..], |password| password);
        let contents = read::read(&file, given).map_err(|fault| {
            match fault.is_of_password && password.is_none() {
                true => about(
                    &"it has a password, and none was given: --password-file or --password-env does",
                ),
                false => about(&fault.sentence),
            }
        })?;
        if !contents.has_mac {
            eprintln!(
                "portcullis: {} has no MAC: whoever could write to it may have changed it",
                path.display()
            );
        }
        if contents.others > 0 {
            eprintln!(
                "portcullis: {} has {} other things, which are passed over",
                path.display(),
                contents.others
            );
        }
        Ok(contents)
    }
}

impl Contents {
    fn spkis(&self) -> Vec<Option<&[u8]>> {
        let certificates = self.certificates.iter();
        certificates
            .map(|one| certificate::spki(&one.der))
            .collect()
    }

    /// Which of the certificates is that of a key, of their `spkis`. Of several, as when one was renewed, it is the one
    /// that the file says, else the first.
    fn certificate_of(&self, key: &Key, spkis: &[Option<&[u8]>]) -> Option<usize> {
        let private = PrivateKey::from_der(&key.as_der()?).ok()?;
        let all = self.certificates.iter().zip(spkis).enumerate();
        let mut own = all.filter(|(_, (_, spki))| spki.is_some_and(|spki| private.is_key_of(spki)));
        let (first, (certificate, _)) = own.next()?;
        let is_said = |certificate: &Certificate| key.id.is_some() && certificate.id == key.id;
        if is_said(certificate) {
            return Some(first);
        }
        let said = own.find(|(_, (certificate, _))| is_said(certificate));
        Some(said.map_or(first, |(at, _)| at))
    }
}

impl Show {
    fn run(&self) -> Result<(), Failure> {
        let contents = self.password.open(&self.file)?;
        for (number, certificate) in contents.certificates.iter().enumerate() {
            print!("{}", certificate::text(number, &certificate.der));
        }
        let spkis = contents.spkis();
        for (place, key) in contents.keys.iter().enumerate() {
            let of = contents.certificate_of(key, &spkis).map_or_else(
                || "none of the certificates".to_owned(),
                |of| format!("certificate {}", certificate::number(of)),
            );
            let name = key.name.as_deref().map(printable);
            let name = name.map(|name| format!(", called {name}"));
            let number = certificate::number(place);
            println!("private key {number}: of {of}{}", name.unwrap_or_default());
        }
        Ok(())
    }
}

impl Extract {
    fn run(&self) -> Result<(), Failure> {
        let contents = self.password.open(&self.file)?;
        let about = |what: &str| Failure::usage(format!("{}: {what}", self.file.display()));
        if self.no_key {
            if contents.certificates.is_empty() {
                return Err(about("there is no certificate in it"));
            }
            let pem = certificate::pem(contents.ordered(contents.own()));
            return match &self.out {
                None => {
                    print!("{pem}");
                    Ok(())
                }
                Some(out) => write(out, pem.as_bytes(), Readers::Everyone),
            };
        }
        let key = match contents.keys.as_slice() {
            [key] => key,
            [] => {
                return Err(about(
                    "there is no private key in it; --no-key is for the certificates alone",
                ));
            }
            keys => {
                let count = keys.len();
                return Err(about(&format!(
                    "there are {count} private keys in it, and one is written at a time: take it apart with `openssl pkcs12`"
                )));
            }
        };
        let Some(out) = &self.out else {
            return Err(Failure::usage(
                "a private key is never printed: give --out, or --no-key",
            ));
        };
        let own = contents.own();
        if own.is_none() {
            eprintln!(
                "portcullis: {}: the private key belongs to none of the {} certificates in it",
                self.file.display(),
                contents.certificates.len()
            );
        }
        let chain = certificate::pem(contents.ordered(own));
        write(out, encode(&chain, &key.der).as_bytes(), Readers::Owner)
    }
}

impl Contents {
    /// The certificate of the first key.
    fn own(&self) -> Option<usize> {
        self.certificate_of(self.keys.first()?, &self.spkis())
    }

    /// That certificate first, as who shows them has to.
    fn ordered(&self, own: Option<usize>) -> impl Iterator<Item = &CertificateDer<'static>> {
        let all = self.certificates.iter().enumerate();
        let others = all.filter(move |(at, _)| Some(*at) != own);
        let own = own.and_then(|own| self.certificates.get(own));
        let others = others.map(|(_, other)| other);
        own.into_iter().chain(others).map(|one| &one.der)
    }
}

impl Make {
    fn run(&self) -> Result<(), Failure> {
        let chain = show::read(&self.cert)?;
        let path = self.key.as_ref().unwrap_or(&self.cert);
        let about =
            |what: &dyn std::fmt::Display| Failure::usage(format!("{}: {what}", path.display()));
        let text = files::secret(path, MOST).map_err(|error| about(&error))?;
        let key = PrivateKeyDer::from_pem_slice(&text).map(Zeroizing::new);
        let key = key.map_err(|_| {
            // The parser's error may quote the file.
            about(&match text.windows(9).any(|window| window == b"ENCRYPTED") {
                true => "the private key is encrypted: decrypt it first, e.g. with `openssl pkey -in FILE -out FILE`",
                false => "there is no private key in it, or it is damaged",
            })
        })?;
        // Whether they belong together.
        Identity::from_der(chain.clone(), &key).map_err(|error| about(&error))?;
        let password = self.password.load()?;
        let Some(password) = password.filter(|password| !password.is_empty()) else {
            return Err(Failure::usage(
                "there is no password to protect the key with: give --password-file or --password-env",
            ));
        };
        let made = write::write(&key, &chain, self.name.as_deref(), &password);
        let made = made.map_err(|error| about(&error))?;
        write(&self.out, &made, Readers::Owner)
    }
}

fn write(out: &Path, contents: &[u8], readers: Readers) -> Result<(), Failure> {
    files::create(out, contents, readers)
        .map_err(|error| Failure::usage(format!("--out {}: {error}", out.display())))
}

/// A chain, and the key as PEM (RFC 7468 §10) behind it. No copy of the key is left behind: the text does not grow.
fn encode(chain: &str, key: &[u8]) -> Zeroizing<String> {
    const BEGIN: &str = "-----BEGIN PRIVATE KEY-----\n";
    const END: &str = "-----END PRIVATE KEY-----\n";
    /// What is in a line of 64 characters.
    const LINE: usize = 48;
    let lines = key.len().div_ceil(LINE) * 65;
    let length = chain.len() + BEGIN.len() + lines + END.len();
    let mut text = Zeroizing::new(String::with_capacity(length));
    text.push_str(chain);
    text.push_str(BEGIN);
    for line in key.chunks(LINE) {
        STANDARD.encode_string(line, &mut text);
        text.push('\n');
    }
    text.push_str(END);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_pem_is_written_once() {
        for length in [0, 1, 47, 48, 49, 96, 1_217] {
            let key = vec![7; length];
            let text = encode("chain\n", &key);
            let rest = text.strip_prefix("chain\n").unwrap();
            assert_eq!(pem::parse(rest).unwrap().contents(), key);
            assert!(rest.lines().all(|line| line.len() <= 64), "{rest}");
            assert!(text.capacity() < text.len() + 65);
        }
    }
}

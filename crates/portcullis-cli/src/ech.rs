//! `portcullis ech`: keys for servers that decrypt hellos (RFC 9849), in the files that `openssl ech` writes, too.
//!
//! A file has the private key (`PRIVATE KEY`, PKCS#8) and the configuration for clients (`ECHCONFIG`).

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand, ValueEnum};
use portcullis::Identity;
use portcullis::ech::{EchConfigList, EchKem, EchKey, EchKeys};
use zeroize::Zeroizing;

use crate::ech_front::Front;
use crate::failure::Failure;
use crate::files;
use crate::text::printable;

/// The longest file that is read, in bytes: a key and a configuration have less than a thousand.
const MOST: usize = 65_536;

#[derive(Debug, Subcommand)]
pub(crate) enum Ech {
    /// Make a key, and print what goes into the server's HTTPS record.
    New(New),
    /// Decrypt hellos for servers behind this one, and pass their connections on (split mode).
    Front(Front),
    /// Print what is in a file, or in the base64 of an HTTPS record; nothing of a private key.
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// The name that is seen in the place of others, for which the server has a certificate.
    #[arg(long, value_name = "NAME")]
    public_name: String,
    /// How keys are encapsulated.
    #[arg(long, value_enum, default_value_t = Kem::X25519)]
    kem: Kem,
    /// How hellos name the key: 0 to 255, at random unless it is said.
    #[arg(long, value_name = "NUMBER")]
    id: Option<u8>,
    /// The length of the server's longest name; shorter ones look as long.
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    max_name: u8,
    /// The file, which must not be there.
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kem {
    X25519,
    P256,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A file, or base64.
    #[arg(value_name = "FILE|BASE64")]
    what: String,
}

impl Ech {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::New(new) => new.run(),
            Self::Front(front) => front.run().await,
            Self::Show(Show { what }) => {
                let path = Path::new(&what);
                let list = match path.exists() {
                    true => config_list(path)?,
                    false => from_base64(&what, || {
                        let what = printable(&what);
                        format!("{what}: there is no such file, and it is no base64")
                    })?,
                };
                println!("{list}");
                Ok(())
            }
        }
    }
}

impl New {
    fn run(self) -> Result<(), Failure> {
        let kem = match self.kem {
            Kem::X25519 => EchKem::X25519,
            Kem::P256 => EchKem::P256,
        };
        let mut builder = EchKey::builder(&self.public_name)
            .kem(kem)
            .maximum_name_length(self.max_name);
        if let Some(id) = self.id {
            builder = builder.config_id(id);
        }
        let made = builder.generate();
        let (key, private) = made.map_err(|misuse| Failure::usage(misuse.to_string()))?;
        let configs = base64(&key.config_list());
        let private = Zeroizing::new(STANDARD.encode(&*private));
        let text = Zeroizing::new(format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n\
             -----BEGIN ECHCONFIG-----\n{configs}\n-----END ECHCONFIG-----\n",
            &*private
        ));
        let written = files::create(&self.file, text.as_bytes(), files::Readers::Owner);
        written.map_err(|error| about(&self.file, &error))?;
        println!("{configs}");
        println!("HTTPS record: 1 . ech={configs}");
        Ok(())
    }
}

/// As it stands in an HTTPS record.
pub(crate) fn base64(list: &EchConfigList) -> String {
    STANDARD.encode(list.as_bytes())
}

/// What `--ech` of a client has: base64, or a file behind an at sign.
pub(crate) fn list(text: &str) -> Result<EchConfigList, Failure> {
    if let Some(path) = text.strip_prefix('@') {
        return config_list(Path::new(path));
    }
    from_base64(text, || {
        format!(
            "--ech {text}: is no base64; a file is named with @ before it, and `grease` pretends"
        )
    })
}

fn from_base64(text: &str, what: impl Fn() -> String) -> Result<EchConfigList, Failure> {
    let bytes = STANDARD.decode(text).map_err(|_| Failure::usage(what()))?;
    EchConfigList::from_bytes(&bytes).map_err(|error| Failure::usage(error.to_string()))
}

/// The configuration in a file, which may be one with its key or without, or the bare base64.
fn config_list(path: &Path) -> Result<EchConfigList, Failure> {
    let text = read(path)?;
    let bytes = match section(&text, "ECHCONFIG") {
        Some(bytes) => bytes,
        None => STANDARD
            .decode(text.trim())
            .map_err(|_| about(path, &"there is no ECHCONFIG in it, nor is it base64"))?,
    };
    EchConfigList::from_bytes(&bytes).map_err(|error| about(path, &error))
}

/// The keys of a server, of which the first that can be used is sent to clients that have another. What cannot is said, and
/// does not keep the others from being used.
pub(crate) fn keys(paths: &[PathBuf]) -> Result<Option<EchKeys>, Failure> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut keys = Vec::new();
    let mut unusable = Vec::new();
    for path in paths {
        match key(path) {
            Ok(key) => keys.push(key.send_as_retry(keys.is_empty())),
            Err(failure) => unusable.push(failure.while_doing("--ech-keys")),
        }
    }
    // One that is all there is is an error, and said once.
    let is_alone = keys.is_empty() && unusable.len() == 1;
    for failure in unusable.iter().filter(|_| !is_alone) {
        eprintln!("warning: this key is left out: {failure}");
    }
    if keys.is_empty()
        && let Some(failure) = unusable.into_iter().next()
    {
        return Err(failure);
    }
    let keys = EchKeys::new(keys).map_err(|misuse| Failure::usage(misuse.to_string()))?;
    Ok(Some(keys))
}

/// What is to be said of a server that has no certificate for a public name of its keys: it works for clients that have its
/// keys, and nobody else can be told of them.
pub(crate) fn unproved(keys: &EchKeys, identity: Option<&Identity>) -> Option<String> {
    let is_for = |own: &str, wanted: &str| match own.strip_prefix('*') {
        // It stands for a whole label.
        Some(parent) => wanted.find('.').is_some_and(|dot| {
            let rest = wanted.get(dot..).unwrap_or_default();
            rest.eq_ignore_ascii_case(parent)
        }),
        None => own.eq_ignore_ascii_case(wanted),
    };
    let is_proved = |wanted: &String| {
        identity.is_some_and(|identity| identity.names().any(|own| is_for(own, wanted)))
    };
    let names: Vec<_> = keys.public_names();
    let names: Vec<_> = names.iter().filter(|name| !is_proved(name)).collect();
    let names = match &*names {
        [] => return None,
        names => names.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
    };
    let names = names.join(", ");
    Some(format!(
        "warning: --ech-keys: the certificate is not for the public name {names}, and a client whose hello is not decrypted \
         believes what it is told of other keys only from a server with such a certificate (RFC 9849 §6.1.6): it is turned \
         away for good"
    ))
}

fn key(path: &Path) -> Result<EchKey, Failure> {
    let text = read(path)?;
    let lacks = |what: &str| {
        let what = format!(
            "there is no {what}: a file of `portcullis ech new` has a PRIVATE KEY and an ECHCONFIG"
        );
        about(path, &what)
    };
    let private = section(&text, "PRIVATE KEY").map(Zeroizing::new);
    let private = private.ok_or_else(|| lacks("PRIVATE KEY"))?;
    let configs = section(&text, "ECHCONFIG").ok_or_else(|| lacks("ECHCONFIG"))?;
    EchKey::from_pkcs8(&configs, &private).map_err(|misuse| about(path, &misuse))
}

fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = files::secret(path, MOST).map_err(|error| about(path, &error))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| about(path, &"it is no text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// What stands in a section of PEM; `None` if it is not there or is no base64.
fn section(text: &str, name: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {name}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {name}-----"))?;
    let body: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
    STANDARD.decode(&*body).ok()
}

fn about(path: &Path, what: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("{}: {what}", path.display()))
}

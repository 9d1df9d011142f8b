//! The roots of the operating system.
//!
//! Windows and macOS are asked through their own stores. Everywhere else they are PEM files, in
//! places that each system has chosen for itself; so are those that the environment names, as
//! OpenSSL reads it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustls_pki_types::CertificateDer;

use super::pem;
use super::roots::Roots;
use crate::misuse::Misuse;
use crate::sort::sort_by;

const FILE: &str = "SSL_CERT_FILE";
const FOLDERS: &str = "SSL_CERT_DIR";

impl Roots {
    /// The roots of the operating system, or those in the environment variables `SSL_CERT_FILE`
    /// and `SSL_CERT_DIR` if one is set; an empty one counts as not set. With feature `os-roots`.
    ///
    /// Reads and parses files or asks the system: a few milliseconds on Linux, hundreds on
    /// macOS. Load once and clone. What cannot be read or parsed is passed over and counted in
    /// [`ignored`](Self::ignored).
    ///
    /// ```no_run
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::Roots;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let roots = Roots::os()?;
    /// println!("{} authorities, {} files ignored", roots.len(), roots.ignored());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When not a single root was found.
    pub fn os() -> Result<Self, Misuse> {
        Self::of_system(&Variables {
            file: std::env::var_os(FILE).unwrap_or_default(),
            folders: std::env::var_os(FOLDERS).unwrap_or_default(),
        })
    }

    /// The roots of the operating system, as [`os`](Self::os) finds them, and the certificates in a
    /// PEM file: for an authority of a company's own beside those that everybody trusts.
    ///
    /// ```no_run
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::Roots;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let roots = Roots::os_and_pem_file("company.pem")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`os`](Self::os) and [`from_pem_file`](Self::from_pem_file).
    pub fn os_and_pem_file(path: impl AsRef<Path>) -> Result<Self, Misuse> {
        let mut roots = Self::os()?;
        roots.add_pem_file(path)?;
        Ok(roots)
    }

    fn of_system(variables: &Variables) -> Result<Self, Misuse> {
        let mut found = variables.load();
        let certificates = std::mem::take(&mut found.certificates);
        let roots = Self::of_all(certificates, found.faults.len());
        if !roots.is_empty() {
            return Ok(roots);
        }
        let why = found.why_nothing();
        Err(Misuse::new(match variables.named() {
            Some(named) => format!(
                "no trusted roots were found where {named} leads ({why}): correct the variable or \
                 unset it, or give roots explicitly"
            ),
            None => format!(
                "no trusted roots were found on this system ({why}): install its CA certificates \
                 package, set SSL_CERT_FILE, or give roots explicitly"
            ),
        }))
    }
}

/// The environment variables that replace the roots of the system; empty is unset.
struct Variables {
    file: OsString,
    folders: OsString,
}

impl Variables {
    /// Those that are set, for a sentence.
    fn named(&self) -> Option<String> {
        let set = [(FILE, &self.file), (FOLDERS, &self.folders)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", pem::shown(Path::new(value))))
            .collect::<Vec<_>>();
        (!set.is_empty()).then(|| set.join(" and "))
    }

    fn load(&self) -> Found {
        let folders: Vec<PathBuf> = std::env::split_paths(&self.folders)
            .filter(|folder| !folder.as_os_str().is_empty())
            .collect();
        let file = (!self.file.is_empty()).then(|| Path::new(&self.file));
        if file.is_none() && folders.is_empty() {
            return system_store();
        }
        Found::at(file, folders.iter().map(PathBuf::as_path))
    }
}

#[derive(Default)]
struct Found {
    certificates: Vec<CertificateDer<'static>>,
    /// What could not be read, and why.
    faults: Vec<String>,
    /// Where it was looked for, with what is not there.
    tried: Vec<PathBuf>,
    /// Device and number of the files that were read: a folder has several names for each.
    #[cfg(unix)]
    files: std::collections::HashSet<(u64, u64)>,
}

impl Found {
    fn at<'a>(file: Option<&Path>, folders: impl Iterator<Item = &'a Path>) -> Self {
        let mut found = Self::default();
        if let Some(file) = file {
            match fs::metadata(file) {
                Ok(metadata) => found.read_once(file, &metadata),
                Err(error) => found.fault(file, &error),
            }
        }
        folders.for_each(|folder| found.read_folder(folder));
        // The order of a folder is anybody's guess, and what is found must not depend on it.
        sort_by(&mut found.certificates, |one, other| {
            one.as_ref().cmp(other)
        });
        found.certificates.dedup();
        found
    }

    /// All that was tried, and what was wrong with the first of it.
    fn why_nothing(&self) -> String {
        /// More is not told of a folder that is full of what cannot be read.
        const TOLD: usize = 4;
        let mut faults: Vec<&str> = self.faults.iter().map(String::as_str).take(TOLD).collect();
        let more = self.faults.len() - faults.len();
        let and_more = format!("and {more} more");
        if more > 0 {
            faults.push(&and_more);
        }
        let paths: Vec<_> = self.tried.iter().map(|path| pem::shown(path)).collect();
        match (faults.is_empty(), paths.is_empty()) {
            (true, true) => "there is no certificate".to_owned(),
            (false, true) => faults.join("; "),
            (true, false) => format!("there is no certificate in {}", paths.join(", ")),
            (false, false) => format!("{}; looked at {}", faults.join("; "), paths.join(", ")),
        }
    }

    fn read_folder(&mut self, folder: &Path) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.fault(folder, &error),
        };
        for entry in entries {
            let path = match entry {
                Ok(entry) => entry.path(),
                Err(error) => {
                    self.fault(folder, &error);
                    continue;
                }
            };
            // Of what a link leads to: `openssl rehash` makes one for each certificate.
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => self.read_once(&path, &metadata),
                Ok(_) => {}
                // A link to what is gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.fault(&path, &error),
            }
        }
    }

    fn read_once(&mut self, path: &Path, metadata: &fs::Metadata) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            if !self.files.insert((metadata.dev(), metadata.ino())) {
                return;
            }
        }
        #[cfg(not(unix))]
        let _ = metadata;
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) => return self.fault(path, &error),
        };
        let (contents, faults) = pem::Contents::read_what_can_be(&text);
        self.certificates.extend(contents.certificates);
        let path = pem::shown(path);
        let faults = faults.iter().map(|fault| format!("{path}: {fault}"));
        self.faults.extend(faults);
    }

    fn fault(&mut self, path: &Path, error: &io::Error) {
        self.faults.push(format!("{}: {error}", pem::shown(path)));
    }
}

/// Where the systems keep their roots: the first of the files that is there counts, and all of
/// the folders.
#[cfg(not(any(windows, target_os = "macos")))]
fn system_store() -> Found {
    type Places = (
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    );
    const PLACES: &[Places] = &[
        (
            "linux",
            &[
                "/etc/ssl/certs/ca-certificates.crt", // Debian, Arch, Gentoo
                "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
                "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL, formerly
                "/etc/ssl/ca-bundle.pem",             // openSUSE
                "/etc/pki/tls/cacert.pem",            // OpenELEC
                "/etc/ssl/cert.pem",                  // Alpine
                "/opt/etc/ssl/certs/ca-certificates.crt", // Entware
                "/etc/ssl/certs/cacert.pem",          // OpenHarmony
            ],
            &[
                "/etc/ssl/certs",
                "/etc/pki/tls/certs",
                "/etc/security/certificates",
            ],
        ),
        (
            "freebsd",
            &["/usr/local/etc/ssl/cert.pem", "/etc/ssl/cert.pem"],
            &["/etc/ssl/certs", "/usr/local/share/certs"],
        ),
        (
            "dragonfly",
            &["/usr/local/share/certs/ca-root-nss.crt"],
            &["/etc/ssl/certs"],
        ),
        (
            "netbsd",
            &["/etc/openssl/certs/ca-certificates.crt"],
            &["/etc/openssl/certs"],
        ),
        ("openbsd", &["/etc/ssl/cert.pem"], &["/etc/ssl/certs"]),
        (
            "illumos",
            &[
                "/etc/ssl/cacert.pem",
                "/etc/certs/ca-certificates.crt",
                "/etc/ssl/certs/ca-certificates.crt",
            ],
            &["/etc/certs/CA"],
        ),
        (
            "solaris",
            &["/etc/certs/ca-certificates.crt"],
            &["/etc/certs/CA"],
        ),
        (
            "android", // Termux
            &["/data/data/com.termux/files/usr/etc/tls/cert.pem"],
            &["/etc/ssl/certs"],
        ),
        (
            "haiku",
            &["/boot/system/data/ssl/CARootCertificates.pem"],
            &["/etc/ssl/certs"],
        ),
        ("aix", &[], &["/var/ssl/certs"]),
    ];
    const ELSEWHERE: Places = (
        "",
        &["/etc/ssl/certs/ca-certificates.crt"],
        &["/etc/ssl/certs"],
    );
    let places = PLACES.iter().find(|(os, ..)| *os == std::env::consts::OS);
    let (_, files, folders) = places.unwrap_or(&ELSEWHERE);
    let there = |path: &&Path| path.exists();
    Found {
        tried: files.iter().chain(*folders).map(PathBuf::from).collect(),
        ..Found::at(
            files.iter().map(Path::new).find(there),
            folders.iter().map(Path::new).filter(there),
        )
    }
}

#[cfg(any(windows, target_os = "macos"))]
fn system_store() -> Found {
    let loaded = rustls_native_certs::load_native_certs();
    Found {
        certificates: loaded.certs,
        faults: loaded.errors.iter().map(ToString::to_string).collect(),
        ..Found::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str, folders: &str) -> Result<Roots, Misuse> {
        Roots::of_system(&Variables {
            file: file.into(),
            folders: folders.into(),
        })
    }

    /// A machine may have no roots; then both say so in the same words.
    #[test]
    fn an_empty_variable_is_unset() {
        match of("", "") {
            Ok(roots) => assert!(!roots.is_empty()),
            Err(error) => assert!(error.to_string().contains("on this system"), "{error}"),
        }
    }

    #[test]
    fn a_variable_that_leads_nowhere_is_the_reason() {
        for (file, folders) in [("/no/such/file", ""), ("", "/no/such/folder")] {
            let error = of(file, folders).unwrap_err().to_string();
            let set = format!(
                "SSL_CERT_{}",
                if folders.is_empty() { "FILE" } else { "DIR" }
            );
            assert!(error.contains(&format!("{set}={file}{folders}")), "{error}");
        }
    }

    /// Whoever finds nothing says where it was looked for, and all that was wrong there.
    #[test]
    fn every_path_that_was_tried_is_told() {
        let error = of("/no/such/file", "/no/such/folder:/nor/this").unwrap_err();
        let error = error.to_string();
        for path in ["/no/such/file: ", "/no/such/folder: ", "/nor/this: "] {
            assert!(error.contains(path), "{error}");
        }
        let mut found = Found {
            tried: vec!["/etc/one.pem".into(), "/etc/two".into()],
            ..Found::default()
        };
        assert_eq!(
            found.why_nothing(),
            "there is no certificate in /etc/one.pem, /etc/two"
        );
        for number in 0..6 {
            let path = format!("/etc/{number}");
            found.fault(Path::new(&path), &io::ErrorKind::PermissionDenied.into());
        }
        assert_eq!(
            found.why_nothing(),
            "/etc/0: permission denied; /etc/1: permission denied; /etc/2: permission denied; /etc/3: permission \
             denied; and 2 more; looked at /etc/one.pem, /etc/two"
        );
    }

    /// A folder as `openssl rehash` leaves it, with links, one of them to nothing.
    #[cfg(unix)]
    #[test]
    fn a_file_is_read_once_whatever_it_is_called() {
        use std::os::unix::fs::symlink;

        let folder = std::env::temp_dir().join(format!("portcullis-roots-{}", std::process::id()));
        let other = folder.join("deeper");
        fs::create_dir_all(&other).unwrap();
        let pem = |name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
            certificate.self_signed(&key).unwrap().pem()
        };
        let damaged = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let two = format!("{}{damaged}{}", pem("one.example"), pem("two.example"));
        fs::write(folder.join("two.pem"), two).unwrap();
        fs::write(
            other.join("three.pem"),
            pem("three.example") + no_certificate,
        )
        .unwrap();
        for (to, name) in [
            ("two.pem", "01234567.0"),
            ("two.pem", "89abcdef.0"),
            ("deeper/three.pem", "01234567.1"),
            ("gone.pem", "01234567.2"),
        ] {
            let _ = fs::remove_file(folder.join(name));
            symlink(to, folder.join(name)).unwrap();
        }
        let folders = format!("{}:{}", folder.display(), other.display());
        let file = folder.join("two.pem").display().to_string();
        // One section of each file is not readable, and is counted once.
        for (file, folders, found, ignored) in [
            ("", &*folders, 3, 2),
            (&*file, "", 2, 1),
            (&*file, &*folders, 3, 2),
        ] {
            let roots = of(file, folders).unwrap();
            assert_eq!(
                (roots.len(), roots.ignored()),
                (found, ignored),
                "{file} {folders}"
            );
        }
        // What other readers of PEM pass over without a word is read, or counted.
        let odd = other.join("odd.pem");
        let (one, two) = (pem("four.example"), pem("five.example"));
        let old = pem("six.example").replace("CERTIFICATE", "TRUSTED CERTIFICATE");
        fs::write(&odd, format!("\u{feff}{}{two}{old}", one.trim_end())).unwrap();
        let roots = of(&odd.display().to_string(), "").unwrap();
        assert_eq!((roots.len(), roots.ignored()), (2, 1));
        let of_nothing = other.join("nothing.pem");
        fs::write(&of_nothing, damaged).unwrap();
        let error = of(&of_nothing.display().to_string(), "").unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("nothing.pem: the CERTIFICATE that begins on line 1 is damaged"),
            "{error}"
        );
        assert!(!error.contains("!!!"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}

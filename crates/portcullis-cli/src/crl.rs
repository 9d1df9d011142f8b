//! Revocation lists: `portcullis crl`, and the options by which a client and a server look for peers in them.

mod show;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum, value_parser};
use portcullis::crl::{CrlFuture, CrlQuery, IpNet, Lookup, ask};
use portcullis::pki_types::UnixTime;
use portcullis::x509::{
    CertificateError, CertificateErrorKind, ChainPolicy, PresentedChain, RevocationCheck, subject,
};
use portcullis::{
    Crl, CrlCheck, CrlInput, CrlSource, HashDirCrls, HttpCrls, LayeredCrls, MemoryCrls, Roots,
    ServerName,
};

use crate::cert;
use crate::failure::Failure;
use crate::files::{self, Readers};
use crate::text::printable;
use crate::wording::OF_FILES;

/// How long a request for a list may take, and is waited for where there is no handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose certificates are known to name points, at most.
const MOST_ISSUERS: usize = 256;
/// Why `--crl http` has nothing of a certificate; [`crate::wording`] knows it.
pub(crate) const NO_POINT: &str =
    "the certificate names no point that --crl http could fetch it from";

/// Options of what has peers.
#[derive(Debug, Default, Args)]
pub(crate) struct Lists {
    /// Look for the peer's certificates in revocation lists: of a FILE (PEM or DER), of a FOLDER as `openssl rehash`
    /// makes one, or by `http` from where the certificates say. Can be given again; the first that has a list counts.
    #[arg(long = "crl", value_name = "FILE|FOLDER|http")]
    sources: Vec<String>,
    /// Which certificates are looked for: all below the trust anchor, the peer's alone, or all that can be found.
    #[arg(
        long = "crl-check",
        value_enum,
        value_name = "WHICH",
        requires = "sources"
    )]
    check: Option<Which>,
    /// Also fetch lists from these addresses, as 10.0.0.0/8 or 10.0.0.1, separated by commas.
    #[arg(
        long = "crl-allow",
        value_delimiter = ',',
        value_parser = addresses,
        value_name = "NETS",
        requires = "sources"
    )]
    allowed: Vec<IpNet>,
    /// Also fetch lists from these ports below 1024, besides 80, separated by commas.
    #[arg(
        long = "crl-port",
        value_delimiter = ',',
        value_parser = value_parser!(u16).range(1..),
        value_name = "PORTS",
        requires = "sources"
    )]
    ports: Vec<u16>,
}

/// Addresses with the same beginning, or a single one.
fn addresses(text: &str) -> Result<IpNet, String> {
    let net = text.parse::<IpNet>().ok();
    let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
    net.or_else(one)
        .ok_or_else(|| "neither an address nor a net, as 10.0.0.0/8".to_owned())
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    Chain,
    Peer,
    BestEffort,
}

impl Lists {
    /// Whether anybody is looked for.
    pub(crate) fn are_wanted(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Which certificates are looked for.
    pub(crate) fn check(&self) -> CrlCheck {
        match (self.sources.is_empty(), self.check) {
            (true, _) => CrlCheck::off(),
            (false, None | Some(Which::Chain)) => CrlCheck::chain(),
            (false, Some(Which::Peer)) => CrlCheck::peer(),
            (false, Some(Which::BestEffort)) => CrlCheck::best_effort(),
        }
    }

    /// Where the lists are from; `None` if none are wanted.
    pub(crate) fn source(&self) -> Result<Option<Arc<dyn CrlSource>>, Failure> {
        self.source_with(&mut Vec::new())
    }

    /// The same where no handshake waits: a list has the time that a request may take.
    pub(crate) fn patient_source(&self) -> Result<Option<Arc<dyn CrlSource>>, Failure> {
        let http = http(&self.allowed, &self.ports).wait(PATIENCE);
        self.made(http, &mut Vec::new())
    }

    /// As [`source`](Self::source), with the files that lists are from and where they are kept.
    pub(crate) fn source_with(
        &self,
        files: &mut Vec<(PathBuf, MemoryCrls)>,
    ) -> Result<Option<Arc<dyn CrlSource>>, Failure> {
        self.made(http(&self.allowed, &self.ports), files)
    }

    fn made(
        &self,
        http: HttpCrls,
        files: &mut Vec<(PathBuf, MemoryCrls)>,
    ) -> Result<Option<Arc<dyn CrlSource>>, Failure> {
        let mut all: Option<Arc<dyn CrlSource>> = None;
        let has_http = self.sources.iter().any(|source| source == "http");
        for (option, is_given) in [
            ("--crl-allow", !self.allowed.is_empty()),
            ("--crl-port", !self.ports.is_empty()),
        ] {
            if is_given && !has_http {
                let sentence = format!("{option} has no effect without --crl http");
                return Err(Failure::usage(sentence));
            }
        }
        for source in self.sources.iter().rev() {
            let path = Path::new(source);
            let own: Arc<dyn CrlSource> = match source.as_str() {
                "http" => Arc::new(OfPoints {
                    http: http.clone(),
                    issuers: Mutex::default(),
                }),
                _ if path.is_dir() => Arc::new(HashDirCrls::new(path)),
                _ => {
                    let crls = MemoryCrls::new();
                    let input = CrlInput::File(path.to_owned());
                    crls.insert(input, None)
                        .map_err(|error| Failure::usage(format!("--crl: {error}")))?;
                    files.push((path.to_owned(), crls.clone()));
                    Arc::new(crls)
                }
            };
            all = Some(match all {
                None => own,
                Some(rest) => Arc::new(LayeredCrls::new(own, rest)),
            });
        }
        Ok(all)
    }
}

/// Lists of where certificates say, which says so of certificates that name no place.
struct OfPoints {
    http: HttpCrls,
    /// Whose lists were asked for at a point, so that a certificate of theirs names one. None is put in behind
    /// [`MOST_ISSUERS`], and then nothing is said.
    issuers: Mutex<Vec<Vec<u8>>>,
}

impl OfPoints {
    fn note(&self, query: &CrlQuery) {
        let mut known = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        for issuer in query.issuers() {
            if known.len() < MOST_ISSUERS && !known.iter().any(|known| known == issuer) {
                known.push(issuer.to_vec());
            }
        }
    }

    fn names_none(&self, query: &CrlQuery) -> bool {
        let known = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut issuers = query.issuers();
        known.len() < MOST_ISSUERS && !issuers.any(|one| known.iter().any(|known| known == one))
    }
}

impl CrlSource for OfPoints {
    fn lookup<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        self.note(query);
        self.http.lookup(query)
    }

    fn select<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        if self.names_none(query) {
            let why = Lookup::NotAvailable(Some(NO_POINT.to_owned()));
            return Box::pin(std::future::ready(why));
        }
        self.http.select(query)
    }

    fn fresh<'a>(&'a self, query: &'a CrlQuery, stale: &'a Arc<Crl>) -> CrlFuture<'a, Lookup> {
        self.http.fresh(query, stale)
    }

    fn further<'a>(&'a self, query: &'a CrlQuery, found: &'a [Arc<Crl>]) -> CrlFuture<'a, Lookup> {
        self.http.further(query, found)
    }
}

fn http(allowed: &[IpNet], ports: &[u16]) -> HttpCrls {
    let crls = HttpCrls::new();
    let crls = allowed.iter().fold(crls, |crls, net| crls.allow(*net));
    ports.iter().fold(crls, |crls, port| crls.allow_port(*port))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch a revocation list, and write it to a file or say what it is.
    Fetch(Fetch),
    /// Say whether the certificates of a file were revoked.
    Check(Box<Check>),
    /// Print what is in the revocation lists of files.
    Show(show::Show),
}

impl Command {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Fetch(fetch) => fetch.run().await,
            Self::Check(check) => check.run().await,
            Self::Show(show) => show.run(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// Where it is: a URL with http.
    #[arg(value_name = "URL")]
    url: String,
    /// Write it to a new file, in DER.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also fetch from these addresses, as 10.0.0.0/8 or 10.0.0.1, separated by commas.
    #[arg(
        long,
        visible_alias = "crl-allow",
        value_delimiter = ',',
        value_parser = addresses,
        value_name = "NETS"
    )]
    allow: Vec<IpNet>,
    /// Also fetch from these ports below 1024, besides 80, separated by commas.
    #[arg(
        long,
        visible_alias = "crl-port",
        value_delimiter = ',',
        value_parser = value_parser!(u16).range(1..),
        value_name = "PORTS"
    )]
    port: Vec<u16>,
}

impl Fetch {
    async fn run(self) -> Result<(), Failure> {
        let url = printable(&self.url);
        let list = http(&self.allow, &self.port).fetch(&self.url).await;
        let list = list.map_err(|why| Failure::starttls(format!("{url}: {}", printable(&why))))?;
        if let Some(out) = &self.out {
            files::create(out, list.as_der(), Readers::Everyone)
                .map_err(|error| Failure::usage(format!("--out {}: {error}", out.display())))?;
        }
        print!("{}", show::text(&list));
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The certificates (PEM), the one in question first.
    #[arg(value_name = "FILE")]
    chain: PathBuf,
    /// The authorities that are trusted (PEM).
    #[arg(long, value_name = "FILE")]
    cafile: PathBuf,
    #[command(flatten)]
    lists: Lists,
}

impl Check {
    async fn run(self) -> Result<(), Failure> {
        let usage = |error: portcullis::Misuse| Failure::usage(error.to_string());
        let Some(source) = self.lists.patient_source()? else {
            return Err(Failure::usage("no lists: say where they are with --crl"));
        };
        let certificates = cert::read(&self.chain)?;
        let roots = Roots::from_pem_file(&self.cafile).map_err(usage)?;
        let refused =
            |error: CertificateError| Failure::certificate(error.to_string()).worded(OF_FILES);
        let chain = PresentedChain::new(certificates).map_err(refused)?;
        let policy = ChainPolicy::new(roots)
            .dangerous_skip_name_check()
            .crl_check(self.lists.check());
        let mut check = begin(&chain, &policy).map_err(refused)?;
        answer(&mut check, &*source).await;
        let undetermined = check.undetermined().to_vec();
        check.conclude().map_err(refused)?;
        for error in undetermined {
            eprintln!("portcullis: {}", refused(error));
        }
        let subject = subject(chain.end_entity()).unwrap_or_default();
        println!("not revoked: {subject}");
        Ok(())
    }
}

/// Answers what a check asks, without a handshake that waits for it.
pub(crate) async fn answer(check: &mut RevocationCheck, source: &dyn CrlSource) {
    while let Some(query) = check.query() {
        let query = query.clone().within(PATIENCE);
        match ask(source, &query).await {
            Lookup::Found(lists) => check.answer(lists),
            Lookup::NotAvailable(why) => check.answer_nothing(why),
        }
    }
}

/// As the certificate of a server, of whatever name, or else of a client.
fn begin(
    chain: &PresentedChain,
    policy: &ChainPolicy,
) -> Result<RevocationCheck, CertificateError> {
    let nobody = ServerName::try_from("localhost").ok();
    match RevocationCheck::begin(chain, nobody.as_ref(), UnixTime::now(), policy) {
        Err(error) if matches!(error.kind(), CertificateErrorKind::WrongPurpose { .. }) => {
            RevocationCheck::begin(chain, None, UnixTime::now(), policy)
        }
        begun => begun,
    }
}

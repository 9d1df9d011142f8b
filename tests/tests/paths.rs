//! Chains made by chance, judged here, by OpenSSL and by Erlang's public_key: where they differ is known.
//!
//! 300 chains, or `PORTCULLIS_CHAINS`; the choices are those of `PORTCULLIS_SEED`, which is 1. What webpki says of as
//! many is in the tests of `portcullis-core`. The rules behind the differences are in `docs/architecture.md`.

#[path = "paths/names.rs"]
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis::pki_types::{CertificateDer, ServerName, UnixTime};
use portcullis::x509::{
    CertificateErrorKind as Kind, ChainPolicy, ChainWalk, Finding, Interest, PresentedChain,
    WalkStep, verify_server,
};
use portcullis::{Roots, SignatureScheme};
use portcullis_tests::scratch;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose as Purpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};

use names::{Name, Named, Names};

const HOST: &str = "www.a.example";
const HOSTS: [&str; 4] = ["a.example", HOST, "b.test", "*.a.example"];

/// The same choices each time.
struct Chance(u64);

impl Chance {
    /// A number below this one.
    fn below(&mut self, end: usize) -> usize {
        // Knuth's MMIX.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// What is in a chain that others see differently.
#[derive(Clone, Copy, Debug, Default)]
struct Traits {
    /// A CA has the name of the one above it.
    self_issued: bool,
    /// A CA has no basicConstraints.
    no_basic_constraints: bool,
    /// The leaf is a CA.
    leaf_is_ca: bool,
    /// A bit of a certificate is another than it was.
    damaged: bool,
}

struct Chain {
    anchor: CertificateDer<'static>,
    /// Highest first, the leaf last.
    path: Vec<CertificateDer<'static>>,
    /// Of each of them.
    names: Names,
    traits: Traits,
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    name: String,
    named: Named,
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn root() -> Authority {
    let mut params = named("root", &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap().der().clone();
    Authority {
        issuer: Issuer::new(params, key),
        der,
        name: "root".to_owned(),
        named: Named::default(),
    }
}

fn purposes(chance: &mut Chance) -> Vec<Purpose> {
    match chance.below(12) {
        0 => vec![Purpose::ClientAuth],
        1 => vec![Purpose::Any],
        2 => vec![Purpose::CodeSigning, Purpose::ServerAuth],
        3 | 4 => vec![Purpose::ServerAuth],
        _ => vec![],
    }
}

fn dates(chance: &mut Chance, params: &mut CertificateParams) {
    match chance.below(30) {
        0 => params.not_after = date_time_ymd(2020, 1, 1),
        1 => params.not_before = date_time_ymd(2090, 1, 1),
        _ => {}
    }
}

fn subtree(chance: &mut Chance) -> Name {
    match chance.below(6) {
        0 => Name::Mail("a.example".to_owned()),
        1 => Name::Common(chance.of(&["leaf", "other"]).to_owned()),
        _ => Name::Host(
            chance
                .of(&["a.example", "test", "www.a.example"])
                .to_owned(),
        ),
    }
}

fn authority(chance: &mut Chance, above: &Authority, at: usize, traits: &mut Traits) -> Authority {
    let mut name = format!("ca {at}");
    if at > 0 && chance.one_in(10) {
        name.clone_from(&above.name);
        traits.self_issued = true;
    }
    let mut params = named(&name, &[]);
    params.is_ca = match chance.below(16) {
        0 => {
            traits.no_basic_constraints = true;
            IsCa::NoCa
        }
        1 => IsCa::ExplicitNoCa,
        number @ 2..=4 => {
            let length = u8::try_from(number - 2).unwrap();
            IsCa::Ca(BasicConstraints::Constrained(length))
        }
        _ => IsCa::Ca(BasicConstraints::Unconstrained),
    };
    params.key_usages = match chance.below(12) {
        0 => vec![KeyUsagePurpose::CrlSign],
        1..=3 => vec![],
        _ => vec![KeyUsagePurpose::KeyCertSign],
    };
    params.extended_key_usages = purposes(chance);
    let mut named = Named {
        own: vec![Name::Common(name.clone())],
        is_exempt: name == above.name,
        ..Named::default()
    };
    if chance.one_in(4) {
        for _ in 0..=chance.below(2) {
            match chance.one_in(2) {
                true => named.permitted.push(subtree(chance)),
                false => named.excluded.push(subtree(chance)),
            }
        }
        let subtrees = |names: &[Name]| names.iter().map(Name::subtree).collect();
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: subtrees(&named.permitted),
            excluded_subtrees: subtrees(&named.excluded),
        });
    }
    dates(chance, &mut params);
    let key = KeyPair::generate().unwrap();
    let der = params.signed_by(&key, &above.issuer).unwrap().der().clone();
    Authority {
        issuer: Issuer::new(params, key),
        der,
        name,
        named,
    }
}

fn chain(chance: &mut Chance, root: &Authority) -> Chain {
    let mut traits = Traits::default();
    let mut authorities: Vec<Authority> = Vec::new();
    for at in 0..chance.below(5) {
        let above = authorities.last().unwrap_or(root);
        let next = authority(chance, above, at, &mut traits);
        authorities.push(next);
    }
    let names = [chance.of(&HOSTS), chance.of(&HOSTS)];
    let names = &names[..=chance.below(2)];
    let mut params = named("leaf", names);
    params.key_usages = vec![match chance.one_in(12) {
        true => KeyUsagePurpose::DataEncipherment,
        false => KeyUsagePurpose::DigitalSignature,
    }];
    params.extended_key_usages = purposes(chance);
    if chance.one_in(20) {
        traits.leaf_is_ca = true;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    dates(chance, &mut params);
    let above = authorities.last().unwrap_or(root);
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &above.issuer).unwrap().der().clone();
    let hosts = names.iter().map(|host| Name::Host((*host).to_owned()));
    let of_leaf = Named {
        own: [Name::Common("leaf".to_owned())]
            .into_iter()
            .chain(hosts)
            .collect(),
        ..Named::default()
    };
    let (mut path, mut names) = (Vec::new(), Vec::new());
    for own in authorities {
        path.push(own.der);
        names.push(own.named);
    }
    path.push(leaf);
    names.push(of_leaf);
    if chance.one_in(8) {
        traits.damaged = true;
        let which = chance.below(path.len());
        let mut der = path[which].to_vec();
        let at = chance.below(der.len());
        der[at] ^= 1 << chance.below(8);
        path[which] = der.into();
    }
    Chain {
        anchor: root.der.clone(),
        path,
        names: Names(names),
        traits,
    }
}

impl Chain {
    /// The peer's first, the others in some order.
    fn sent(&self, chance: &mut Chance) -> Vec<CertificateDer<'static>> {
        let mut sent = self.path.clone();
        sent.reverse();
        if chance.one_in(3) {
            sent[1..].reverse();
        }
        sent
    }
}

fn pem(certificates: &[CertificateDer<'_>]) -> String {
    let blocks = certificates.iter().map(|der| {
        let block = pem_rfc7468(der);
        format!("-----BEGIN CERTIFICATE-----\n{block}-----END CERTIFICATE-----\n")
    });
    blocks.collect()
}

/// Base64 in lines of 64 characters.
fn pem_rfc7468(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for (at, chunk) in bytes.chunks(3).enumerate() {
        let all = [0, 1, 2].map(|place| u32::from(chunk.get(place).copied().unwrap_or(0)));
        let bits = all[0] << 16 | all[1] << 8 | all[2];
        for place in 0..4 {
            match place <= chunk.len() {
                true => {
                    let digit = bits >> (18 - 6 * place) & 0x3f;
                    text.push(char::from(ALPHABET[digit as usize]));
                }
                false => text.push('='),
            }
        }
        if at % 16 == 15 {
            text.push('\n');
        }
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// What is said here: how it is called, and at which certificate.
fn ours(sent: &[CertificateDer<'static>], anchor: &CertificateDer<'static>) -> Result<(), Kind> {
    let mut roots = Roots::empty();
    roots.add_der(anchor.clone()).unwrap();
    let schemes = [
        SignatureScheme::DEFAULT,
        &[SignatureScheme::RSA_PSS_PSS_SHA256],
    ]
    .concat();
    let policy = ChainPolicy::new(roots).schemes(&schemes);
    let name = ServerName::try_from(HOST).unwrap();
    let verdict = PresentedChain::new(sent.to_vec())
        .and_then(|chain| verify_server(&chain, &name, UnixTime::now(), &policy));
    verdict.map(|_| ()).map_err(|error| error.kind().clone())
}

fn openssl(folder: &Path, name: &str, sent: &[CertificateDer<'_>]) -> Result<(), String> {
    let file = |end: &str| folder.join(format!("{name}.{end}"));
    fs::write(file("leaf"), pem(&sent[..1])).unwrap();
    fs::write(file("others"), pem(&sent[1..])).unwrap();
    let mut command = Command::new("openssl");
    command.arg("verify").args(["-no-CApath", "-no-CAstore"]);
    command.arg("-CAfile").arg(folder.join("root.pem"));
    if sent.len() > 1 {
        command.arg("-untrusted").arg(file("others"));
    }
    command.args(["-purpose", "sslserver", "-verify_hostname", HOST]);
    let output = command.arg(file("leaf")).output();
    let output = output.expect("openssl is in Debian's package openssl");
    match output.status.success() {
        true => Ok(()),
        false => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let line = text.lines().find(|line| line.contains("error"));
            Err(line.unwrap_or(&text).to_owned())
        }
    }
}

/// What is stricter here than in OpenSSL, which says that the chain is good.
fn is_stricter_than_openssl(kind: &Kind, chain: &Chain) -> bool {
    let traits = chain.traits;
    match kind {
        // A CA is no peer; and who has issued a certificate says that it is a CA, whatever its key usage.
        Kind::WrongBasicConstraints => traits.leaf_is_ca || traits.no_basic_constraints,
        // A wildcard may be a name that is excluded.
        Kind::NameConstraints => chain.names.all(Names::are_allowed_by_openssl),
        _ => false,
    }
}

/// What is stricter here than in `pkix_path_validation`, which knows neither the purpose nor the host.
fn is_stricter_than_erlang(kind: &Kind, chain: &Chain) -> bool {
    match kind {
        Kind::WrongPurpose { .. }
        | Kind::KeyUsage
        | Kind::NameMismatch { .. }
        | Kind::WrongBasicConstraints => true,
        Kind::NameConstraints => chain.names.all(Names::are_allowed_by_erlang),
        // Who has no basicConstraints is not counted there.
        Kind::PathTooDeep { .. } | Kind::PathLength { .. } => chain.traits.no_basic_constraints,
        _ => false,
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        Err(_) => otherwise,
    }
}

#[test]
fn openssl_and_erlang_differ_where_they_are_known_to() {
    let count = number("PORTCULLIS_CHAINS", 300);
    let mut chance = Chance(number("PORTCULLIS_SEED", 1));
    let folder = folder("paths");
    let root = root();
    fs::write(
        folder.join("root.pem"),
        pem(std::slice::from_ref(&root.der)),
    )
    .unwrap();
    let mut chains = BTreeMap::new();
    for at in 0..count {
        let name = format!("{at:06}");
        let chain = chain(&mut chance, &root);
        let sent = chain.sent(&mut chance);
        let whole = [vec![chain.anchor.clone()], chain.path.clone()].concat();
        fs::write(folder.join(format!("{name}.path")), pem(&whole)).unwrap();
        chains.insert(name, (chain, sent));
    }
    let erlang = erlang(&folder);
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unknown = Vec::new();
    for (name, (chain, sent)) in &chains {
        let ours = ours(sent, &chain.anchor);
        let traits = chain.traits;
        if let Err(Kind::Disagreement { says, .. }) = &ours {
            unknown.push(format!("{name} {traits:?}: webpki says {says}"));
        }
        let theirs = openssl(&folder, name, sent);
        let (verdict, is_known) = match (&ours, &theirs) {
            (Ok(()), Ok(())) => ("both accept", true),
            (Err(_), Err(_)) => ("both refuse", true),
            (Err(kind), Ok(())) => ("openssl accepts", is_stricter_than_openssl(kind, chain)),
            // It goes one way, where there are several.
            (Ok(()), Err(_)) => ("openssl refuses", traits.self_issued),
        };
        *tally.entry(verdict).or_default() += 1;
        if !is_known {
            unknown.push(format!("{name} {traits:?}: {ours:?}, openssl {theirs:?}"));
        }
        let theirs = erlang
            .get(name)
            .unwrap_or_else(|| panic!("{name} is missing"));
        let (verdict, is_known) = match (&ours, theirs.as_str()) {
            (Ok(()), "ok") => ("both accept (erlang)", true),
            (Err(kind), "ok") => ("erlang accepts", is_stricter_than_erlang(kind, chain)),
            (Err(_), _) => ("both refuse (erlang)", true),
            (Ok(()), why) => (
                "erlang refuses",
                why.contains("name_not_permitted")
                    && !chain.names.all(Names::are_allowed_by_erlang),
            ),
        };
        *tally.entry(verdict).or_default() += 1;
        if !is_known {
            unknown.push(format!("{name} {traits:?}: {ours:?}, erlang {theirs}"));
        }
        // And what is accepted here is what all CAs allow.
        if ours.is_ok() && !traits.damaged && !chain.names.all(Names::are_allowed) {
            unknown.push(format!("{name} {:?}: accepted", chain.names));
        }
    }
    println!("{tally:#?}");
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
    // Enough of each to mean something.
    let of = |verdict| tally.get(verdict).copied().unwrap_or(0) as u64;
    assert!(of("both accept") > count / 20 && of("both refuse") > count / 5);
    assert!(of("both accept (erlang)") > count / 20 && of("both refuse (erlang)") > count / 5);
}

fn folder(name: &str) -> PathBuf {
    let folder = scratch::directory().join(name);
    fs::create_dir(&folder).unwrap();
    folder
}

/// What a function is told that accepts everything, of each certificate; `None` where there is no path to be judged.
fn told(
    sent: &[CertificateDer<'static>],
    anchor: &CertificateDer<'static>,
) -> Option<Vec<BTreeSet<&'static str>>> {
    let mut roots = Roots::empty();
    roots.add_der(anchor.clone()).unwrap();
    let chain = PresentedChain::new(sent.to_vec()).ok()?;
    let name = ServerName::try_from(HOST).unwrap();
    let walk = ChainWalk::of_server(&chain, &name, UnixTime::now(), &ChainPolicy::new(roots));
    let mut walk = walk.interest(Interest::ERRORS.and_valid().and_paths());
    let mut told = vec![BTreeSet::new()];
    loop {
        match walk.step() {
            WalkStep::Path(start)
                if !start.is_anchored() || start.certificates().count() != sent.len() =>
            {
                return None;
            }
            WalkStep::Path(_) => {}
            WalkStep::Judge(pending) => {
                let judgement = pending.judgement();
                let reason = match judgement.finding() {
                    Finding::Valid | Finding::ValidPeer => {
                        told.push(BTreeSet::new());
                        None
                    }
                    Finding::Bad(error) => match error.kind() {
                        Kind::Expired { .. } | Kind::NotYetValid { .. } => Some("cert_expired"),
                        Kind::BadSignature => Some("invalid_signature"),
                        Kind::NameConstraints => Some("name_not_permitted"),
                        Kind::IssuerKeyUsage => Some("invalid_key_usage"),
                        // Damaged so that nothing more can be said.
                        Kind::Malformed(_) | Kind::Unsupported(_) => return None,
                        Kind::UnknownCriticalExtension { .. } => return None,
                        // Of purposes, usages and hosts public_key knows nothing, and of basicConstraints less; and
                        // once a path was too long it counts otherwise.
                        _ => None,
                    },
                    Finding::Extension(_) => None,
                    _ => None,
                };
                if let (Some(reason), Some(last)) = (reason, told.last_mut()) {
                    last.insert(reason);
                }
                pending.accept();
            }
            WalkStep::Done => break,
            _ => {}
        }
    }
    told.pop();
    Some(told)
}

/// A function that accepts everything is told the same of each certificate, here and by Erlang.
#[test]
fn a_function_is_told_what_erlangs_is() {
    /// Where two CAs constrain names, and with wildcards, Erlang goes wrong in a way that is known ([`Names`]).
    const NAMES: &str = "name_not_permitted";
    const COMPARED: [&str; 4] = [
        "cert_expired",
        "invalid_signature",
        NAMES,
        "invalid_key_usage",
    ];
    let count = number("PORTCULLIS_CHAINS", 300);
    let mut chance = Chance(number("PORTCULLIS_SEED", 1));
    let folder = folder("findings");
    let root = root();
    let mut chains = BTreeMap::new();
    for at in 0..count {
        let name = format!("{at:06}");
        let chain = chain(&mut chance, &root);
        let sent = chain.sent(&mut chance);
        let whole = [vec![chain.anchor.clone()], chain.path.clone()].concat();
        fs::write(folder.join(format!("{name}.path")), pem(&whole)).unwrap();
        chains.insert(name, (chain, sent));
    }
    let erlang = escript("findings.escript", &folder);
    let (mut compared, mut faults, mut known, mut unknown) = (0, 0, 0, Vec::new());
    for (name, (chain, sent)) in &chains {
        // Erlang's function has not seen all of what it could not read.
        let Some(theirs) = erlang[name].strip_prefix("ok ") else {
            continue;
        };
        let Some(ours) = told(sent, &chain.anchor) else {
            continue;
        };
        // Of several with the issuer's name it is the one that has signed; if none has, there is no path.
        if ours.is_empty() && chain.traits.damaged && chain.traits.self_issued {
            continue;
        }
        let theirs: Vec<BTreeSet<&str>> = theirs
            .trim_end()
            .trim_end_matches('|')
            .split('|')
            .map(|told| {
                told.split_whitespace()
                    .filter(|one| COMPARED.contains(one))
                    .collect()
            })
            .collect();
        compared += 1;
        faults += ours.iter().map(BTreeSet::len).sum::<usize>();
        let differs = |(at, (ours, theirs)): (usize, (&BTreeSet<_>, &BTreeSet<_>))| {
            let reasons: Vec<_> = ours.symmetric_difference(theirs).copied().collect();
            let is_allowed = chain.names.are_allowed(at);
            let is_known = is_allowed != chain.names.are_allowed_by_erlang(at);
            known += usize::from(reasons == [NAMES] && is_known);
            let as_it_has_to_be = ours.contains(NAMES) != is_allowed || chain.traits.damaged;
            // With another bit it has other names than those that are known here.
            let is_known = is_known || chain.traits.damaged;
            !(reasons.is_empty() || reasons == [NAMES] && is_known) || !as_it_has_to_be
        };
        if ours.len() != theirs.len() || ours.iter().zip(&theirs).enumerate().any(differs) {
            unknown.push(format!(
                "{name} {:?} {:?}: {ours:?}, erlang {theirs:?}",
                chain.traits, chain.names
            ));
        }
    }
    println!(
        "{compared} of {count} compared, with {faults} faults, {known} of which are Erlang's of names"
    );
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
    assert!(compared as u64 > count / 3 && faults as u64 > count / 10);
}

fn erlang(folder: &Path) -> BTreeMap<String, String> {
    escript("paths.escript", folder)
}

/// What a script of Erlang's says of each file in a folder.
fn escript(script: &str, folder: &Path) -> BTreeMap<String, String> {
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/erlang");
    let script = Path::new(scripts).join(script);
    let output = Command::new("escript").arg(script).arg(folder).output();
    let output = output.expect("escript is in Debian's package erlang-base");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "erlang-public-key: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(name, verdict)| (name.to_owned(), verdict.to_owned()))
        .collect()
}

/// What rcgen does not make: an intermediate of version 1, and an authority with a key in RSA-PSS form.
#[test]
fn chains_of_openssls_command_line() {
    let folder = folder("made");
    let run = |text: &str| {
        let output = Command::new("openssl")
            .args(text.split(' '))
            .current_dir(&folder)
            .output()
            .expect("openssl is in Debian's package openssl");
        assert!(
            output.status.success(),
            "{text}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    fs::write(
        folder.join("ca.ext"),
        "basicConstraints=CA:TRUE\nkeyUsage=keyCertSign\n",
    )
    .unwrap();
    fs::write(
        folder.join("leaf.ext"),
        format!(
            "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nsubjectAltName=DNS:{HOST}\n"
        ),
    )
    .unwrap();
    let ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let pss = "-newkey rsa-pss -pkeyopt rsa_keygen_bits:2048 -nodes";
    for (kind, key) in [("ec", ec), ("pss", pss)] {
        run(&format!(
            "req -x509 {key} -sha256 -keyout {kind}.key -out {kind}.pem -days 30 -subj /CN={kind}"
        ));
        run(&format!(
            "req {ec} -keyout sub.key -out sub.csr -subj /CN=sub"
        ));
        // As RFC 8446 §4.2.3 wants it.
        let salt = match kind {
            "pss" => " -sigopt rsa_pss_saltlen:digest",
            _ => "",
        };
        let sign =
            format!("-CA {kind}.pem -CAkey {kind}.key -sha256{salt} -days 30 -CAcreateserial");
        // Without extensions it is one of version 1.
        run(&format!("x509 -req -in sub.csr {sign} -out {kind}-v1.pem"));
        run(&format!(
            "x509 -req -in sub.csr {sign} -extfile ca.ext -out {kind}-v3.pem"
        ));
        run(&format!(
            "req {ec} -keyout leaf.key -out leaf.csr -subj /CN=leaf"
        ));
        run(&format!(
            "x509 -req -in leaf.csr -CA {kind}-v3.pem -CAkey sub.key -sha256 -days 30 -CAcreateserial -extfile leaf.ext \
             -out {kind}-leaf.pem"
        ));
    }
    let read = |name: &str| {
        let pem = fs::read(folder.join(name)).unwrap();
        use portcullis::pki_types::pem::PemObject as _;
        CertificateDer::from_pem_slice(&pem).unwrap()
    };
    for kind in ["ec", "pss"] {
        fs::copy(folder.join(format!("{kind}.pem")), folder.join("root.pem")).unwrap();
        let (anchor, leaf) = (
            read(&format!("{kind}.pem")),
            read(&format!("{kind}-leaf.pem")),
        );
        let good = [leaf.clone(), read(&format!("{kind}-v3.pem"))];
        assert_eq!(ours(&good, &anchor), Ok(()), "{kind}");
        assert_eq!(openssl(&folder, kind, &good), Ok(()), "{kind}");
        let first_version = [leaf, read(&format!("{kind}-v1.pem"))];
        let refused = ours(&first_version, &anchor).unwrap_err();
        assert_eq!(
            refused,
            Kind::Unsupported("it is not X.509 version 3"),
            "{kind}"
        );
        openssl(&folder, kind, &first_version).unwrap_err();
    }
}

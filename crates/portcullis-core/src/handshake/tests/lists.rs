//! Sessions whose servers were looked for in revocation lists, before they are offered.

use core::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};
use rustls_pki_types::{PrivateKeyDer, UnixTime};
use std::sync::Arc;

use super::older::VERSIONS;
use crate::ProtocolVersion;
use crate::config::{ClientConfig, ServerConfig};
use crate::handshake::Handshake;
use crate::question::{Answer, Question};
use crate::session::ClientSession;
use crate::testing::{Pair, answer, name, now, sessions};
use crate::x509::{Crl, CrlCheck, Identity, RevocationCheck, Roots};

/// A server whose certificate ends so many seconds after [`now`], and the list of its authority, which has nobody.
struct Ends {
    client: ClientConfig,
    server: ServerConfig,
    list: Arc<Crl>,
}

fn ends(version: ProtocolVersion, left: u64) -> Ends {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let mut roots = Roots::empty();
    let root = params.self_signed(&key).unwrap();
    roots.add_der(root.der().clone()).unwrap();
    let issuer = Issuer::new(params, key);
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(2049, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&issuer).unwrap().der().to_vec();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(now().as_secs() + left);
    let key = KeyPair::generate().unwrap();
    let der = params.signed_by(&key, &issuer).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let client = ClientConfig::builder(roots)
        .versions([version])
        .session_tickets(true)
        .crl_check(CrlCheck::peer());
    let server = ServerConfig::builder()
        .versions([version])
        .identity(Identity::from_der(vec![der], &key).unwrap());
    Ends {
        client: client.build().unwrap(),
        server: server.build().unwrap(),
        list: Arc::new(Crl::from_der(list).unwrap()),
    }
}

impl Ends {
    fn look(&self, mut check: RevocationCheck) -> RevocationCheck {
        while check.query().is_some() {
            check.answer(vec![Arc::clone(&self.list)]);
        }
        check
    }

    fn answer(&self, question: Question) -> Answer {
        match question {
            Question::VerifyChain(question) => match question.revocation_check() {
                Ok(check) => question.with_revocation(self.look(check)).verify(),
                Err(error) => question.refuse(error),
            },
            other => answer(other),
        }
    }

    fn session(&self) -> ClientSession {
        let pair = Pair::new(self.client.clone(), self.server.clone());
        let (client, _) = pair.run_answering(|_, question| Some(self.answer(question)));
        sessions(&mut client.unwrap()).remove(0)
    }

    /// Whether a hello of that time, in seconds after [`now`], leads to a resumption.
    fn resumes(&self, session: &ClientSession, after: u64) -> bool {
        let then = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + after));
        let sessions = vec![session.clone()];
        let client = Handshake::client_resuming(self.client.clone(), name(), sessions, then);
        let pair = Pair {
            client: client.unwrap(),
            ..Pair::new(self.client.clone(), self.server.clone())
        };
        let (client, server) = pair.run_answering(|_, question| Some(self.answer(question)));
        let information = client.unwrap().information;
        assert_eq!(
            information.is_resumed(),
            server.unwrap().information.is_resumed()
        );
        information.is_resumed()
    }
}

/// What lists said counts for a minute, and a date of the chain that has passed meanwhile counts as well.
#[test]
fn dates_count_in_sessions_that_lists_were_asked_about() {
    for version in VERSIONS {
        for (left, last) in [(30, 30), (59, 59), (3_600, 60)] {
            let ends = ends(version, left);
            let mut session = ends.session();
            assert!(!ends.resumes(&session, 0), "nobody has looked");
            let check = session.revocation_check(&ends.client, now()).unwrap();
            let check = ends.look(check.unwrap());
            assert!(session.note_revocation(check));
            for (after, expected) in [(0, true), (last, true), (last + 1, false)] {
                let resumes = ends.resumes(&session, after);
                assert_eq!(resumes, expected, "{version} {left} {after}");
            }
        }
    }
}

/// What somebody has accepted is no word of the lists.
#[test]
fn an_accepted_fault_offers_no_session() {
    for version in VERSIONS {
        let ends = ends(version, 3_600);
        let mut session = ends.session();
        let begin = |session: &ClientSession| {
            let check = session.revocation_check(&ends.client, now()).unwrap();
            check.unwrap()
        };
        let mut check = begin(&session);
        while check.query().is_some() {
            check.answer_nothing(None);
        }
        assert!(check.fault().is_some());
        check.accept();
        assert!(check.fault().is_none());
        assert!(!session.note_revocation(check));
        assert!(!ends.resumes(&session, 0));
        let check = ends.look(begin(&session));
        assert!(session.note_revocation(check));
        assert!(ends.resumes(&session, 0));
    }
}

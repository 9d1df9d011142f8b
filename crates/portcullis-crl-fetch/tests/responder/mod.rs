//! An authority with a server's certificate, and its responder.
#![allow(dead_code, reason = "each test program uses a part")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use portcullis_core::x509::Identity;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair, SerialNumber,
    SigningKey as _,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) fn now() -> UnixTime {
    UnixTime::since_unix_epoch(
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap(),
    )
}

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match contents.len() {
        length @ 0..=127 => out.push(length as u8),
        length @ 128..=255 => out.extend([0x81, length as u8]),
        length => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend_from_slice(contents);
    out
}

/// What the responder says of a certificate.
#[derive(Clone, Copy)]
pub(crate) enum Says {
    Good,
    Revoked,
    Unknown,
}

pub(crate) struct Pki {
    ca: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    issuer_pem: String,
    key: Vec<u8>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let raw = key.serialize_der();
        let own = params.self_signed(&key).unwrap();
        Self {
            ca: own.der().clone(),
            issuer_pem: own.pem(),
            issuer: Issuer::new(params, key),
            key: raw,
        }
    }

    pub(crate) fn ca(&self) -> CertificateDer<'static> {
        self.ca.clone()
    }

    /// In PEM.
    pub(crate) fn ca_pem(&self) -> String {
        self.issuer_pem.clone()
    }

    /// A chain and its key, in PEM, of the certificate with this number, which may demand a response (RFC 7633). The name
    /// says which one it is, too.
    pub(crate) fn pem(&self, number: u8, demands: bool, name: &str) -> (String, String) {
        let mut params = CertificateParams::new([name.to_owned(), "localhost".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(vec![number]));
        if demands {
            let oid = [1, 3, 6, 1, 5, 5, 7, 1, 24];
            let features = element(0x30, &[2, 1, 5]);
            params.custom_extensions = vec![CustomExtension::from_oid_content(&oid, features)];
        }
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem() + &self.issuer_pem;
        (chain, key.serialize_pem())
    }

    fn made(&self, url: Option<&str>, with_ca: bool) -> Identity {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(vec![7]));
        if let Some(url) = url {
            let method = element(6, &[0x2b, 6, 1, 5, 5, 7, 0x30, 1]);
            let access = [method, element(0x86, url.as_bytes())].concat();
            let access = element(0x30, &element(0x30, &access));
            let oid = [1, 3, 6, 1, 5, 5, 7, 1, 1];
            params.custom_extensions = vec![CustomExtension::from_oid_content(&oid, access)];
        }
        let key = KeyPair::generate().unwrap();
        let mut chain = vec![params.signed_by(&key, &self.issuer).unwrap().der().clone()];
        if with_ca {
            chain.push(self.ca());
        }
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Identity::from_der(chain, &key).unwrap()
    }

    pub(crate) fn identity(&self) -> Identity {
        self.made(None, true)
    }

    pub(crate) fn identity_naming(&self, url: &str) -> Identity {
        self.made(Some(url), true)
    }

    pub(crate) fn identity_alone(&self) -> Identity {
        self.made(None, false)
    }

    /// Of certificate 7. From and until when it counts, in seconds from now.
    pub(crate) fn response(&self, says: Says, from: i64, until: i64) -> Vec<u8> {
        let key = KeyPair::try_from(self.key.clone()).unwrap();
        self.signed(7, says, from, until, &key)
    }

    /// Of the certificate with this number, for an hour.
    pub(crate) fn good(&self, number: u8) -> Vec<u8> {
        let key = KeyPair::try_from(self.key.clone()).unwrap();
        self.signed(number, Says::Good, -60, 3_600, &key)
    }

    pub(crate) fn forged(&self) -> Vec<u8> {
        self.signed(7, Says::Good, -60, 3_600, &KeyPair::generate().unwrap())
    }

    fn signed(&self, number: u8, says: Says, from: i64, until: i64, key: &KeyPair) -> Vec<u8> {
        let ca = fields(&self.ca);
        let sha1 = |bytes: &[u8]| {
            use sha1::Digest as _;
            element(4, &sha1::Sha1::digest(bytes))
        };
        let id = [
            element(0x30, b"\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00"),
            sha1(&ca.name),
            sha1(&ca.key),
            vec![2, 1, number],
        ];
        let mut single = element(0x30, &id.concat());
        single.extend(match says {
            Says::Good => vec![0x80, 0],
            Says::Unknown => vec![0x82, 0],
            Says::Revoked => element(0xa1, &at(-1_000)),
        });
        single.extend(at(from));
        single.extend(element(0xa0, &at(until)));
        let mut data = element(0xa1, &ca.name);
        data.extend(at(from));
        data.extend(element(0x30, &element(0x30, &single)));
        let data = element(0x30, &data);
        let signature = [vec![0], key.sign(&data).unwrap()].concat();
        let basic = [
            data,
            element(0x30, b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"),
            element(3, &signature),
        ];
        let bytes = [
            element(6, b"\x2b\x06\x01\x05\x05\x07\x30\x01\x01"),
            element(4, &element(0x30, &basic.concat())),
        ];
        let bytes = element(0xa0, &element(0x30, &bytes.concat()));
        element(0x30, &[vec![0x0a, 1, 0], bytes].concat())
    }
}

fn at(seconds: i64) -> Vec<u8> {
    let time = i64::try_from(now().as_secs()).unwrap() + seconds;
    let (day, of_day) = (time.div_euclid(86_400), time.rem_euclid(86_400));
    // Of the Gregorian calendar, with years from March on.
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = year + 400 * era + later;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let text = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
    element(0x18, text.as_bytes())
}

struct Fields {
    name: Vec<u8>,
    key: Vec<u8>,
}

/// The subject with its header, and the key without what stands around it.
fn fields(der: &[u8]) -> Fields {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    Fields {
        name: certificate.subject().as_raw().to_vec(),
        key: certificate.public_key().subject_public_key.data.to_vec(),
    }
}

/// What becomes of a request.
#[derive(Clone)]
pub(crate) enum Answer {
    Is(Vec<u8>),
    /// 503
    Fails,
    /// It waits until something else is said.
    Hangs,
}

/// By the numbers of certificates, and of others.
struct Answers {
    of: HashMap<u8, Answer>,
    others: Answer,
}

impl Answers {
    fn of(&self, number: u8) -> &Answer {
        self.of.get(&number).unwrap_or(&self.others)
    }
}

pub(crate) struct Responder {
    address: SocketAddr,
    /// The heads, and which certificates they were about.
    requests: Arc<Mutex<Vec<(String, u8)>>>,
    answers: watch::Sender<Answers>,
}

impl Responder {
    /// Answers every request with the same.
    pub(crate) async fn new(response: Vec<u8>) -> Self {
        Self::start(Answer::Is(response)).await
    }

    pub(crate) async fn hanging() -> Self {
        Self::start(Answer::Hangs).await
    }

    pub(crate) async fn start(others: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let of = HashMap::new();
        let this = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            answers: watch::Sender::new(Answers { of, others }),
        };
        let requests = Arc::clone(&this.requests);
        let answers = this.answers.subscribe();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&requests), answers.clone()));
            }
        });
        this
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/ocsp", self.address)
    }

    pub(crate) fn response(&self) -> Vec<u8> {
        match &self.answers.borrow().others {
            Answer::Is(response) => response.clone(),
            _ => panic!("there is none"),
        }
    }

    pub(crate) fn answer(&self, response: Vec<u8>) {
        let others = Answer::Is(response);
        self.answers.send_modify(|answers| answers.others = others);
    }

    /// Of this certificate.
    pub(crate) fn say(&self, number: u8, answer: Answer) {
        self.answers
            .send_modify(|answers| drop(answers.of.insert(number, answer)));
    }

    pub(crate) fn fail(&self) {
        self.answers
            .send_modify(|answers| answers.others = Answer::Fails);
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|(head, _)| head.clone()).collect()
    }

    /// How often it was asked about this certificate.
    pub(crate) fn asked(&self, number: u8) -> usize {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|(_, of)| *of == number).count()
    }
}

async fn answer(
    mut stream: TcpStream,
    requests: Arc<Mutex<Vec<(String, u8)>>>,
    mut answers: watch::Receiver<Answers>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.to_ascii_lowercase();
    let length = length.split("content-length: ").nth(1).unwrap();
    let length = length.split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    // A serialNumber is the last of a request, and has one byte here.
    let number = *body.last().unwrap();
    requests.lock().unwrap().push((head, number));
    let is_known = |answers: &Answers| !matches!(answers.of(number), Answer::Hangs);
    let answer = match answers.wait_for(is_known).await {
        Ok(answers) => answers.of(number).clone(),
        Err(_) => return,
    };
    let (status, body) = match answer {
        Answer::Is(body) => ("200 OK", body),
        _ => ("503 Service Unavailable", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/ocsp-response\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
}

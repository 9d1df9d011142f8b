//! A file of PKCS#12, as OpenSSL 3 writes it: PBES2 with AES-256 and PBKDF2 with SHA-256, and a MAC with SHA-256.
//!
//! RFC 7292, RFC 8018 §A, §B.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::pbkdf2;
use portcullis::CertificateDer;
use portcullis::pki_types::PrivateKeyDer;
use zeroize::Zeroizing;

use super::der::{
    BMP_STRING, CONTEXT_0, Elements, NULL, OCTET_STRING, OID, PLAIN_CONTEXT_0, SEQUENCE, SET,
    element, number, sequence,
};
use super::{mac, oids};

/// What OWASP asks of PBKDF2 with SHA-256. All programs that read such files allow as many.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(600_000).unwrap();

/// A file with a key, its certificates, the key's own first, and what it is called.
pub(super) fn write(
    key: &PrivateKeyDer<'_>,
    chain: &[CertificateDer<'_>],
    name: Option<&str>,
    password: &[u8],
) -> Result<Vec<u8>, &'static str> {
    let key = pkcs8(key).ok_or(
        "the private key does not say which curve it is of: convert it with `openssl pkcs8 -topk8 -nodes`",
    )?;
    // By this the key and its certificate find each other; what it is does not matter.
    let own = chain.first().ok_or("there is no certificate")?;
    let id = digest(&SHA1_FOR_LEGACY_USE_ONLY, own);
    let id = element(OCTET_STRING, &[id.as_ref()]);
    let mut attributes = vec![attribute(oids::LOCAL_KEY_ID, &id)];
    if let Some(name) = name {
        let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
        attributes.push(attribute(
            oids::FRIENDLY_NAME,
            &element(BMP_STRING, &[&units]),
        ));
    }
    // X.690 §11.6: the elements of a SET in order.
    attributes.sort();
    let attributes = element(SET, &[&attributes.concat()]);

    let (algorithm, encrypted) = encrypt(&key, password)?;
    let encrypted = sequence(&[&algorithm, &element(OCTET_STRING, &[&encrypted])]);
    let keys = sequence(&[&bag(oids::ENCRYPTED_KEY_BAG, &encrypted, &attributes)]);
    let certificates = chain.iter().enumerate().map(|(at, der)| {
        let der = element(CONTEXT_0, &[&element(OCTET_STRING, &[der])]);
        let value = sequence(&[&element(OID, &[oids::X509_CERTIFICATE]), &der]);
        let attributes: &[u8] = if at == 0 { &attributes } else { &[] };
        bag(oids::CERTIFICATE_BAG, &value, attributes)
    });
    let certificates = sequence(&[&certificates.collect::<Vec<_>>().concat()]);
    let (algorithm, encrypted) = encrypt(&certificates, password)?;
    let info = sequence(&[
        &element(OID, &[oids::DATA]),
        &algorithm,
        &element(PLAIN_CONTEXT_0, &[&encrypted]),
    ]);
    let safe = sequence(&[
        &content(oids::ENCRYPTED_DATA, &sequence(&[&number(0), &info])),
        &content(oids::DATA, &element(OCTET_STRING, &[&keys])),
    ]);
    let mac = mac::make(password, &random::<16>()?, ITERATIONS.get(), &safe);
    Ok(sequence(&[
        &number(3),
        &content(oids::DATA, &element(OCTET_STRING, &[&safe])),
        &mac,
    ]))
}

fn content(kind: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[&element(OID, &[kind]), &element(CONTEXT_0, &[value])])
}

fn bag(kind: u8, value: &[u8], attributes: &[u8]) -> Vec<u8> {
    let kind = element(OID, &[oids::BAGS, &[kind]]);
    sequence(&[&kind, &element(CONTEXT_0, &[value]), attributes])
}

fn attribute(kind: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[&element(OID, &[kind]), &element(SET, &[value])])
}

/// How it is encrypted, and what comes out.
fn encrypt(plain: &[u8], password: &[u8]) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
    const FAILED: &str = "this system cannot encrypt with AES-256";
    let salt = random::<16>()?;
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        ITERATIONS,
        &salt,
        password,
        &mut *key,
    );
    let key = UnboundCipherKey::new(&AES_256, &*key).map_err(|_| FAILED)?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).map_err(|_| FAILED)?;
    // Room for the padding, so that it does not grow and leave a key behind.
    let mut data = Vec::with_capacity(plain.len() + 16);
    data.extend_from_slice(plain);
    let Ok(DecryptionContext::Iv128(iv)) = key.encrypt(&mut data) else {
        return Err(FAILED);
    };
    let null = element(NULL, &[]);
    let derivation = sequence(&[
        &element(OID, &[oids::PBKDF2]),
        &sequence(&[
            &element(OCTET_STRING, &[&salt]),
            &number(ITERATIONS.get()),
            &sequence(&[&element(OID, &[oids::HMAC_SHA256]), &null]),
        ]),
    ]);
    let cipher = sequence(&[
        &element(OID, &[oids::AES_256_CBC]),
        &element(OCTET_STRING, &[iv.as_ref()]),
    ]);
    let algorithm = sequence(&[
        &element(OID, &[oids::PBES2]),
        &sequence(&[&derivation, &cipher]),
    ]);
    Ok((algorithm, data))
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], &'static str> {
    let mut bytes = [0; LENGTH];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "this system has no randomness")?;
    Ok(bytes)
}

/// RFC 5958 §2: a key of another format with its algorithm beside it; `None` if it does not say of which curve it is.
fn pkcs8(key: &PrivateKeyDer<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let algorithm = match key {
        PrivateKeyDer::Pkcs8(key) => return Some(Zeroizing::new(key.secret_pkcs8_der().to_vec())),
        PrivateKeyDer::Pkcs1(_) => sequence(&[&element(OID, &[oids::RSA]), &element(NULL, &[])]),
        PrivateKeyDer::Sec1(key) => {
            let mut fields = Elements(key.secret_sec1_der()).within(SEQUENCE)?;
            fields.number()?;
            fields.contents(OCTET_STRING)?;
            let curve = fields.within(CONTEXT_0)?.whole(OID)?;
            sequence(&[&element(OID, &[oids::EC]), curve])
        }
        _ => return None,
    };
    let key = Zeroizing::new(element(OCTET_STRING, &[key.secret_der()]));
    Some(Zeroizing::new(sequence(&[&number(0), &algorithm, &key])))
}

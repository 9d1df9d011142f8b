//! A secret that is moved out of a box stays in the memory of the box, where nobody wipes it. This
//! looks through the process's own memory for what a handshake has left behind.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::process::Command;

use super::attack::{
    authenticated_client, authenticating_server, client, resuming_client, server, ticket_keys,
};
use super::tls12::{ECDHE_PSK, PSK, clients_of, ends, servers_of};
use crate::config::{ClientConfigBuilder, PreSharedKey, ServerConfigBuilder};
use crate::crypto::block_hash::{BlockHash, Sha256, Sha384};
use crate::crypto::hash::HashAlgorithm;
use crate::crypto::hkdf::{Label, LabelPrefix, Prk, extract};
use crate::crypto::secret::Secret;
use crate::key_schedule::tls12::MasterSecret;
use crate::key_schedule::{EarlySecret, ResumptionPsk};
use crate::question::Question;
use crate::suite::CipherSuite;
use crate::testing::Pair;
use crate::x509::{Identity, Roots};
use crate::{Connection, Event};

/// Kept so that it is not found itself.
pub(super) struct Masked(Vec<u8>);

impl Masked {
    fn new(secret: &[u8]) -> Self {
        Self(secret.iter().map(|byte| !byte).collect())
    }

    fn is_at_start_of(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.0.len() && bytes.iter().zip(&self.0).all(|(a, b)| *a == !*b)
    }
}

/// How often each is in the memory of the heap, freed or not.
pub(super) fn copies(secrets: &[(String, Masked)]) -> Vec<usize> {
    const OVERLAP: usize = 64;
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut buffer = vec![0; (1 << 20) + OVERLAP];
    let own = buffer.as_ptr() as usize..buffer.as_ptr() as usize + buffer.len();
    let stack = &raw const maps as usize;
    let mut found = vec![0; secrets.len()];
    let mut starts = [false; 256];
    for (_, secret) in secrets {
        starts[usize::from(!secret.0[0])] = true;
    }
    for line in maps.lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        let is_heap = fields.len() == 5 || fields.get(5) == Some(&"[heap]");
        let range = fields[0].split_once('-').unwrap();
        let address = |text| usize::from_str_radix(text, 16).unwrap();
        let (start, end) = (address(range.0), address(range.1));
        if !is_heap || !fields[1].starts_with("rw") || (start..end).contains(&stack) {
            continue;
        }
        for at in (start..end).step_by(1 << 20) {
            let wanted = (end - at).min(buffer.len());
            let Ok(read) = memory.read_at(&mut buffer[..wanted], at as u64) else {
                continue;
            };
            for offset in 0..read.min(1 << 20) {
                if !starts[usize::from(buffer[offset])] || own.contains(&(at + offset)) {
                    continue;
                }
                for (count, (_, secret)) in found.iter_mut().zip(secrets) {
                    *count += usize::from(secret.is_at_start_of(&buffer[offset..read]));
                }
            }
        }
        buffer.fill(0);
    }
    found
}

/// The secrets of the log, and the keys of Finished and of the records that follow from them.
pub(super) fn secrets(events: Vec<Event>, prefix: LabelPrefix) -> Vec<(String, Masked)> {
    let mut secrets = Vec::new();
    for event in events {
        let Event::Secret(line) = event else { continue };
        let text = line.to_line();
        let hex = text.rsplit(' ').next().unwrap();
        let bytes: zeroize::Zeroizing<Vec<u8>> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect::<Vec<_>>()
            .into();
        secrets.push((line.label().to_owned(), Masked::new(&bytes)));
        if line.label().contains("_TRAFFIC_SECRET") {
            // The suite is TLS_AES_256_GCM_SHA384.
            let secret = Secret::new(&bytes).unwrap();
            let prk = Prk::new(HashAlgorithm::Sha384, prefix, &secret);
            for (what, label, len) in [("finished_key", "finished", 48), ("write_key", "key", 32)] {
                let key = prk.expand_label(Label::new(label.as_bytes()), None, len);
                let name = format!("{what} of {}", line.label());
                secrets.push((name, Masked::new(key.as_slice())));
            }
        }
    }
    secrets
}

/// Each cipher has its key.
fn without_ciphers(connections: &mut [Connection; 2]) {
    for connection in connections {
        connection.reader.hibernate();
        connection.writer.hibernate();
    }
}

fn leaves_nothing(context: &str, client: ClientConfigBuilder, server: ServerConfigBuilder) {
    let client = client.key_log(true).build().unwrap();
    let server = server.build().unwrap();
    nothing_is_left(context, Pair::new(client, server));
}

fn nothing_is_left(context: &str, mut pair: Pair) {
    super::attack::talk(&mut pair);
    let secrets = secrets(core::mem::take(&mut pair.events), LabelPrefix::Tls13);
    // As a driver has them.
    let (mut client, mut server) = (Box::new(pair.client), Box::new(pair.server));
    let mut connections: [Connection; 2] = [
        client.take_connection().unwrap(),
        server.take_connection().unwrap(),
    ];
    without_ciphers(&mut connections);
    assert!(secrets.len() >= 13, "{}", secrets.len());
    let found = copies(&secrets);
    for ((name, _), count) in secrets.iter().zip(found) {
        // The connections are on this stack, and what they share behind a pointer.
        let living = match name.as_str() {
            "EXPORTER_SECRET" => connections.len(),
            _ => 0,
        };
        assert_eq!(count, living, "{context}: copies of {name}");
    }
}

#[test]
fn a_handshake_leaves_no_copies_of_its_secrets() {
    alone(
        "a_handshake_leaves_no_copies_of_its_secrets",
        all_handshakes,
    );
}

/// In a process of its own, whose memory is small, and is not written by other tests meanwhile.
fn alone(test: &str, work: fn()) {
    const ALONE: &str = "PORTCULLIS_TEST_ALONE";
    if env::var_os(ALONE).is_some() {
        return work();
    }
    let name = format!("handshake::tests::moved_secrets::{test}");
    let mut alone = Command::new(env::current_exe().unwrap());
    let output = alone.args([&name, "--exact"]).env(ALONE, "1").output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

/// Neither the text of a key nor what it stands for stays behind when it was read, also when it
/// cannot be used.
#[test]
fn a_key_file_leaves_no_copies() {
    alone("a_key_file_leaves_no_copies", || {
        const CHAIN: &[u8] = include_bytes!("../../x509/tests/reports/pem/chain.pem");
        const KEY: &[u8] = include_bytes!("../../x509/tests/reports/pem/key.pem");
        // Of the second line of the file, and the number that it and the first have.
        const TEXT: &[u8] = b"fGHTlSqZ6TpW9vGGnyMzhfah";
        const NUMBER: &[u8] = &[
            0x7c, 0x64, 0x55, 0x55, 0x45, 0x0d, 0xef, 0xa9, 0xce, 0x14, 0x28, 0x07, 0xfd, 0xf1,
            0x87, 0x4e, 0x54, 0xaa, 0x67, 0xa4, 0xe9, 0x5b, 0xdb, 0xc6, 0x1a, 0x7c, 0x8c, 0xce,
            0x17, 0xda, 0x84, 0x29,
        ];
        let secrets = [("text", TEXT), ("number", NUMBER)];
        let secrets = secrets.map(|(name, bytes)| (name.to_owned(), Masked::new(bytes)));
        assert!(KEY.windows(TEXT.len()).any(|text| text == TEXT));
        let identity = Identity::from_pem(CHAIN, Some(KEY));
        assert_eq!(copies(&secrets), [0, 0], "{identity:?}");
        let roots = Roots::from_pem(KEY);
        assert_eq!(copies(&secrets), [0, 0], "{roots:?}");
        let cut = KEY.split_last_chunk::<60>().unwrap().0;
        let damaged = [cut, b"*\n-----END PRIVATE KEY-----\n"].concat();
        let damaged = zeroize::Zeroizing::new(damaged);
        let refused = Identity::from_pem(CHAIN, Some(&damaged));
        // What is given is the caller's.
        assert_eq!(copies(&secrets), [1, 0], "{refused:?}");
    });
}

/// The early secret is not in the log. What is kept of it are the states of the two hashes of
/// HMAC after their first block (RFC 2104), as words of this machine.
fn early_states(psk: &ResumptionPsk) -> [(String, Masked); 2] {
    early_states_of(psk.hash(), psk.as_bytes())
}

fn early_states_of(hash: HashAlgorithm, key: &[u8]) -> [(String, Masked); 2] {
    let early = extract(hash, &[], key);
    ["inner", "outer"].map(|which| {
        let pad = if which == "inner" { 0x36 } else { 0x5c };
        let state = match hash {
            HashAlgorithm::Sha256 => {
                let mut state = Sha256::START;
                let mut block = [pad; 64];
                xor(&mut block, early.as_slice());
                Sha256::compress(&mut state, &block);
                block.fill(0);
                let masked = Masked::new(&state.map(u32::to_ne_bytes).concat());
                state.fill(0);
                masked
            }
            HashAlgorithm::Sha384 => {
                let mut state = Sha384::START;
                let mut block = [pad; 128];
                xor(&mut block, early.as_slice());
                Sha384::compress(&mut state, &block);
                block.fill(0);
                let masked = Masked::new(&state.map(u64::to_ne_bytes).concat());
                state.fill(0);
                masked
            }
        };
        (format!("{which} state of the early secret"), state)
    })
}

fn xor(block: &mut [u8], key: &[u8]) {
    block.iter_mut().zip(key).for_each(|(to, key)| *to ^= key);
}

fn resumption_leaves_nothing(
    context: &str,
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
) {
    let client = client.key_log(true).session_tickets(true).build().unwrap();
    let server = server.ticket_keys(ticket_keys()).build().unwrap();
    let sessions = crate::testing::sessions_of(client.clone(), server.clone());
    let early = early_states(sessions[0].established.psk().unwrap());
    // It is found where it is, and not where it was: this stack is not looked at.
    let mut boxed = Box::new(EarlySecret::with_psk(
        sessions[0].established.psk().unwrap(),
        LabelPrefix::Tls13,
    ));
    assert_eq!(copies(&early), [1, 1], "{context}: before the move");
    let taken = boxed.take();
    assert_eq!(copies(&early), [0, 0], "{context}: after the move");
    drop(taken);
    let mut pair = crate::testing::resuming(client, server, sessions);
    // Freed memory is soon written again, so this looks as soon as the secret was moved.
    pair.turn(&mut |is_server, question| {
        let expected = match &question {
            // In the client's list, and in what the server resumes.
            Question::ChooseIdentity(_) if is_server => Some([2, 2]),
            // Both have used it.
            Question::ReviewServerHello(_) => Some([0, 0]),
            _ => None,
        };
        if let Some(expected) = expected {
            let found = copies(&early);
            assert_eq!(
                found, expected,
                "{context}: the early secret at {question:?}"
            );
        }
        Some(question.default_answer())
    });
    let mut secrets = secrets(core::mem::take(&mut pair.events), LabelPrefix::Tls13);
    assert!(secrets.len() >= 13, "{}", secrets.len());
    secrets.extend(early);
    let (mut client, mut server) = (Box::new(pair.client), Box::new(pair.server));
    let mut connections = [
        client.take_connection().unwrap(),
        server.take_connection().unwrap(),
    ];
    without_ciphers(&mut connections);
    assert!(connections.iter().all(|one| one.information.is_resumed()));
    for ((name, _), count) in secrets.iter().zip(copies(&secrets)) {
        let living = match name.as_str() {
            "EXPORTER_SECRET" => connections.len(),
            _ => 0,
        };
        assert_eq!(count, living, "{context}: copies of {name}");
    }
}

/// Before TLS 1.3: the master secret, which the log has, and the keys of the records.
fn older_leaves_nothing(
    context: &str,
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    resumes: bool,
) {
    let legacy = [
        CipherSuite::TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_RC4_128_SHA,
    ];
    let legacy = legacy
        .into_iter()
        .filter(|_| cfg!(feature = "legacy-ciphers"));
    for suite in [
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
    ]
    .into_iter()
    .chain(legacy)
    {
        let context = format!("{context}, {suite}");
        older_suite_leaves_nothing(&context, client.clone(), server.clone(), resumes, suite);
    }
}

fn older_suite_leaves_nothing(
    context: &str,
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    resumes: bool,
    suite: CipherSuite,
) {
    let versions = [crate::ProtocolVersion::TLS_1_2];
    let client = client
        .versions(versions)
        .cipher_suites([suite])
        .key_log(true);
    let server = server.versions(versions).cipher_suites([suite]);
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let mut pair = match resumes {
        false => Pair::new(client, server),
        true => {
            let sessions = crate::testing::sessions_of(client.clone(), server.clone());
            assert_eq!(sessions.len(), 1);
            crate::testing::resuming(client, server, sessions)
        }
    };
    super::attack::talk(&mut pair);
    let mut found = Vec::new();
    for event in core::mem::take(&mut pair.events) {
        let Event::Secret(line) = event else { continue };
        assert_eq!(line.label(), "CLIENT_RANDOM");
        let text = line.to_line();
        let hex = text.rsplit(' ').next().unwrap();
        let bytes: zeroize::Zeroizing<Vec<u8>> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect::<Vec<_>>()
            .into();
        found.push(bytes);
    }
    let [master] = &found[..] else {
        panic!("{} lines", found.len());
    };
    let (mut client, mut server) = (Box::new(pair.client), Box::new(pair.server));
    let mut connections: [Connection; 2] = [
        client.take_connection().unwrap(),
        server.take_connection().unwrap(),
    ];
    for connection in &connections {
        assert_eq!(connection.information.is_resumed(), resumes, "{context}");
    }
    let has_mac = suite.info().unwrap().mac != crate::suite::Mac::Aead;
    // The client's session has one as well, until somebody takes it and drops it.
    drop(connections[0].reader.take_ticket());
    let mut secrets = vec![("master secret".to_owned(), Masked::new(master))];
    {
        let information = &connections[0].information;
        let keys = information
            .cipher_suite()
            .older_parameters(information.version())
            .unwrap();
        let master = MasterSecret::from_bytes(keys.hash, master).unwrap();
        let randoms = (information.client_random(), information.server_random());
        let block = master.key_block(keys, randoms.0, randoms.1).unwrap();
        for (side, keys) in [("client", &block.client), ("server", &block.server)] {
            let key = Masked::new(keys.key.as_slice());
            secrets.push((format!("{side}_write_key"), key));
        }
        let both = [("client", &block.client), ("server", &block.server)];
        for (side, keys) in both.into_iter().filter(|_| has_mac) {
            let key = Masked::new(keys.mac_key.as_slice());
            secrets.push((format!("{side}_write_MAC_key"), key));
        }
    }
    found.clear();
    // Each end that may make keying material (RFC 7627 §5.4) has one.
    let mut living = connections.iter();
    let living = living.position(|one| one.information.tls_exporter().is_err());
    let living = living.unwrap_or(connections.len());
    // Each end has both directions, and each of these the key and the cipher that it became; a block
    // cipher is set up again by the first record.
    let expected = |each| {
        let mut expected = vec![each; secrets.len()];
        expected[0] = living;
        expected
    };
    let awake = if has_mac { 2 } else { 4 };
    assert_eq!(copies(&secrets), expected(awake), "{context}");
    without_ciphers(&mut connections);
    assert_eq!(copies(&secrets), expected(2), "{context}: asleep");
    drop(connections);
    assert_eq!(
        copies(&secrets),
        vec![0; secrets.len()],
        "{context}: what stays"
    );
}

fn all_older_handshakes() {
    let tickets = || (resuming_client(), server().ticket_keys(ticket_keys()));
    older_leaves_nothing("before 1.3", client(), server(), false);
    let (client_of, server_of) = tickets();
    older_leaves_nothing("before 1.3, with a ticket", client_of, server_of, false);
    let asks_client = || {
        authenticated_client()
            .session_tickets(true)
            .pause_at_hello(true)
            .ask_identity(true)
            .ask_signature(true)
            .ask_verification(true)
    };
    let asks_server = || {
        authenticating_server()
            .ticket_keys(ticket_keys())
            .pause_at_hello(true)
            .ask_tickets(true)
            .ask_identity(true)
            .ask_signature(true)
            .ask_verification(true)
    };
    older_leaves_nothing(
        "before 1.3, with every question",
        asks_client(),
        asks_server(),
        false,
    );
    let (client_of, server_of) = tickets();
    older_leaves_nothing("before 1.3, resumed", client_of, server_of, true);
    older_leaves_nothing(
        "before 1.3, resumed with every question",
        asks_client(),
        asks_server(),
        true,
    );
    let every_key = || {
        let (client, server) = ends(ECDHE_PSK);
        (
            client.session_tickets(true).ask_psk(true),
            server.ticket_keys(ticket_keys()).ask_psk(true),
        )
    };
    for (suite, resumes) in [(PSK, false), (ECDHE_PSK, false), (ECDHE_PSK, true)] {
        let (client_of, server_of) = every_key();
        let context = format!("before 1.3, with a shared key, {suite}, resumed: {resumes}");
        older_suite_leaves_nothing(&context, client_of, server_of, resumes, suite);
    }
    a_shared_key_stays_where_it_is();
    #[cfg(feature = "finite-field")]
    passwords();
    keys_of_certificates();
    let off = crate::config::ExtendedMasterSecret::Off;
    older_leaves_nothing(
        "before 1.3, without the extended master secret",
        client().extended_master_secret(off),
        server(),
        false,
    );
}

/// Where the key of the certificate is part of the secret, and is asked to decrypt.
fn keys_of_certificates() {
    use super::tls12::static_ecdh;
    let suite = CipherSuite::TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256;
    older_suite_leaves_nothing(
        "before 1.3, with a key that agrees",
        static_ecdh::client(),
        static_ecdh::server(),
        false,
        suite,
    );
    #[cfg(feature = "ffi")]
    {
        use super::tls12::{rsa, rsa_psk};
        let suite = CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256;
        let server = rsa::server().ask_signature(true);
        let context = "before 1.3, with a key that decrypts";
        older_suite_leaves_nothing(context, rsa::client(), server, false, suite);
        let suite = CipherSuite::TLS_RSA_PSK_WITH_AES_128_GCM_SHA256;
        let (client, server) = rsa_psk::ends();
        let server = server.ask_signature(true).ask_psk(true);
        let context = "before 1.3, with a key that decrypts, and a shared one";
        older_suite_leaves_nothing(context, client, server, false, suite);
    }
}

/// The password is there once, and so is what a server has of it; what is made of them is gone with the
/// handshake. Numbers stand in memory from their least byte on.
#[cfg(feature = "finite-field")]
fn passwords() {
    use super::tls12::user::{SRP, client, server};
    use crate::config::{SrpGroup, SrpUsers, SrpVerifier};
    let password: [u8; 24] = core::array::from_fn(|at| (at as u8).wrapping_mul(53) ^ 0x39);
    let alice = SrpVerifier::from_password("alice", password, SrpGroup::Bits1024).unwrap();
    let mut searched = vec![("password".to_owned(), Masked::new(&password))];
    let x = crate::srp::hash_of_password(b"alice", &password, alice.salt());
    for (what, number) in [("x", x.as_slice()), ("verifier", alice.verifier())] {
        let mut masked = Masked::new(number);
        searched.push((what.to_owned(), Masked(masked.0.clone())));
        masked.0.reverse();
        searched.push((format!("{what}, reversed"), masked));
    }
    let users = SrpUsers::new([alice]).unwrap();
    let client = client(&[SRP]).srp("alice", password).build().unwrap();
    let server = server(&[SRP]).srp_users(users).ask_user(true);
    let mut pair = Pair::new(client, server.build().unwrap());
    super::attack::talk(&mut pair);
    assert_eq!(pair.client.stage(), crate::Stage::Connected);
    let found = copies(&searched);
    assert!(found[0] <= 1 && found[3] <= 1, "{found:?}");
    assert_eq!([found[1], found[2], found[4]], [0; 3], "x and numbers");
    drop(pair);
    assert_eq!(copies(&searched), [0; 5], "what stays");
}

/// The key is there once, and gone with the last that has it; the premaster secret, which has it in it,
/// is gone when there is a master secret.
fn a_shared_key_stays_where_it_is() {
    for suite in [PSK, ECDHE_PSK] {
        let key: [u8; 32] = core::array::from_fn(|at| (at as u8).wrapping_mul(37) ^ 0x5a);
        let searched = vec![("shared key".to_owned(), Masked::new(&key))];
        let psk = PreSharedKey::new("moved", key).unwrap();
        let (client, server) = (clients_of(&[suite]), servers_of(&[suite]));
        let client = client.psk(psk.clone()).ask_psk(true).build().unwrap();
        let server = server.psk(psk).ask_psk(true).build().unwrap();
        let mut pair = Pair::new(client, server);
        super::attack::talk(&mut pair);
        assert_eq!(pair.client.stage(), crate::Stage::Connected);
        assert!(copies(&searched)[0] <= 1, "{suite}");
        drop(pair);
        assert_eq!(copies(&searched), [0], "{suite}");
    }
}

/// By a shared key of TLS 1.3, as it is and imported: what the early secret is made of, and the key itself.
fn shared_keys() {
    use super::external_psk::{client, server};
    use crate::suite::HashAlgorithm::{Sha256, Sha384};
    let key: [u8; 32] = core::array::from_fn(|at| (at as u8).wrapping_mul(41) ^ 0x6b);
    let searched = vec![("shared key".to_owned(), Masked::new(&key))];
    for is_imported in [false, true] {
        // The other key goes with another suite, and is left out after a HelloRetryRequest.
        let psk = |name: &str, hash| {
            let psk = PreSharedKey::new(name, key).unwrap().for_hash(hash);
            match is_imported {
                true => psk.imported("context").unwrap(),
                false => psk,
            }
        };
        let client = client()
            .psk(psk("other", Sha256))
            .psk(psk("moved", Sha384))
            .pause_at_hello(true)
            .key_log(true);
        let server = server()
            .cipher_suites([CipherSuite::TLS_AES_256_GCM_SHA384])
            .psk(psk("moved", Sha384))
            .ask_psk(true);
        for groups in [crate::NamedGroup::X25519, crate::NamedGroup::SECP256R1] {
            let context = format!("by a shared key, imported: {is_imported}, {groups}");
            let server = server.clone().groups([groups]);
            let (client, server) = (client.clone().build(), server.build());
            let early = match is_imported {
                // As `external_psk::tests` has it from elsewhere.
                true => early_states_of(Sha384, imported_key(&key).as_slice()),
                false => early_states_of(Sha384, &key),
            };
            let mut pair = Pair::new(client.unwrap(), server.unwrap());
            pair.turn(&mut |_, question| {
                if let Question::ReviewServerHello(_) = &question {
                    assert_eq!(copies(&early), [0, 0], "{context}: the early secret");
                }
                Some(question.default_answer())
            });
            assert_eq!(pair.client.stage(), crate::Stage::Connected, "{context}");
            nothing_is_left(&context, pair);
        }
    }
    assert_eq!(copies(&searched), [0], "what stays of the key");
}

/// RFC 9258 §5.1: what is made of the key above.
fn imported_key(key: &[u8]) -> Secret {
    let identity = b"\0\x05moved\0\x07context\x03\x04\0\x02";
    let secret = extract(HashAlgorithm::Sha384, &[], key);
    let prk = Prk::new(HashAlgorithm::Sha384, LabelPrefix::Tls13, &secret);
    let hash = crate::crypto::hash::hash(HashAlgorithm::Sha384, identity);
    prk.expand_label(Label::new(b"derived psk"), Some(&hash), 48)
}

fn all_handshakes() {
    all_older_handshakes();
    shared_keys();
    resumption_leaves_nothing("resumed", client().pause_at_hello(true), server());
    resumption_leaves_nothing(
        "resumed, with certificates of both and questions",
        authenticated_client()
            .pause_at_hello(true)
            .ask_identity(true)
            .ask_signature(true)
            .ask_verification(true),
        authenticating_server()
            .ask_identity(true)
            .ask_signature(true)
            .ask_verification(true),
    );
    leaves_nothing("plain", client(), server());
    #[cfg(feature = "dtls")]
    super::datagrams::moved_secrets::all_handshakes();
    leaves_nothing(
        "with tickets",
        resuming_client(),
        server().ticket_keys(ticket_keys()),
    );
    leaves_nothing(
        "with tickets that are asked for",
        resuming_client(),
        server().ticket_keys(ticket_keys()).ask_tickets(true),
    );
    leaves_nothing(
        "with a client's certificate",
        authenticated_client(),
        authenticating_server(),
    );
    leaves_nothing(
        "with every question",
        authenticated_client()
            .ask_identity(true)
            .ask_signature(true)
            .ask_verification(true),
        authenticating_server()
            .ask_identity(true)
            .ask_signature(true)
            .ask_verification(true),
    );
    leaves_nothing(
        "with a question and no certificate",
        client().ask_identity(true),
        authenticating_server().client_authentication(
            crate::config::ClientAuthentication::Optional(crate::testing::pki().roots.clone()),
        ),
    );
}

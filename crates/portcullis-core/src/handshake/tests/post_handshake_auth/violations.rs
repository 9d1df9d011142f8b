//! Each rule of authentication after the handshake: a peer that breaks just that one.

use super::*;

#[test]
fn a_server_that_breaks_the_rules_is_refused() {
    let filters = |filters: Vec<(Vec<u8>, Vec<u8>)>| {
        request(&[1], move |out| {
            let filters = filters
                .iter()
                .map(|(oid, values)| OidFilter { oid, values });
            OidFilters::put(out, filters);
        })
    };
    let usage = vec![6, 3, 0x55, 0x1d, 0x0f];
    let cases: Vec<(V, Vec<Put>)> = vec![
        (
            V::TooManyAuthenticationRequests,
            (0..5)
                .flat_map(|context| request(&[context], |_| {}))
                .collect(),
        ),
        (
            V::RequestContextReused,
            (0..2).flat_map(|_| request(&[1], |_| {})).collect(),
        ),
        (
            V::DuplicateOidFilter,
            filters(vec![(usage.clone(), vec![]), (usage.clone(), vec![])]),
        ),
        (V::BadOidFilter, filters(vec![(usage, vec![1])])),
        (
            V::TooManyOidFilters,
            filters((0..65).map(|number| (vec![6, 1, number], vec![])).collect()),
        ),
        (
            V::RequestWithoutSignatureAlgorithms,
            vec![Put::Unhashed(message(
                T::CERTIFICATE_REQUEST,
                &[0, 0, 4, 0, 99, 0, 0],
            ))],
        ),
        (
            V::UnexpectedPostHandshakeMessage,
            vec![Put::Unhashed(message(T::FINISHED, &[0; 32]))],
        ),
    ];
    for (violation, puts) in cases {
        let error = refused_after_with(By::Server, alice(), server(), &puts);
        assert_eq!(error.violation(), Some(violation), "{error}");
    }
}

#[test]
fn a_client_that_breaks_the_rules_is_refused() {
    fn certificate(context: &[u8], chain: &[&[u8]]) -> Put {
        let mut message = Vec::new();
        let entries = chain.iter().map(|one| (one, []));
        Certificate::put(&mut message, context, entries);
        Put::Unhashed(message)
    }
    let leaf = pki().client.chain()[0].clone();
    let mut signed = Vec::new();
    CertificateVerify::put(
        &mut signed,
        SignatureScheme::ECDSA_SECP256R1_SHA256,
        &[7; 64],
    );
    let verify = || Put::Unhashed(signed.clone());
    let finished = || Put::Unhashed(message(T::FINISHED, &[0; 48]));
    let data = || Put::Record(ContentType::APPLICATION_DATA, b"data".to_vec());
    let update = || Put::Unhashed(message(T::KEY_UPDATE, &[0]));
    type Puts<'a> = Box<dyn Fn(&[u8]) -> Vec<Put> + 'a>;
    let cases: [(V, bool, Puts<'_>); 11] = [
        (
            V::UnaskedCertificate,
            false,
            Box::new(|_| vec![certificate(&[], &[])]),
        ),
        (V::UnaskedCertificate, false, Box::new(|_| vec![finished()])),
        (
            V::CertificateContextUnknown,
            true,
            Box::new(|_| vec![certificate(&[1], &[])]),
        ),
        // Neither data, nor a KeyUpdate, nor another message, may come before the end.
        (
            V::AuthenticationInterleaved,
            true,
            Box::new(|context| vec![certificate(context, &[]), data()]),
        ),
        (
            V::AuthenticationInterleaved,
            true,
            Box::new(|context| vec![certificate(context, &[]), update()]),
        ),
        (
            V::AuthenticationInterleaved,
            true,
            Box::new(|context| vec![certificate(context, &[]), certificate(context, &[])]),
        ),
        // Without a certificate there is nothing to sign with, and with one it is signed.
        (
            V::AuthenticationInterleaved,
            true,
            Box::new(|context| vec![certificate(context, &[]), verify()]),
        ),
        (
            V::AuthenticationInterleaved,
            true,
            Box::new(|context| vec![certificate(context, &[&leaf]), finished()]),
        ),
        (
            V::FinishedMismatch,
            true,
            Box::new(|context| vec![certificate(context, &[]), finished()]),
        ),
        (
            V::BadSignature,
            true,
            Box::new(|context| vec![certificate(context, &[&leaf]), verify()]),
        ),
        (
            V::UnexpectedPostHandshakeMessage,
            true,
            Box::new(|_| request(&[1], |_| {})),
        ),
    ];
    for (violation, asks, puts) in cases {
        let (mut victim, mut attacker) = connected_with(By::Client, alice(), server());
        let mut context = Vec::new();
        if asks {
            ask(&victim);
            let authentication = victim.authentication.as_ref().unwrap();
            context = authentication.contexts().remove(0);
            mail(&mut victim);
        }
        puts(&context).iter().for_each(|put| attacker.put(put));
        let error = read_all(&mut victim.reader, transmitted(&mut attacker)).unwrap_err();
        assert_eq!(error.violation(), Some(violation), "{error}");
        assert_eq!(error.alert(), Some((Direction::Sent, violation.alert())));
    }
}

/// §4.2.5: a client chooses by them, and a server looks itself.
#[test]
fn a_certificate_has_what_the_filters_say() {
    let purpose = |last| {
        let (oid, values) = (
            [6, 3, 0x55, 0x1d, 0x25],
            [0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, last],
        );
        CertificateFilter::new(&oid, &values).unwrap()
    };
    let (client_auth, code_signing) = (purpose(2), purpose(3));
    let other = |last| CertificateFilter::new(&[6, 3, 0x55, 0x1d, last], &[]).unwrap();
    // subjectAltName is there, certificatePolicies are not, and a client passes both by.
    for (filter, is_shown, is_met) in [
        (client_auth, true, true),
        (code_signing, false, false),
        (other(0x11), true, true),
        (other(0x20), true, false),
    ] {
        let server = || server().oid_filters([filter.clone()]);
        let (mut client, mut asking) = connect(alice(), server());
        ask(&asking);
        deliver(&mut asking, &mut client);
        let settled = settle(&client);
        assert!(
            matches!(settled[0].1, AuthenticationStep::Answered { shown } if shown == is_shown)
        );
        let bytes = mail(&mut client);
        match read_all(&mut asking.reader, bytes) {
            Ok(_) => assert_eq!(is_alice(&settle(&asking)[0].1), is_met),
            Err(error) => {
                assert!(is_shown && !is_met);
                assert_eq!(error.violation(), Some(V::OidFiltersNotMet));
            }
        }

        // Who shows one all the same, after the handshake and in it.
        let insisting = || alice().ask_identity(true);
        let answer = |question| match question {
            Question::ChooseIdentity(question) => question.present(pki().client.clone()),
            other => Question::default_answer(other),
        };
        let (mut client, mut asking) = connect(insisting(), server());
        ask(&asking);
        deliver(&mut asking, &mut client);
        settle_answering(&client, answer);
        let bytes = mail(&mut client);
        let read = read_all(&mut asking.reader, bytes);
        assert_eq!(read.is_ok(), is_met);
        if let Err(error) = read {
            assert_eq!(error.violation(), Some(V::OidFiltersNotMet));
        }
        let server = server()
            .post_handshake_authentication(false)
            .build()
            .unwrap();
        let pair = Pair::new(insisting().build().unwrap(), server);
        let (_, server) = pair.run_answering(|_, question| Some(answer(question)));
        assert_eq!(
            server.map(|_| ()).err().and_then(|error| error.violation()),
            match is_met {
                true => None,
                false => Some(V::OidFiltersNotMet),
            }
        );
    }
}

/// Data in between is no reason to sign for ever.
#[test]
fn signatures_have_a_bound() {
    let (mut client, mut server) = connect(alice(), server());
    for _ in 0..64 {
        ask(&server);
        let mut out = vec![0; server.writer.max_sealed_len(1) + 4_096];
        let sealed = server.writer.seal(b"x", &mut out).unwrap();
        let read = read_all(&mut client.reader, out[..sealed.written].to_vec());
        assert_eq!(read.unwrap(), b"x");
        deliver(&mut server, &mut client);
        let settled = settle(&client);
        assert!(matches!(
            settled[..],
            [(_, AuthenticationStep::Answered { shown: true })]
        ));
        deliver(&mut client, &mut server);
        assert!(is_alice(&settle(&server)[0].1));
    }
    ask(&server);
    let bytes = mail(&mut server);
    let error = read_all(&mut client.reader, bytes).unwrap_err();
    assert_eq!(error.violation(), Some(V::TooManySignaturesAsked));
}

#[test]
fn a_request_of_any_length_is_bounded() {
    let mut body = vec![1, 7];
    put_vec16(&mut body, |out| {
        out.extend_from_slice(&[0, 13]);
        put_vec16(out, |out| {
            put_vec16(out, |out| out.extend_from_slice(&[4, 3].repeat(16_000)))
        });
    });
    let mut request = vec![T::CERTIFICATE_REQUEST.0];
    put_vec24(&mut request, |out| out.extend_from_slice(&body));
    let client = alice().max_handshake_size(16_384);
    let error = refused_after_with(By::Server, client, server(), &[Put::Unhashed(request)]);
    assert_eq!(error.violation(), Some(V::HandshakeMessageTooLong));
}

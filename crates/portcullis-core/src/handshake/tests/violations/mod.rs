//! Each line of `violation.rs`: a peer that breaks just that rule, what its victim says, and the
//! alert that arrives.

mod after;
mod client_flight;
mod client_hello;
mod keys;
mod records;
mod server_flight;
mod server_hello;
mod tls12_flights;
mod tls12_hellos;
mod tls12_records;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::attack::{By, Case, client, pair, refused, server, transmitted};
use super::tamper::{Put, first};
use crate::testing::{Pair, now};
use crate::wire::HandshakeType as T;
use crate::{AlertDescription, Direction, Stage, Violation};

/// All cases that happen during a handshake.
fn cases() -> Vec<Case> {
    let mut cases = records::cases();
    cases.extend(server_hello::cases());
    cases.extend(server_flight::cases());
    cases.extend(client_hello::cases());
    cases.extend(client_flight::cases());
    cases.extend(tls12_hellos::cases());
    cases.extend(tls12_flights::cases());
    cases.extend(tls12_records::cases());
    cases.extend(keys::cases());
    cases.extend(super::raw_keys::cases());
    cases.extend(super::compression::cases());
    cases.extend(super::external_psk::cases());
    cases
}

#[test]
fn each_costs_its_alert() {
    let mut failed = Vec::new();
    for (at, case) in cases().into_iter().enumerate() {
        let violation = case.violation;
        // All that are wrong are told at once.
        if catch_unwind(AssertUnwindSafe(|| case.check())).is_err() {
            failed.push((at, violation));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// Where an RFC names the alert. The cases above take theirs from the table, so they cannot see that one is wrong there.
#[test]
fn alerts_are_those_that_an_rfc_names() {
    use {AlertDescription as A, Violation as V};
    for (alert, section, violations) in [
        (
            A::HANDSHAKE_FAILURE,
            "RFC 5246 §7.4.4, §7.4.6",
            &[V::RequestByAnonymousServer, V::NoClientCertificateBefore13][..],
        ),
        (
            A::UNSUPPORTED_EXTENSION,
            "RFC 5246 §7.4.1.4",
            &[V::ExtensionNotOffered],
        ),
        (
            A::HANDSHAKE_FAILURE,
            "RFC 5746 §3.4 to §3.7",
            &[
                V::RenegotiationInfoMismatch,
                V::RenegotiationInfoMissing,
                V::ScsvInRenegotiation,
            ],
        ),
        (
            A::HANDSHAKE_FAILURE,
            "RFC 7627 §5.2, §5.3",
            &[
                V::ExtendedMasterSecretMissing,
                V::ResumedWithoutExtendedMasterSecret,
                V::ResumedWithExtendedMasterSecret,
            ],
        ),
        (A::HANDSHAKE_FAILURE, "RFC 7919 §3, §4", &[V::BadDhShare]),
        (
            A::INSUFFICIENT_SECURITY,
            "RFC 7919 §3, §4; RFC 5054 §2.5.3",
            &[V::WeakGroup, V::NoSharedFiniteField, V::BadSrpGroup],
        ),
        (
            A::ILLEGAL_PARAMETER,
            "RFC 5054 §2.5.3, §2.5.4; RFC 6066 §4; RFC 8422 §5.1.2; RFC 8449 §4, §5; RFC 8446 §4.2.11",
            &[
                V::BadSrpValue,
                V::BadMaxFragmentLength,
                V::MaxFragmentLengthChanged,
                V::UncompressedPointsMissing,
                V::BadRecordSizeLimit,
                V::RecordSizeLimitWithMaxFragment,
                V::SelectedPskNotOffered,
            ],
        ),
        (
            A::UNKNOWN_PSK_IDENTITY,
            "RFC 5054 §2.5.1.2; RFC 4279 §2",
            &[V::SrpUserMissing, V::UnknownPskIdentity],
        ),
        (A::UNRECOGNIZED_NAME, "RFC 6066 §3", &[V::UnrecognizedName]),
        (
            A::INAPPROPRIATE_FALLBACK,
            "RFC 7507 §3",
            &[V::InappropriateFallback],
        ),
        (
            A::NO_APPLICATION_PROTOCOL,
            "RFC 7301 §3.2",
            &[V::NoSharedProtocol],
        ),
        (
            A::UNEXPECTED_MESSAGE,
            "RFC 8446 §4.2.10",
            &[V::EarlyDataBeyondLimit],
        ),
    ] {
        for violation in violations {
            assert_eq!(violation.alert(), alert, "{} ({section})", violation.name());
        }
    }
}

/// D.4: a middlebox that takes this for TLS 1.2 waits for the change_cipher_spec, also before an
/// alert.
#[test]
fn the_first_protected_record_of_a_client_comes_after_change_cipher_spec() {
    let tamper = first(T::ENCRYPTED_EXTENSIONS, |_| {
        vec![Put::Message(vec![8, 0, 0, 0])]
    });
    let (client, server) = (client().build().unwrap(), server().build().unwrap());
    let mut pair = pair(client, server, By::Server, tamper);
    let hello = transmitted(&mut pair.client);
    pair.server.receive(&hello, now());
    let flight = transmitted(&mut pair.server);
    pair.client.receive(&flight, now());
    let alert = transmitted(&mut pair.client);
    assert_eq!(alert.get(..7), Some(&[20, 3, 3, 0, 1, 1, 23][..]));
}

/// A key that has opened as many records as its cipher may is used no more.
#[test]
fn aead_limit_reached() {
    let mut pair = Pair::new(client().build().unwrap(), server().build().unwrap());
    let hello = transmitted(&mut pair.client);
    pair.server.receive(&hello, now());
    let flight = transmitted(&mut pair.server);
    let (server_hello, rest) = flight.split_at(5 + usize::from(flight[4]));
    pair.client.receive(server_hello, now());
    assert!(transmitted(&mut pair.client).is_empty());
    pair.client.wear_out_read_key();
    pair.client.receive(rest, now());
    let error = refused(pair, By::Server);
    assert_eq!(error.violation(), Some(Violation::AeadLimitReached));
    assert_eq!(error.stage(), Stage::WaitEncryptedExtensions);
}

/// §5: not bad_record_mac, as if it were a forgery; a middlebox that answers in the clear is told
/// apart by it.
#[test]
fn an_unprotected_record_where_a_protected_one_is_due_is_unexpected() {
    for bytes in [
        &[22, 3, 3, 0, 6, 8, 0, 0, 2, 0, 0][..],
        &[21, 3, 3, 0, 2, 2, 40],
    ] {
        let tamper = first(T::ENCRYPTED_EXTENSIONS, move |raw| {
            vec![Put::Raw(bytes.to_vec()), Put::Message(raw.to_vec())]
        });
        let (client, server) = (client().build().unwrap(), server().build().unwrap());
        let error = refused(pair(client, server, By::Server, tamper), By::Server);
        let alert = (Direction::Sent, AlertDescription::UNEXPECTED_MESSAGE);
        assert_eq!(error.alert(), Some(alert), "{error}");
    }
}

/// Covered by a test of its own.
const APART: &[(Violation, &str)] = &[
    (
        Violation::TooManyAuthenticationRequests,
        "handshake::tests::post_handshake_auth::violations::a_server_that_breaks_the_rules_is_refused",
    ),
    (
        Violation::TooManySignaturesAsked,
        "handshake::tests::post_handshake_auth::violations::signatures_have_a_bound",
    ),
    (
        Violation::RequestContextReused,
        "handshake::tests::post_handshake_auth::violations::a_server_that_breaks_the_rules_is_refused",
    ),
    (
        Violation::DuplicateOidFilter,
        "handshake::tests::post_handshake_auth::violations::a_server_that_breaks_the_rules_is_refused",
    ),
    (
        Violation::BadOidFilter,
        "handshake::tests::post_handshake_auth::violations::a_server_that_breaks_the_rules_is_refused",
    ),
    (
        Violation::TooManyOidFilters,
        "handshake::tests::post_handshake_auth::violations::a_server_that_breaks_the_rules_is_refused",
    ),
    (
        Violation::OidFiltersNotMet,
        "handshake::tests::post_handshake_auth::violations::a_certificate_has_what_the_filters_say",
    ),
    (
        Violation::UnaskedCertificate,
        "handshake::tests::post_handshake_auth::violations::a_client_that_breaks_the_rules_is_refused",
    ),
    (
        Violation::CertificateContextUnknown,
        "handshake::tests::post_handshake_auth::violations::a_client_that_breaks_the_rules_is_refused",
    ),
    (
        Violation::AuthenticationInterleaved,
        "handshake::tests::post_handshake_auth::violations::a_client_that_breaks_the_rules_is_refused",
    ),
    (
        Violation::EchTypeUnknown,
        "handshake::tests::ech::violations::the_kind_of_hello_has_to_fit_the_kind_of_server",
    ),
    (
        Violation::EchInnerFromNetwork,
        "handshake::tests::ech::violations::the_kind_of_hello_has_to_fit_the_kind_of_server",
    ),
    (
        Violation::EchOuterAtBackend,
        "handshake::tests::ech::violations::the_kind_of_hello_has_to_fit_the_kind_of_server",
    ),
    (
        Violation::EchPaddingNotZero,
        "handshake::tests::ech::violations::an_inner_hello_that_breaks_a_rule_is_fatal",
    ),
    (
        Violation::EchSessionIdNotEmpty,
        "handshake::tests::ech::violations::an_inner_hello_that_breaks_a_rule_is_fatal",
    ),
    (
        Violation::OuterExtensionMissing,
        "handshake::tests::ech::violations::an_inner_hello_that_breaks_a_rule_is_fatal",
    ),
    (
        Violation::OuterExtensionSelfReference,
        "handshake::tests::ech::violations::an_inner_hello_that_breaks_a_rule_is_fatal",
    ),
    (
        Violation::InnerWithoutEch,
        "handshake::tests::ech::violations::an_inner_hello_that_breaks_a_rule_is_fatal",
    ),
    (
        Violation::InnerOffersOldVersion,
        "handshake::tests::ech::violations::an_inner_hello_that_breaks_a_rule_is_fatal",
    ),
    (
        Violation::EchMissingInSecondHello,
        "handshake::tests::ech::violations::a_second_hello_belongs_to_the_first",
    ),
    (
        Violation::EchChangedInSecondHello,
        "handshake::tests::ech::violations::a_second_hello_belongs_to_the_first",
    ),
    (
        Violation::SecondEchNotOpened,
        "handshake::tests::ech::violations::a_second_hello_belongs_to_the_first",
    ),
    (
        Violation::EchAcceptanceRevoked,
        "handshake::tests::ech::violations::a_server_says_the_same_twice",
    ),
    (
        Violation::EchRejectedButResumed,
        "handshake::tests::ech::violations::who_has_not_read_the_inner_hello_cannot_resume",
    ),
    (
        Violation::BadSrpGroup,
        "handshake::tests::tls12::user::groups_and_values_of_a_server",
    ),
    (
        Violation::BadSrpValue,
        "handshake::tests::tls12::user::values_of_a_client",
    ),
    (
        Violation::SrpUserMissing,
        "handshake::tests::tls12::user::a_client_that_names_no_user",
    ),
    (
        Violation::BadDhShare,
        "handshake::tests::tls12::finite_field::shares_of_a_client",
    ),
    (
        Violation::WeakGroup,
        "handshake::tests::tls12::finite_field::groups_and_shares_of_a_server",
    ),
    (Violation::AeadLimitReached, "aead_limit_reached"),
    (
        Violation::MalformedAck,
        "handshake::tests::datagrams::violations::what_no_peer_seals_ends_the_connection",
    ),
    (
        Violation::MalformedFragment,
        "handshake::tests::datagrams::violations::what_no_peer_seals_ends_the_connection",
    ),
    (
        Violation::FragmentContradictsMessage,
        "handshake::tests::datagrams::violations::what_no_peer_seals_ends_the_connection",
    ),
    (
        Violation::MessageInOldEpoch,
        "handshake::tests::datagrams::violations::a_key_update_under_an_old_key",
    ),
    (
        Violation::ConnectionIdTooLong,
        "handshake::tests::datagrams::connection_ids::an_id_that_is_too_long",
    ),
    (
        Violation::ConnectionIdsNotNegotiated,
        "handshake::tests::datagrams::connection_id_messages::messages_about_ids_that_no_peer_sends",
    ),
    (
        Violation::BadConnectionIdUsage,
        "handshake::tests::datagrams::connection_id_messages::messages_about_ids_that_no_peer_sends",
    ),
    (
        Violation::NoUsableConnectionId,
        "handshake::tests::datagrams::connection_id_messages::messages_about_ids_that_no_peer_sends",
    ),
    (
        Violation::TooManyConnectionIds,
        "handshake::tests::datagrams::connection_id_messages::messages_about_ids_that_no_peer_sends",
    ),
    (
        Violation::TooManyConnectionIdsRequested,
        "handshake::tests::datagrams::connection_id_messages::messages_about_ids_that_no_peer_sends",
    ),
    (
        Violation::MalformedPathMessage,
        "handshake::tests::datagrams::connection_id_messages::who_has_not_agreed_on_it_is_not_asked",
    ),
    (
        Violation::VersionChangedAfterVerify,
        "handshake::tests::datagrams::older::who_verifies_a_hello_does_not_speak_dtls_1_3",
    ),
    (
        Violation::SrtpProfileNotOffered,
        "handshake::tests::datagrams::srtp::what_a_server_may_not_answer",
    ),
    (
        Violation::SrtpMkiChanged,
        "handshake::tests::datagrams::srtp::what_a_server_may_not_answer",
    ),
    (
        Violation::LegacyCookieInHello,
        "handshake::tests::datagrams::violations::a_cookie_of_an_older_version",
    ),
    (
        Violation::EarlyDataBeyondLimit,
        "handshake::tests::early_data::a_limit_for_both",
    ),
    (
        Violation::OlderVersionAfterEarlyData,
        "handshake::tests::early_data::hostile::an_older_version_afterwards",
    ),
    (
        Violation::EarlyDataWithAnotherPsk,
        "handshake::tests::early_data::hostile::what_a_server_accepts_it_with",
    ),
    (
        Violation::EarlyDataWithAnotherSuite,
        "handshake::tests::early_data::hostile::what_a_server_accepts_it_with",
    ),
    (
        Violation::EarlyDataWithAnotherProtocol,
        "handshake::tests::early_data::hostile::what_a_server_accepts_it_with",
    ),
    (
        Violation::CompatibilitySessionIdEchoed,
        "handshake::tests::tls12::resumption::an_id_of_no_session_comes_back",
    ),
    (
        Violation::NoSharedFiniteField,
        "handshake::tests::tls12::finite_field::nothing_in_common",
    ),
    (
        Violation::DataBeforeFinished,
        "handshake::tests::renegotiation::violations::no_data_under_keys_that_no_finished_has_confirmed",
    ),
    (
        Violation::RenegotiationChangedCertificate,
        "handshake::tests::renegotiation::violations::the_certificate_of_the_server_stays",
    ),
    (
        Violation::RenegotiationChangedClient,
        "handshake::tests::renegotiation::violations::the_client_stays_who_it_is",
    ),
    #[cfg(feature = "dtls")]
    (
        Violation::RenegotiationChangedConnectionId,
        "handshake::tests::datagrams::renegotiation::lasting::connection_ids_stay",
    ),
    #[cfg(feature = "dtls")]
    (
        Violation::RenegotiationChangedSrtp,
        "handshake::tests::datagrams::renegotiation::lasting::the_profile_of_srtp_stays",
    ),
    (
        Violation::RenegotiationChangedName,
        "handshake::tests::renegotiation::violations::the_name_stays",
    ),
    (
        Violation::RenegotiationChangedProtection,
        "handshake::tests::renegotiation::violations::the_extended_master_secret_is_not_lost",
    ),
    (
        Violation::RenegotiationChangedProtocol,
        "handshake::tests::renegotiation::violations::the_protocol_stays",
    ),
    (
        Violation::RenegotiationChangedVersion,
        "handshake::tests::renegotiation::violations::the_version_stays",
    ),
    (
        Violation::RenegotiationForbidden,
        "handshake::tests::renegotiation::policies::forbidden_ends_the_connection",
    ),
    (
        Violation::RenegotiationInfoMissing,
        "handshake::tests::renegotiation::violations::a_server_demands_the_right_renegotiation_info",
    ),
    (
        Violation::ScsvInRenegotiation,
        "handshake::tests::renegotiation::violations::a_server_demands_the_right_renegotiation_info",
    ),
    (
        Violation::ResumedWithAnotherVersion,
        "handshake::client::tls12::resumption::tests",
    ),
    (
        Violation::WrongOuterType,
        "record::tests::incoming::protected_records_of_another_outer_type",
    ),
];

#[test]
fn none_is_without_a_case() {
    let during = cases().into_iter().map(|case| case.violation.name());
    let after = after::CASES.iter().chain(tls12_records::AFTER);
    let after = after.map(|(violation, ..)| violation.name());
    let apart = APART.iter().map(|(violation, _)| violation.name());
    let covered: BTreeSet<_> = during.chain(after).chain(apart).collect();
    let missing: Vec<_> = Violation::ALL
        .iter()
        .map(|violation| violation.name())
        .filter(|name| !covered.contains(name))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

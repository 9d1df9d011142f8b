use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::connect::Route;
use crate::scan::checks::{Accepted, Order, Suites};
use crate::scan::hello::TLS_1_3;

/// What a server does not bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mean {
    Nothing,
    Records,
    Segments,
    Long,
    Unknown,
    Version,
    OldVersion,
    /// Any at all, from the second connection on.
    All,
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Answers a hello; `None`: not this one. `first` is what came at once.
fn answer(mean: Mean, first: usize, hello: &[u8], records: usize) -> Option<Vec<u8>> {
    let is_new = has(hello, &[0, 43]) && has(hello, &[3, 4, 0, 45]);
    let suites = &hello[4 + 2 + 32 + 1 + 2..];
    let is_unknown = suites[0] & 0x0f == 0x0a;
    let suite = &suites[if is_unknown { 2 } else { 0 }..][..2];
    let is_met = match mean {
        Mean::Nothing => false,
        Mean::Records => records == 2 && hello.len() < RECORD_IS_LONG,
        Mean::Segments => first < hello.len(),
        Mean::Long => hello.len() >= LONG,
        Mean::Unknown => is_unknown,
        Mean::Version => has(hello, &[0, 43, 0, 5, 4, 3, 5]),
        Mean::OldVersion => hello[4..6] == [3, 4],
        Mean::All => true,
    };
    if is_met {
        return None;
    }
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend(suite);
    body.push(0);
    if is_new {
        body.extend([0, 6, 0, 43, 0, 2, 3, 4]);
    }
    let length = u8::try_from(body.len()).unwrap();
    let head = [22, 3, 3, 0, length + 4, 2, 0, 0, length];
    Some([&head[..], &body].concat())
}

const RECORD_IS_LONG: usize = 2_000;

async fn serve(io: &mut TcpStream, mean: Mean) -> Option<()> {
    let (mut bytes, mut part) = (Vec::new(), vec![0; 32 << 10]);
    let mut first = 0;
    loop {
        let (mut message, mut records, mut rest) = (Vec::new(), 0, &bytes[..]);
        while let [22, _, _, high, low, behind @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((body, behind)) = behind.split_at_checked(length) else {
                break;
            };
            message.extend_from_slice(body);
            (records, rest) = (records + 1, behind);
        }
        if let [_, a, b, c, body @ ..] = &message[..]
            && body.len() >= u32::from_be_bytes([0, *a, *b, *c]) as usize
        {
            let answer = answer(mean, first, &message, records)?;
            io.write_all(&answer).await.ok()?;
            // The alert, and the end.
            while io.read(&mut part).await.ok()? > 0 {}
            return Some(());
        }
        let count = io.read(&mut part).await.ok()?;
        bytes.extend_from_slice(&part[..count]);
        if first == 0 {
            first = count;
        }
    }
}

/// What is found out of a server that speaks these versions, by name.
async fn forms(mean: Mean, versions: &[u16]) -> Vec<(&'static str, Offered)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        for number in 0.. {
            let (mut io, _) = listener.accept().await.unwrap();
            let mean = match mean {
                Mean::All if number == 0 => Mean::Nothing,
                mean => mean,
            };
            let _ = serve(&mut io, mean).await;
        }
    });
    let route = Route {
        starttls: None,
        name: None,
        resolve: Vec::new(),
        ipv4: false,
        ipv6: false,
        bind: None,
        proxy: None,
        unix: None,
        timeout: Some(30),
    };
    let destination = route.to(&address.to_string()).unwrap();
    let mut prober = Prober::new(destination, 300, 1_000, Duration::from_secs(60));
    prober.pause = Duration::ZERO;
    let suites = versions.iter().map(|version| Suites {
        version: *version,
        order: Order::None,
        accepted: Accepted {
            codes: vec![if *version == TLS_1_3 { 0x1301 } else { 0xc02f }],
            ..Accepted::default()
        },
    });
    let seen = Seen {
        versions: versions
            .iter()
            .map(|version| (*version, Some(Offered::Yes)))
            .collect(),
        suites: suites.collect(),
        ..Seen::default()
    };
    let forms = all(&mut prober, &seen).await;
    server.abort();
    let forms = forms.into_iter();
    forms.map(|(form, offered)| (form.name, offered)).collect()
}

fn not_borne(forms: &[(&'static str, Offered)]) -> Vec<&'static str> {
    let no = forms.iter().filter(|(_, offered)| *offered == Offered::No);
    no.map(|(name, _)| *name).collect()
}

#[tokio::test]
async fn what_a_server_does_not_bear_is_told_from_all_else() {
    for (mean, expected) in [
        (Mean::Nothing, &[][..]),
        (Mean::Records, &["records"]),
        (Mean::Segments, &["segments"]),
        (Mean::Long, &["long", "very_long"]),
        (Mean::Unknown, &["unknown_values"]),
        (Mean::Version, &["version"]),
        (Mean::OldVersion, &["old_version"]),
    ] {
        let forms = forms(mean, &[TLS_1_2, TLS_1_3]).await;
        assert_eq!(forms.len(), 7, "{forms:?}");
        assert_eq!(not_borne(&forms), expected, "{mean:?}");
        let are_known = forms.iter().all(|(_, offered)| offered.why().is_none());
        assert!(are_known, "{forms:?}");
    }
    // The old form is of those before TLS 1.3 alone, and so are hellos with extensions of TLS and not of SSL.
    let new = forms(Mean::Nothing, &[TLS_1_3]).await;
    assert_eq!((new.len(), not_borne(&new)), (6, Vec::new()), "{new:?}");
    assert_eq!(forms(Mean::Nothing, &[TLS_1_2]).await.len(), 7);
    assert_eq!(forms(Mean::Nothing, &[0x0300]).await, []);
}

#[tokio::test]
async fn who_answers_nothing_any_more_has_not_declined_a_form() {
    let forms = forms(Mean::All, &[TLS_1_3]).await;
    assert_eq!(forms[0], ("records", Offered::Yes));
    for (name, offered) in &forms[1..] {
        assert_eq!(offered.word(), "unknown", "{name}");
    }
}

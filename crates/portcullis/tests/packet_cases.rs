//! Where packets end, byte for byte: each case at once, byte by byte, and cut at every place.
//!
//! What Erlang makes of the same bytes is compared in `tests/tests/packets/`.

mod packet_text;

use bytes::Bytes;
use packet_text::{all_ways, at_once};
use portcullis::packet::http::KnownHeader;
use portcullis::packet::{Framing, Packet, PacketError, PacketOptions, Piece, Scan};

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[track_caller]
fn case(options: impl Into<PacketOptions>, bytes: &[u8], expected: &[&str]) {
    let options = options.into();
    assert_eq!(
        all_ways(options, bytes),
        expected,
        "{options:?} {}",
        bytes.escape_ascii()
    );
}

/// The same in hex: each packet as hex, then what the scanner says of the rest.
#[track_caller]
fn hex(options: impl Into<PacketOptions>, bytes: &str, expected: &[&str]) {
    let expected: Vec<String> = expected
        .iter()
        .map(|text| match text.chars().all(|c| c.is_ascii_hexdigit()) {
            true => format!("{}", unhex(text).escape_ascii()),
            false => (*text).to_owned(),
        })
        .collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    case(options, &unhex(bytes), &expected);
}

#[test]
fn lengths_in_front() {
    case(Packet::Raw, b"", &[]);
    case(Packet::Length1, b"", &[]);
    case(Packet::Length1, b"\0", &[""]);
    case(Packet::Length1, b"\x02a", &["MORE"]);
    case(Packet::Length1, b"\x05hello\x02hi", &["hello", "hi"]);
    case(Packet::Length2, b"\0\x05hello\0\x02hi", &["hello", "hi"]);
    case(Packet::Length2, b"\0\0\0\0", &["", ""]);
    case(Packet::Length2, b"\0", &["MORE"]);
    case(
        Packet::Length4,
        b"\0\0\0\x05hello\0\0\0\0\0\0\0\x02hi",
        &["hello", "", "hi"],
    );
    let five = PacketOptions::new(Packet::Length4).size(5).unwrap();
    case(five, b"\0\0\0\x0512345", &["12345"]);
    case(five, b"\0\0\0\x06", &["TOO LONG"]);
    // The default limit, without a byte of the content.
    case(Packet::Length4, &unhex("00800000"), &["MORE"]);
    case(Packet::Length4, &unhex("00800001"), &["TOO LONG"]);
    let any = PacketOptions::new(Packet::Length4)
        .unlimited_size()
        .unwrap();
    case(any, &unhex("ffffffff"), &["MORE"]);
}

#[test]
fn sun_record_marking() {
    hex(Packet::SunRm, "800000", &["MORE"]);
    hex(Packet::SunRm, "80000000", &["80000000"]);
    hex(Packet::SunRm, "00000002616263", &["000000026162", "MORE"]);
    hex(Packet::SunRm, "80000004626f6479", &["80000004626f6479"]);
    hex(Packet::SunRm, "ffffffff", &["TOO LONG"]);
}

#[test]
fn fastcgi() {
    hex(
        Packet::Fcgi,
        "01060001000200006162",
        &["01060001000200006162"],
    );
    hex(
        Packet::Fcgi,
        "01060001000203006162000000 0106000100000000",
        &["01060001000203006162", "0106000100000000"],
    );
    hex(Packet::Fcgi, "010600010002030061620000", &["MORE"]);
    hex(Packet::Fcgi, "02", &["INVALID"]);
    let four = PacketOptions::new(Packet::Fcgi).size(4).unwrap();
    hex(four, "0106000100020300", &["TOO LONG"]);
}

#[test]
fn tpkt() {
    hex(Packet::Tpkt, "03000004", &["03000004"]);
    hex(Packet::Tpkt, "030900066162", &["030900066162"]);
    hex(Packet::Tpkt, "03000003", &["INVALID"]);
    hex(Packet::Tpkt, "03000000", &["INVALID"]);
    hex(Packet::Tpkt, "02", &["INVALID"]);
    hex(Packet::Tpkt, "0909090909", &["INVALID"]);
}

#[test]
fn giop() {
    let big = "47494f5001000001000000026162";
    hex(Packet::Cdr, big, &[big]);
    for little in [
        "47494f5001000101020000006162",
        "47494f5001000301020000006162",
    ] {
        hex(Packet::Cdr, little, &[little]);
    }
    hex(Packet::Cdr, "47494f58", &["INVALID"]);
    hex(Packet::Cdr, "58", &["INVALID"]);
    hex(Packet::Cdr, "47494f500100000100000", &["MORE"]);
    hex(Packet::Cdr, "47494f5001000001ffffffff", &["TOO LONG"]);
}

#[test]
fn ber() {
    for whole in [
        "3000",
        "3003010203",
        "308103010203",
        "30820003010203",
        "308300000109",
        "30840000000109",
        "1f81010107",
    ] {
        hex(Packet::Asn1, whole, &[whole]);
    }
    hex(
        Packet::Asn1,
        "300302010504026869",
        &["3003020105", "04026869"],
    );
    for start in ["30", "1f81", "3081", "308400"] {
        hex(Packet::Asn1, start, &["MORE"]);
    }
    for bad in ["3080", "3085", "3fffffffffffff", "30ff"] {
        hex(Packet::Asn1, bad, &["INVALID"]);
    }
    hex(Packet::Asn1, "30847fffffff", &["TOO LONG"]);
}

#[test]
fn lines() {
    case(
        Packet::Line,
        b"one\ntwo\r\nrest",
        &["one\\n", "two\\r\\n", "MORE"],
    );
    case(Packet::Line, b"\n", &["\\n"]);
    let three = PacketOptions::new(Packet::Line).size(3).unwrap();
    case(three, b"ab\n", &["ab\\n"]);
    case(three, b"abc\n", &["TOO LONG"]);
    case(three, b"abc", &["MORE"]);
    case(three, b"abcd", &["TOO LONG"]);
    let semicolons = PacketOptions::new(Packet::Line).delimiter(b';').unwrap();
    case(semicolons, b"a;b\n;", &["a;", "b\\n;"]);
}

#[test]
fn bytes_at_the_start_apart() {
    let header = |packet, bytes| PacketOptions::new(packet).header(bytes).unwrap();
    case(header(Packet::Length1, 3), b"\x06abcdef", &["abc|def"]);
    case(header(Packet::Length1, 3), b"\x02ab", &["ab|"]);
    case(header(Packet::Length2, 2), b"\0\x05abcde", &["ab|cde"]);
    case(header(Packet::Line, 1), b"abc\n", &["a|bc\\n"]);
}

const REQUEST: &str = "REQUEST GET /index.html 1.1";

#[test]
fn start_lines() {
    let http = |line: &str, expected: &str| case(Packet::Http, line.as_bytes(), &[expected]);
    for line in [
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\n",
        "GET  /  HTTP/1.1\r\n",
        "GET\t/\t HTTP/1.1\r\n",
    ] {
        http(line, "REQUEST GET / 1.1");
    }
    http("GET /\r\n", "REQUEST GET / 0.9");
    http("GET / \r\n", "REQUEST GET / 0.9");
    http("get / HTTP/1.0\r\n", "REQUEST other:get / 1.0");
    http("PATCH / HTTP/1.0\r\n", "REQUEST other:PATCH / 1.0");
    http(
        "CONNECT a.b:443 HTTP/1.1\r\n",
        "REQUEST other:CONNECT scheme(a.b,443) 1.1",
    );
    http("OPTIONS * HTTP/1.1\r\n", "REQUEST OPTIONS * 1.1");
    http(
        "GET http://h HTTP/1.1\r\n",
        "REQUEST GET http(h,None,/) 1.1",
    );
    http(
        "GET HTTP://h:8/ HTTP/1.1\r\n",
        "REQUEST GET http(h,Some(8),/) 1.1",
    );
    http(
        "GET https://h:0/x HTTP/1.1\r\n",
        "REQUEST GET https(h,None,/x) 1.1",
    );
    http(
        "GET http://h:8x/ HTTP/1.1\r\n",
        "REQUEST GET http(h,None,/) 1.1",
    );
    http(
        "GET http://[::1]:80/x HTTP/1.1\r\n",
        "REQUEST GET http([::1],Some(80),/x) 1.1",
    );
    http(
        "GET ftp://h/x HTTP/1.1\r\n",
        "REQUEST GET scheme(ftp,//h/x) 1.1",
    );
    http("GET foo HTTP/1.1\r\n", "REQUEST GET other(foo) 1.1");
    http("GET a HTTP/1.1\r\n", "REQUEST GET a 1.1");
    http("GET / HTTP/11.22\r\n", "REQUEST GET / 11.22");
    case(
        Packet::Http,
        b"GET /\xc8 HTTP/1.1\r\n",
        &["REQUEST GET /\\xc8 1.1"],
    );
    for line in [
        "GET\r\n",
        "GET \r\n",
        " GET / HTTP/1.1\r\n",
        "GET / HTTP/1\r\n",
        "GET / http/1.1\r\n",
        "GET / FOO\r\n",
        "GET / HTTP/1.1 x\r\n",
        "GET / HTTP/1.1\r\r\n",
        "GET / HTTP/99999.1\r\n",
        "G(T / HTTP/1.1\r\n",
        "/a b HTTP/1.1\r\n",
        "GET /\0 HTTP/1.1\r\n",
        "GET /\rx HTTP/1.1\r\n",
        "\r\n",
        "HTTP/1.1 OK\r\n",
        "HTTP/1.1\r\n",
        "HTTP/2 200\r\n",
        "HTTP/1.1 200OK\r\n",
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 99 OK\r\n",
    ] {
        http(
            line,
            &format!("UNPARSED {}", line.as_bytes().escape_ascii()),
        );
    }
    http("GET / HTTP/1.1", "MORE");
    http("GET / HTTP/1.1\r", "MORE");
    http("HTTP/1.0 404 Not Found\r\n", "RESPONSE 1.0 404 Not Found");
    http("HTTP/1.1 200\r\n", "RESPONSE 1.1 200 ");
    http("HTTP/1.1 200 \r\n", "RESPONSE 1.1 200 ");
    http("HTTP/1.1  200  OK\r\n", "RESPONSE 1.1 200 OK");
}

#[test]
fn headers() {
    let header = |line: &str, expected: &[&str]| {
        case(Packet::HttpHeaders, line.as_bytes(), expected);
    };
    header("Host: a\r\n", &["MORE"]);
    header("Host: a\r\nX", &["HEADER 14 Host=a", "MORE"]);
    header("Host:a\r\nX", &["HEADER 14 Host=a", "MORE"]);
    header("host:  a \r\nX", &["HEADER 14 Host(host)=a ", "MORE"]);
    header("HOST:\ta\t\r\nX", &["HEADER 14 Host(HOST)=a\\t", "MORE"]);
    header("Host:\r\nX", &["HEADER 14 Host=", "MORE"]);
    header("A: b:c\r\nX", &["HEADER 0 A=b:c", "MORE"]);
    header(
        "A: 1\r\n 2\r\n\t3\r\nX",
        &["HEADER 0 A=1\\r\\n 2\\r\\n\\t3", "MORE"],
    );
    header("A: 1\r\n ", &["MORE"]);
    header("A: 1\nB", &["HEADER 0 A=1", "MORE"]);
    header("A: 1\r\n\r\n", &["HEADER 0 A=1", "END"]);
    header("\r\n", &["END"]);
    header("\n", &["END"]);
    header("\r", &["MORE"]);
    header("\r\n x: 1\r\n\r\n", &["END", "UNPARSED  x: 1\\r\\n", "END"]);
    for line in [
        "Host : a", "Host", "A;B: 1", ": a", "A: \0", "A: 1\r2", "A: 1\r",
    ] {
        let unparsed = format!("UNPARSED {}\\r\\n", line.as_bytes().escape_ascii());
        header(&format!("{line}\r\nX"), &[&unparsed, "MORE"]);
    }
}

#[test]
fn a_head_and_the_next() {
    case(
        Packet::Http,
        b"GET /index.html HTTP/1.1\r\nHost: a.b\r\nX-Foo: 1\r\n two\r\n\r\nBODY",
        &[
            REQUEST,
            "HEADER 14 Host=a.b",
            "HEADER 0 X-Foo=1\\r\\n two",
            "END",
            "MORE",
        ],
    );
    // After the end of the headers a start line comes again.
    case(
        Packet::Http,
        b"GET /index.html HTTP/1.1\r\n\r\nHTTP/1.0 404 Not Found\r\nContent-Length: 3\r\n\r\n",
        &[
            REQUEST,
            "END",
            "RESPONSE 1.0 404 Not Found",
            "HEADER 38 Content-Length=3",
            "END",
        ],
    );
    // A response among headers is no header.
    case(
        Packet::Http,
        b"GET /index.html HTTP/1.1\r\nHTTP/1.0 200 OK\r\n\r\n",
        &[REQUEST, "UNPARSED HTTP/1.0 200 OK\\r\\n", "END"],
    );
}

#[test]
fn http_error_goes_on() {
    case(
        Packet::Http,
        b"nonsense\r\n\r\nGET /index.html HTTP/1.1\r\nbad header\r\nA: 1\r\n\r\n",
        &[
            "UNPARSED nonsense\\r\\n",
            "UNPARSED \\r\\n",
            REQUEST,
            "UNPARSED bad header\\r\\n",
            "HEADER 0 A=1",
            "END",
        ],
    );
}

#[test]
fn empty_line_followed_by_a_space_ends_headers() {
    case(Packet::HttpHeaders, b"\r\n ", &["END", "MORE"]);
    case(Packet::HttpHeaders, b"\n\t", &["END", "MORE"]);
}

#[test]
fn limits_of_http() {
    let eight = PacketOptions::new(Packet::HttpHeaders).size(8).unwrap();
    case(eight, b"A: 123\r\nX", &["HEADER 0 A=123", "MORE"]);
    case(eight, b"A: 12345678\r\n", &["TOO LONG"]);
    case(eight, b"A: 1\r\n 2\r\n", &["TOO LONG"]);
    // 128 header lines, then the end; a line more is too many.
    let lines = |count: usize| [b"A: 1\r\n".repeat(count), b"\r\n".to_vec()].concat();
    let whole = at_once(Packet::HttpHeaders.into(), &lines(128));
    assert_eq!(whole.len(), 129);
    assert_eq!(whole[128], "END");
    assert_eq!(
        at_once(Packet::HttpHeaders.into(), &lines(129))[128],
        "INVALID"
    );
    // Also when nothing of it is a header.
    let nonsense = [b"GET / HTTP/1.1\r\n".to_vec(), b"x\r\n".repeat(129)].concat();
    assert_eq!(at_once(Packet::Http.into(), &nonsense)[129], "INVALID");
    // 128 KiB in all.
    let line = format!("A: {}\r\n", "x".repeat(16_000));
    let head = line.repeat(8);
    assert_eq!(
        at_once(Packet::HttpHeaders.into(), head.as_bytes()).len(),
        8
    );
    let head = line.repeat(9) + "\r\n";
    let found = at_once(Packet::HttpHeaders.into(), head.as_bytes());
    assert_eq!(found[8], "INVALID");
    // What comes before a request counts for none.
    let before = at_once(Packet::Http.into(), &b"\r\n".repeat(100_000));
    assert_eq!(before.len(), 100_000);
}

#[test]
fn names_of_headers() {
    let long = "x".repeat(50);
    let longer = "x".repeat(51);
    for (sent, canonical) in [
        ("x-foo-BAR", "X-Foo-Bar"),
        ("ETAG", "Etag"),
        ("www-authenticate", "Www-Authenticate"),
        ("x--y", "X--y"),
        ("_a", "_a"),
        (&*long, &*format!("X{}", "x".repeat(49))),
        (&*longer, &*longer),
    ] {
        let mut framing = Framing::new(Packet::HttpHeaders.into());
        let line = Bytes::from(format!("{sent}: 1\r\n"));
        let Piece::Http(http) = framing.take(line) else {
            panic!("{sent}");
        };
        let portcullis::packet::http::Http::Header(header) = *http else {
            panic!("{sent}");
        };
        assert_eq!(header.name().as_str(), Some(canonical));
        assert_eq!(header.name_as_sent().as_str(), Some(sent));
    }
    assert_eq!(KnownHeader::CacheControl.number(), 1);
    assert_eq!(KnownHeader::Host.number(), 14);
    assert_eq!(KnownHeader::ContentLength.number(), 38);
    assert_eq!(KnownHeader::ProxyConnection.number(), 52);
}

#[test]
fn options_that_a_mode_does_not_have_are_refused() {
    let of = PacketOptions::new;
    assert!(of(Packet::Raw).size(1).is_err());
    assert!(of(Packet::Length4).size(0).is_err());
    assert!(of(Packet::Length1).size(256).is_err());
    assert!(of(Packet::Http).size(128 * 1024 + 1).is_err());
    assert!(of(Packet::Http).unlimited_size().is_err());
    assert!(of(Packet::Length2).unlimited_size().is_err());
    assert!(of(Packet::Length4).delimiter(b';').is_err());
    assert!(of(Packet::HttpHeaders).header(1).is_err());
    assert_eq!(of(Packet::Length4).size_limit(), Some(8 * 1024 * 1024));
    assert_eq!(
        of(Packet::Line).unlimited_size().unwrap().size_limit(),
        None
    );
}

#[test]
fn errors_tell_the_length_and_nothing_of_the_content() {
    let options = PacketOptions::new(Packet::Length4).size(5).unwrap();
    let error = Framing::new(options).scan(&unhex("00000006")).unwrap_err();
    assert!(matches!(
        error,
        PacketError::TooLong {
            packet: Packet::Length4,
            len: 6,
            limit: 5
        }
    ));
    let lines = PacketOptions::new(Packet::Line).size(3).unwrap();
    let error = Framing::new(lines).scan(b"secret").unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}

/// A line that comes byte by byte is not searched from its start each time.
#[test]
fn one_byte_at_a_time_is_linear() {
    let long = vec![b'x'; 64 * 1024 - 1];
    for packet in [Packet::Line, Packet::Http] {
        let options = PacketOptions::new(packet).size(64 * 1024).unwrap();
        let mut framing = Framing::new(options);
        let begun = std::time::Instant::now();
        for end in 1..=long.len() {
            let scan = framing.scan(&long[..end]).unwrap();
            assert_eq!(scan, Scan::NeedMore { at_least: end + 1 });
        }
        // From the start each time it would be two thousand million bytes.
        assert!(begun.elapsed().as_millis() < 1000, "{packet}");
    }
}

mod httparse_agrees {
    use portcullis::packet::http::{Http, Target};
    use proptest::prelude::*;

    use super::*;

    fn pieces(head: &str) -> Vec<Http> {
        let mut framing = Framing::new(Packet::Http.into());
        let mut rest = Bytes::from(head.to_owned());
        let mut all = Vec::new();
        while let Ok(Scan::Packet { len }) = framing.scan(&rest) {
            let Piece::Http(http) = framing.take(rest.split_to(len)) else {
                panic!("not http");
            };
            all.push(*http);
        }
        assert!(rest.is_empty());
        all
    }

    proptest! {
        /// What httparse takes for the head of a request, is one here, with the same parts.
        #[test]
        fn on_requests(
            method in "[A-Z]{1,8}|[!#-+.0-9a-z]{1,3}",
            path in "/[!-~]{0,12}",
            minor in 0_u8..2,
            headers in prop::collection::vec(("[A-Za-z0-9!#$-]{1,12}", "[ -~\t]{0,16}"), 0..6),
        ) {
            let mut head = format!("{method} {path} HTTP/1.{minor}\r\n");
            for (name, value) in &headers {
                head += &format!("{name}:{value}\r\n");
            }
            head += "\r\n";
            let mut place = [httparse::EMPTY_HEADER; 8];
            let mut theirs = httparse::Request::new(&mut place);
            prop_assume!(matches!(theirs.parse(head.as_bytes()), Ok(httparse::Status::Complete(_))));
            let ours = pieces(&head);
            let Http::Request(request) = &ours[0] else { panic!("{ours:?}") };
            prop_assert_eq!(Some(request.method.as_bytes()), theirs.method.map(str::as_bytes));
            let Target::Path(path) = &request.target else { panic!("{request:?}") };
            prop_assert_eq!(path.as_str(), theirs.path);
            prop_assert_eq!(Some(request.version), theirs.version.map(|minor| (1, minor.into())));
            prop_assert_eq!(ours.len(), theirs.headers.len() + 2);
            for (ours, theirs) in ours[1..].iter().zip(theirs.headers.iter()) {
                let Http::Header(header) = ours else { panic!("{ours:?}") };
                prop_assert_eq!(header.name_as_sent().as_str(), Some(theirs.name));
                prop_assert_eq!(header.value_trimmed(), theirs.value);
            }
            prop_assert_eq!(ours.last(), Some(&Http::EndOfHeaders));
        }
    }
}

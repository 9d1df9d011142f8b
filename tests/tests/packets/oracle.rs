//! `erlang:decode_packet/3` and our scanner take the same bytes for the same packets, but where we differ on
//! purpose: [`DIFFERENCES`].

use std::fmt::Write as _;

use portcullis::packet::{Packet, PacketOptions};
use portcullis_tests::peers::erlang;

use crate::packet_text::all_ways;

struct Case {
    packet: Packet,
    /// 0 for none told.
    size: u64,
    delimiter: u8,
    bytes: Vec<u8>,
}

impl Case {
    fn new(packet: Packet, bytes: &[u8]) -> Self {
        Self {
            packet,
            size: 0,
            delimiter: b'\n',
            bytes: bytes.to_vec(),
        }
    }

    fn options(&self) -> PacketOptions {
        let mut options = PacketOptions::new(self.packet);
        if self.size > 0 {
            options = options.size(self.size).expect("a size");
        }
        if self.delimiter != b'\n' {
            options = options.delimiter(self.delimiter).expect("a delimiter");
        }
        options
    }

    /// As Erlang has it.
    fn term(&self) -> String {
        let name = match self.packet {
            Packet::Http => "http_bin".to_owned(),
            Packet::HttpHeaders => "httph_bin".to_owned(),
            other => other.to_string(),
        };
        // Each case has one of them at most.
        let options = match (self.size, self.delimiter) {
            (0, b'\n') => String::new(),
            (0, delimiter) => format!("{{line_delimiter, {delimiter}}}"),
            (size, _) => format!("{{packet_size, {size}}}"),
        };
        let hex = self.bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        format!("{{{name}, [{options}], <<\"{hex}\">>}}.\n")
    }

    fn ours(&self) -> String {
        all_ways(self.options(), &self.bytes)
            .join("\t")
            .replace("TOO LONG", "ERROR")
            .replace("INVALID", "ERROR")
    }
}

async fn theirs(cases: &[Case]) -> Vec<String> {
    let terms: String = cases.iter().map(Case::term).collect();
    let output = erlang::decode_packets(&terms).await;
    let lines: Vec<_> = output
        .lines()
        .filter_map(|line| line.strip_prefix("CASE "))
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.len(), cases.len(), "{output}");
    lines
}

async fn agree(cases: &[Case]) {
    for (case, theirs) in cases.iter().zip(theirs(cases).await) {
        let bytes = case.bytes.escape_ascii();
        assert_eq!(case.ours(), theirs, "{}: {bytes}", case.packet);
    }
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        // Constants of Knuth's MMIX.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

const ENDS: &[&str] = &["\r\n", "\r\n", "\n"];

fn start_line(numbers: &mut Numbers) -> String {
    let blank = &[" ", " ", "\t", "  ", " \t"];
    if numbers.below(4) == 0 {
        return [
            numbers.of(&["HTTP/1.1", "HTTP/1.0", "HTTP/2.15", "HTTP/2", "HTTP/x.y"]),
            numbers.of(blank),
            numbers.of(&["200", "404", "100", "999", "20x"]),
            numbers.of(&[" OK", "  Not Found", "", " ", "\tfine"]),
            numbers.of(ENDS),
        ]
        .concat();
    }
    let version = numbers.of(&[
        "HTTP/1.1",
        "HTTP/1.0",
        "HTTP/11.22",
        "",
        "http/1.1",
        "FOO",
        "HTTP/1",
    ]);
    [
        numbers.of(&[
            "GET", "POST", "HEAD", "PUT", "DELETE", "TRACE", "OPTIONS", "PATCH", "get", "G(T", "",
        ]),
        numbers.of(blank),
        numbers.of(&[
            "/",
            "/index.html",
            "*",
            "a",
            "foo",
            "a.b:443",
            "ftp://h/x",
            "http://h",
            "HTTP://h:81/p",
            "https://h:0/x",
            "http://h:8x/",
            "https://h/b?c=d",
            "http://",
            "/\u{e9}",
            "x:",
            ":x",
        ]),
        if version.is_empty() {
            ""
        } else {
            numbers.of(blank)
        },
        version,
        numbers.of(ENDS),
    ]
    .concat()
}

fn header(numbers: &mut Numbers) -> String {
    let names = &[
        "Host",
        "host",
        "HOST",
        "Content-Length",
        "ETAG",
        "www-authenticate",
        "X-Foo",
        "x-foo-BAR",
        "x--y",
        "_a",
        "a-_b",
        "set-cookie2",
        "Accept-Encodin",
        "qq",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "Bad Name",
        "A;B",
    ];
    let value = &["a", "", " a ", "b:c", "\tx\t", "1, 2", "\u{fc}"];
    let fold = &["", "", "", "\r\n 2", "\r\n\t3\r\n 4", "\n x"];
    [
        numbers.of(names),
        numbers.of(&[":", ":", ": ", ":\t", " : ", ""]),
        numbers.of(value),
        numbers.of(fold),
        numbers.of(ENDS),
    ]
    .concat()
}

#[tokio::test]
async fn on_heads_of_http() {
    let mut numbers = Numbers(1);
    let mut cases = Vec::new();
    for _ in 0..1_500 {
        let mut head = String::new();
        for _ in 0..1 + numbers.below(3) {
            head += &start_line(&mut numbers);
            for _ in 0..numbers.below(4) {
                head += &header(&mut numbers);
            }
            head += numbers.of(&["\r\n", "\n", ""]);
        }
        head += numbers.of(&["", "BODY", "X", " ", "\r"]);
        cases.push(Case::new(Packet::Http, head.as_bytes()));
    }
    for _ in 0..500 {
        let mut trailers = String::new();
        for _ in 0..numbers.below(5) {
            trailers += &header(&mut numbers);
        }
        trailers += numbers.of(&["\r\n", "\n", "", "X"]);
        cases.push(Case::new(Packet::HttpHeaders, trailers.as_bytes()));
    }
    agree(&cases).await;
}

#[tokio::test]
async fn on_units_with_a_length() {
    let mut numbers = Numbers(2);
    let starts: [(Packet, &[&[u8]]); 8] = [
        (Packet::Length1, &[b""]),
        (Packet::Length2, &[b"\0"]),
        (Packet::Length4, &[b"\0\0\0"]),
        (Packet::SunRm, &[b"\0\0\0", b"\x80\0\0"]),
        (Packet::Fcgi, &[b"\x01\x06\0\x01\0", b"\x01"]),
        (
            Packet::Tpkt,
            &[b"\x03\0\0\x08", b"\x03\x09\0\x04", b"\x03\0\0\x0b"],
        ),
        (
            Packet::Cdr,
            &[
                b"GIOP\x01\0\0\x01\0\0\0",
                b"GIOP\x01\0\x01\x01",
                b"GIOP\x01\0\x03\x01\x02\0\0\0",
            ],
        ),
        (
            Packet::Asn1,
            &[
                b"\x30",
                b"\x30\x81",
                b"\x30\x82\0",
                b"\x1f\x81\x01",
                b"\x04\x83\0\0",
                b"\x30\x84\0\0\0",
            ],
        ),
    ];
    let mut cases = Vec::new();
    for (packet, starts) in starts {
        for _ in 0..300 {
            let mut bytes = Vec::new();
            for _ in 0..1 + numbers.below(3) {
                bytes.extend_from_slice(starts[numbers.below(starts.len())]);
                for _ in 0..numbers.below(9) {
                    bytes.push(numbers.below(12) as u8);
                }
            }
            let mut case = Case::new(packet, &bytes);
            // Where a limit counts what it counts there.
            if numbers.below(3) == 0 && packet != Packet::Length1 && packet != Packet::Length2 {
                case.size = 4 + numbers.below(4) as u64;
            }
            cases.push(case);
        }
    }
    let theirs = theirs(&cases).await;
    let mut same = 0;
    for (case, theirs) in cases.iter().zip(theirs) {
        let ours = case.ours();
        if ours == theirs {
            same += 1;
            continue;
        }
        // What we refuse on an earlier byte, they wait for.
        let earlier = ours.strip_suffix("ERROR").zip(theirs.strip_suffix("MORE"));
        let bytes = case.bytes.escape_ascii();
        assert!(
            earlier.is_some_and(|(ours, theirs)| ours == theirs),
            "{} {}: {bytes}\n{ours}\n{theirs}",
            case.packet,
            case.size
        );
    }
    assert!(same > cases.len() * 8 / 10, "{same} of {}", cases.len());
}

#[tokio::test]
async fn on_lines() {
    let mut cases: Vec<Case> = ["one\ntwo\r\nrest", "\n", "\n\n\na", "abc\n", "a;b\n;"]
        .iter()
        .map(|text| Case::new(Packet::Line, text.as_bytes()))
        .collect();
    for delimiter in [b';', 0, 0xff] {
        let mut case = Case::new(Packet::Line, b"a;b\n;c\0d\xffe");
        case.delimiter = delimiter;
        cases.push(case);
    }
    agree(&cases).await;
}

/// What we differ in, on purpose: mode, bytes, what is here, what is there.
const DIFFERENCES: &[(Packet, &[u8], &str, &str)] = &[
    // The next "packet" would be content.
    (Packet::Asn1, b"\x30\x80", "ERROR", "0\\x80"),
    // Said on the byte that tells.
    (Packet::Tpkt, b"\x02", "ERROR", "MORE"),
    (Packet::Cdr, b"X", "ERROR", "MORE"),
    (Packet::Fcgi, b"\x02", "ERROR", "MORE"),
    (
        Packet::Asn1,
        b"\x3f\xff\xff\xff\xff\xff\xff",
        "ERROR",
        "MORE",
    ),
    // Two readers of one line must not differ: request smuggling.
    (
        Packet::Http,
        b"GET / HTTP/1.1 x\r\n",
        "UNPARSED GET / HTTP/1.1 x\\r\\n",
        "REQUEST GET / 1.1",
    ),
    (
        Packet::Http,
        b"GET / HTTP/1.0\r\r\n",
        "UNPARSED GET / HTTP/1.0\\r\\r\\n",
        "REQUEST GET / 1.0",
    ),
    (
        Packet::Http,
        b"HTTP/1.1 2000 OK\r\n",
        "UNPARSED HTTP/1.1 2000 OK\\r\\n",
        "RESPONSE 1.1 2000 OK",
    ),
    (
        Packet::Http,
        b"HTTP/1.1 \r\n",
        "UNPARSED HTTP/1.1 \\r\\n",
        "RESPONSE 1.1 0 ",
    ),
    // Folding is for every line here, there for those of more than one byte.
    (
        Packet::HttpHeaders,
        b"q\n x\nY",
        "UNPARSED q\\n x\\n\tMORE",
        "UNPARSED q\\n\tUNPARSED  x\\n\tMORE",
    ),
    (
        Packet::HttpHeaders,
        b": a\r\nX",
        "UNPARSED : a\\r\\n\tMORE",
        "HEADER 0 =a\tMORE",
    ),
    (
        Packet::HttpHeaders,
        b"A: \0\r\nX",
        "UNPARSED A: \\x00\\r\\n\tMORE",
        "HEADER 0 A=\\x00\tMORE",
    ),
];

#[tokio::test]
async fn where_we_differ_on_purpose() {
    let cases: Vec<Case> = DIFFERENCES
        .iter()
        .map(|(packet, bytes, ..)| Case::new(*packet, bytes))
        .collect();
    let theirs = theirs(&cases).await;
    let mut wrong = String::new();
    for ((case, theirs), (.., here, there)) in cases.iter().zip(theirs).zip(DIFFERENCES) {
        let ours = case.ours();
        if (&*ours, &*theirs) != (here, there) {
            let bytes = case.bytes.escape_ascii();
            let _ = writeln!(wrong, "{bytes}: here {ours:?}, there {theirs:?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

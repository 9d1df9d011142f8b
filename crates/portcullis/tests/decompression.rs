//! What a peer's compressed certificate can make a process take, in memory that is touched: also that of libraries in C.
//!
//! One test in a binary of its own: the system counts for the whole process.
#![cfg(all(
    target_os = "linux",
    feature = "zlib",
    feature = "brotli",
    feature = "zstd"
))]

use std::fs;

use portcullis::CertificateCompression;

/// A line of `/proc/self/status`, in bytes.
fn status(wanted: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with(wanted))
        .unwrap();
    let kilobytes = line.split_whitespace().nth(1).unwrap();
    kilobytes.parse::<usize>().unwrap() * 1_024
}

/// How much more is there at the highest than before.
fn peak(work: impl FnOnce()) -> usize {
    // The peak begins anew.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    work();
    status("VmHWM:").saturating_sub(before)
}

#[test]
fn what_a_peer_can_make_it_take() {
    const KIB: usize = 1_024;
    // It counts what is touched, and all of that.
    let held = peak(|| drop(vec![7_u8; 8 << 20]));
    assert!((7 << 20..10 << 20).contains(&held), "{held}");

    let zeros = vec![0; 4 << 20];
    for (algorithm, most) in [
        (CertificateCompression::zlib(), 400 * KIB),
        (CertificateCompression::zstd(), 400 * KIB),
        // Its window, which is 4 MiB.
        (CertificateCompression::brotli(), 5 << 20),
    ] {
        let bomb = algorithm.compress(&zeros).unwrap();
        let mut out = vec![7; 2_552];
        let took = peak(|| assert!(!algorithm.decompress(&bomb, &mut out)));
        println!("{algorithm:?}: {} bytes for {took}", bomb.len());
        assert!(took < most, "{algorithm:?} took {took}");
    }
    // 16 MiB, which the stream asks for in its first byte, and does not get.
    let brotli = CertificateCompression::brotli();
    let mut bomb = brotli.compress(&zeros).unwrap();
    assert_eq!(bomb[0] & 0x0f, 0x0b, "a window of 22 bits");
    bomb[0] |= 0x0f;
    let mut out = vec![7; 2_552];
    let took = peak(|| assert!(!brotli.decompress(&bomb, &mut out)));
    assert!(took < 400 * KIB, "{took}");
}

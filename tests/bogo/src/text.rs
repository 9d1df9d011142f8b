//! Bytes in the values of flags.

use crate::Stop;

pub(crate) fn from_hex(text: &str) -> Result<Vec<u8>, Stop> {
    let wrong = || Stop::failed(format!("{text} is not hexadecimal"));
    (0..text.len())
        .step_by(2)
        .map(|at| {
            let digits = text.get(at..at + 2).ok_or_else(wrong)?;
            u8::from_str_radix(digits, 16).map_err(|_| wrong())
        })
        .collect()
}

pub(crate) fn from_base64(text: &str) -> Result<Vec<u8>, Stop> {
    let wrong = || Stop::failed(format!("{text} is not base64"));
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for symbol in text.trim_end_matches('=').bytes() {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(wrong()),
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Ok(bytes)
}

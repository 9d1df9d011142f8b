//! On what a measurement was made: AES-GCM takes half or twice the time from one class of processor
//! to the other, and not by the same factor in every library. So figures of different classes are
//! never compared.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// The variable by which AWS-LC, BoringSSL and OpenSSL are told to leave instructions alone.
pub const MASK: &str = "OPENSSL_ia32cap";

/// What a processor has for AES-GCM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    /// VAES and VPCLMULQDQ on registers of 512 bits: Intel's servers since Ice Lake, AMD since Zen 4.
    #[serde(rename = "AVX-512")]
    Avx512,
    /// On registers of 256 bits: AMD Zen 3, Intel's client processors since Alder Lake.
    #[serde(rename = "VAES without AVX-512")]
    Vaes,
    /// A block at a time, AVX-512 for other things or not: Intel before Ice Lake, AMD before Zen 3.
    #[serde(rename = "AES-NI only")]
    AesNi,
    /// No AES-NI, or another architecture.
    #[serde(rename = "other")]
    Other,
}

impl Class {
    /// Of this machine, by the flags that the processor reports.
    #[cfg(target_arch = "x86_64")]
    pub fn here() -> Self {
        use std::arch::is_x86_feature_detected as has;
        // What AWS-LC asks for (`crypto_gcm_avx512_enabled`).
        let wide = has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
        let vaes = has!("avx2") && has!("vaes") && has!("vpclmulqdq");
        match has!("aes") && has!("pclmulqdq") {
            false => Self::Other,
            true if vaes && wide => Self::Avx512,
            true if vaes => Self::Vaes,
            true => Self::AesNi,
        }
    }

    /// Of this machine, by the flags that the processor reports.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn here() -> Self {
        Self::Other
    }

    /// The classes that can be had here, with the value of [`MASK`] that makes of this class the
    /// other one, for the libraries that read it. The second half is CPUID's leaf 7, EBX below ECX.
    pub fn forcible(self) -> &'static [(Self, Option<&'static str>)] {
        // EBX: F 16, DQ 17, IFMA 21, CD 28, BW 30, VL 31. ECX: VBMI 1, VBMI2 6, VNNI 11, BITALG 12,
        // VPOPCNTDQ 14.
        const NO_AVX512: Option<&str> = Some("~0x0:~0x5842d0230000");
        // ECX: VAES 9 and VPCLMULQDQ 10 too.
        const NO_VAES: Option<&str> = Some("~0x0:~0x5e42d0230000");
        match self {
            Self::Avx512 => &[
                (Self::Avx512, None),
                (Self::Vaes, NO_AVX512),
                (Self::AesNi, NO_VAES),
            ],
            Self::Vaes => &[(Self::Vaes, None), (Self::AesNi, NO_VAES)],
            Self::AesNi => &[(Self::AesNi, None)],
            Self::Other => &[(Self::Other, None)],
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Avx512 => "AVX-512",
            Self::Vaes => "VAES without AVX-512",
            Self::AesNi => "AES-NI only",
            Self::Other => "other",
        })
    }
}

/// What stands at the head of everything that is measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processor {
    /// What it reports.
    #[serde(rename = "processor")]
    pub class: Class,
    /// What some libraries were told to leave alone of it.
    #[serde(rename = "OPENSSL_ia32cap")]
    pub mask: Option<String>,
}

impl Processor {
    /// This one, with the environment of this process.
    pub fn here() -> Self {
        let mask = std::env::var_os(MASK);
        Self {
            class: Class::here(),
            mask: mask.map(|mask| mask.to_string_lossy().into_owned()),
        }
    }

    /// # Errors
    /// When what was measured on `other` cannot be compared with what is measured on this one.
    pub fn comparable(&self, other: &Self) -> io::Result<()> {
        match self == other {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "not compared: those figures are of {other}, these of {self}"
            ))),
        }
    }
}

impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "class {}", self.class)?;
        match &self.mask {
            Some(mask) => write!(f, ", {MASK}={mask} (AWS-LC, BoringSSL and OpenSSL only)"),
            None => write!(f, ", {MASK} not set"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_processor_is_compared() {
        let plain = Processor {
            class: Class::Avx512,
            mask: None,
        };
        assert!(plain.comparable(&plain).is_ok());
        let masked = Processor {
            mask: Some("~0x0:~0x1".to_owned()),
            ..plain.clone()
        };
        let why = plain.comparable(&masked).unwrap_err().to_string();
        assert!(why.contains("those figures are of class AVX-512, OPENSSL_ia32cap=~0x0:~0x1"));
        let other = Processor {
            class: Class::Vaes,
            mask: None,
        };
        assert!(plain.comparable(&other).is_err());
    }

    #[test]
    fn written_and_read_again() {
        let here = Processor::here();
        let line = serde_json::to_string(&here).unwrap();
        assert!(
            line.contains(&format!("\"processor\":\"{}\"", here.class)),
            "{line}"
        );
        assert_eq!(serde_json::from_str::<Processor>(&line).unwrap(), here);
    }
}

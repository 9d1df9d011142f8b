//! Hellos as no library would send them: any versions, suites, groups and schemes, and shares of no key.
//!
//! RFC 8446 §4.1.2, and what came before it.

/// TLS 1.3, as `supported_versions` has it.
pub(super) const TLS_1_3: u16 = 0x0304;
pub(super) const TLS_1_2: u16 = 0x0303;
pub(super) const TLS_1_0: u16 = 0x0301;

/// What a hello says.
#[derive(Clone, Debug)]
pub(super) struct Hello {
    /// The newest that is offered.
    pub(super) version: u16,
    pub(super) suites: Vec<u16>,
    pub(super) groups: Vec<u16>,
    pub(super) schemes: Vec<u16>,
    /// Also DEFLATE.
    pub(super) deflate: bool,
    /// Also what servers echo if they have it: tickets, heartbeat, encrypt_then_mac, extended_master_secret.
    pub(super) extras: bool,
    pub(super) server_name: Option<String>,
}

impl Hello {
    /// The record with the hello in it. Of TLS 1.3 it has an empty `key_share`: the server names the group that it wants
    /// (§4.2.8), so that no key is needed. SSL 3 has no extensions.
    pub(super) fn record(&self, random: &[u8; 32]) -> Vec<u8> {
        let mut body = Vec::new();
        let legacy = self.version.min(TLS_1_2);
        body.extend(legacy.to_be_bytes());
        body.extend(random);
        body.push(0);
        let mut suites = self.suites.clone();
        if self.version < TLS_1_0 {
            // Nothing else says it there (RFC 5746 §3.3).
            suites.push(0x00ff);
        }
        with_length(&mut body, 2, |body| put(body, &suites));
        let methods: &[u8] = if self.deflate { &[1, 0] } else { &[0] };
        with_length(&mut body, 1, |body| body.extend(methods));
        if self.version >= TLS_1_0 {
            with_length(&mut body, 2, |body| self.extensions(body));
        }
        let mut message = vec![1];
        with_length(&mut message, 3, |message| message.extend(body));
        // Some servers of old take no other version in the first record (§5.1).
        let mut record = vec![22];
        record.extend(legacy.min(TLS_1_0).to_be_bytes());
        with_length(&mut record, 2, |record| record.extend(message));
        record
    }

    fn extensions(&self, into: &mut Vec<u8>) {
        if let Some(name) = &self.server_name {
            extension(into, 0, |into| {
                with_length(into, 2, |into| {
                    into.push(0);
                    with_length(into, 2, |into| into.extend(name.as_bytes()));
                });
            });
        }
        extension(into, 10, |into| {
            with_length(into, 2, |into| put(into, &self.groups))
        });
        if self.version >= TLS_1_2 {
            extension(into, 13, |into| {
                with_length(into, 2, |into| put(into, &self.schemes))
            });
        }
        if self.version < TLS_1_3 {
            extension(into, 11, |into| into.extend([1, 0]));
            extension(into, 0xff01, |into| into.push(0));
        } else {
            extension(into, 43, |into| {
                with_length(into, 1, |into| put(into, &[TLS_1_3]))
            });
            extension(into, 45, |into| into.extend([1, 1]));
            extension(into, 51, |into| with_length(into, 2, |_| {}));
        }
        if self.extras {
            extension(into, 15, |into| into.push(1));
            extension(into, 22, |_| {});
            extension(into, 23, |_| {});
            extension(into, 35, |_| {});
        }
    }
}

fn extension(into: &mut Vec<u8>, code: u16, body: impl FnOnce(&mut Vec<u8>)) {
    into.extend(code.to_be_bytes());
    with_length(into, 2, body);
}

/// What `body` appends, behind its length in so many bytes.
fn with_length(into: &mut Vec<u8>, bytes: usize, body: impl FnOnce(&mut Vec<u8>)) {
    let mut appended = Vec::new();
    body(&mut appended);
    let length = appended.len().to_be_bytes();
    into.extend(length.iter().skip(length.len().saturating_sub(bytes)));
    into.append(&mut appended);
}

fn put(into: &mut Vec<u8>, values: &[u16]) {
    into.extend(values.iter().flat_map(|value| value.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_is_read_by_the_library_as_it_was_meant() {
        let hello = Hello {
            version: TLS_1_3,
            suites: vec![0x1301, 0x0a0a],
            groups: vec![0x11ec, 0x001d],
            schemes: vec![0x0403],
            deflate: false,
            extras: true,
            server_name: Some("a.test".to_owned()),
        };
        let record = hello.record(&[7; 32]);
        assert_eq!(record[..3], [22, 3, 1]);
        assert_eq!(
            usize::from(u16::from_be_bytes([record[3], record[4]])),
            record.len() - 5
        );
        // The empty share is the last but for what servers echo.
        let share = [0, 51, 0, 2, 0, 0];
        assert!(record.windows(share.len()).any(|window| window == share));
        // SSL 3 ends with the compression methods, and says what it understands by a suite.
        let old = Hello {
            version: 0x0300,
            deflate: true,
            ..hello
        };
        assert!(old.record(&[7; 32]).ends_with(&[0x00, 0xff, 2, 1, 0]));
    }
}

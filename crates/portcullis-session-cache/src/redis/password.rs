//! A URL of Redis with a password that was kept elsewhere.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use crate::{StoreError, StoreErrorKind};

/// The URL of a Redis with this password in it, for a password that is in a file and not in the URL, which programs show to
/// everybody on the machine when it is one of their arguments. With feature `redis`.
///
/// The URL may name a user: `redis://user@host`, `rediss://user@host`, `unix:///path?user=name`.
///
/// ```
/// use portcullis_session_cache::redis_url_with_password;
///
/// let url = redis_url_with_password("redis://10.0.0.1:6379/0", "p/s")?;
/// assert_eq!(*url, "redis://:p%2Fs@10.0.0.1:6379/0");
/// # Ok::<(), portcullis_session_cache::StoreError>(())
/// ```
///
/// # Errors
/// When the URL is none of Redis or has a password already, and when this one is empty.
pub fn redis_url_with_password(url: &str, password: &str) -> Result<Zeroizing<String>, StoreError> {
    let wrong = |reason: &str| {
        // Not the URL: it may have a password in it.
        let sentence = format!("the password cannot be used: {reason}");
        StoreError::new(StoreErrorKind::Options, sentence)
    };
    const TWICE: &str = "the URL of Redis has one already; leave one of the two out";
    if password.is_empty() {
        return Err(wrong("it is empty"));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(wrong(
            "the URL of Redis is redis://HOST:PORT/DATABASE, rediss:// for TLS, or unix://PATH",
        ));
    };
    if rest.contains('#') {
        return Err(wrong("the URL of Redis has a # in it; write %23"));
    }
    // Three signs for each byte: grown, it would leave a part of the password behind.
    let most = url.len() + 3 * password.len() + "?pass=".len();
    let mut made = Zeroizing::new(String::with_capacity(most));
    match scheme {
        "redis" | "rediss" => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, behind) = rest.split_at(end);
            let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
            if user.contains(':') {
                return Err(wrong(TWICE));
            }
            let _ = write!(made, "{scheme}://{user}:");
            escape(&mut made, password);
            let _ = write!(made, "@{host}{behind}");
        }
        _ => {
            let (_, query) = rest.split_once('?').unwrap_or((rest, ""));
            if query.split('&').any(|pair| pair.starts_with("pass=")) {
                return Err(wrong(TWICE));
            }
            let sign = if rest.contains('?') { '&' } else { '?' };
            let _ = write!(made, "{url}{sign}pass=");
            escape(&mut made, password);
        }
    }
    Ok(made)
}

/// Whatever may mean something in a URL, as `%` and two digits.
fn escape(made: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() {
            true => made.push(char::from(byte)),
            false => {
                let _ = write!(made, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo as _;

    use super::*;

    /// Redis' own reader finds the user, the password and all else that was there.
    #[test]
    fn what_is_made_is_read_as_it_was_meant() {
        for password in ["s", "a:b@c/d?e#f&g=h+i %2F", "ü€", "'\"\\\n"] {
            for (url, user, number) in [
                ("redis://h", None, 0),
                ("redis://h:7/3", None, 3),
                ("redis://me@h:7/3", Some("me"), 3),
                ("redis://[::1]:7/3?protocol=resp3", None, 3),
                ("unix:///a/b", None, 0),
                ("unix:///a/b?db=3&user=me", Some("me"), 3),
                ("redis+unix:///a/b", None, 0),
            ] {
                let made = redis_url_with_password(url, password).unwrap();
                let read = made.as_str().into_connection_info().unwrap();
                let plain = url.into_connection_info().unwrap();
                assert_eq!(read.addr(), plain.addr(), "{url}");
                let read = read.redis_settings();
                assert_eq!(read.password(), Some(password), "{url}");
                assert_eq!(read.username(), user, "{url}");
                assert_eq!(read.db(), number, "{url}");
            }
        }
        let over_tls = redis_url_with_password("rediss://me@h/1", "s").unwrap();
        assert_eq!(*over_tls, "rediss://me:s@h/1");
    }

    #[test]
    fn two_passwords_and_none_are_refused_without_a_word_of_them() {
        for (url, password, expected) in [
            ("redis://:hidden@h", "secret", "has one already"),
            ("rediss://me:hidden@h", "secret", "has one already"),
            ("unix:///a?db=1&pass=hidden", "secret", "has one already"),
            ("redis://h", "", "it is empty"),
            ("hidden", "secret", "is redis://HOST"),
            ("redis://h#hidden", "secret", "%23"),
        ] {
            let error = redis_url_with_password(url, password).unwrap_err();
            let said = error.to_string();
            assert!(said.contains(expected), "{said}");
            assert!(
                !said.contains("hidden") && !said.contains("secret"),
                "{said}"
            );
        }
    }
}

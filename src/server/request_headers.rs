//! What the headers of a request tell, whatever it asks for: pure.

use std::time::Duration;

use http::{
    HeaderMap, Request,
    uri::{Authority, PathAndQuery},
};

/// How long the client waits for the answer, if it says so rightly.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    parse_timeout(headers.get("grpc-timeout")?.to_str().ok()?)
}

/// The time in a `grpc-timeout` header: up to eight digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 60 * 60),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// How large the headers of a request are, as HTTP/2 counts them: 32 bytes for each, and what
/// they are called and have, those included that a request has instead of a first line (RFC 9113,
/// section 6.5.2).
pub(super) fn size_bytes<B>(request: &Request<B>) -> usize {
    const OVERHEAD_BYTES: usize = 32;

    let uri = request.uri();
    let first_line = [
        (":method", request.method().as_str()),
        (":scheme", uri.scheme_str().unwrap_or_default()),
        (":authority", uri.authority().map_or("", Authority::as_str)),
        (
            ":path",
            uri.path_and_query().map_or("", PathAndQuery::as_str),
        ),
    ];
    let first_line = first_line.map(|(name, value)| (name, value.len()));
    let others = request.headers().iter();
    let others = others.map(|(name, value)| (name.as_str(), value.len()));
    let bytes = first_line
        .into_iter()
        .chain(others)
        .map(|(name, value_bytes)| name.len() + value_bytes + OVERHEAD_BYTES);
    bytes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_say_of_how_long_they_wait() {
        for (text, time) in [
            ("2H", Some(Duration::from_secs(7200))),
            ("3M", Some(Duration::from_secs(180))),
            ("99999999S", Some(Duration::from_secs(99_999_999))),
            ("5m", Some(Duration::from_millis(5))),
            ("6u", Some(Duration::from_micros(6))),
            ("7n", Some(Duration::from_nanos(7))),
            ("0S", Some(Duration::ZERO)),
            ("", None),
            ("S", None),
            ("1", None),
            ("1s", None),
            ("+1S", None),
            ("123456789S", None),
            ("1é", None),
        ] {
            assert_eq!(parse_timeout(text), time, "{text:?}");
        }
    }

    #[test]
    fn headers_are_as_large_as_http2_has_them() {
        let request = Request::builder()
            .method("POST")
            .uri("http://host:1/Service/Call")
            .header("te", "trailers")
            .header("two", "1")
            .header("two", "22")
            .body(());
        let names = ":method:scheme:authority:pathtetwotwo";
        let values = "POSThttphost:1/Service/Calltrailers122";
        let bytes = names.len() + values.len() + 7 * 32;
        assert_eq!(size_bytes(&request.unwrap()), bytes);
    }
}

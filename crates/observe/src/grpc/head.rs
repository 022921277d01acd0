//! What the headers and trailers of a gRPC call say, and what stands for a status where none was sent.

use std::time::Duration;

use model::{GrpcCode, Http2Error};

use crate::text;

/// Longest text that [`message`] gives, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 256;

/// Longest name of a service or a method that [`method`] gives, in bytes.
pub const METHOD_BYTES_MAX: usize = 128;

/// Most digits of a time-out.
const TIMEOUT_DIGITS_MAX: usize = 8;

/// Whether a `content-type` is that of gRPC: `application/grpc`, alone or with a suffix such as `+proto`, and
/// with any parameters. gRPC-Web (`application/grpc-web`) is another protocol.
pub fn is_grpc(content_type: &[u8]) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let essence = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    essence.split_at_checked(TYPE.len()).is_some_and(|(beginning, suffix)| {
        beginning.eq_ignore_ascii_case(TYPE) && matches!(suffix, [] | [b'+', ..])
    })
}

/// Service and method of a call, from its path `/package.Service/Method`.
///
/// The service is all up to the last slash. None for a path of another form, with other characters than ASCII
/// letters, digits and `_.-` (and `/` in the service), or with a name longer than [`METHOD_BYTES_MAX`]: these are
/// names out of no interface definition, and no labels.
pub fn method(path: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let is_bounded = |name: &str| (1..=METHOD_BYTES_MAX).contains(&name.len());
    let (service, method) = path.strip_prefix('/')?.rsplit_once('/')?;
    let is_name = is_bounded(service)
        && is_bounded(method)
        && method.chars().all(is_part)
        && service.split('/').all(|part| !part.is_empty() && part.chars().all(is_part));
    is_name.then_some((service, method))
}

/// How long the caller waits, from `grpc-timeout`: up to eight digits and a unit. A caller whose deadline has
/// passed may say 0, which the grammar does not allow; it is taken. None for everything else.
pub fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > TIMEOUT_DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| 10 * number + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(3600 * number)),
        b'M' => Some(Duration::from_secs(60 * number)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// The code that `grpc-status` says: a decimal number without leading zeros. Without the field, with another
/// text or with a number that is no code it is UNKNOWN (doc/statuscodes.md).
pub fn code(status: Option<&[u8]>) -> GrpcCode {
    match status {
        Some([ones @ b'0'..=b'9']) => GrpcCode::from(u32::from(ones - b'0')),
        Some([b'1', ones @ b'0'..=b'9']) => GrpcCode::from(10 + u32::from(ones - b'0')),
        _ => GrpcCode::Unknown,
    }
}

/// The text of `grpc-message`, percent-decoded, cut to [`MESSAGE_BYTES_MAX`] and made fit to be shown: control
/// characters are escaped. A percent sign without two hexadecimal digits behind it stands for itself.
pub fn message(value: &[u8]) -> String {
    const LAST_CHARACTER_BYTES_MAX: usize = 4;
    let decoded: Vec<u8> =
        percent_decoded(value).take(MESSAGE_BYTES_MAX + LAST_CHARACTER_BYTES_MAX).collect();
    text::printable(&decoded, MESSAGE_BYTES_MAX)
}

fn percent_decoded(mut rest: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (&first, behind) = rest.split_first()?;
        let decoded = behind.first_chunk().filter(|_| first == b'%').and_then(from_hex);
        rest = if decoded.is_some() { &behind[2..] } else { behind };
        Some(decoded.unwrap_or(first))
    })
}

fn from_hex(digits: &[u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(16 * high? + low?).ok()
}

/// The code that a caller sees of an answer without `grpc-status`, by its HTTP status
/// (doc/http-grpc-status-mapping.md).
pub fn code_of_http(status: u16) -> GrpcCode {
    match status {
        400 | 431 => GrpcCode::Internal,
        401 => GrpcCode::Unauthenticated,
        403 => GrpcCode::PermissionDenied,
        404 => GrpcCode::Unimplemented,
        429 | 502 | 503 | 504 => GrpcCode::Unavailable,
        _ => GrpcCode::Unknown,
    }
}

/// The code that stands for the end of a call by RST_STREAM (doc/PROTOCOL-HTTP2.md, Errors). Codes that the table
/// there does not map are UNKNOWN.
pub fn code_of_reset(error: Http2Error) -> GrpcCode {
    match error {
        Http2Error::NoError
        | Http2Error::ProtocolError
        | Http2Error::InternalError
        | Http2Error::FlowControlError
        | Http2Error::SettingsTimeout
        | Http2Error::FrameSizeError
        | Http2Error::CompressionError
        | Http2Error::ConnectError => GrpcCode::Internal,
        Http2Error::RefusedStream => GrpcCode::Unavailable,
        Http2Error::Cancel => GrpcCode::Cancelled,
        Http2Error::EnhanceYourCalm => GrpcCode::ResourceExhausted,
        Http2Error::InadequateSecurity => GrpcCode::PermissionDenied,
        Http2Error::StreamClosed | Http2Error::Http11Required | Http2Error::Other => GrpcCode::Unknown,
    }
}

#[cfg(test)]
mod tests;

//! Signatures of vendors, outbound and inbound. Each is tested with the vectors that its vendor or another published.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

fn mac(algorithm: hmac::Algorithm, key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(algorithm, key), text)
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// DingTalk's robots: the value of the parameter `sign`, not yet encoded for the URL. `at_ms` is the parameter
/// `timestamp`.
pub(crate) fn dingtalk(secret: &str, at_ms: i64) -> String {
    let text = format!("{at_ms}\n{secret}");
    base64(mac(hmac::HMAC_SHA256, secret.as_bytes(), text.as_bytes()))
}

/// Robots of Feishu and Lark: the body's `sign`. `at_s` is the body's `timestamp`. Time and secret are the key, and there
/// is no text.
pub(crate) fn feishu(secret: &str, at_s: i64) -> String {
    let key = format!("{at_s}\n{secret}");
    base64(mac(hmac::HMAC_SHA256, key.as_bytes(), b""))
}

/// Standard Webhooks 1.0: the value of `webhook-signature`. A secret is `whsec_` and base64, or taken as it is.
pub(crate) fn standard_webhooks(secret: &str, id: &str, at_s: i64, body: &[u8]) -> String {
    let decoded = secret.strip_prefix("whsec_").and_then(|text| BASE64_STANDARD.decode(text).ok());
    let key = decoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    let text = [format!("{id}.{at_s}.").as_bytes(), body].concat();
    format!("v1,{}", base64(mac(hmac::HMAC_SHA256, &key, &text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dingtalk_is_as_published() {
        // CatchZeng/dingtalk, internal/security/security_test.go.
        let secret = "SECb90923e19e58b466481e9e7b7a5b4f108a4531abde590ad3967fb29f0eae5c68";
        let sign = dingtalk(secret, 1_582_163_555_000);
        let encoded: String = form_urlencoded::byte_serialize(sign.as_bytes()).collect();
        assert_eq!(encoded, "BQKsG%2BQOCl%2BbYJOLc6pxDHxjVquzlZPWgvRzeN2J5zY%3D");
    }

    #[test]
    fn feishu_is_as_published() {
        // go-lark/lark, crypto_test.go.
        assert_eq!(feishu("xxx", 1_661_860_880), "QnWVTSBe6FmQDE0bG6X0mURbI+DnvVyu1h+j5dHOjrU=");
    }

    #[test]
    fn standard_webhooks_is_as_published() {
        // standard-webhooks/standard-webhooks, spec and libraries.
        let signature = standard_webhooks(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}

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

/// Aliyun's RPC, version 1: the parameter `Signature` for all others (RFC 3986's encoding, in the order of names).
pub(crate) fn aliyun_rpc(secret: &str, method: &str, parameters: &[(&str, &str)]) -> String {
    let mut sorted = parameters.to_vec();
    sorted.sort_unstable();
    let pairs = sorted.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value)));
    let query = pairs.collect::<Vec<_>>().join("&");
    let text = format!("{method}&%2F&{}", percent(&query));
    let key = format!("{secret}&");
    base64(mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes(), text.as_bytes()))
}

/// Everything but RFC 3986's unreserved letters as `%XX`.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
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
    fn aliyun_rpc_is_as_published() {
        let check = |secret: &str, expected: &str, parameters: &[(&str, &str)]| {
            let common = [("SignatureMethod", "HMAC-SHA1"), ("SignatureVersion", "1.0")];
            let all: Vec<_> = common.into_iter().chain(parameters.iter().copied()).collect();
            assert_eq!(aliyun_rpc(secret, "GET", &all), expected);
        };
        // Aliyun's documentation of RPC signatures.
        check(
            "testsecret",
            "OLeaidS1JvxuMvnyHOwuJ+uX5qY=",
            &[
                ("Action", "DescribeRegions"),
                ("AccessKeyId", "testid"),
                ("Format", "XML"),
                ("SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"),
                ("Timestamp", "2016-02-23T12:46:24Z"),
                ("Version", "2014-05-26"),
            ],
        );
        // Aliyun's documentation of its short messages.
        check(
            "testSecret",
            "zJDF+Lrzhj/ThnlvIToysFRq6t4=",
            &[
                ("Action", "SendSms"),
                ("AccessKeyId", "testId"),
                ("Format", "XML"),
                ("OutId", "123"),
                ("PhoneNumbers", "15300000001"),
                ("RegionId", "cn-hangzhou"),
                ("SignName", "阿里云短信测试专用"),
                ("SignatureNonce", "45e25e9b-0a6f-4070-8c85-2956eda1b466"),
                ("TemplateCode", "SMS_71390007"),
                ("TemplateParam", "{\"customer\":\"test\"}"),
                ("Timestamp", "2017-07-12T02:42:19Z"),
                ("Version", "2017-05-25"),
            ],
        );
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

//! Signatures of vendors. Each is tested with the vectors that its vendor or another published.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};
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

/// Aliyun's signature mechanism, version 3: the value of `Authorization` for a POST to `/`. `key` is the identity of the
/// key and its secret; `headers` are those that are signed.
pub(crate) fn aliyun(key: (&str, &str), query: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
    const NAME: &str = "ACS3-HMAC-SHA256";
    let (id, secret) = key;
    let (hash, names) = canonical(query, headers, body);
    let signature = hex(mac(hmac::HMAC_SHA256, secret.as_bytes(), format!("{NAME}\n{hash}").as_bytes()));
    format!("{NAME} Credential={id},SignedHeaders={names},Signature={signature}")
}

/// Hash of the canonical form of a POST to `/`, and the names of its headers. `headers` are in
/// the order of their names.
fn canonical(query: &str, headers: &[(&str, &str)], body: &[u8]) -> (String, String) {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let text = format!("POST\n/\n{query}\n{lines}\n{names}\n{}", sha256(body));
    (sha256(text.as_bytes()), names)
}

/// SHA-256 as hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes))
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
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
    fn aliyun_is_as_published() {
        // help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature.
        let query = "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai";
        let headers = [
            ("host", "ecs.cn-shanghai.aliyuncs.com"),
            ("x-acs-action", "RunInstances"),
            ("x-acs-content-sha256", &*sha256(b"")),
            ("x-acs-date", "2023-10-26T10:22:32Z"),
            ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
            ("x-acs-version", "2014-05-26"),
        ];
        let hash = "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259";
        assert_eq!(canonical(query, &headers, b"").0, hash);
        let signed = aliyun(("YourAccessKeyId", "YourAccessKeySecret"), query, &headers, b"");
        let expected = "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;\
             x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=\
             06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0";
        assert_eq!(signed, expected);
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

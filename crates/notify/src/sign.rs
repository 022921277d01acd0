//! Signatures of vendors. Each is tested with the vectors that its vendor or another published.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};
use ring::hmac;

use crate::text::rfc3339;

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

/// Tencent Cloud's signature, version 3 (`cloud.tencent.com/document/api/382/52071`): the value of `Authorization` for a
/// POST to `/`. `at_s` is the header `X-TC-Timestamp`.
pub(crate) fn tencent(
    key: (&str, &str),
    service: &str,
    at_s: i64,
    headers: &[(&str, &str)],
    body: &[u8],
) -> String {
    const NAME: &str = "TC3-HMAC-SHA256";
    let (id, secret) = key;
    let date = &rfc3339(at_s * 1000)[..10];
    let scope = format!("{date}/{service}/tc3_request");
    let (hash, names) = canonical("", headers, body);
    let text = format!("{NAME}\n{at_s}\n{scope}\n{hash}");
    let chain = [date, service, "tc3_request", &text];
    let signature = chain.iter().fold(format!("TC3{secret}").into_bytes(), |key, text| {
        mac(hmac::HMAC_SHA256, &key, text.as_bytes()).as_ref().to_vec()
    });
    let signature = hex(signature);
    format!("{NAME} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
}

/// Hash of the canonical form of a POST to `/`, which both have in common, and the names of its headers. `headers` are in
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
    fn tencent_is_as_published() {
        // The escapes are in the text as they are here.
        let body =
            br#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
        let headers = [
            ("content-type", "application/json; charset=utf-8"),
            ("host", "cvm.tencentcloudapi.com"),
            ("x-tc-action", "describeinstances"),
        ];
        assert_eq!(sha256(body), "35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064");
        let hash = "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031";
        assert_eq!(canonical("", &headers[..2], body).0, hash);
        let check = |secret: &str, headers: &[(&str, &str)], expected: &str| {
            let signed = tencent(("AKID", secret), "cvm", 1_551_113_065, headers, body);
            let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
            let begin = "TC3-HMAC-SHA256 Credential=AKID/2019-02-25/cvm/tc3_request";
            let names = names.join(";");
            assert_eq!(signed, format!("{begin}, SignedHeaders={names}, Signature={expected}"));
        };
        // TencentCloud/signature-process-demo, and two revisions of cloud.tencent.com/document/api/213/30654.
        check(
            "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE",
            &headers[..2],
            "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168",
        );
        check(
            "Gu5t9xGARNpq86cd98joQYCN3*******",
            &headers,
            "be4f67d323c78ab9acb7395e43c0dbcf822a9cfac32fea2449a7bc7726b770a3",
        );
        check(
            "********************************",
            &headers,
            "10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f",
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

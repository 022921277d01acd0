//! How requests are made: the keys of Alertmanager's `http_config` (`docs/configuration.md`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderName;
use http::header::AUTHORIZATION;
use serde::Deserialize;

use super::Call;
use super::oauth2::Grant;
use super::proxy::Proxy;
use super::tls::Tls;
use crate::secret::{Secret, Source};
use crate::settings::Settings;

/// Headers that have a key of their own, or belong to the connection.
const RESERVED: [&str; 13] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "transfer-encoding",
    "user-agent",
    "www-authenticate",
];

/// How the requests of a channel are made.
#[derive(Clone, Debug, Default)]
pub struct HttpSettings {
    credentials: Option<Credentials>,
    pub(super) grant: Option<Box<Grant>>,
    headers: Vec<(HeaderName, Source)>,
    pub(super) proxy: Proxy,
    pub(super) tls: Tls,
    /// Whether 307 and 308 are followed.
    pub(super) is_following: bool,
}

#[derive(Clone, Debug)]
enum Credentials {
    /// Name and password.
    Basic(Option<Source>, Option<Source>),
    /// A scheme and what stands behind it.
    Other(String, Source),
}

/// Values of a header as they are written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenHeader {
    values: Vec<Secret>,
    secrets: Vec<Secret>,
    files: Vec<PathBuf>,
}

impl HttpSettings {
    /// From what is written.
    ///
    /// # Errors
    /// Keys that contradict each other, and what cannot be used.
    pub(crate) fn read(settings: &mut Settings<'_>) -> Result<HttpSettings, String> {
        let (tls, proxy) = (Tls::read(settings)?, Proxy::read(settings)?);
        let _: Option<bool> = settings.option("enable_http2")?;
        let read = HttpSettings {
            credentials: credentials(settings)?,
            grant: Grant::read(settings)?.map(Box::new),
            headers: headers(settings)?,
            proxy,
            tls,
            is_following: settings.value("follow_redirects")?,
        };
        match (&read.credentials, &read.grant) {
            (Some(_), Some(_)) => Err("give one of `oauth2`, `basic_auth`, `authorization`".to_owned()),
            _ => Ok(read),
        }
    }

    /// The settings of requests that need nothing to be let in.
    pub(super) fn open(proxy: Proxy, tls: Tls) -> HttpSettings {
        HttpSettings { proxy, tls, ..HttpSettings::default() }
    }

    /// The request with the headers that are set, and with what lets us in unless that is a token.
    ///
    /// # Errors
    /// A file cannot be read, or its text cannot stand in a header.
    pub(super) fn authorize(&self, call: Call) -> Result<Call, String> {
        let call = self.headers.iter().try_fold(call, |call, (name, value)| {
            call.further_secret_header(name.clone(), value.read()?.reveal())
        })?;
        match &self.credentials {
            None => Ok(call),
            Some(Credentials::Basic(name, password)) => {
                let read = |part: &Option<Source>| part.as_ref().map_or(Ok(Secret::default()), Source::read);
                let (name, password) = (read(name)?, read(password)?);
                let value = basic(name.reveal(), password.reveal());
                call.hiding(password).secret_header(AUTHORIZATION, &value)
            }
            Some(Credentials::Other(scheme, credentials)) => {
                let secret = credentials.read()?;
                let value = format!("{scheme} {}", secret.reveal());
                call.hiding(secret).secret_header(AUTHORIZATION, &value)
            }
        }
    }
}

/// Name and password as `Authorization` has them (RFC 7617, 2).
pub(super) fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

fn headers(settings: &mut Settings<'_>) -> Result<Vec<(HeaderName, Source)>, String> {
    let written: BTreeMap<String, WrittenHeader> = settings.value("http_headers")?;
    let directory = &settings.context.directory;
    let mut read = Vec::new();
    for (name, WrittenHeader { values, secrets, files }) in written {
        let parsed =
            HeaderName::try_from(name.as_str()).ok().filter(|name| !RESERVED.contains(&name.as_str()));
        let parsed = parsed.ok_or_else(|| format!("`http_headers` cannot set `{name}`"))?;
        let texts = values.into_iter().chain(secrets).map(Source::Text);
        let sources = texts.chain(files.into_iter().map(|file| Source::File(directory.join(file))));
        read.extend(sources.map(|source| (parsed.clone(), source)));
    }
    Ok(read)
}

fn credentials(settings: &mut Settings<'_>) -> Result<Option<Credentials>, String> {
    let token =
        settings.secret_if("bearer_token")?.map(|token| Credentials::Other("Bearer".to_owned(), token));
    let basic = settings.nested("basic_auth", |basic| {
        Ok(Credentials::Basic(basic.secret_if("username")?, basic.secret_if("password")?))
    })?;
    let other = settings.nested("authorization", |other| {
        let scheme = other.option("type")?.unwrap_or_else(|| "Bearer".to_owned());
        if scheme.eq_ignore_ascii_case("basic") {
            return Err("for Basic there is `basic_auth`".to_owned());
        }
        Ok(other.secret_if("credentials")?.map(|secret| Credentials::Other(scheme, secret)))
    })?;
    let mut given = [token, basic, other.flatten()].into_iter().flatten();
    match (given.next(), given.next()) {
        (_, Some(_)) => Err("give one of `basic_auth`, `authorization` and `bearer_token`".to_owned()),
        (given, None) => Ok(given),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Address;
    use super::*;

    fn read(written: &serde_json::Value) -> Result<HttpSettings, String> {
        let context = crate::testing::context();
        let mut settings = Settings::new(json!({ "http_config": written }), &context)?;
        Ok(settings.nested("http_config", HttpSettings::read)?.unwrap_or_default())
    }

    #[test]
    fn what_lets_us_in() {
        let check = |written: serde_json::Value, expected: &str| {
            let call = Call::json(Address::parse("https://a.example/").expect("a URL"), &json!({}));
            let call = read(&written).and_then(|settings| settings.authorize(call)).expect("a request");
            assert_eq!(call.headers.get(AUTHORIZATION).expect("a header"), expected);
            assert!(!call.shown().contains(expected));
        };
        // The pair of RFC 7617, 2.
        let basic = json!({"basic_auth": {"username": "Aladdin", "password": "open sesame"}});
        check(basic, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        check(json!({"basic_auth": {"username": "a"}}), "Basic YTo=");
        check(json!({"basic_auth": {}}), "Basic Og==");
        check(json!({"bearer_token": "t0ken"}), "Bearer t0ken");
        check(json!({"authorization": {"credentials": "t0ken"}}), "Bearer t0ken");
        check(json!({"authorization": {"type": "GenieKey", "credentials": "t0ken"}}), "GenieKey t0ken");
    }

    #[test]
    fn headers_are_set_beside_each_other() {
        let settings = read(&json!({"http_headers": {"X-Tenant": {"values": ["a"], "secrets": ["canary"]}}}));
        let call = Call::json(Address::parse("https://a.example/").expect("a URL"), &json!({}));
        let call = settings.and_then(|settings| settings.authorize(call)).expect("a request");
        let values: Vec<_> = call.headers.get_all("x-tenant").iter().collect();
        assert_eq!(values, ["a", "canary"]);
        assert!(!call.shown().contains("canary"));
    }

    #[test]
    fn all_that_alertmanager_knows_is_read() {
        for written in [
            json!({"proxy_url": "socks5://127.0.0.1:1080", "no_proxy": "a.example, 10.0.0.0/8"}),
            json!({"proxy_url": "http://user:canary@proxy:8080", "proxy_connect_header": {"X-A": ["canary"]}}),
            json!({"proxy_from_environment": true, "proxy_url": ""}),
            json!({"authorization": {}}),
            json!({"follow_redirects": false, "enable_http2": false}),
            json!({"tls_config": {"server_name": "a.example", "min_version": "TLS12", "max_version": "TLS13"}}),
            json!({"tls_config": {"insecure_skip_verify": true, "min_version": "TLS10"}}),
            json!({"oauth2": {
                "client_id": "a", "client_secret": "canary", "token_url": "https://a.example/token", "scopes": ["b"],
                "endpoint_params": {"c": "d"}, "tls_config": {"insecure_skip_verify": false}, "proxy_url": "http://p:1",
            }}),
        ] {
            let settings = read(&written).unwrap_or_else(|why| panic!("{written}: {why}"));
            assert!(!format!("{settings:?}").contains("canary"));
            settings.tls.config().expect("TLS");
        }
    }

    #[test]
    fn what_contradicts_itself_is_told() {
        let check = |written: serde_json::Value, expected: &str| {
            let error = read(&written).expect_err("wrong");
            assert!(error.starts_with("http_config: ") && error.contains(expected), "{error}");
            assert!(!error.contains("canary"), "{error}");
        };
        let one = "give one of `basic_auth`, `authorization` and `bearer_token`";
        check(json!({"bearer_token": "a", "authorization": {"credentials": "b"}}), one);
        check(json!({"bearer_token": "a", "bearer_token_file": "b"}), "`bearer_token_file`");
        check(json!({"authorization": {"type": "Basic", "credentials": "canary"}}), "there is `basic_auth`");
        check(json!({"tls_config": {"cert_file": "a"}}), "tls_config: a certificate needs its key");
        check(json!({"tls_config": {"max_version": "TLS11"}}), "are not spoken");
        check(json!({"tls_config": {"min_version": "TLS13", "max_version": "TLS12"}}), "above `max_version`");
        check(json!({"tls_config": {"min_version": "canary"}}), "one of TLS10");
        check(json!({"proxy_url": "ftp://canary"}), "begins with one of http, https, socks5");
        check(json!({"no_proxy": "a"}), "needs `proxy_url`");
        check(json!({"proxy_url": "http://a", "proxy_from_environment": true}), "give one of `proxy_url`");
        check(
            json!({"http_headers": {"Authorization": {"values": ["canary"]}}}),
            "cannot set `Authorization`",
        );
        check(json!({"oauth2": {}}), "oauth2: `token_url` is missing");
        check(json!({"proxies": "canary"}), "unknown field `proxies`");
        check(json!({"follow_redirects": "canary"}), "`follow_redirects`: a boolean is expected");
        let grant = json!({"client_id": "a", "client_secret": "canary", "token_url": "http://a"});
        check(json!({"oauth2": grant, "bearer_token": "canary"}), "give one of `oauth2`");
    }
}

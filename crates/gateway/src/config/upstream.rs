//! One upstream of a route: its URL alone, or with what else is known of it.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::UpstreamUrl;

/// One service behind a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UpstreamConfig {
    /// Where it listens, such as `http://10.0.0.1:3000`. `ws:` is read as `http:`, `wss:` as `https:`.
    #[schemars(with = "String")]
    pub url: UpstreamUrl,
    /// Where Prometheus' node_exporter on the upstream's machine is asked every 15 s what that machine is busy
    /// with and short of, such as `http://10.0.0.1:9100/metrics`. It needs the collectors that are on by default.
    #[schemars(with = "Option<String>")]
    pub node_exporter: Option<ExporterUrl>,
}

impl From<UpstreamUrl> for UpstreamConfig {
    fn from(url: UpstreamUrl) -> UpstreamConfig {
        UpstreamConfig { url, node_exporter: None }
    }
}

impl<'de> Deserialize<'de> for UpstreamConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UrlOrKeys)
    }
}

struct UrlOrKeys;

/// The form with keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "upstream")]
struct Keys {
    url: UpstreamUrl,
    #[serde(default)]
    node_exporter: Option<ExporterUrl>,
}

impl<'de> Visitor<'de> for UrlOrKeys {
    type Value = UpstreamConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL such as http://127.0.0.1:3000, or the keys `url` and `node_exporter`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<UpstreamConfig, E> {
        text.parse::<UpstreamUrl>().map(UpstreamConfig::from).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<UpstreamConfig, A::Error> {
        let Keys { url, node_exporter } = Keys::deserialize(MapAccessDeserializer::new(map))?;
        Ok(UpstreamConfig { url, node_exporter })
    }
}

typed_text! {
    /// URL of an exporter's page, with its path.
    ExporterUrl
}

impl FromStr for ExporterUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("exporter `{text}` {why}, such as http://127.0.0.1:9100/metrics");
        let uri: http::Uri = text.parse().map_err(|_| wrong("is no URL; give scheme, host and port"))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("must begin with http://"));
        }
        match uri.authority() {
            Some(authority) if authority.as_str().contains('@') => {
                return Err(wrong("must have no user name or password"));
            }
            Some(authority) if !authority.host().is_empty() => {}
            _ => return Err(wrong("has no host")),
        }
        match uri.path_and_query().map(http::uri::PathAndQuery::as_str) {
            None | Some("/") => Ok(ExporterUrl(format!("{}/metrics", text.trim_end_matches('/')))),
            Some(_) => Ok(ExporterUrl(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Result<(&str, Option<&str>), &str>) {
        match (serde_json::from_str::<UpstreamConfig>(json), expected) {
            (Ok(upstream), Ok((url, exporter))) => {
                assert_eq!(upstream.url.to_string(), url);
                assert_eq!(upstream.node_exporter.as_ref().map(ExporterUrl::as_str), exporter);
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, _) => panic!("{json}: {got:?}"),
        }
    }

    #[test]
    fn both_forms() {
        let with = |exporter: &str| format!(r#"{{"url": "http://a:1", "node_exporter": "{exporter}"}}"#);
        check(r#""ws://a:1""#, Ok(("http://a:1", None)));
        check(r#"{"url": "http://a:1"}"#, Ok(("http://a:1", None)));
        check(&with("http://a:9100"), Ok(("http://a:1", Some("http://a:9100/metrics"))));
        check(&with("http://a:9100/"), Ok(("http://a:1", Some("http://a:9100/metrics"))));
        check(&with("http://a/m?collect[]=cpu"), Ok(("http://a:1", Some("http://a/m?collect[]=cpu"))));
        check(&with("https://a:9100"), Err("must begin with http://"));
        check(&with("a:9100"), Err("must begin with http://"));
        check(&with("http://me:pw@a:9100"), Err("no user name"));
        check(&with("http://"), Err("is no URL"));
        check(r#""a:1""#, Err("must begin with"));
        check(r#"{"node_exporter": "http://a:9100"}"#, Err("missing field `url`"));
        check(r#"{"url": "http://a:1", "exporter": "b"}"#, Err("unknown field `exporter`"));
        check("3000", Err("a URL such as"));
    }
}

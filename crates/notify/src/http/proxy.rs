//! Through which proxy requests go.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{ClientBuilder, NoProxy};
use url::Url;

use crate::secret::Secret;
use crate::settings::Settings;

/// Schemes of a proxy's URL; `socks5h` leaves names to the proxy (curl(1)).
const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

/// None, unless it says more.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxy {
    url: Option<Secret>,
    /// Hosts that are reached without it, as in `NO_PROXY`.
    bypassed: Option<String>,
    /// Headers for the proxy itself.
    headers: HeaderMap,
    /// Whether `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say which.
    is_environment: bool,
}

impl Proxy {
    /// # Errors
    /// Keys that contradict each other, and what cannot be used.
    pub(super) fn read(settings: &mut Settings<'_>) -> Result<Proxy, String> {
        let url: Option<Secret> = settings.option("proxy_url")?;
        let url = url.filter(|url| !url.reveal().is_empty());
        let proxy = Proxy {
            url,
            bypassed: settings.option("no_proxy")?.filter(|hosts: &String| !hosts.is_empty()),
            headers: headers(settings.value("proxy_connect_header")?)?,
            is_environment: settings.value("proxy_from_environment")?,
        };
        match &proxy.url {
            Some(_) if proxy.is_environment => {
                Err("give one of `proxy_url` and `proxy_from_environment`".into())
            }
            None if proxy.bypassed.is_some() => Err("`no_proxy` needs `proxy_url`".into()),
            None if !proxy.headers.is_empty() => Err("`proxy_connect_header` needs `proxy_url`".into()),
            Some(url) => match Url::parse(url.reveal()) {
                Ok(url) if SCHEMES.contains(&url.scheme()) && url.has_host() => Ok(proxy),
                _ => Err(format!("`proxy_url` is no URL that begins with one of {}", SCHEMES.join(", "))),
            },
            None => Ok(proxy),
        }
    }

    /// # Errors
    /// The proxy cannot be used.
    pub(super) fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, String> {
        let Some(url) = &self.url else {
            return Ok(if self.is_environment { builder } else { builder.no_proxy() });
        };
        let proxy = reqwest::Proxy::all(url.reveal()).map_err(|_| "`proxy_url` cannot be used".to_owned())?;
        let proxy = proxy.no_proxy(self.bypassed.as_deref().and_then(NoProxy::from_string));
        let proxy = if self.headers.is_empty() { proxy } else { proxy.headers(self.headers.clone()) };
        Ok(builder.no_proxy().proxy(proxy))
    }
}

fn headers(written: BTreeMap<String, Vec<Secret>>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, values) in written {
        let wrong = || format!("`proxy_connect_header`: no header `{name}` can have this value");
        let parsed = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
        for value in values {
            let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.append(parsed.clone(), value);
        }
    }
    Ok(headers)
}

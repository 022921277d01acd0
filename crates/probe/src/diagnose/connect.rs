//! From a name to a stream: addresses, TCP, TLS, each a stage with its own failure.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use diagnose::attempt::{Certificate, Fault, StageName, Tls};
use diagnose::experiment::{Alpn, Vary};
use rustls::ProtocolVersion;
use rustls::pki_types::{IpAddr, Ipv4Addr, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::Trial;
use crate::clock;
use crate::stream::Stream;
use crate::target::Protocol;
use crate::tls::{self, Shown};

/// Most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Connects as the attempt says; none when a stage failed, which is noted.
pub(super) async fn connect(trial: &mut Trial<'_>) -> Option<Stream> {
    let addresses = resolve(trial).await?;
    let socket = connect_tcp(trial, &addresses).await?;
    if !trial.is_tls() {
        return Some(Stream::Plain(socket));
    }
    shake_hands(trial, socket).await
}

async fn resolve(trial: &mut Trial<'_>) -> Option<Vec<SocketAddr>> {
    let began = clock::now();
    let (host, port) = trial.destination();
    let host = host.to_owned();
    let given = trial.settings.resolved.iter().find(|(name, at, _)| *name == host && *at == port);
    if let Some((_, _, address)) = given {
        return Some(vec![*address]);
    }
    if let Ok(address) = host.parse() {
        return Some(vec![SocketAddr::new(address, port)]);
    }
    let found = trial.within(tokio::net::lookup_host((host.as_str(), port))).await;
    let failed = match found {
        Some(Ok(addresses)) => {
            let addresses: Vec<_> = addresses.collect();
            if !addresses.is_empty() {
                trial.staged(StageName::Dns, began, None);
                return Some(addresses);
            }
            (Fault::NoName, "the name has no address".to_owned())
        }
        Some(Err(error)) => (name_fault(&host, &error), error.to_string()),
        None => (Fault::Resolver, "the resolver did not answer".to_owned()),
    };
    trial.staged(StageName::Dns, began, Some(failed));
    None
}

/// getaddrinfo(3) tells EAI_AGAIN from the rest in its text alone. Names below `invalid` exist nowhere (RFC 6761,
/// section 6.4), also where nobody can be asked.
fn name_fault(host: &str, error: &io::Error) -> Fault {
    let is_nowhere = host.trim_end_matches('.').to_ascii_lowercase().ends_with(".invalid");
    match error.to_string().contains("Temporary failure") && !is_nowhere {
        true => Fault::Resolver,
        false => Fault::NoName,
    }
}

async fn connect_tcp(trial: &mut Trial<'_>, addresses: &[SocketAddr]) -> Option<TcpStream> {
    let began = clock::now();
    let mut failed = (Fault::Local, String::new());
    let addresses = &addresses[..addresses.len().min(ADDRESSES_MAX)];
    // All of them together have the time of a stage.
    let each = trial.settings.stage_time / u32::try_from(addresses.len()).unwrap_or(1).max(1);
    for address in addresses {
        trial.seen.peer = Some(address.to_string());
        match trial.within(timeout(each, TcpStream::connect(address))).await {
            Some(Ok(Ok(socket))) => {
                trial.staged(StageName::Tcp, began, None);
                // A probe sends whole messages; nothing is won by waiting for more.
                let _ = socket.set_nodelay(true);
                return Some(socket);
            }
            Some(Ok(Err(error))) => failed = (tcp_fault(&error), format!("{address}: {error}")),
            Some(Err(_)) | None => failed = (Fault::Timeout, format!("{address}: no answer to SYN")),
        }
    }
    trial.staged(StageName::Tcp, began, Some(failed));
    None
}

fn tcp_fault(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Fault::Refused,
        io::ErrorKind::TimedOut => Fault::Timeout,
        io::ErrorKind::ConnectionReset => Fault::Reset,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Fault::Unreachable,
        _ => Fault::Local,
    }
}

async fn shake_hands(trial: &mut Trial<'_>, socket: TcpStream) -> Option<Stream> {
    let began = clock::now();
    let host = trial.server_name().to_owned();
    let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string());
    let prepared = name.and_then(|name| {
        let (config, shown) = tls::showing_config(trial.trust(), name.clone(), alpn(trial))?;
        Ok((name, config, shown))
    });
    let (name, config, shown) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            trial.staged(StageName::Tls, began, Some((Fault::Local, error)));
            return None;
        }
    };
    // An address is not sent as a server's name (RFC 6066, section 3).
    let greeted = match trial.vary() {
        Some(Vary::NoServerName) => ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([127, 0, 0, 1]))),
        _ => name,
    };
    let agreed = trial.within(TlsConnector::from(config).connect(greeted, socket)).await;
    let mut facts = Tls { certificate: certificate(&shown, &host), ..Tls::default() };
    let failed = match agreed {
        Some(Ok(stream)) => {
            let (_, session) = stream.get_ref();
            facts.version = session.protocol_version().map(version);
            facts.alpn = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
            trial.seen.tls = Some(facts);
            trial.staged(StageName::Tls, began, None);
            return Some(Stream::Tls(Box::new(stream.into())));
        }
        Some(Err(error)) => {
            let (fault, alert) = tls_fault(&error);
            facts.alert = alert;
            (fault, error.to_string())
        }
        None => (Fault::Timeout, "TLS was not agreed on in time".to_owned()),
    };
    trial.seen.tls = Some(facts);
    trial.staged(StageName::Tls, began, Some(failed));
    None
}

/// What is offered.
fn alpn(trial: &Trial<'_>) -> &'static [&'static str] {
    match trial.vary() {
        Some(Vary::Alpn(Alpn::None)) => &[],
        Some(Vary::Alpn(Alpn::Http1)) => &["http/1.1"],
        Some(Vary::Alpn(Alpn::Http2) | Vary::ExtendedConnect) => &["h2"],
        Some(Vary::Alpn(Alpn::Both)) => &["h2", "http/1.1"],
        _ if trial.settings.target.protocol == Protocol::Grpc => &["h2"],
        _ => &["http/1.1"],
    }
}

fn version(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "1.3".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Why TLS failed, and the alert that came.
fn tls_fault(error: &io::Error) -> (Fault, Option<String>) {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (inner, error.kind()) {
        (Some(rustls::Error::AlertReceived(alert)), _) => (Fault::Alert, Some(format!("{alert:?}"))),
        (Some(rustls::Error::InvalidCertificate(_)), _) => (Fault::Certificate, None),
        (Some(rustls::Error::NoApplicationProtocol), _) => (Fault::Alpn, None),
        (Some(rustls::Error::InvalidMessage(_)), _) => (Fault::OtherProtocol, None),
        (Some(_), _) => (Fault::Protocol, None),
        (None, io::ErrorKind::UnexpectedEof) => (Fault::Ended, None),
        (None, io::ErrorKind::ConnectionReset) => (Fault::Reset, None),
        (None, _) => (Fault::Protocol, None),
    }
}

/// What the server's certificate says, and what verifying it said.
fn certificate(shown: &Arc<Shown>, host: &str) -> Option<Certificate> {
    let shown = shown.take()?;
    let (_, parsed) = X509Certificate::from_der(&shown.chain[0]).ok()?;
    let now = clock::wall().as_secs_f64();
    let validity = parsed.validity();
    let names = parsed.subject_alternative_name().ok().flatten();
    let names: Vec<String> = names
        .map(|names| names.value.general_names.iter().filter_map(name).take(16).collect())
        .unwrap_or_default();
    Some(Certificate {
        is_for_name: names.iter().any(|name| covers(name, host)),
        names,
        issuer: parsed.issuer().to_string(),
        ends_in_seconds: validity.not_after.timestamp() as f64 - now,
        chain_ends_at: shown.chain.iter().filter_map(|der| ends_at(der)).fold(f64::INFINITY, f64::min),
        began_seconds_ago: now - validity.not_before.timestamp() as f64,
        chain: u32::try_from(shown.chain.len()).unwrap_or(u32::MAX),
        is_self_signed: parsed.issuer() == parsed.subject(),
        refused: shown.refused,
    })
}

fn ends_at(der: &[u8]) -> Option<f64> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    Some(parsed.validity().not_after.timestamp() as f64)
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress([a, b, c, d]) => Some(format!("{a}.{b}.{c}.{d}")),
        GeneralName::IPAddress(bytes) => {
            <[u8; 16]>::try_from(*bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string())
        }
        _ => None,
    }
}

/// Whether a name of a certificate is for this host: the same, or with `*` for its first label (RFC 9525, section
/// 6.3).
fn covers(name: &str, host: &str) -> bool {
    let (name, host) = (name.to_ascii_lowercase(), host.trim_end_matches('.').to_ascii_lowercase());
    let below = || Some(host.split_once('.')?.1 == name.strip_prefix("*.")?);
    name == host || below().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_certificates() {
        let check =
            |name: &str, host: &str, expected: bool| assert_eq!(covers(name, host), expected, "{name}");
        check("example.com", "Example.com.", true);
        check("*.example.com", "a.example.com", true);
        check("*.example.com", "a.b.example.com", false);
        check("*.example.com", "example.com", false);
        check("127.0.0.1", "127.0.0.1", true);
    }
}

//! The proxies that are measured, one row each: how it is installed and how it is told to serve one port of
//! loopback in front of one upstream. All have one worker.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::envoy;
use super::tls::Certificate;
use crate::{root, target};

/// A proxy.
pub struct Peer {
    /// As it is named on the command line and in reports.
    pub name: &'static str,
    /// Whether it is another peer in another setting, measured only where that matters.
    pub is_variant: bool,
    /// The Debian package that brings it, and where its program is then.
    pub debian: Option<(&'static str, &'static str)>,
    /// Writes its configuration and tells how it is started in the foreground.
    pub command: fn(&Site) -> Result<Vec<String>, String>,
}

/// What a proxy is to serve.
pub struct Site<'a> {
    /// For its configuration; made for this run, removed after it.
    pub dir: &'a Path,
    /// Port of loopback on which it listens.
    pub port: u16,
    /// The upstream.
    pub upstream: SocketAddr,
    /// What clients speak.
    pub clients: Clients<'a>,
    /// Whether the upstream is spoken to in HTTP/2, as gRPC needs it.
    pub upstream_http2: bool,
}

/// What clients of a proxy speak.
#[derive(Clone, Copy)]
pub enum Clients<'a> {
    /// HTTP/1.1.
    Plain,
    /// The same in TLS, with certificate and key in PEM files.
    Tls(&'a Certificate),
    /// HTTP/2 with prior knowledge.
    Http2,
}

impl<'a> Site<'a> {
    /// Certificate and key, when clients speak TLS.
    pub fn tls(&self) -> Option<&'a Certificate> {
        if let Clients::Tls(certificate) = self.clients { Some(certificate) } else { None }
    }

    fn is_http2(&self) -> bool {
        matches!(self.clients, Clients::Http2)
    }
}

const NGINX: (&str, &str) = ("nginx-light", "/usr/sbin/nginx");
const HAPROXY: (&str, &str) = ("haproxy", "/usr/sbin/haproxy");
const CADDY: (&str, &str) = ("caddy", "/usr/bin/caddy");

/// Every proxy; the first is the one under test.
pub const PEERS: [Peer; 6] = [
    Peer { name: "heartline", is_variant: false, debian: None, command: heartline },
    Peer { name: "nginx", is_variant: false, debian: Some(NGINX), command: |site| nginx(site, "4k") },
    Peer { name: "nginx-16k", is_variant: true, debian: Some(NGINX), command: |site| nginx(site, "16k") },
    Peer { name: "haproxy", is_variant: false, debian: Some(HAPROXY), command: haproxy },
    Peer { name: "caddy", is_variant: false, debian: Some(CADDY), command: caddy },
    Peer { name: "envoy", is_variant: false, debian: None, command: envoy::command },
];

/// The release build of this repository, or what `HEARTLINE_BIN` names.
pub fn heartline_binary() -> PathBuf {
    std::env::var_os("HEARTLINE_BIN").map_or_else(|| target().join("release/heartline"), PathBuf::from)
}

/// What makes load: the same program, or what `HEARTLINE_LOAD_BIN` names, so that builds are measured alike.
pub fn load_binary() -> PathBuf {
    std::env::var_os("HEARTLINE_LOAD_BIN").map_or_else(heartline_binary, PathBuf::from)
}

/// Builds it, unless it is given.
pub fn build() -> Result<(), String> {
    if std::env::var_os("HEARTLINE_BIN").is_some() {
        return Ok(());
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--package", "heartline", "--locked"]).current_dir(root());
    match cargo.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the release build: {status}")),
        Err(error) => Err(format!("cargo: {error}")),
    }
}

fn heartline(site: &Site) -> Result<Vec<String>, String> {
    let tls = site.tls().map_or(String::new(), |Certificate { cert, key, .. }| {
        format!("    tls: {{ cert_file: {}, key_file: {} }}\n", cert.display(), key.display())
    });
    let Site { port, upstream, .. } = site;
    let data = site.dir.join("data");
    let text = format!(
        "admin: {{ listen: '127.0.0.1:0' }}\n\
         data: {{ dir: '{}' }}\n\
         listeners:\n  - listen: '127.0.0.1:{port}'\n{tls}\
         routes:\n  - name: bench\n    upstreams: ['http://{upstream}']\n",
        data.display()
    );
    run_heartline(site, &text)
}

/// Heartline with this configuration.
pub fn run_heartline(site: &Site, text: &str) -> Result<Vec<String>, String> {
    let file = write(site, "heartline.yaml", text)?;
    Ok(argv(&[&heartline_binary().display().to_string(), "run", "-c", &file]))
}

fn nginx(site: &Site, buffer: &str) -> Result<Vec<String>, String> {
    let Site { port, upstream, dir, .. } = site;
    let dir = dir.display();
    let (mode, files) = site.tls().map_or(("", String::new()), |Certificate { cert, key, .. }| {
        let files = format!("ssl_certificate {}; ssl_certificate_key {};", cert.display(), key.display());
        (" ssl", files)
    });
    let mode = if site.is_http2() { " http2" } else { mode };
    let text = format!(
        "daemon off; master_process off; worker_processes 1; pid {dir}/pid; error_log stderr;\n\
         events {{ worker_connections 20000; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path {dir}; proxy_temp_path {dir};\n\
         fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};\n\
         server {{\n    listen 127.0.0.1:{port}{mode} backlog=4096; {files}\n\
         location / {{\n      proxy_pass http://{upstream};\n      proxy_http_version 1.1;\n\
         proxy_set_header Host $host;\n      proxy_set_header Upgrade $http_upgrade;\n\
         proxy_set_header Connection $http_connection;\n      proxy_read_timeout 1h;\n\
         proxy_buffering off;\n      proxy_buffer_size {buffer}; proxy_buffers 8 {buffer};\n    }}\n  }}\n}}\n"
    );
    let file = write(site, "nginx.conf", &text)?;
    Ok(argv(&[NGINX.1, "-e", "stderr", "-p", &dir.to_string(), "-c", &file]))
}

/// `http-no-delay`, for without it events of event streams wait for more.
fn haproxy(site: &Site) -> Result<Vec<String>, String> {
    let Site { port, upstream, .. } = site;
    let mode = match site.clients {
        Clients::Plain => String::new(),
        Clients::Tls(files) => format!(" ssl crt {}", files.both.display()),
        Clients::Http2 => " proto h2".to_owned(),
    };
    let text = format!(
        "global\n  nbthread 1\n  maxconn 9900\n\
         defaults\n  mode http\n  option http-no-delay\n  timeout connect 5s\n  timeout client 1h\n\
         \x20 timeout server 1h\n  timeout tunnel 1h\n\
         frontend in\n  bind 127.0.0.1:{port}{mode} backlog 4096\n  default_backend out\n\
         backend out\n  server one {upstream}\n"
    );
    let file = write(site, "haproxy.cfg", &text)?;
    Ok(argv(&[HAPROXY.1, "-db", "-q", "-f", &file]))
}

fn caddy(site: &Site) -> Result<Vec<String>, String> {
    let Site { port, upstream, .. } = site;
    let (scheme, tls) = site.tls().map_or(("http", String::new()), |Certificate { cert, key, .. }| {
        ("https", format!("  tls {} {}\n", cert.display(), key.display()))
    });
    let text = format!(
        "{{\n  admin off\n  auto_https off\n  servers {{\n    protocols h1 h2 h2c\n  }}\n}}\n{scheme}://:{port} {{\n\
         \x20 bind 127.0.0.1\n{tls}  reverse_proxy {upstream} {{\n    flush_interval -1\n  }}\n}}\n"
    );
    let file = write(site, "Caddyfile", &text)?;
    Ok(argv(&[
        "/usr/bin/env",
        "GOMAXPROCS=1",
        "/usr/bin/caddy",
        "run",
        "--adapter",
        "caddyfile",
        "--config",
        &file,
    ]))
}

/// Writes a file of a site and gives its path.
pub fn write(site: &Site, name: &str, text: &str) -> Result<String, String> {
    let path = site.dir.join(name);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path.display().to_string())
}

/// A command line.
pub fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

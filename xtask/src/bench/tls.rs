//! TLS towards clients: a certificate for the proxies, and the clients, which are Python's.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const CLIENTS: &str = include_str!("tls_clients.py");

/// Files in PEM.
pub struct Certificate {
    /// Certificate.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Both in one.
    pub both: PathBuf,
}

impl Certificate {
    /// A new one with a key on P-256, signed by itself.
    pub fn new(dir: &Path) -> Result<Certificate, String> {
        let files = Certificate::at(dir);
        let Certificate { cert, key, both } = &files;
        let subject = ["-subj", "/CN=bench.test", "-addext", "subjectAltName=DNS:bench.test", "-days", "30"];
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
            .args(subject)
            .arg("-out")
            .arg(cert)
            .arg("-keyout")
            .arg(key)
            .stderr(Stdio::null())
            .status();
        if !made.is_ok_and(|status| status.success()) {
            return Err("openssl has made no certificate".to_owned());
        }
        let read = |path| fs::read(path).map_err(|error| error.to_string());
        fs::write(both, [read(cert)?, read(key)?].concat()).map_err(|error| error.to_string())?;
        Ok(files)
    }

    /// The one that was made in a directory.
    pub fn at(dir: &Path) -> Certificate {
        let [cert, key, both] = ["cert.pem", "key.pem", "both.pem"].map(|name| dir.join(name));
        Certificate { cert, key, both }
    }
}

/// WebSockets over TLS, in a process of their own.
pub struct Clients {
    child: Child,
    pipes: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Clients {
    /// No connection yet.
    pub fn start(address: SocketAddr) -> Result<Clients, String> {
        let mut child = Command::new("python3")
            .args(["-c", CLIENTS, &address.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("python3: {error}"))?;
        let input = child.stdin.take().expect("it was asked for");
        let output = BufReader::new(child.stdout.take().expect("it was asked for"));
        Ok(Clients { child, pipes: RefCell::new((input, output)) })
    }

    /// Opens more.
    pub fn open(&self, count: usize) -> Result<(), String> {
        let wrong = |error| format!("the clients: {error}");
        let (input, output) = &mut *self.pipes.borrow_mut();
        writeln!(input, "{count}").map_err(wrong)?;
        match output.read_line(&mut String::new()).map_err(wrong)? {
            0 => Err("the clients have ended".to_owned()),
            _ => Ok(()),
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

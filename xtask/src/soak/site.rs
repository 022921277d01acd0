//! The processes of a soak: the gateway with everything switched on, and two upstreams.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::bench::peers::{heartline_binary, load_binary};
use crate::bench::processes::{free_port, signal};
use crate::bench::tls::Certificate;

/// How long a start or an end may take.
const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(50);

/// For an upstream to be away.
const AWAY: Duration = Duration::from_millis(500);

/// What a gateway says when a part of it breaks (std's panic handler).
const PANIC: &str = "panicked at";

const RELOADED: &str = "the configuration was reloaded";

/// See the module. All of it goes with it.
pub struct Site {
    dir: PathBuf,
    gateway: Child,
    upstreams: [Option<Child>; 2],
    ports: Ports,
    reloads: usize,
}

#[derive(Clone, Copy)]
struct Ports {
    plain: u16,
    tls: u16,
    admin: u16,
    upstreams: [u16; 2],
}

/// Where clients go.
#[derive(Clone, Copy)]
pub struct Targets {
    /// HTTP, and HTTP/2 with prior knowledge.
    pub plain: SocketAddr,
    /// The same in TLS.
    pub tls: SocketAddr,
}

impl Site {
    /// Starts all of them.
    pub fn start() -> Result<Site, String> {
        let dir = std::env::temp_dir().join(format!("heartline-soak-{}", std::process::id()));
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let ports = Ports {
            plain: free_port()?,
            tls: free_port()?,
            admin: free_port()?,
            upstreams: [free_port()?, free_port()?],
        };
        let certificate = Certificate::new(&dir)?;
        let config = dir.join("heartline.yaml");
        write(&config, &config_text(ports, &certificate, 0))?;
        let log = dir.join("log");
        let output = fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let gateway = Command::new(heartline_binary())
            .args(["run", "--log-format", "json", "-c"])
            .arg(&config)
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .map_err(|error| format!("the gateway: {error}"))?;
        let mut site = Site { dir, gateway, upstreams: [None, None], ports, reloads: 0 };
        site.start_upstream(0)?;
        site.start_upstream(1)?;
        serves(ports.admin).map_err(|error| format!("{error}\n{}", site.log()))?;
        Ok(site)
    }

    /// Where clients go.
    pub fn targets(&self) -> Targets {
        let at = |port| (Ipv4Addr::LOCALHOST, port).into();
        Targets { plain: at(self.ports.plain), tls: at(self.ports.tls) }
    }

    /// Where metrics are.
    pub fn admin(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.admin).into()
    }

    /// The gateway's process.
    pub fn gateway(&self) -> u32 {
        self.gateway.id()
    }

    /// Kills the first upstream and starts it again.
    pub fn restart_first(&mut self) -> Result<(), String> {
        self.restart(0)
    }

    /// Kills the second upstream and starts it again.
    pub fn restart_second(&mut self) -> Result<(), String> {
        self.restart(1)
    }

    fn restart(&mut self, place: usize) -> Result<(), String> {
        if let Some(upstream) = &mut self.upstreams[place] {
            let _ = upstream.kill();
            let _ = upstream.wait();
        }
        sleep(AWAY);
        self.start_upstream(place)
    }

    fn start_upstream(&mut self, place: usize) -> Result<(), String> {
        let port = self.ports.upstreams[place];
        let child = Command::new(load_binary())
            .args(["load", "serve", "--listen", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("an upstream: {error}"))?;
        self.upstreams[place] = Some(child);
        serves(port)
    }

    /// Changes the configuration and has it read again.
    pub fn reload(&mut self) -> Result<(), String> {
        self.reloads += 1;
        let certificate = Certificate::at(&self.dir);
        write(&self.dir.join("heartline.yaml"), &config_text(self.ports, &certificate, self.reloads))?;
        signal(self.gateway.id(), "HUP");
        let begin = Instant::now();
        while self.log().matches(RELOADED).count() < self.reloads {
            if begin.elapsed() > PATIENCE {
                return Err(format!("the configuration is not read again\n{}", self.log()));
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Fails when a part of the gateway has broken.
    pub fn check(&self) -> Result<(), String> {
        match self.log().lines().find(|line| line.contains(PANIC)) {
            Some(line) => Err(format!("the gateway: {line}")),
            None => Ok(()),
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Asks the gateway to end, which it must do in peace.
    pub fn stop(mut self) -> Result<(), String> {
        signal(self.gateway.id(), "TERM");
        let begin = Instant::now();
        loop {
            match self.gateway.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.success() => return self.check(),
                Some(status) => return Err(format!("the gateway ended: {status}\n{}", self.log())),
                None if begin.elapsed() > PATIENCE => return Err("the gateway does not end".to_owned()),
                None => sleep(PAUSE),
            }
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for child in self.upstreams.iter_mut().flatten().chain([&mut self.gateway]) {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Everything switched on, and what is kept of the past small enough to be full after the warm-up. Every second
/// configuration has other upstream pools, so that those of the one before go.
fn config_text(ports: Ports, Certificate { cert, key, .. }: &Certificate, turn: usize) -> String {
    let Ports { plain, tls, admin, upstreams: [first, second] } = ports;
    let (cert, key) = (cert.display(), key.display());
    let connect = 4 + turn % 2;
    let route = |name: &str, more: &str| {
        format!(
            "  - name: {name}\n    match: {{ path: /{name} }}\n\
             \x20   upstreams: ['http://127.0.0.1:{first}', 'http://127.0.0.1:{second}']\n{more}"
        )
    };
    let timeouts = format!("    timeouts: {{ connect: {connect}s, half_close: 1s, idle: 20s }}\n");
    let routes = [
        route("events", &format!("    event_time: {{ json_pointer: /ts }}\n{timeouts}")),
        route("push", &timeouts),
        route("load.Load", &format!("    balance: round_robin\n{timeouts}")),
        "  - name: dead\n    match: { path: /dead }\n    upstreams: ['http://127.0.0.1:1']\n".to_owned(),
        route("", &format!("    client_key: {{ query: user }}\n{timeouts}"))
            .replace("name: \n", "name: rest\n"),
    ];
    format!(
        "admin: {{ listen: '127.0.0.1:{admin}' }}\n\
         listeners:\n  - listen: '127.0.0.1:{plain}'\n    head_timeout: 2s\n\
         \x20 - listen: '127.0.0.1:{tls}'\n    head_timeout: 2s\n\
         \x20   tls: {{ cert_file: {cert}, key_file: {key} }}\n\
         trusted_peers: ['127.0.0.0/8']\n\
         closed: {{ keep: 1000, keep_for_reconnects: 2000, log: closed.log }}\n\
         recorder: {{ total_memory: 4MiB }}\n\
         tcp_samples: {{ interval: 1s, acks_one_in: 8 }}\n\
         drain: {{ window: 2s }}\n\
         routes:\n{}",
        routes.concat()
    )
}

fn write(path: &std::path::Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn serves(port: u16) -> Result<(), String> {
    let begin = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if begin.elapsed() > PATIENCE {
            return Err(format!("nothing serves port {port}"));
        }
        sleep(PAUSE);
    }
    Ok(())
}

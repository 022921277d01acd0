//! What does not depend on the machine's load: user instructions and system calls for each echo. Each is the
//! difference of two runs, so that start, handshake and end cancel out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::echo::{Client, message};
use super::peers::Peer;
use super::place::Place;
use super::upstream::Kind;

/// Payload of the echoed messages.
const PAYLOAD_BYTES: usize = 128;

/// Echoes of the two runs.
const FEW: u32 = 200;
const MANY: u32 = 2_200;

/// Calls that come with fewer echoes than this are not for the echoes: from time to time a look at the machine opens,
/// reads and closes a hundred files.
const SHOWN_FROM: f64 = 0.25;

/// User instructions for each echo, by callgrind, of the thread that serves. What other threads do from time to
/// time is not for the echo, and a tracer that slows all down makes it look the more.
pub fn instructions(place: &Place, peer: &Peer) -> Result<f64, String> {
    let run = |echoes| {
        let name = format!("callgrind.{}.{echoes}", peer.name);
        let profile = place.dir().join(&name);
        let under = [
            "valgrind".to_owned(),
            "--tool=callgrind".to_owned(),
            "--separate-threads=yes".to_owned(),
            format!("--callgrind-out-file={}", profile.display()),
        ];
        echo(place, peer, &under, echoes)?;
        by_thread(place.dir(), &format!("{name}-"))
    };
    let (few, many) = (run(FEW)?, run(MANY)?);
    let more = |(thread, count): (String, u64)| count.checked_sub(few.get(&thread).copied().unwrap_or(0));
    let most = many.into_iter().filter_map(more).max().ok_or("callgrind has counted nothing")?;
    Ok(per_echo(most))
}

/// Instructions by thread that receives, from the files that callgrind wrote for each.
fn by_thread(dir: &Path, prefix: &str) -> Result<BTreeMap<String, u64>, String> {
    let files = fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut counts = BTreeMap::new();
    for file in files.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if let Some(thread) = name.strip_prefix(prefix) {
            let profile = read(&file.path())?;
            let count = summary(&profile).ok_or_else(|| format!("{name}: no summary"))?;
            if receives(&profile) {
                counts.insert(thread.to_owned(), count);
            }
        }
    }
    Ok(counts)
}

/// System calls for each echo by name, by strace.
pub fn syscalls(place: &Place, peer: &Peer) -> Result<BTreeMap<String, f64>, String> {
    let run = |echoes| {
        let table = place.dir().join(format!("strace.{}.{echoes}", peer.name));
        let under = [
            "strace".to_owned(),
            "-f".to_owned(),
            "-c".to_owned(),
            "-o".to_owned(),
            table.display().to_string(),
        ];
        echo(place, peer, &under, echoes)?;
        Ok::<_, String>(calls(&read(&table)?))
    };
    let (few, many) = (run(FEW)?, run(MANY)?);
    let more = |(name, count): (String, u64)| {
        let more = count.saturating_sub(few.get(&name).copied().unwrap_or(0));
        (name, per_echo(more))
    };
    Ok(many.into_iter().map(more).filter(|(_, calls)| *calls >= SHOWN_FROM).collect())
}

/// Echoes over one connection through a proxy that is watched.
fn echo(place: &Place, peer: &Peer, under: &[String], echoes: u32) -> Result<(), String> {
    let proxy = place.start_under(under, peer, Kind::Echo)?;
    let mut client = Client::connect(proxy.address).map_err(|error| format!("{}: {error}", peer.name))?;
    let message = message(PAYLOAD_BYTES);
    for _ in 0..echoes {
        client.echo(&message).map_err(|error| format!("{}: {error}", peer.name))?;
    }
    drop(client);
    proxy.stop()
}

fn per_echo(more: u64) -> f64 {
    more as f64 / f64::from(MANY - FEW)
}

/// Whether a thread has taken bytes from sockets (recv(2), recvmsg(2), readv(2)): others serve nobody. A call of the
/// kernel without a function of the C library has no name; Heartline reads messages so, what the kernel says of sent
/// bytes by recvmsg.
fn receives(profile: &str) -> bool {
    let calls =
        ["recv", "__recv", "recvfrom", "__libc_recv", "recvmsg", "__libc_recvmsg", "readv", "__libc_readv"];
    let names = profile.lines().filter(|line| line.starts_with("fn=") || line.starts_with("cfn="));
    names.filter_map(|line| line.split_once(") ")).any(|(_, name)| calls.contains(&name))
}

/// All instructions of a callgrind profile: the sum of its parts.
fn summary(profile: &str) -> Option<u64> {
    let counts: Vec<u64> =
        profile.lines().filter_map(|line| line.strip_prefix("summary:")?.trim().parse().ok()).collect();
    (!counts.is_empty()).then(|| counts.iter().sum())
}

/// Calls by name in the table of `strace -c`.
fn calls(table: &str) -> BTreeMap<String, u64> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, calls, .., name] = words[..] else { return None };
        Some((name.to_owned(), calls.parse().ok()?))
    };
    table.lines().filter_map(row).filter(|(name, _)| name != "total").collect()
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_receive_are_known() {
        assert!(receives("fn=(1) main\ncfn=(2) recv\n"));
        assert!(receives("fn=(1) main\ncfn=(2) recvmsg\n"));
        assert!(!receives("fn=(1) main\ncfn=(2) recvmmsg_all\nfn=(2)\n"));
    }

    #[test]
    fn a_table_of_strace_is_read() {
        let table = "% time     seconds  usecs/call     calls    errors syscall\n\
                     ------ ----------- ----------- --------- --------- ----------------\n\
                     \x2058.00    0.010000           5      2000           sendto\n\
                     \x2042.00    0.007000           3      2402         2 recvfrom\n\
                     ------ ----------- ----------- --------- --------- ----------------\n\
                     100.00    0.017000           4      4402         2 total\n";
        let expected = [("recvfrom".to_owned(), 2402), ("sendto".to_owned(), 2000)];
        assert_eq!(calls(table), BTreeMap::from(expected));
    }

    #[test]
    fn a_profile_is_read() {
        assert_eq!(summary("events: Ir\nsummary: 42\n\nfn=(1)\n"), Some(42));
        assert_eq!(summary("events: Ir\n"), None);
    }
}

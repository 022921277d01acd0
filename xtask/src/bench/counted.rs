//! What does not depend on the machine's load: user instructions and system calls for each echo. Each is the
//! difference of two runs, so that start, handshake and end cancel out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::echo::{Client, message};
use super::peers::Peer;
use super::place::Place;

/// Payload of the echoed messages.
const PAYLOAD_BYTES: usize = 128;

/// Echoes of the two runs.
const FEW: u32 = 200;
const MANY: u32 = 1_200;

/// User instructions for each echo, by callgrind.
pub fn instructions(place: &Place, peer: &Peer) -> Result<f64, String> {
    let run = |echoes| {
        let profile = place.dir().join(format!("callgrind.{}.{echoes}", peer.name));
        let under = [
            "valgrind".to_owned(),
            "--tool=callgrind".to_owned(),
            format!("--callgrind-out-file={}", profile.display()),
        ];
        echo(place, peer, &under, echoes)?;
        let text = read(&profile)?;
        summary(&text).ok_or_else(|| format!("{}: has no summary", profile.display()))
    };
    per_echo(run(FEW)?, run(MANY)?)
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
    let difference = |(name, count): (String, u64)| {
        let before = few.get(&name).copied().unwrap_or(0);
        Some((name, per_echo(before, count.max(before)).ok()?))
    };
    Ok(many.into_iter().filter_map(difference).filter(|(_, calls)| *calls >= 0.005).collect())
}

/// Echoes over one connection through a proxy that is watched.
fn echo(place: &Place, peer: &Peer, under: &[String], echoes: u32) -> Result<(), String> {
    let proxy = place.start(peer, under)?;
    let mut client = Client::connect(proxy.address).map_err(|error| format!("{}: {error}", peer.name))?;
    let message = message(PAYLOAD_BYTES);
    for _ in 0..echoes {
        client.echo(&message).map_err(|error| format!("{}: {error}", peer.name))?;
    }
    drop(client);
    proxy.stop()
}

fn per_echo(few: u64, many: u64) -> Result<f64, String> {
    let more = many.checked_sub(few).ok_or("more echoes cost less")?;
    Ok(more as f64 / f64::from(MANY - FEW))
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
    fn parts_of_a_profile_are_summed() {
        assert_eq!(summary("events: Ir\nsummary: 12\nfn=(1)\nsummary: 30\n"), Some(42));
        assert_eq!(summary("events: Ir\n"), None);
    }
}

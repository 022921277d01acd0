//! The processes on this machine that listen where an upstream is: found by the socket's inode in
//! `/proc/net/tcp`, which a process that holds the socket has among its files (proc(5)).
//!
//! Only what this process may see is found: its own network namespace, and processes of its own user, or all
//! with `CAP_SYS_PTRACE`. A service whose port is published by a forwarder is not found, its forwarder is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, UdpSocket};

use model::Moment;
use model::host::{ListeningProcess, ProcessFacts};
use procfs::net::{TcpNetEntries, TcpState};
use procfs::prelude::*;
use procfs::process::{FDTarget, Process, Stat, all_processes};

use super::process;

/// Listening sockets that are looked at.
const SOCKETS_MAX: usize = 10_000;

/// Processes that are looked at.
const PROCESSES_MAX: usize = 10_000;

/// Files of one process that are looked at: sockets to listen on are opened early.
const FILES_MAX: usize = 1_000;

/// Files of all processes that are looked at.
const ALL_FILES_MAX: usize = 50_000;

/// Processes of one upstream that are followed.
const MEMBERS_MAX: usize = 64;

/// Where an upstream is, as far as that is on this machine.
pub type Place = Vec<SocketAddr>;

/// Whether an address is one of this machine's: nothing can be bound to another's (bind(2)).
pub fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}

/// Follows the processes at some places.
#[derive(Debug, Default)]
pub struct Listening(HashMap<Place, Group>);

impl Listening {
    /// Looks for the processes anew; those that are known keep their account. Places are those of the answer to
    /// [`Listening::look`] from then on.
    pub fn find(&mut self, places: &[Place]) {
        let sockets = listening_sockets();
        let inodes: Vec<BTreeSet<u64>> = places.iter().map(|place| inodes(&sockets, place)).collect();
        let holders = holders(&inodes.iter().flatten().copied().collect());
        let mut before = std::mem::take(&mut self.0);
        for (place, inodes) in places.iter().zip(&inodes) {
            let mut group = before.remove(place).unwrap_or_default();
            let pids = inodes.iter().filter_map(|inode| holders.get(inode)).flatten().copied();
            group.renew(pids.collect());
            self.0.insert(place.clone(), group);
        }
    }

    /// Reads the processes at a place; none when none is known there.
    pub fn look(&mut self, place: &Place, now: Moment) -> Option<ListeningProcess> {
        self.0.get_mut(place)?.look(now)
    }
}

/// All sockets that listen, with their inodes.
fn listening_sockets() -> Vec<(SocketAddr, u64)> {
    let of =
        |path: &str| File::open(path).map(|file| listening_part(BufReader::new(file))).unwrap_or_default();
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().flat_map(|path| parse_sockets(&of(path))).collect()
}

/// The beginning of a table of sockets: the kernel tells of those that listen before it tells of connections, and
/// there may be very many of these (`tcp_seq_start` in `net/ipv4/tcp_ipv4.c`).
fn listening_part(table: impl BufRead) -> String {
    let is_listening = |line: &String| line.split_whitespace().nth(3) == Some("0A");
    let mut lines = table.lines().map_while(Result::ok);
    let Some(head) = lines.next() else { return String::new() };
    let mut part = head + "\n";
    for line in lines.take_while(is_listening).take(SOCKETS_MAX) {
        part += &line;
        part.push('\n');
    }
    part
}

fn parse_sockets(table: &str) -> Vec<(SocketAddr, u64)> {
    let entries = TcpNetEntries::from_read(table.as_bytes(), procfs::current_system_info());
    let entries = entries.map(|entries| entries.0).unwrap_or_default();
    let listening = entries.into_iter().filter(|entry| entry.state == TcpState::Listen);
    listening.map(|entry| (entry.local_address, entry.inode)).collect()
}

/// The sockets at which connections to a place may arrive.
fn inodes(sockets: &[(SocketAddr, u64)], place: &Place) -> BTreeSet<u64> {
    let takes = |socket: SocketAddr| {
        let ip = socket.ip().to_canonical();
        place.iter().any(|address| {
            socket.port() == address.port() && (ip.is_unspecified() || ip == address.ip().to_canonical())
        })
    };
    sockets.iter().filter(|(socket, _)| takes(*socket)).map(|(_, inode)| *inode).collect()
}

/// The processes that hold the sockets, by inode.
fn holders(inodes: &BTreeSet<u64>) -> BTreeMap<u64, Vec<i32>> {
    let mut holders: BTreeMap<u64, Vec<i32>> = BTreeMap::new();
    if inodes.is_empty() {
        return holders;
    }
    let mut left = ALL_FILES_MAX;
    let processes = all_processes().into_iter().flatten().take(PROCESSES_MAX);
    for process in processes.filter_map(Result::ok) {
        let Ok(files) = process.fd() else { continue };
        for file in files.take(FILES_MAX.min(left)) {
            left -= 1;
            if let Ok(FDTarget::Socket(inode)) = file.map(|file| file.target)
                && inodes.contains(&inode)
            {
                holders.entry(inode).or_default().push(process.pid());
            }
        }
    }
    holders
}

/// The processes of one upstream.
#[derive(Debug, Default)]
struct Group {
    members: Vec<Member>,
    /// Of all members since they were found, those included that have ended.
    cpu_seconds: f64,
    looked_at: Option<Moment>,
}

#[derive(Debug)]
struct Member {
    pid: i32,
    /// Tells a process from another one that got its id later, in clock ticks.
    started: u64,
    cpu_seconds: f64,
}

impl Group {
    fn renew(&mut self, pids: BTreeSet<i32>) {
        self.members.retain(|member| pids.contains(&member.pid));
        for pid in pids.into_iter().take(MEMBERS_MAX) {
            if self.members.iter().any(|member| member.pid == pid) {
                continue;
            }
            if let Some((stat, process)) = living(pid) {
                let cpu_seconds = process::of(&process).cpu_seconds.unwrap_or(0.0);
                self.members.push(Member { pid, started: stat.starttime, cpu_seconds });
            }
        }
        self.members.sort_by_key(|member| member.pid);
    }

    fn look(&mut self, now: Moment) -> Option<ListeningProcess> {
        let before = self.cpu_seconds;
        let mut name = None;
        let mut readings = Vec::new();
        self.members.retain_mut(|member| {
            let Some((stat, process)) =
                living(member.pid).filter(|(stat, _)| stat.starttime == member.started)
            else {
                return false;
            };
            let usage = process::of(&process);
            let cpu_seconds = usage.cpu_seconds.unwrap_or(member.cpu_seconds);
            self.cpu_seconds += (cpu_seconds - member.cpu_seconds).max(0.0);
            member.cpu_seconds = cpu_seconds;
            name.get_or_insert(stat.comm);
            readings.push(usage);
            true
        });
        let elapsed = self.looked_at.replace(now).map(|earlier| now.since(earlier).as_secs_f64());
        let mut usage = together(&readings)?;
        usage.cpu_seconds = Some(self.cpu_seconds);
        usage.cpu_ratio =
            elapsed.filter(|elapsed| *elapsed > 0.0).map(|elapsed| (self.cpu_seconds - before) / elapsed);
        let pids = self.members.iter().map(|member| member.pid).collect();
        Some(ListeningProcess { name: name.unwrap_or_default(), pids, usage })
    }
}

/// A process that has not ended. One that its parent has not waited for yet has no files any more.
fn living(pid: i32) -> Option<(Stat, Process)> {
    let process = Process::new(pid).ok()?;
    let stat = process.stat().ok().filter(|stat| stat.state != 'Z')?;
    Some((stat, process))
}

/// Several processes as one, CPU time left out; see [`ListeningProcess::usage`].
fn together(readings: &[ProcessFacts]) -> Option<ProcessFacts> {
    let first = readings.first()?;
    let sum =
        |of: fn(&ProcessFacts) -> Option<u64>| readings.iter().filter_map(of).reduce(u64::saturating_add);
    let room = |facts: &&ProcessFacts| Some(facts.max_fds?.saturating_sub(facts.open_fds?));
    let nearest = readings.iter().filter(|facts| room(facts).is_some()).min_by_key(room).unwrap_or(first);
    Some(ProcessFacts {
        resident_bytes: sum(|facts| facts.resident_bytes),
        virtual_bytes: sum(|facts| facts.virtual_bytes),
        open_fds: nearest.open_fds,
        max_fds: nearest.max_fds,
        start_time_seconds: first.start_time_seconds,
        ..ProcessFacts::default()
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    const LISTENS: &str =
        "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1\n";
    const ANYWHERE: &str =
        "   1: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 102 1\n";
    const V6: &str = "   0: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 103 1\n";
    const OPEN: &str =
        "   2: 0100007F:0BB8 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 104 1\n";

    #[track_caller]
    fn check(lines: &[&str], place: &[&str], expected: &[u64]) {
        let table = format!("{HEAD}{}", lines.concat());
        let sockets = parse_sockets(&listening_part(table.as_bytes()));
        let place = place.iter().map(|address| address.parse().expect("an address")).collect();
        assert_eq!(inodes(&sockets, &place), expected.iter().copied().collect(), "{place:?} of {table}");
    }

    #[test]
    fn sockets_at_a_place() {
        check(&[], &["127.0.0.1:3000"], &[]);
        check(&[LISTENS], &["127.0.0.1:3000"], &[101]);
        check(&[LISTENS], &["127.0.0.1:3001"], &[]);
        check(&[LISTENS], &["10.0.0.1:3000"], &[]);
        check(&[LISTENS, ANYWHERE], &["127.0.0.1:3000"], &[101, 102]);
        check(&[LISTENS, ANYWHERE], &["10.0.0.1:3000"], &[102]);
        check(&[V6], &["127.0.0.1:3000", "[::1]:3000"], &[103]);
        check(&[OPEN, LISTENS], &["127.0.0.1:3000"], &[]);
        check(&["   0: nonsense\n", LISTENS], &["127.0.0.1:3000"], &[]);
        assert_eq!(parse_sockets(""), []);
    }

    #[test]
    fn the_table_is_read_up_to_the_first_connection() {
        let endless = std::iter::repeat_n(OPEN, 1_000_000).flat_map(str::bytes);
        let table: Vec<u8> = HEAD.bytes().chain(LISTENS.bytes()).chain(endless.take(1024)).collect();
        assert_eq!(listening_part(table.as_slice()), format!("{HEAD}{LISTENS}"));
        let many = LISTENS.repeat(SOCKETS_MAX + 1);
        let part = listening_part(format!("{HEAD}{many}").as_bytes());
        assert_eq!(part.lines().count(), SOCKETS_MAX + 1, "the head and so many sockets");
    }

    #[test]
    fn workers_are_taken_together() {
        let facts = |rss, open, max, start| ProcessFacts {
            cpu_seconds: Some(9.0),
            resident_bytes: Some(rss),
            open_fds: open,
            max_fds: max,
            start_time_seconds: Some(start),
            ..ProcessFacts::default()
        };
        let readings = [
            facts(10, Some(5), Some(1024), 1.0),
            facts(20, Some(1000), Some(1024), 2.0),
            facts(30, None, Some(4), 3.0),
        ];
        let expected = ProcessFacts { cpu_seconds: None, ..facts(60, Some(1000), Some(1024), 1.0) };
        assert_eq!(together(&readings), Some(expected));
        let unseen = ProcessFacts::default();
        assert_eq!(together(&[unseen]), Some(unseen));
        assert_eq!(together(&[]), None);
    }

    #[test]
    fn this_process_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let here = vec![listener.local_addr().expect("bound")];
        let elsewhere = vec![SocketAddr::from(([127, 0, 0, 1], 1))];
        let mut listening = Listening::default();
        listening.find(&[here.clone(), elsewhere.clone()]);
        let found = listening.look(&here, Moment(0)).expect("this process listens");
        assert_eq!(found.pids, [i32::try_from(std::process::id()).expect("fits")]);
        assert_eq!(found.usage.cpu_ratio, None, "it takes two looks");
        assert!(found.usage.resident_bytes > Some(0) && found.usage.open_fds > Some(0));
        let again = listening.look(&here, Moment(1_000_000_000)).expect("it still does");
        assert!(again.usage.cpu_ratio.is_some());
        assert_eq!(listening.look(&elsewhere, Moment(0)), None);

        drop(listener);
        listening.find(std::slice::from_ref(&here));
        assert_eq!(listening.look(&here, Moment(0)), None);
    }
}

//! Rounds: every figure of every peer in each, in random order.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Instant;

use super::cpu;
use super::figures::{Figure, Measure};
use super::options::Options;
use super::peers::{PEERS, Peer};
use super::place::Place;
use super::processes::Running;
use super::stats::quartiles;

/// All that was measured.
pub struct Results {
    /// Rows, in the order of figures.
    pub rows: Vec<Row>,
    /// Of each round, how busy others kept the machine, as a part of all its cores.
    pub foreign: Vec<f64>,
}

/// One figure.
pub struct Row {
    /// What it is.
    pub figure: &'static Figure,
    /// Its peers with what was measured in each round, or in each block of each; nothing where that failed.
    pub peers: Vec<(&'static Peer, Vec<Option<f64>>)>,
}

impl Results {
    /// Takes all rounds. What fails is told and left out.
    pub fn take(options: &Options) -> Result<Results, String> {
        let rows = options.figures.iter().map(|figure| Row::new(figure, options)).collect();
        let mut results = Results { rows, foreign: Vec::new() };
        for round in 0..options.rounds {
            let watch = Foreign::watch();
            for row in &mut results.rows {
                row.take(round)?;
            }
            results.foreign.push(watch.part());
        }
        Ok(results)
    }

    /// Names of the peers that something was measured of, in their order.
    pub fn peers(&self) -> Vec<&'static str> {
        let is_there = |name: &&str| self.rows.iter().any(|row| row.of(name).is_some());
        PEERS.iter().map(|peer| peer.name).filter(is_there).collect()
    }
}

impl Row {
    fn new(figure: &'static Figure, options: &Options) -> Row {
        let peers = options.peers.iter().filter(|peer| is_measured(figure, peer));
        Row { figure, peers: peers.map(|peer| (*peer, Vec::new())).collect() }
    }

    fn take(&mut self, round: usize) -> Result<(), String> {
        shuffle(&mut self.peers);
        match self.figure.measure {
            Measure::Alone(measure) => {
                for (peer, values) in &mut self.peers {
                    let place = Place::new(peer.name)?;
                    let value = measure(&place, peer);
                    tell(round, self.figure, peer, &value);
                    values.push(value.ok());
                }
            }
            Measure::InTurn { start, block, blocks } => self.take_in_turn(round, start, block, blocks)?,
        }
        self.peers.sort_by_key(|(peer, _)| PEERS.iter().position(|known| known.name == peer.name));
        Ok(())
    }

    fn take_in_turn(
        &mut self,
        round: usize,
        start: fn(&Place, &Peer) -> Result<Running, String>,
        block: fn(&Running) -> Result<f64, String>,
        blocks: usize,
    ) -> Result<(), String> {
        let mut turns = Vec::new();
        for (peer, values) in &mut self.peers {
            let place = Place::new(peer.name)?;
            let proxy = start(&place, peer);
            turns.push(Turn { peer, values, proxy, _place: place });
        }
        for number in 0..=blocks {
            shuffle(&mut turns);
            for turn in &mut turns {
                let value = turn.proxy.as_ref().map_err(String::clone).and_then(block);
                if number > 0 {
                    turn.values.push(value.ok());
                } else if value.is_err() {
                    tell(round, self.figure, turn.peer, &value);
                }
            }
        }
        for Turn { peer, values, .. } in turns {
            let measured: Vec<f64> = values.iter().rev().take(blocks).copied().flatten().collect();
            let median = quartiles(&measured).map(|quartiles| quartiles.median);
            tell(round, self.figure, peer, &median.ok_or("nothing was measured".to_owned()));
        }
        Ok(())
    }

    /// The median of a peer.
    pub fn median(&self, name: &str) -> Option<f64> {
        let measured: Vec<f64> = self.of(name)?.iter().copied().flatten().collect();
        quartiles(&measured).map(|quartiles| quartiles.median)
    }

    /// What was measured of a peer.
    pub fn of(&self, name: &str) -> Option<&[Option<f64>]> {
        self.peers.iter().find(|(peer, _)| peer.name == name).map(|(_, values)| values.as_slice())
    }
}

/// A peer that takes turns with others. The proxy ends before its place goes.
struct Turn<'a> {
    peer: &'static Peer,
    values: &'a mut Vec<Option<f64>>,
    proxy: Result<Running, String>,
    _place: Place,
}

fn tell(round: usize, figure: &Figure, peer: &Peer, value: &Result<f64, String>) {
    match value {
        Ok(value) => println!("{} {} {} {value:.2}", round + 1, figure.name, peer.name),
        Err(error) => eprintln!("{} {} {}: {error}", round + 1, figure.name, peer.name),
    }
}

fn is_measured(figure: &Figure, peer: &Peer) -> bool {
    match figure.only {
        [] => !peer.is_variant || figure.also.contains(&peer.name),
        only => only.contains(&peer.name),
    }
}

/// Fisher and Yates' shuffle, with the randomness that hash maps are seeded with.
fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let random = RandomState::new().hash_one(last);
        items.swap(last, (random % (last as u64 + 1)) as usize);
    }
}

/// CPU time that others take.
struct Foreign {
    busy_before: f64,
    own_before: f64,
    begin: Instant,
}

impl Foreign {
    fn watch() -> Foreign {
        Foreign { busy_before: cpu::busy_seconds(), own_before: cpu::own_seconds(), begin: Instant::now() }
    }

    fn part(&self) -> f64 {
        let foreign = cpu::busy_seconds() - self.busy_before - (cpu::own_seconds() - self.own_before);
        (foreign / self.begin.elapsed().as_secs_f64() / cpu::cores() as f64).max(0.0)
    }
}

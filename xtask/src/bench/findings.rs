//! `cargo xtask bench findings`: what passive diagnosis takes of a core and of memory, by simulated traffic
//! (`crates/diagnose/benches/findings.rs`).

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::root;

/// How it is used.
pub const HELP: &str = "cargo xtask bench findings [SCALE...]

  SCALE   times 50,000 open connections and 1,000 closes a second, over 50 routes; 1 2 4 if none is given";

/// Most of a core at scale 1.
const CPU_MAX: f64 = 0.05;

/// Measures at each scale.
///
/// # Errors
/// It could not be measured, or takes more than it may.
pub fn run(scales: &[String]) -> Result<(), String> {
    let all = ["1", "2", "4"].map(str::to_owned);
    let scales = if scales.is_empty() { &all } else { scales };
    if scales.iter().any(|scale| scale.parse::<u32>().is_err()) {
        return Err(HELP.to_owned());
    }
    println!("| scale | of one core | one look, ms | the longest, ms | memory, MB | records kept |");
    println!("|--:|--:|--:|--:|--:|--:|");
    let mut missed = Ok(());
    for scale in scales {
        let (why, row) = row(&measure(scale)?)?;
        println!("{row}");
        missed = missed.and(why.map_or(Ok(()), Err));
    }
    missed
}

/// A process for each scale: the greatest memory is that of a process.
fn measure(scale: &str) -> Result<String, String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["bench", "--quiet", "--package", "diagnose", "--bench", "findings", "--", scale]);
    let done = cargo.current_dir(root()).stderr(Stdio::inherit()).output();
    let done = done.map_err(|error| format!("cargo: {error}"))?;
    let line = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    if done.status.success() { Ok(line) } else { Err(format!("the bench: {}", done.status)) }
}

/// Why a scale is beyond its limit, if it is, and its row of the table.
fn row(line: &str) -> Result<(Option<String>, String), String> {
    let measured: Value = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
    let number = |name: &str| measured[name].as_f64().ok_or_else(|| format!("{line}: no {name}"));
    let (scale, cpu) = (number("scale")?, number("cpu_ratio")?);
    let missed = (scale <= 1.0 && cpu >= CPU_MAX)
        .then(|| format!("{:.2} % of a core at scale 1, at most {:.0} %", cpu * 1e2, CPU_MAX * 1e2));
    let row = format!(
        "| {scale} | {:.2} % | {:.0} | {:.0} | {:.0} | {} |",
        cpu * 1e2,
        number("look_seconds")? * 1e3,
        number("pause_seconds")? * 1e3,
        number("memory_bytes")? / 1e6,
        number("records")?,
    );
    Ok((missed, row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_can_be_missed() {
        let check = |scale: u32, cpu: f64, is_missed: bool| {
            let line = format!(
                r#"{{"scale":{scale},"cpu_ratio":{cpu},"look_seconds":0.04,"pause_seconds":0.05,"memory_bytes":4e7,"records":9}}"#
            );
            let (missed, row) = row(&line).expect("a row");
            assert_eq!(missed.is_some(), is_missed, "{row}");
        };
        check(1, 0.049, false);
        check(1, 0.051, true);
        check(4, 0.051, false);
        assert!(row("{}").is_err());
    }
}

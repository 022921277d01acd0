//! `heartline grafana`: dashboards as files.

use std::path::PathBuf;

use clap::Subcommand;
use model::Language;
use web::grafana;

use crate::Failure;
use crate::explain::language;

/// What to do with dashboards.
#[derive(Clone, Debug, Subcommand)]
pub enum GrafanaCommand {
    /// Write the dashboards into a directory, one file each; to be imported, or provisioned from there.
    Export {
        /// Where to; it is made if it is not there, and files of the same name are replaced.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Language of titles and descriptions: en or zh-CN.
        #[arg(long, value_name = "LANG", value_parser = language, default_value = "en")]
        lang: Language,
    },
}

/// Does it.
///
/// # Errors
/// A file cannot be written.
pub fn run(command: &GrafanaCommand) -> Result<(), Failure> {
    let GrafanaCommand::Export { directory, lang } = command;
    let failed = |path: &PathBuf, error| Failure::Running(format!("{}: {error}", path.display()));
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    for dashboard in grafana::ALL {
        let path = directory.join(format!("{}.json", dashboard.uid));
        std::fs::write(&path, dashboard.json(*lang)).map_err(|error| failed(&path, error))?;
        println!("{}", path.display());
    }
    Ok(())
}

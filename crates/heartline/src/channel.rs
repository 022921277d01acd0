//! `heartline channel`: whether people can be reached.

use std::path::PathBuf;

use alert::notice::{Notice, NoticeAlert};
use clap::{Args, Subcommand};
use gateway::clock;
use model::series::Labels;
use notify::{Channel, Destination, Message, Outcome};

use crate::Failure;
use crate::cli::RunOptions;
use crate::config::Source;
use crate::telling::Plan;

/// Sub-commands of `channel`.
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Print the names of all channels.
    List(ListOptions),
    /// Tell of a made-up alert by one channel, or by all of a receiver, and print what the vendor says; exit code 1 if
    /// one fails.
    Test(TestOptions),
}

/// Options of `channel list`.
#[derive(Args, Clone, Debug)]
pub struct ListOptions {
    /// Configuration file; without it, ./heartline.yaml.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Options of `channel test`.
#[derive(Args, Clone, Debug)]
pub struct TestOptions {
    /// Name of a channel, such as `oncall/slack/0`, or of a receiver.
    name: String,
    /// Print the request that would be sent, without what is secret, and send nothing.
    #[arg(long)]
    dry_run: bool,
    /// Configuration file; without it, ./heartline.yaml.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs a sub-command of `channel`.
///
/// # Errors
/// See [`Failure`]; a channel has failed.
pub async fn run(command: ChannelCommand) -> Result<(), Failure> {
    match command {
        ChannelCommand::List(ListOptions { config }) => {
            let lines: Vec<String> = read(config)?
                .destinations()
                .map_err(Failure::Usage)?
                .iter()
                .map(|one| format!("{}\n", one.name))
                .collect();
            crate::look::print(lines.concat().as_bytes())
        }
        ChannelCommand::Test(TestOptions { name, dry_run, config }) => {
            let plan = read(config)?;
            let mut all = plan.destinations().map_err(Failure::Usage)?;
            let names: Vec<String> = all.iter().map(|one| one.name.to_string()).collect();
            all.retain(|one| *one.name == *name || one.name.starts_with(&format!("{name}/")));
            if all.is_empty() {
                let known = if names.is_empty() { "there are none".to_owned() } else { names.join(", ") };
                return Err(Failure::Usage(format!("no channel is called `{name}`; known: {known}")));
            }
            test(&all, &plan.external_url, dry_run).await
        }
    }
}

fn read(config: Option<PathBuf>) -> Result<Plan, Failure> {
    let config =
        Source::new(RunOptions { config, ..RunOptions::default() })?.read().map_err(Failure::Usage)?;
    Plan::read(&config.alerting, &config.evaluation).map_err(Failure::Usage)
}

async fn test(all: &[Destination], external_url: &str, dry_run: bool) -> Result<(), Failure> {
    let at_ms = (clock::wall().as_secs_f64() * 1000.0) as i64;
    let mut failed = Vec::new();
    for one in all {
        let receiver = one.name.split('/').next().unwrap_or_default();
        let notices = [sample(receiver, external_url, at_ms)];
        let id = format!("test_{at_ms:x}");
        let message = Message { id: &id, notices: &notices, at_ms, nonce: rand::random::<u64>() >> 12 };
        let told = if dry_run {
            one.channel.dry_run(&message).map_err(|why| format!("failed: {why}"))
        } else {
            try_out(&one.channel, &message).await
        };
        let told = told.unwrap_or_else(|why| {
            failed.push(one.name.to_string());
            why
        });
        crate::look::print(format!("{}: {told}", one.name).as_bytes())?;
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Running(format!("not reached: {}", failed.join(", "))))
    }
}

/// What came of it, for a person, with the vendor's own answers below.
///
/// # Errors
/// The same where it was not delivered.
async fn try_out(channel: &Channel, message: &Message<'_>) -> Result<String, String> {
    let (outcome, answers) = channel.try_out(message).await;
    let answers: String = answers.iter().map(|answer| format!("\n{}", answer.shown())).collect();
    let answers = answers.replace('\n', "\n  ");
    match outcome {
        Outcome::Delivered { id: Some(id) } => Ok(format!("delivered, as {id}{answers}")),
        Outcome::Delivered { id: None } => Ok(format!("delivered{answers}")),
        Outcome::Retry { reason, detail, .. } => {
            Err(format!("failed, and would be tried again ({}): {detail}{answers}", reason.word()))
        }
        Outcome::Final { reason, detail } => Err(format!("failed ({}): {detail}{answers}", reason.word())),
    }
}

/// An alert that says that it is none.
fn sample(receiver: &str, external_url: &str, at_ms: i64) -> Notice {
    let labels = Labels::new([("alertname", "HeartlineTest"), ("severity", "info")]);
    let group_labels = Labels::new([("alertname", "HeartlineTest")]);
    let summary = "This is a test; nothing is wrong. 这是一条测试消息,一切正常。";
    let alert = NoticeAlert {
        labels,
        annotations: vec![("summary".to_owned(), summary.to_owned())],
        starts_at_ms: at_ms,
        ends_at_ms: 0,
        is_resolved: false,
        generator_url: String::new(),
    };
    Notice {
        receiver: receiver.to_owned(),
        group_key: r#"{}:{alertname="HeartlineTest"}"#.to_owned(),
        group_labels,
        alerts: vec![alert],
        external_url: external_url.to_owned(),
    }
}

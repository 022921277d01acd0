//! Examinations that somebody asks the admin address for: what `heartline diagnose` does, one at a time, on the thread
//! of the probes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use diagnose::attempt::Attempt;
use diagnose::examination::Examination;
use diagnose::experiment::{Check, Conduct, Experiment, Via};
use diagnose::plan::Options;
use diagnose::verdict::verdict;
use gateway::clock;
use http::HeaderMap;
use model::examination::{Asked, Denial, Examined, Job, JobState, Step};
use model::finding::Finding;
use model::probe::{Outcome, ProbeStage};
use model::{Moment, Word as _};
use parking_lot::Mutex;
use probe::diagnose::{Progress, Settings, examine};
use probe::target::Target;
use probe::tls::Trust;
use tokio::sync::Notify;

use crate::diagnose::upstream;
use crate::probes::run::{mask, secrets};

/// Jobs that may wait while one runs.
const WAITING_MAX: usize = 4;
/// Jobs that are kept, with what waits and runs; the oldest that is over goes first.
const KEPT_MAX: usize = 32;
/// How long a job is kept when it is over.
const KEPT_TIME: Duration = Duration::from_secs(600);
/// When an examination is judged by what was seen until then.
const LIMIT: Duration = Duration::from_secs(180);
/// Longest silence to wait for a cut, seconds.
const IDLE_MAX: f64 = 70.0;
/// Bytes of a URL.
const URL_MAX: usize = 2048;

/// All jobs, oldest first.
#[derive(Default)]
pub(crate) struct Examinations {
    jobs: Mutex<VecDeque<Kept>>,
    news: Notify,
    refused: AtomicU64,
}

/// One job.
struct Kept {
    job: Job,
    /// What it needs until it begins.
    settings: Option<Settings>,
    began: Option<Moment>,
    ended: Option<Moment>,
    findings: Vec<Finding>,
}

impl Examinations {
    /// Makes what is asked for, as long as it is let.
    pub(crate) async fn go_on(&self) {
        loop {
            match self.begin() {
                Some((id, settings, is_safe)) => self.run(&id, settings, is_safe).await,
                None => self.news.notified().await,
            }
        }
    }

    /// Examinations that did not begin since as many waited as may.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    async fn run(&self, id: &str, settings: Settings, is_safe: bool) {
        let secrets = secrets(&settings);
        let options = Options { checks: Check::ALL.to_vec(), is_safe, idle_max: IDLE_MAX };
        let seen = Examination::new(settings.examined());
        let mut watch = Watch { jobs: self, id };
        // What a stranger's server answers must not end the thread of the probes.
        let task = std::panic::AssertUnwindSafe(examine(settings, seen, options, LIMIT, &mut watch));
        let seen = futures_util::FutureExt::catch_unwind(task).await;
        let seen = seen.inspect_err(|_| tracing::error!(job = id, "an examination failed"));
        self.with(id, |kept| {
            let now = clock::now();
            let Kept { job, began, ended, findings, .. } = kept;
            job.seconds = began.map_or(0.0, |began| now.since(began).as_secs_f64());
            job.steps.iter_mut().for_each(|step| step.is_running = false);
            *ended = Some(now);
            let Ok(seen) = &seen else {
                job.state = JobState::Failed;
                return;
            };
            let mut verdict = verdict(seen);
            verdict.findings.iter_mut().for_each(|finding| mask(finding, &secrets));
            *findings = verdict.findings;
            job.state = JobState::Over;
            job.outcome = Some(verdict.outcome);
            job.is_cut = seen.is_cut;
        });
    }

    /// The next that waits is under way from now on.
    fn begin(&self) -> Option<(String, Settings, bool)> {
        let mut jobs = self.jobs.lock();
        let kept = jobs.iter_mut().find(|kept| kept.job.state == JobState::Waiting)?;
        let settings = kept.settings.take()?;
        kept.job.state = JobState::Running;
        kept.began = Some(clock::now());
        Some((kept.job.id.clone(), settings, kept.job.is_safe))
    }

    fn with(&self, id: &str, change: impl FnOnce(&mut Kept)) {
        if let Some(kept) = self.jobs.lock().iter_mut().find(|kept| kept.job.id == id) {
            change(kept);
        }
    }
}

impl model::ports::Examinations for Examinations {
    fn examine(&self, asked: &Asked) -> Result<String, Denial> {
        let settings = settings(asked).map_err(Denial::Wrong)?;
        let mut jobs = self.jobs.lock();
        forget(&mut jobs, clock::now());
        if jobs.iter().filter(|kept| kept.job.state == JobState::Waiting).count() >= WAITING_MAX {
            self.refused.fetch_add(1, Relaxed);
            return Err(Denial::Busy);
        }
        make_room(&mut jobs);
        let job = job(&settings, asked.is_safe);
        let id = job.id.clone();
        jobs.push_back(Kept {
            job,
            settings: Some(settings),
            began: None,
            ended: None,
            findings: Vec::new(),
        });
        self.news.notify_one();
        Ok(id)
    }

    fn examination(&self, id: &str) -> Option<Examined> {
        let mut jobs = self.jobs.lock();
        let now = clock::now();
        forget(&mut jobs, now);
        let index = jobs.iter().position(|kept| kept.job.id == id)?;
        let ahead = jobs.iter().take(index).filter(|kept| kept.ended.is_none()).count();
        let kept = &jobs[index];
        let mut job = Job { ahead, ..kept.job.clone() };
        if let (Some(began), None) = (kept.began, kept.ended) {
            job.seconds = now.since(began).as_secs_f64();
        }
        Some(Examined { job, findings: kept.findings.clone() })
    }
}

/// Drops what was kept long enough.
fn forget(jobs: &mut VecDeque<Kept>, now: Moment) {
    jobs.retain(|kept| kept.ended.is_none_or(|ended| now.since(ended) < KEPT_TIME));
}

/// Makes room for one more: what waits and runs is never that many.
fn make_room(jobs: &mut VecDeque<Kept>) {
    while jobs.len() >= KEPT_MAX {
        let Some(oldest) = jobs.iter().position(|kept| kept.ended.is_some()) else { return };
        jobs.remove(oldest);
    }
}

fn settings(asked: &Asked) -> Result<Settings, String> {
    if asked.target.len() > URL_MAX {
        return Err(format!("target: a URL has at most {URL_MAX} bytes"));
    }
    let target: Target = asked.target.trim().parse().map_err(|error| format!("target: {error}"))?;
    let direct = asked.upstream.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let direct = direct.map(upstream).transpose().map_err(|error| format!("upstream: {error}"))?;
    Ok(Settings {
        target,
        direct,
        fields: HeaderMap::new(),
        subprotocols: Vec::new(),
        message: "heartline probe".to_owned(),
        resolved: Vec::new(),
        trust: Trust::System,
        stage_time: Duration::from_secs(10),
    })
}

fn job(settings: &Settings, is_safe: bool) -> Job {
    let url = settings.target.to_string();
    Job {
        id: format!("{:016x}", rand::random::<u64>()),
        target: url.split('?').next().unwrap_or_default().to_owned(),
        upstream: settings.direct.as_ref().map(|direct| format!("{}:{}", direct.host, direct.port)),
        is_safe,
        asked_at: clock::wall(),
        state: JobState::Waiting,
        ahead: 0,
        seconds: 0.0,
        limit_seconds: LIMIT.as_secs_f64(),
        steps: Vec::new(),
        stages: Vec::new(),
        outcome: None::<Outcome>,
        is_cut: false,
    }
}

/// Keeps a job's steps as they come.
struct Watch<'a> {
    jobs: &'a Examinations,
    id: &'a str,
}

impl Progress for Watch<'_> {
    fn running(&mut self, seconds: f64, experiments: &[&Experiment]) {
        self.jobs.with(self.id, |kept| {
            let steps = &mut kept.job.steps;
            for step in steps.iter_mut() {
                step.is_running = false;
            }
            for experiment in experiments {
                let check = experiment.check;
                match steps.iter_mut().find(|step| step.check == check) {
                    Some(step) => (step.until_seconds, step.is_running) = (seconds, true),
                    None => steps.push(Step {
                        check,
                        began_seconds: seconds,
                        until_seconds: seconds,
                        is_running: true,
                    }),
                }
            }
        });
    }

    fn ended(&mut self, attempt: &Attempt) {
        let Experiment { via, vary, conduct, .. } = &attempt.experiment;
        if *via != Via::Url || vary.is_some() || !matches!(conduct, Conduct::Greet) {
            return;
        }
        let stage = |stage: &diagnose::attempt::Stage| ProbeStage {
            name: stage.name,
            seconds: stage.seconds,
            fault: stage.fault,
        };
        self.jobs.with(self.id, |kept| {
            if kept.job.stages.is_empty() {
                kept.job.stages = attempt.stages.iter().map(stage).collect();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use model::ports::Examinations as _;

    use super::*;

    fn asked(target: &str) -> Asked {
        Asked { target: target.to_owned(), upstream: None, is_safe: true }
    }

    #[test]
    fn only_streams_are_examined() {
        let jobs = Examinations::default();
        for wrong in ["file:///etc/passwd", "ftp://127.0.0.1/", "ws://user:secret@127.0.0.1/", "nothing", ""]
        {
            assert!(matches!(jobs.examine(&asked(wrong)), Err(Denial::Wrong(_))), "{wrong}");
        }
        let wrong = Asked { upstream: Some("ftp://127.0.0.1:21".to_owned()), ..asked("ws://127.0.0.1/") };
        assert!(matches!(jobs.examine(&wrong), Err(Denial::Wrong(_))));
        assert!(matches!(
            jobs.examine(&asked(&format!("ws://h/{}", "x".repeat(URL_MAX)))),
            Err(Denial::Wrong(_))
        ));
    }

    #[test]
    fn a_few_wait_and_the_next_is_denied() {
        let jobs = Examinations::default();
        let ids: Vec<String> = (0..WAITING_MAX)
            .map(|_| jobs.examine(&asked("ws://127.0.0.1:1/chat?token=s3cret")).expect("waits"))
            .collect();
        assert_eq!(jobs.examine(&asked("ws://127.0.0.1:1/")), Err(Denial::Busy));
        assert_eq!(jobs.refused(), 1);
        let last = jobs.examination(&ids[WAITING_MAX - 1]).expect("is kept").job;
        assert_eq!((last.ahead, last.state), (WAITING_MAX - 1, JobState::Waiting));
        assert_eq!(last.target, "ws://127.0.0.1:1/chat");
        let (begun, ..) = jobs.begin().expect("one waits");
        assert_eq!(begun, ids[0]);
        assert!(jobs.examine(&asked("ws://127.0.0.1:1/")).is_ok());
    }

    #[test]
    fn what_is_over_is_kept_for_a_while_and_within_bounds() {
        let jobs = Examinations::default();
        let end = |id: &str| {
            jobs.with(id, |kept| {
                (kept.job.state, kept.ended) = (JobState::Over, Some(clock::now()));
            });
        };
        let ids: Vec<String> = (0..KEPT_MAX + 3)
            .map(|_| {
                let id = jobs.examine(&asked("ws://127.0.0.1:1/")).expect("waits");
                end(&id);
                id
            })
            .collect();
        assert_eq!(jobs.jobs.lock().len(), KEPT_MAX);
        assert!(jobs.examination(&ids[0]).is_none());
        assert!(jobs.examination(&ids[3]).is_some());
        assert_eq!(jobs.jobs.lock().len(), KEPT_MAX, "who asks drops none");
        forget(&mut jobs.jobs.lock(), clock::now() + KEPT_TIME);
        assert!(jobs.jobs.lock().is_empty());
    }
}

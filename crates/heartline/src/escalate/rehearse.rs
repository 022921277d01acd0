//! `heartline escalate rehearse`: the steps for one alert on virtual time, with channels that tell nobody.

use alert::dispatch::Flush;
use alert::duration;
use alert::escalation::{Action, Answer, Call, Escalations, News, Setup, Why};
use alert::notice::NoticeAlert;
use model::series::Labels;

/// Interval of the group, milliseconds: that of Alertmanager when it is told nothing else.
const GROUP_INTERVAL_MS: i64 = 300_000;

/// Who acknowledges.
const WHO: &str = "you";

/// What happens beside the steps. Times are in milliseconds from the start.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// Receivers that cannot be reached.
    pub(super) failing: Vec<String>,
    pub(super) ack_ms: Option<i64>,
    pub(super) end_ms: Option<i64>,
    pub(super) until_ms: i64,
}

/// What is on the stage.
struct Rehearsal<'a> {
    machine: Escalations,
    labels: Labels,
    script: &'a Script,
    start_ms: i64,
    text: String,
}

/// A line for each call. `start_ms` matters for policies with times at which they are active.
///
/// # Errors
/// There is no policy for this alert.
pub(super) fn rehearse(
    setup: Setup,
    labels: Labels,
    script: &Script,
    start_ms: i64,
) -> Result<String, String> {
    let names: Vec<String> = setup.policies.iter().map(|policy| policy.name.clone()).collect();
    let machine = Escalations::new(setup);
    if machine.timetable(&labels).is_none() {
        return Err(super::none_fits(&labels, &names));
    }
    let mut rehearsal = Rehearsal { machine, labels, script, start_ms, text: String::new() };
    rehearsal.run();
    Ok(rehearsal.text)
}

impl Rehearsal<'_> {
    fn run(&mut self) {
        let (mut ack_ms, mut end_ms) = (self.script.ack_ms, self.script.end_ms);
        let mut last_ms = 0;
        let actions = self.machine.observe(&flush(&self.labels, self.start_ms, false), self.start_ms);
        self.act(actions, 0);
        loop {
            let step_ms = self.machine.next_at_ms().map(|at_ms| (at_ms - self.start_ms).max(0));
            let step_ms = step_ms.map(|step_ms| step_ms.max(last_ms));
            let Some(at_ms) = [step_ms, ack_ms, end_ms].into_iter().flatten().min() else { return };
            if at_ms > self.script.until_ms {
                return;
            }
            last_ms = at_ms;
            let now_ms = self.start_ms + at_ms;
            let actions = if end_ms == Some(at_ms) {
                end_ms = None;
                self.say(at_ms, "the alert ends");
                self.machine.observe(&flush(&self.labels, self.start_ms, true), now_ms)
            } else if ack_ms == Some(at_ms) {
                ack_ms = None;
                self.acknowledge(at_ms)
            } else {
                let look = flush(&self.labels, self.start_ms, false);
                self.machine.advance(|_| Some(look.clone()), now_ms)
            };
            self.act(actions, at_ms);
        }
    }

    fn acknowledge(&mut self, at_ms: i64) -> Vec<Action> {
        let number = self.machine.incidents().first().map(|incident| incident.number);
        let acked = number.map(|number| self.machine.ack(number, WHO, self.start_ms + at_ms));
        match acked {
            Some(Ok(actions)) => {
                self.say(at_ms, &format!("{WHO} acknowledge"));
                actions
            }
            _ => {
                self.say(at_ms, "there is nothing to acknowledge");
                Vec::new()
            }
        }
    }

    fn act(&mut self, mut actions: Vec<Action>, at_ms: i64) {
        while !actions.is_empty() {
            let mut further = Vec::new();
            for action in actions {
                let Action::Tell(call) = action else { continue };
                let is_failing = self.script.failing.contains(&call.destination);
                let (answer, word) =
                    if is_failing { (Answer::Failed, "FAILS") } else { (Answer::Delivered, "told") };
                self.say(at_ms, &format!("{}\t{word}\t{}", call.destination, says(&call)));
                further.extend(self.machine.answered(call.number, answer, self.start_ms + at_ms));
            }
            actions = further;
        }
    }

    fn say(&mut self, at_ms: i64, what: &str) {
        self.text += &format!("{}\t{what}\n", duration::format(at_ms));
    }
}

fn says(call: &Call) -> String {
    match &call.news {
        News::Open { step, round, why } => {
            let why = match why {
                Why::Opened => "",
                Why::NewAlerts => ", new alerts",
                Why::AckLapsed => ", the acknowledgement has lapsed",
            };
            format!("open: step {step} of round {round}{why}")
        }
        News::Reopened => "open again".to_owned(),
        News::Acked { by } => format!("acknowledged by {by}"),
        News::Resolved => "over".to_owned(),
    }
}

/// The group as its route sees it.
fn flush(labels: &Labels, starts_at_ms: i64, is_resolved: bool) -> Flush {
    let alert = NoticeAlert {
        labels: labels.clone(),
        annotations: Vec::new(),
        starts_at_ms,
        ends_at_ms: 0,
        is_resolved,
        generator_url: String::new(),
    };
    Flush {
        group: "rehearsal".to_owned(),
        group_key: "rehearsal".to_owned(),
        group_labels: Labels::default(),
        receiver: String::new(),
        alerts: vec![alert],
        suppressed: 0,
        suppressed_firing: 0,
        group_interval_ms: GROUP_INTERVAL_MS,
        sends: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{CRITICAL, setup_of};
    use super::*;

    #[track_caller]
    fn check(script: &Script, expected: &str) {
        let labels = Labels::new([("severity", "critical"), ("page", "true")]);
        assert_eq!(rehearse(setup_of(CRITICAL), labels, script, 0).as_deref(), Ok(expected));
    }

    #[test]
    fn what_happens_when() {
        let script = Script { until_ms: 3_600_000, ..Script::default() };
        let first = "0s\tteam\ttold\topen: step 1 of round 1\n";
        check(&Script { until_ms: 0, ..script.clone() }, first);
        check(
            &Script { ack_ms: Some(60_000), end_ms: Some(120_000), ..script.clone() },
            &format!(
                "{first}1m\tyou acknowledge\n1m\tteam\ttold\tacknowledged by you\n2m\tthe alert ends\n\
                 2m\tteam\ttold\tover\n"
            ),
        );
        check(
            &Script { failing: vec!["team".to_owned()], end_ms: Some(60_000), ..script },
            "0s\tteam\tFAILS\topen: step 1 of round 1\n0s\tteam\tFAILS\topen: step 2 of round 1\n\
             0s\tboss\ttold\topen: step 2 of round 1\n1m\tthe alert ends\n1m\tboss\ttold\tover\n",
        );
    }
}

//! Steps of policies: when they are run, whom they call, and what the answers mean.

use super::policy::Next;
use super::{Action, Answer, Call, DestinationKind, Escalations, Flush, News, Policy, State, Waiting, Why};
use crate::notice::NoticeAlert;

/// How long after the whole list has reached nobody it is begun again, milliseconds.
const AGAIN_MS: i64 = 300_000;

/// How often it is looked whether the time for steps has come, milliseconds.
const INACTIVE_NAP_MS: i64 = 60_000;

impl Escalations {
    /// When something is due; none if nothing is.
    pub fn next_at_ms(&self) -> Option<i64> {
        self.kept.incidents.keys().filter_map(|number| self.due_at_ms(*number)).min()
    }

    /// Does what is due. `look` gives a group as it is now; none if it is no more. Nobody is called for what has
    /// ended or is silenced meanwhile.
    pub fn advance(&mut self, look: impl Fn(&str) -> Option<Flush>, now_ms: i64) -> Vec<Action> {
        let is_due = |number: &u64| self.due_at_ms(*number).is_some_and(|at_ms| at_ms <= now_ms);
        let due: Vec<u64> = self.kept.incidents.keys().copied().filter(is_due).collect();
        let mut actions = Vec::new();
        for number in due {
            let Some(group) = self.kept.incidents.get(&number).map(|incident| incident.group.clone()) else {
                continue;
            };
            actions.extend(match look(&group) {
                Some(look) => self.observe(&look, now_ms),
                None => self.close_group(&group, now_ms),
            });
        }
        actions
    }

    /// When an incident's next step is to be run, or its acknowledgement lapses.
    pub(super) fn due_at_ms(&self, number: u64) -> Option<i64> {
        let incident = self.kept.incidents.get(&number).filter(|incident| incident.paused_at_ms.is_none())?;
        let policy = self.policy(&incident.policy)?;
        match incident.state {
            State::Closed => None,
            State::Acked => Some(incident.acked_at_ms + policy.ack_ttl_ms?),
            State::Open if incident.is_delegated => None,
            State::Open if incident.is_urgent => Some(0),
            State::Open => {
                Some((incident.base_ms + policy.offset_ms(incident.next?)).max(incident.not_before_ms))
            }
        }
    }

    /// Runs the step of an incident that is due, if one is.
    pub(super) fn run_due(
        &mut self,
        number: u64,
        firing: &[&NoticeAlert],
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        if self.due_at_ms(number).is_none_or(|at_ms| at_ms > now_ms) {
            return;
        }
        let Some(incident) = self.kept.incidents.get_mut(&number) else { return };
        let policies = &self.setup.policies;
        let Some(policy) = policies.iter().find(|policy| policy.name == incident.policy).cloned() else {
            return;
        };
        if incident.state == State::Acked {
            incident.restart(Why::AckLapsed, now_ms);
        }
        let Some(at) = incident.next else { return };
        let is_first = at == Next { round: 0, step: 0 };
        if !is_first && !incident.is_urgent && !self.setup.is_active(&policy.active, now_ms) {
            incident.not_before_ms = now_ms + INACTIVE_NAP_MS;
            return;
        }
        if !incident.is_urgent {
            // What is late makes all that follows later.
            incident.base_ms += (now_ms - incident.base_ms - policy.offset_ms(at)).max(0);
        }
        self.run((number, firing), &policy, at, now_ms, actions);
    }

    /// Runs a step. One that can reach nobody though it should is followed by the next at once.
    fn run(
        &mut self,
        (number, firing): (u64, &[&NoticeAlert]),
        policy: &Policy,
        at: Next,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        let mut at = Some(at);
        while let Some(step) = at {
            at = policy.following(step);
            let called = self.call_step((number, firing), policy, step, now_ms, actions);
            let Some(incident) = self.kept.incidents.get_mut(&number) else { return };
            incident.next = at;
            incident.is_urgent = match called {
                Called::Somebody | Called::NotMeant if !incident.is_urgent => false,
                Called::Somebody => false,
                Called::NotMeant | Called::Nobody => true,
            };
            if !incident.is_urgent {
                return;
            }
        }
        self.exhausted(number, now_ms);
    }

    /// The list is at its end and has reached nobody: it is begun again later.
    fn exhausted(&mut self, number: u64, now_ms: i64) {
        let Some(incident) = self.kept.incidents.get_mut(&number) else { return };
        incident.is_urgent = false;
        if incident.told.is_empty() {
            incident.next = Some(Next { round: 0, step: 0 });
            incident.base_ms = now_ms + AGAIN_MS;
        }
    }

    fn call_step(
        &mut self,
        (number, firing): (u64, &[&NoticeAlert]),
        policy: &Policy,
        at: Next,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) -> Called {
        let Some(step) = policy.steps.get(at.step) else { return Called::NotMeant };
        let Some(incident) = self.kept.incidents.get_mut(&number) else { return Called::NotMeant };
        incident.waiting.clear();
        incident.has_reached = false;
        let why = incident.why;
        let meant: Vec<&NoticeAlert> =
            firing.iter().copied().filter(|alert| step.only.is_match(&alert.labels)).collect();
        let mut called = Called::NotMeant;
        for destination in &step.notify {
            let kind = self.setup.kind(destination);
            if !meant.iter().any(|alert| Policy::permits(kind, &alert.labels)) {
                continue;
            }
            if !self.kept.caps.take(destination, kind, self.setup.phone_calls_per_hour, now_ms) {
                called = if called == Called::NotMeant { Called::Nobody } else { called };
                continue;
            }
            called = Called::Somebody;
            let news = News::Open { step: at.step + 1, round: at.round + 1, why };
            let call = self.tell(number, destination, news, actions);
            if let Some(incident) = self.kept.incidents.get_mut(&number) {
                incident.waiting.insert(call);
            }
        }
        called
    }

    /// Makes a call; gives its number.
    pub(super) fn tell(
        &mut self,
        incident: u64,
        destination: &str,
        news: News,
        actions: &mut Vec<Action>,
    ) -> u64 {
        let number = self.number();
        let destination = destination.to_owned();
        self.kept.calls.insert(number, Waiting { incident, destination, news, is_cancelled: false });
        actions.extend(self.action(number));
        number
    }

    /// What is to be done for a call.
    pub(super) fn action(&self, number: u64) -> Option<Action> {
        let call = self.kept.calls.get(&number)?;
        let incident = self.kept.incidents.get(&call.incident)?;
        Some(Action::Tell(Call {
            number,
            incident: call.incident,
            group_key: incident.group_key.clone(),
            destination: call.destination.clone(),
            news: call.news.clone(),
            alerts: incident.alerts.clone(),
        }))
    }

    /// Tells all who were told that an incident is open.
    pub(super) fn tell_told(&mut self, number: u64, news: &News, actions: &mut Vec<Action>) {
        let told = self.kept.incidents.get(&number).map(|incident| incident.told.clone());
        for destination in told.unwrap_or_default() {
            self.tell(number, &destination, news.clone(), actions);
        }
    }

    /// Calls that have not been told yet are not needed any more.
    pub(super) fn cancel_alarms(&mut self, incident: u64, actions: &mut Vec<Action>) {
        let alarms = self
            .kept
            .calls
            .iter_mut()
            .filter(|(_, call)| call.incident == incident && call.news.is_alarm() && !call.is_cancelled);
        for (number, call) in alarms {
            call.is_cancelled = true;
            actions.push(Action::Cancel { call: *number });
        }
    }

    /// Takes the answer of a call. Who was told too late of an incident that is over, or that somebody cares about,
    /// is told that too.
    pub fn answered(&mut self, number: u64, answer: Answer, now_ms: i64) -> Vec<Action> {
        let mut actions = Vec::new();
        let Some(call) = self.kept.calls.remove(&number).filter(|call| call.news.is_alarm()) else {
            self.forget(now_ms);
            return actions;
        };
        let destination = self.setup.destinations.get(&call.destination).copied().unwrap_or_default();
        let Some(incident) = self.kept.incidents.get_mut(&call.incident) else { return actions };
        let is_newest = incident.waiting.remove(&number);
        if answer == Answer::Delivered {
            incident.has_reached |= is_newest;
            incident.told.insert(call.destination.clone());
            let (state, by) = (incident.state, incident.acked_by.clone().unwrap_or_default());
            if destination.delegates {
                let also = self
                    .policy(&self.kept.incidents[&call.incident].policy)
                    .is_some_and(|policy| policy.also);
                self.kept.incidents.entry(call.incident).and_modify(|incident| incident.is_delegated = !also);
            }
            let news = match state {
                State::Open => None,
                State::Acked => Some(News::Acked { by }),
                State::Closed => Some(News::Resolved),
            };
            if let Some(news) = news {
                self.tell(call.incident, &call.destination, news, &mut actions);
            }
        } else if is_newest && incident.waiting.is_empty() && !incident.has_reached {
            let is_open = incident.state == State::Open && !call.is_cancelled;
            incident.is_urgent = is_open && incident.next.is_some();
            if is_open && incident.next.is_none() {
                self.exhausted(call.incident, now_ms);
            }
        }
        self.forget(now_ms);
        actions
    }
}

/// Whom a step has called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Called {
    /// Somebody.
    Somebody,
    /// Nobody: it is for other alerts.
    NotMeant,
    /// Nobody, though it should: too many calls.
    Nobody,
}

impl DestinationKind {
    /// `message`, `sms` or `voice`.
    pub fn word(self) -> &'static str {
        match self {
            DestinationKind::Message => "message",
            DestinationKind::Sms => "sms",
            DestinationKind::Voice => "voice",
        }
    }
}

//! Incidents beside the routes: calls of the machine of escalations (`alert::escalation`) become notices for channels,
//! and what channels answer becomes answers of calls.
//!
//! A call goes to all channels of its receiver. It is told when one of them has told it, and has failed when none has.
//! What a group's own route tells its receiver anyway is not told twice: such a call has the answer of the route.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alert::dispatch::{Change, Dispatcher, Fate, Flush, SendId};
use alert::escalation::{
    AckError, Action, Answer, Call, DestinationKind, Escalations, IncidentView, News, Saved, State, Why,
};
use alert::notice::Notice;
use notify::Language;
use serde::{Deserialize, Serialize};

use super::destination_of;
use super::link::Links;
use super::plan::Plan;

/// Name of the text that is kept.
pub(super) const NAME: &str = "incidents";

/// Something for channels to do.
#[derive(Debug)]
pub(super) enum Errand {
    /// Tell this, unless nobody is there: then the call has failed.
    Tell { destination: String, notice: Notice, call: u64 },
    /// Forget what waits of a notice.
    Withdraw { destination: String, key: String },
    /// Take back what was delivered under a name.
    TakeBack { destination: String, id: String },
}

/// A call that channels have been given.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Given {
    incident: u64,
    receiver: String,
    /// Name of the group.
    group: String,
    /// Key of its notice.
    key: String,
    is_alarm: bool,
    /// Whether the route of the group tells it.
    is_by_route: bool,
    /// Whether the machine has the answer.
    is_answered: bool,
    /// Destinations without an answer.
    left: BTreeSet<String>,
}

/// What is kept.
#[derive(Deserialize)]
struct KeptIncidents {
    machine: Saved,
    given: BTreeMap<u64, Given>,
}

/// The same, to be written.
#[derive(Serialize)]
struct KeptRef<'a> {
    machine: &'a Saved,
    given: &'a BTreeMap<u64, Given>,
}

/// Incidents with their calls on the way.
#[derive(Debug)]
pub(super) struct Incidents {
    machine: Escalations,
    given: BTreeMap<u64, Given>,
    errands: Vec<Errand>,
    links: Links,
    has_changed: bool,
}

/// What calls are looked at with: what the routes do, and the configuration.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) dispatcher: &'a Dispatcher,
    /// What the routes have given to channels, by destination and key of the group.
    pub(super) by_routes: &'a HashMap<(String, String), SendId>,
    pub(super) plan: &'a Plan,
    pub(super) now_ms: i64,
}

impl Incidents {
    pub(super) fn new(plan: &Plan, links: Links) -> Incidents {
        Incidents {
            machine: Escalations::new(plan.escalations.clone()),
            given: BTreeMap::new(),
            errands: Vec::new(),
            links,
            has_changed: false,
        }
    }

    /// Goes on where the process before ended; `letters` are destination and key of what waits for channels. False
    /// when the text cannot be read.
    pub(super) fn restore(
        &mut self,
        text: &str,
        letters: &BTreeMap<(String, String), Option<i64>>,
        around: Around<'_>,
    ) -> bool {
        let Ok(kept) = serde_json::from_str::<KeptIncidents>(text) else { return false };
        self.given = kept.given;
        let (mut doubtful, mut lost) = (BTreeSet::new(), BTreeSet::new());
        for (number, given) in &mut self.given {
            let waits = |name: &String| match given.is_by_route {
                true => around.by_routes.iter().any(|((at, _), id)| at == name && id.group == given.group),
                false => letters.contains_key(&(name.clone(), given.key.clone())),
            };
            let missing: Vec<String> = given.left.iter().filter(|name| !waits(name)).cloned().collect();
            // A phone may have rung: its letter is forgotten before. The route tells again by itself.
            let kind = around.plan.escalations.destinations.get(&given.receiver);
            let is_phone = kind.is_some_and(|destination| destination.kind != DestinationKind::Message);
            let set = if given.is_by_route || is_phone { &mut doubtful } else { &mut lost };
            set.extend(missing.into_iter().map(|name| (*number, name)));
        }
        let is_lost = |number: u64| lost.iter().any(|(call, _)| *call == number);
        let given: BTreeSet<u64> = self.given.keys().copied().collect();
        let fate = |number| {
            if is_lost(number) || !given.contains(&number) { Fate::Unknown } else { Fate::Waits }
        };
        let actions = self.machine.restore(kept.machine, fate, around.now_ms);
        for action in actions {
            if let Action::Tell(call) = action {
                self.tell_again(&call, &lost, around);
            }
        }
        for (call, destination) in lost {
            // Nobody waits for it any more.
            let is_told_again = self.errands.iter().any(|errand| {
                matches!(errand, Errand::Tell { call: other, destination: at, .. } if *other == call && *at == destination)
            });
            if !is_told_again {
                self.answer(call, &destination, Answer::Failed, around);
            }
        }
        for (call, destination) in doubtful {
            self.answer(call, &destination, Answer::Delivered, around);
        }
        self.has_changed = true;
        true
    }

    /// Gives a call once more to channels that never had it.
    fn tell_again(&mut self, call: &Call, lost: &BTreeSet<(u64, String)>, around: Around<'_>) {
        let Some(given) = self.given.get(&call.number) else {
            return self.act(vec![Action::Tell(call.clone())], around);
        };
        let notice = self.notice(call, &given.key, around);
        for (_, destination) in lost.iter().filter(|(number, _)| *number == call.number) {
            let (destination, notice) = (destination.clone(), notice.clone());
            self.errands.push(Errand::Tell { destination, notice, call: call.number });
        }
    }

    /// Takes another configuration.
    pub(super) fn reload(&mut self, plan: &Plan) {
        self.machine.reload(plan.escalations.clone());
    }

    /// When something is due.
    pub(super) fn next_at_ms(&self) -> Option<i64> {
        if self.errands.is_empty() { self.machine.next_at_ms() } else { Some(0) }
    }

    /// What channels are to do; to be asked for after what has changed was written.
    pub(super) fn errands(&mut self) -> Vec<Errand> {
        std::mem::take(&mut self.errands)
    }

    /// More for channels to do.
    pub(super) fn add_errands(&mut self, errands: Vec<Errand>) {
        self.errands.extend(errands);
    }

    /// What is to be written.
    pub(super) fn take_changes(&mut self) -> Option<Change> {
        if !std::mem::take(&mut self.has_changed) {
            return None;
        }
        let kept = KeptRef { machine: self.machine.saved(), given: &self.given };
        let text = serde_json::to_string(&kept);
        let logged = text.map_err(|error| tracing::error!(%error, "incidents could not be written"));
        logged.ok().map(|text| Change { name: NAME.to_owned(), text: Some(text) })
    }

    /// Takes looks at groups, and does what is due.
    pub(super) fn look(&mut self, flushes: &[Flush], around: Around<'_>) {
        for flush in flushes {
            let actions = self.machine.observe(flush, around.now_ms);
            self.act(actions, around);
        }
        if self.machine.next_at_ms().is_some_and(|at_ms| at_ms <= around.now_ms) {
            let look = |group: &str| around.dispatcher.look(group, around.now_ms);
            let actions = self.machine.advance(look, around.now_ms);
            self.has_changed = true;
            self.act(actions, around);
        }
        self.has_changed |= !flushes.is_empty() && !self.machine.incidents().is_empty();
    }

    /// Somebody cares.
    pub(super) fn ack(&mut self, number: u64, by: &str, around: Around<'_>) -> Result<(), AckError> {
        let actions = self.machine.ack(number, by, around.now_ms)?;
        self.has_changed = true;
        self.act(actions, around);
        Ok(())
    }

    pub(super) fn all(&self) -> Vec<IncidentView> {
        self.machine.incidents()
    }

    pub(super) fn one(&self, number: u64) -> Option<IncidentView> {
        self.machine.incident(number)
    }

    /// Whether nobody cares yet about what fires in a group.
    pub(super) fn is_open(&self, group: &str) -> bool {
        self.machine.newest_of(group).is_none_or(|(_, state)| state == State::Open)
    }

    /// The group that a call is about.
    pub(super) fn group_of(&self, call: u64) -> Option<String> {
        self.given.get(&call).map(|given| given.group.clone())
    }

    /// Whether a letter is of one of these calls.
    pub(super) fn knows(&self, destination: &str, key: &str) -> bool {
        self.given.values().any(|given| given.key == key && given.left.contains(destination))
    }

    /// A channel has answered a call, or will not.
    pub(super) fn answer(&mut self, number: u64, destination: &str, answer: Answer, around: Around<'_>) {
        let Some(given) = self.given.get_mut(&number) else { return };
        given.left.remove(destination);
        let is_over = given.left.is_empty();
        let is_news = !given.is_answered && (is_over || answer == Answer::Delivered);
        given.is_answered |= is_news;
        if is_over {
            self.given.remove(&number);
        }
        self.has_changed = true;
        if is_news {
            let actions = self.machine.answered(number, answer, around.now_ms);
            self.act(actions, around);
        }
    }

    /// The route of a group has told its receiver, or will not.
    pub(super) fn answer_of_route(&mut self, id: &SendId, answer: Answer, around: Around<'_>) {
        let destination = destination_of(id);
        let is_it =
            |given: &Given| given.is_by_route && given.group == id.group && given.left.contains(&destination);
        let calls: Vec<u64> =
            self.given.iter().filter(|(_, given)| is_it(given)).map(|(number, _)| *number).collect();
        for call in calls {
            self.answer(call, &destination, answer, around);
        }
    }

    /// Gives up what was given to channels that are no more; gives destinations and keys.
    pub(super) fn forget_strangers(&mut self, around: Around<'_>) -> Vec<(String, String)> {
        let names: BTreeSet<String> = around.plan.names().into_iter().collect();
        let each = self.given.iter().flat_map(|(number, given)| {
            let strangers = given.left.iter().filter(|name| !names.contains(*name));
            strangers.map(|name| (*number, name.clone(), given.key.clone()))
        });
        let strangers: Vec<(u64, String, String)> = each.collect();
        for (number, destination, _) in &strangers {
            self.answer(*number, destination, Answer::Failed, around);
        }
        strangers.into_iter().map(|(_, destination, key)| (destination, key)).collect()
    }

    fn act(&mut self, actions: Vec<Action>, around: Around<'_>) {
        for action in actions {
            self.has_changed = true;
            match action {
                Action::Tell(call) => self.tell(&call, around),
                Action::Cancel { call } => {
                    let given = self.given.get(&call).filter(|given| !given.is_by_route);
                    self.errands.extend(given.into_iter().flat_map(withdrawals));
                }
            }
        }
    }

    /// Gives a call to all channels of its receiver, unless the route tells them.
    fn tell(&mut self, call: &Call, around: Around<'_>) {
        let is_alarm = call.news.is_alarm();
        if !is_alarm {
            // Channels that have not told the alarm need not any more.
            let earlier = self.given.values().filter(|given| {
                given.is_alarm
                    && !given.is_by_route
                    && given.incident == call.incident
                    && given.receiver == call.destination
            });
            self.errands.extend(earlier.flat_map(withdrawals));
        }
        let mut given = Given {
            incident: call.incident,
            receiver: call.destination.clone(),
            group: call.group.clone(),
            key: Notice::apart(&call.group_key, call.number),
            is_alarm,
            is_by_route: false,
            is_answered: false,
            left: around.plan.destinations_of(&call.destination).into_iter().collect(),
        };
        if matches!(call.news, News::Acked { .. }) {
            // Nobody is called to hear that somebody else cares.
            given.left.retain(|destination| !around.plan.is_phone(destination));
        }
        let answer = match by_route(call, around) {
            _ if given.left.is_empty() => Some(Answer::Failed),
            ByRoute::No => None,
            ByRoute::Told => Some(Answer::Delivered),
            ByRoute::Tells(destinations) => {
                (given.is_by_route, given.left) = (true, destinations);
                None
            }
        };
        if let Some(answer) = answer {
            let actions = self.machine.answered(call.number, answer, around.now_ms);
            return self.act(actions, around);
        }
        if !given.is_by_route {
            let notice = self.notice(call, &given.key, around);
            self.errands.extend(given.left.iter().map(|destination| Errand::Tell {
                destination: destination.clone(),
                notice: notice.clone(),
                call: call.number,
            }));
        }
        self.given.insert(call.number, given);
    }

    /// What channels tell of a call.
    fn notice(&self, call: &Call, key: &str, around: Around<'_>) -> Notice {
        let mut notice = Notice {
            receiver: call.destination.clone(),
            group_key: key.to_owned(),
            group_labels: call.group_labels.clone(),
            alerts: call.alerts.clone(),
            external_url: around.plan.external_url.clone(),
        };
        self.mark(&mut notice, call.incident, &call.news, around);
        notice
    }

    /// Says in what a route tells that somebody is to care.
    pub(super) fn ask(&self, group: &str, notice: &mut Notice, around: Around<'_>) {
        let news = News::Open { step: 1, round: 1, why: Why::Opened };
        if let Some((incident, State::Open)) = self.machine.newest_of(group)
            && !notice.is_resolved()
        {
            self.mark(notice, incident, &news, around);
        }
    }

    fn mark(&self, notice: &mut Notice, incident: u64, news: &News, around: Around<'_>) {
        let link = self.links.link(&around.plan.external_url, incident, around.now_ms);
        let says = says(news, around.plan.language(&notice.receiver));
        let Some(first) = notice.alerts.first_mut() else { return };
        first.annotations.push(("incident".to_owned(), incident.to_string()));
        first.annotations.push(("escalation".to_owned(), says));
        let link = link.filter(|_| news.is_alarm()).map(|link| ("ack_url".to_owned(), link));
        first.annotations.extend(link);
    }

    /// Whether somebody has a link for this incident.
    pub(super) fn is_link(&self, incident: u64, expires: i64, signature: &str, now_ms: i64) -> bool {
        self.links.is_valid(incident, expires, signature, now_ms)
    }
}

/// Number of the call that a notice with a mark is of.
pub(super) fn call_of(mark: &str) -> Option<u64> {
    mark.parse().ok()
}

fn withdrawals(given: &Given) -> impl Iterator<Item = Errand> {
    given
        .left
        .iter()
        .map(|destination| Errand::Withdraw { destination: destination.clone(), key: given.key.clone() })
}

/// What a group's route does about a call.
enum ByRoute {
    /// Nothing.
    No,
    /// These destinations are being told.
    Tells(BTreeSet<String>),
    /// It has told, or will by itself.
    Told,
}

fn by_route(call: &Call, around: Around<'_>) -> ByRoute {
    let receiver = around.dispatcher.receiver_of(&call.group);
    if receiver.is_none_or(|receiver| receiver != call.destination) {
        return ByRoute::No;
    }
    let sends = around.by_routes.values().filter(|id| id.group == call.group);
    let destinations: BTreeSet<String> = sends.map(destination_of).collect();
    match call.news {
        News::Acked { .. } => ByRoute::No,
        News::Resolved => ByRoute::Told,
        News::Open { step, round, .. } if step > 1 || round > 1 => ByRoute::No,
        _ if !destinations.is_empty() => ByRoute::Tells(destinations),
        News::Open { why: Why::AckLapsed | Why::NewAlerts, .. } => ByRoute::No,
        News::Open { .. } | News::Reopened => ByRoute::Told,
    }
}

/// The news in words.
fn says(news: &News, language: Language) -> String {
    let is_chinese = language == Language::Chinese;
    match news {
        News::Open { step: 1, round: 1, why: Why::Opened } if is_chinese => "请确认".to_owned(),
        News::Open { step: 1, round: 1, why: Why::Opened } => "Please acknowledge".to_owned(),
        News::Open { step: 1, why: Why::NewAlerts, .. } if is_chinese => "确认之后又有新告警".to_owned(),
        News::Open { step: 1, why: Why::NewAlerts, .. } => "New alerts after the acknowledgement".to_owned(),
        News::Open { step: 1, why: Why::AckLapsed, .. } if is_chinese => "确认已过期,仍在触发".to_owned(),
        News::Open { step: 1, why: Why::AckLapsed, .. } => {
            "The acknowledgement has lapsed, and it still fires".to_owned()
        }
        News::Open { step, round, .. } if is_chinese => format!("无人确认:第 {round} 轮第 {step} 步"),
        News::Open { step, round, .. } => format!("Nobody has acknowledged: step {step} of round {round}"),
        News::Reopened if is_chinese => "再次触发".to_owned(),
        News::Reopened => "It is back".to_owned(),
        News::Acked { by } if is_chinese => format!("已由 {by} 确认"),
        News::Acked { by } => format!("Acknowledged by {by}"),
        News::Resolved if is_chinese => "已恢复".to_owned(),
        News::Resolved => "It is over".to_owned(),
    }
}

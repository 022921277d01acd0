//! What the API asks.

use alert::alertmanager::Matcher;
use alert::delivery::{AgainError, DeliveryList};
use alert::dispatch::{
    AlertGroup, AlertsQuery, Explained, GettableAlert, GettableSilence, PostedAlert, PostedSilence,
    ReceiverName, SilenceError,
};
use alert::escalation::{AckError, IncidentView};
use model::finding::Finding;
use web::{Alertmanager, Incidents};

use super::suspects::suspects;
use super::{Desk, now_ms};

impl Alertmanager for Desk {
    fn take(&self, alerts: Vec<PostedAlert>) -> Vec<String> {
        Desk::take(self, alerts.into_iter().map(Into::into))
    }

    fn alerts(&self, query: &AlertsQuery) -> Vec<GettableAlert> {
        self.machine.lock().dispatcher.alerts(query, now_ms())
    }

    fn groups(&self, query: &AlertsQuery) -> Vec<AlertGroup> {
        self.machine.lock().dispatcher.alert_groups(query, now_ms())
    }

    fn receivers(&self) -> Vec<ReceiverName> {
        self.machine.lock().dispatcher.receivers()
    }

    fn silences(&self, filter: &[Matcher]) -> Vec<GettableSilence> {
        self.machine.lock().dispatcher.silences(filter, now_ms())
    }

    fn silence(&self, id: &str) -> Option<GettableSilence> {
        self.machine.lock().dispatcher.silence(id, now_ms())
    }

    fn set_silence(&self, silence: PostedSilence) -> Result<String, SilenceError> {
        let mut machine = self.machine.lock();
        let set = machine.dispatcher.set_silence(silence.into(), new_id(), now_ms());
        machine.write(&self.kept);
        set
    }

    fn expire_silence(&self, id: &str) -> Result<(), SilenceError> {
        let mut machine = self.machine.lock();
        let expired = machine.dispatcher.expire_silence(id, now_ms());
        machine.write(&self.kept);
        expired
    }

    fn explain(&self, fingerprint: u64) -> Option<Explained> {
        self.machine.lock().dispatcher.explain(fingerprint, now_ms())
    }

    fn suspects(&self, fingerprint: u64) -> Vec<Finding> {
        let active = self.findings.active();
        let machine = self.machine.lock();
        let Some((labels, url)) = machine.dispatcher.subject(fingerprint) else { return Vec::new() };
        suspects(labels, url, &active).into_iter().cloned().collect()
    }

    fn deliveries(&self) -> DeliveryList {
        self.attempts.lock().list(&self.facts().queues)
    }

    fn send_again(&self, number: u64) -> Result<(), AgainError> {
        let attempt = self.attempts.lock().one(number).cloned().ok_or(AgainError::Unknown)?;
        if !attempt.is_repeatable {
            return Err(AgainError::NotRepeatable);
        }
        let mut machine = self.machine.lock();
        let looks =
            attempt.groups.iter().map(|key| machine.dispatcher.hasten(key, &attempt.receiver, now_ms()));
        let looks: Vec<_> = looks.collect();
        machine.write(&self.kept);
        self.changed.notify_all();
        if looks.iter().all(Result::is_err) {
            return looks.into_iter().next().unwrap_or(Err(AgainError::Over));
        }
        let (channel, receiver) = (attempt.channel, attempt.receiver);
        tracing::info!(attempt = number, channel, receiver, "somebody asked to send a notification again");
        Ok(())
    }

    fn configuration(&self) -> String {
        self.machine.lock().plan.text.clone()
    }
}

impl Incidents for Desk {
    fn incidents(&self) -> Vec<IncidentView> {
        self.machine.lock().incidents.all()
    }

    fn incident(&self, number: u64) -> Option<IncidentView> {
        self.machine.lock().incidents.one(number)
    }

    fn is_link(&self, number: u64, expires: i64, signature: &str) -> bool {
        self.machine.lock().incidents.is_link(number, expires, signature, now_ms())
    }

    fn ack(&self, number: u64, by: &str, way: &str) -> Result<IncidentView, AckError> {
        let mut machine = self.machine.lock();
        machine.with_incidents(|incidents, around| incidents.ack(number, by, around))?;
        machine.write(&self.kept);
        self.changed.notify_all();
        tracing::info!(incident = number, by, way, "an incident was acknowledged");
        machine.incidents.one(number).ok_or(AckError::Unknown)
    }
}

/// A random UUID (RFC 9562, version 4), as Alertmanager names silences.
fn new_id() -> String {
    let random: u128 = rand::random();
    let versioned = random & !(0xf000 << 64) & !(0xc000 << 48) | 0x4000 << 64 | 0x8000 << 48;
    let hex = format!("{versioned:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

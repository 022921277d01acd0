//! The tree of routes (Alertmanager, `dispatch/route.go`).

use std::collections::BTreeSet;

use model::series::Labels;

use super::Matchers;
use super::quoting::quote;
use crate::rules::Pairs;

/// Which labels put alerts into one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// These; labels that an alert has not are left out.
    Labels(BTreeSet<String>),
    /// All (`...`): only alerts that are the same are in one group.
    All,
}

/// A node of the tree, with all that it inherits. Times are in milliseconds.
#[derive(Clone, Debug)]
pub struct Route {
    /// Who is told.
    pub receiver: String,
    /// What puts alerts into one group.
    pub group_by: GroupBy,
    /// How long a new group waits for more alerts.
    pub group_wait_ms: i64,
    /// How often a group is looked at afterwards.
    pub group_interval_ms: i64,
    /// How long nothing is told of a group that has not changed.
    pub repeat_interval_ms: i64,
    /// Which alerts it is for.
    pub matchers: Matchers,
    /// Whether routes beside it are tried too.
    pub continues: bool,
    /// Names of time intervals in which nobody is told.
    pub mute: Vec<String>,
    /// Names of time intervals outside which nobody is told; none means always.
    pub active: Vec<String>,
    /// Labels of the route, and where it inherits them; templates.
    pub labels: Pairs,
    /// Routes below, as numbers of [`Routes::get`].
    pub children: Vec<usize>,
    /// Matchers from the root to here: `{}/{severity="critical"}`. Two routes may have the same.
    pub key: String,
    /// [`Route::key`], with a number behind it (`#2`) where an earlier route has the same. Unique.
    pub id: String,
}

/// A tree of routes; route 0 is the root.
#[derive(Clone, Debug)]
pub struct Routes(pub(super) Vec<Route>);

impl Routes {
    /// A route by its number.
    pub fn get(&self, number: usize) -> Option<&Route> {
        self.0.get(number)
    }

    /// All routes with their numbers, each before those below it.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Route)> {
        self.0.iter().enumerate()
    }

    /// Numbers of the routes that an alert takes, in order.
    pub fn matching(&self, labels: &Labels) -> Vec<usize> {
        let mut found = Vec::new();
        self.search(0, labels, &mut found);
        found
    }

    /// Whether the route at `number` or one below it takes the alert.
    fn search(&self, number: usize, labels: &Labels, found: &mut Vec<usize>) -> bool {
        let Some(route) = self.0.get(number).filter(|route| route.matchers.is_match(labels)) else {
            return false;
        };
        let before = found.len();
        for child in &route.children {
            if self.search(*child, labels, found) && !self.0[*child].continues {
                break;
            }
        }
        if found.len() == before {
            found.push(number);
        }
        true
    }
}

impl Route {
    /// Labels of the group that an alert is in.
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => {
                let kept = labels.iter().filter(|(name, _)| names.contains(&***name));
                Labels::new(kept.map(|(name, value)| (name.clone(), value.clone())))
            }
        }
    }

    /// Identity of a group as Alertmanager writes it: `{}/{severity="critical"}:{alertname="A"}`.
    pub fn group_key(&self, group_labels: &Labels) -> String {
        let pairs: Vec<String> =
            group_labels.iter().map(|(name, value)| format!("{name}={}", quote(value))).collect();
        format!("{}:{{{}}}", self.key, pairs.join(", "))
    }
}

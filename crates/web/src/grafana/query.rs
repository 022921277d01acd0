//! Queries of one family, restricted to what the dashboard's variables choose.

use meter::families::Family;

/// Alerts that fire; `ALERTS` is what an engine writes of its rules, without the labels of a scrape.
pub(super) const FIRING: &str = r#"ALERTS{alertstate="firing",alertname!="Watchdog"}"#;

/// The series of a family.
#[derive(Clone, Copy)]
pub(super) struct Of {
    family: Family,
    by: &'static str,
    only: &'static str,
}

/// The series of a family.
pub(super) fn of(family: Family) -> Of {
    Of { family, by: "", only: "" }
}

impl Of {
    /// Summed up by these labels, separated by commas.
    pub fn by(self, labels: &'static str) -> Of {
        Of { by: labels, ..self }
    }

    /// Those alone that match, separated by commas.
    pub fn only(self, matchers: &'static str) -> Of {
        Of { only: matchers, ..self }
    }

    /// What it is now, summed up.
    pub fn now(self) -> String {
        self.aggregated("sum", &self.selector(""))
    }

    /// The greatest of what it is now.
    pub fn max(self) -> String {
        self.aggregated("max", &self.selector(""))
    }

    /// The least of what it is now.
    pub fn min(self) -> String {
        self.aggregated("min", &self.selector(""))
    }

    /// The mean of what it is now.
    pub fn mean_now(self) -> String {
        self.aggregated("avg", &self.selector(""))
    }

    /// How much it grows each second.
    pub fn rate(self) -> String {
        self.rate_of("")
    }

    /// By how much it has grown in the dashboard's window, where it has.
    pub fn increase(self) -> String {
        let grown = format!("increase({}[$__range])", self.selector(""));
        format!("{} > 0", self.aggregated("sum", &grown))
    }

    /// A quantile of a histogram.
    pub fn quantile(self, quantile: f64) -> String {
        format!("histogram_quantile({quantile}, {})", self.buckets())
    }

    /// How much the buckets of a histogram grow each second.
    pub fn buckets(self) -> String {
        let rate = format!("rate({}[$__rate_interval])", self.selector("_bucket"));
        let separator = if self.by.is_empty() { "" } else { ", " };
        format!("sum by (le{separator}{}) ({rate})", self.by)
    }

    /// The mean of a histogram.
    pub fn mean(self) -> String {
        format!("{} / {}", self.rate_of("_sum"), self.rate_of("_count"))
    }

    /// Its series of whatever route.
    pub fn of_any_route(self) -> String {
        format!("{}{{{CHOSEN}}}", self.family.name)
    }

    fn rate_of(self, suffix: &str) -> String {
        self.aggregated("sum", &format!("rate({}[$__rate_interval])", self.selector(suffix)))
    }

    fn aggregated(self, how: &str, inner: &str) -> String {
        if self.by.is_empty() {
            format!("{how}({inner})")
        } else {
            format!("{how} by ({}) ({inner})", self.by)
        }
    }

    fn selector(self, suffix: &str) -> String {
        let route = if self.family.labels.contains(&"route") { r#",route=~"$route""# } else { "" };
        let separator = if self.only.is_empty() { "" } else { "," };
        format!("{}{suffix}{{{CHOSEN}{route}{separator}{}}}", self.family.name, self.only)
    }
}

const CHOSEN: &str = r#"job=~"$job",instance=~"$instance""#;

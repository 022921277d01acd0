//! What a query may mean and what it may cost.

use std::fmt;

/// Which Prometheus to mean the same as, where its versions differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// 2.x: ranges and the look-back include their left end, `holt_winters` is a function, names of labels are
    /// words, `atan2` keeps the metric's name, and `increase` stretches differently near a counter's zero.
    V2,
    /// 3.x: ranges and the look-back do not include their left end.
    #[default]
    V3,
}

/// What Prometheus evaluates only if `--enable-feature` asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Arithmetic, `step()`, `range()`, `min_of()` and `max_of()` where a duration stands.
    DurationExpressions,
    /// `fill()`, `fill_left()` and `fill_right()`: a value for what is missing on a side of an operator.
    FillModifiers,
    /// `__type__` and `__unit__` are dropped where the metric's name is.
    TypeAndUnitLabels,
}

impl Feature {
    /// All there are.
    pub const ALL: [Feature; 3] =
        [Feature::DurationExpressions, Feature::FillModifiers, Feature::TypeAndUnitLabels];

    /// Its name in `--enable-feature`.
    pub fn name(self) -> &'static str {
        match self {
            Feature::DurationExpressions => "promql-duration-expr",
            Feature::FillModifiers => "promql-binop-fill-modifiers",
            Feature::TypeAndUnitLabels => "type-and-unit-labels",
        }
    }

    fn named(name: &str) -> Result<Feature, String> {
        Feature::ALL.into_iter().find(|feature| feature.name() == name).ok_or_else(|| {
            let known = Feature::ALL.map(Feature::name).join(", ");
            format!("`{name}` is no feature of PromQL that is known here; there are {known}")
        })
    }
}

/// A set of [`Feature`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(u8);

impl Features {
    /// By their names in `--enable-feature`.
    ///
    /// # Errors
    /// The name that is not known, and the known ones.
    pub fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Features, String> {
        names.into_iter().map(Feature::named).collect()
    }

    /// Whether a feature is among them.
    pub fn has(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u8) != 0
    }
}

impl FromIterator<Feature> for Features {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Features {
        Features(features.into_iter().fold(0, |set, feature| set | (1 << feature as u8)))
    }
}

/// How a query's text is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which Prometheus to mean the same as.
    pub compat: Compat,
    /// How far back a sample still counts as the newest one, in milliseconds.
    pub lookback_ms: i64,
    /// The step of a subquery that names none, in milliseconds.
    pub subquery_step_ms: i64,
    /// Whether metric names are dropped at the end of the evaluation instead of by each function
    /// (Prometheus: `--enable-feature=promql-delayed-name-removal`).
    pub delayed_name_removal: bool,
    /// Which experimental features are evaluated; queries that need others are refused.
    pub features: Features,
    /// Longest text, in bytes.
    pub length_max: usize,
    /// How deep expressions may nest.
    pub depth_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            compat: Compat::V3,
            lookback_ms: 300_000,
            subquery_step_ms: 60_000,
            delayed_name_removal: false,
            features: Features::default(),
            length_max: 16 * 1024,
            depth_max: 200,
        }
    }
}

/// What one evaluation may cost.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// How many samples may be loaded and values computed on the way, together.
    pub samples_max: usize,
    /// How many steps a range query may have. A subquery is bounded by `samples_max`.
    pub steps_max: usize,
    /// Says that the time is over. It is asked often, so it should be cheap.
    pub expired: &'a dyn Fn() -> bool,
}

impl Default for Limits<'_> {
    /// The bounds of Prometheus, without a deadline.
    fn default() -> Self {
        Limits { samples_max: 50_000_000, steps_max: 11_000, expired: &|| false }
    }
}

impl fmt::Debug for Limits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("samples_max", &self.samples_max)
            .field("steps_max", &self.steps_max)
            .finish_non_exhaustive()
    }
}

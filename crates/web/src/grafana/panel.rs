//! Panels: what is asked, and how it is drawn.

use model::Language;
use model::language::Text;
use serde_json::{Value, json};

use crate::grafana::data_source;

/// How the answers are drawn.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Stat,
    Lines,
    Stacked,
    Heatmap,
    Donut,
    Bars,
    States,
    Table,
    Map,
}

/// A question and how its answers are called.
struct Target {
    legend: Text,
    expr: String,
    /// Drawn below the axis.
    is_below: bool,
}

/// A panel.
pub(super) struct Panel {
    kind: Kind,
    title: Text,
    about: Text,
    /// A unit of Grafana's, such as `s` or `Bps`.
    unit: &'static str,
    targets: Vec<Target>,
    /// From which value on which colour; the first one is that of everything below.
    colours: &'static [(f64, &'static str)],
    /// What each value is called, and its colour.
    states: &'static [(u8, Text, &'static str)],
    /// Where a click leads, below the address of this program's dashboard.
    link: Option<&'static str>,
    pub width: u8,
    pub height: u8,
}

/// One number, with its course behind it.
pub(super) fn stat(title: Text, about: Text, unit: &'static str) -> Panel {
    Panel::new(Kind::Stat, title, about, unit, (4, 4))
}

/// Lines over time.
pub(super) fn lines(title: Text, about: Text, unit: &'static str) -> Panel {
    Panel::new(Kind::Lines, title, about, unit, (12, 8))
}

/// Parts of a whole over time.
pub(super) fn stacked(title: Text, about: Text, unit: &'static str) -> Panel {
    Panel::new(Kind::Stacked, title, about, unit, (12, 8))
}

/// A histogram over time.
pub(super) fn heatmap(title: Text, about: Text) -> Panel {
    Panel::new(Kind::Heatmap, title, about, "s", (12, 8))
}

/// Parts of a whole in the dashboard's window.
pub(super) fn donut(title: Text, about: Text) -> Panel {
    Panel::new(Kind::Donut, title, about, "short", (8, 8))
}

/// Numbers to compare.
pub(super) fn bars(title: Text, about: Text, unit: &'static str) -> Panel {
    Panel::new(Kind::Bars, title, about, unit, (8, 8))
}

/// States over time.
pub(super) fn states(title: Text, about: Text, states: &'static [(u8, Text, &'static str)]) -> Panel {
    Panel { states, ..Panel::new(Kind::States, title, about, "none", (24, 7)) }
}

/// Numbers of countries on a map; `country` is their label.
pub(super) fn map(title: Text, about: Text) -> Panel {
    Panel::new(Kind::Map, title, about, "short", (16, 10))
}

/// Series with their labels.
pub(super) fn table(title: Text, about: Text, unit: &'static str) -> Panel {
    Panel::new(Kind::Table, title, about, unit, (12, 7))
}

impl Panel {
    fn new(kind: Kind, title: Text, about: Text, unit: &'static str, (width, height): (u8, u8)) -> Panel {
        let (targets, colours) = (Vec::new(), [(0.0, "green")].as_slice());
        Panel { kind, title, about, unit, targets, colours, states: &[], link: None, width, height }
    }

    /// Asks; `legend` is what answers are called, with `{{label}}` for labels.
    pub fn ask(self, legend: &'static str, expr: String) -> Panel {
        self.ask_in_words(Text { en: legend, zh: legend }, expr)
    }

    /// Asks; `legend` has words.
    pub fn ask_in_words(mut self, legend: Text, expr: String) -> Panel {
        self.targets.push(Target { legend, expr, is_below: false });
        self
    }

    /// Draws what was asked last below the axis.
    pub fn below(mut self) -> Panel {
        self.targets.iter_mut().last().into_iter().for_each(|target| target.is_below = true);
        self
    }

    /// Colours from these values on.
    pub fn colours(self, colours: &'static [(f64, &'static str)]) -> Panel {
        Panel { colours, ..self }
    }

    /// A click leads to this program's dashboard.
    pub fn leads_to(self, link: &'static str) -> Panel {
        Panel { link: Some(link), ..self }
    }

    /// In units of the grid.
    pub fn size(self, width: u8, height: u8) -> Panel {
        Panel { width, height, ..self }
    }

    /// As Grafana reads it.
    pub fn json(&self, id: u32, place: &Value, language: Language) -> Value {
        let (kind, options) = self.drawn();
        json!({
            "datasource": data_source(),
            "description": self.about.of(language),
            "fieldConfig": { "defaults": self.field(language), "overrides": self.overrides() },
            "gridPos": place,
            "id": id,
            "options": options,
            "targets": self.targets(language),
            "title": self.title.of(language),
            "transformations": self.transformations(),
            "type": kind,
        })
    }

    fn targets(&self, language: Language) -> Vec<Value> {
        let is_instant = matches!(self.kind, Kind::Donut | Kind::Bars | Kind::Table | Kind::Map);
        let format = match self.kind {
            Kind::Heatmap => "heatmap",
            Kind::Table | Kind::Map => "table",
            _ => "time_series",
        };
        let target = |(ref_id, target): (char, &Target)| {
            json!({
                "datasource": data_source(), "editorMode": "code", "expr": target.expr, "format": format, "instant": is_instant,
                "legendFormat": target.legend.of(language), "range": !is_instant, "refId": ref_id,
            })
        };
        ('A'..).zip(&self.targets).map(target).collect()
    }

    fn field(&self, language: Language) -> Value {
        let step = |&(from, colour): &(f64, &str)| json!({ "color": colour, "value": from });
        let mut steps: Vec<Value> = self.colours.iter().map(step).collect();
        steps.iter_mut().take(1).for_each(|step| step["value"] = Value::Null);
        let by_threshold = matches!(self.kind, Kind::Stat | Kind::States);
        let mut field = json!({
            "color": { "mode": if by_threshold { "thresholds" } else { "palette-classic" } },
            "custom": self.custom(),
            "mappings": [],
            "thresholds": { "mode": "absolute", "steps": steps },
            "unit": self.unit,
        });
        if !self.states.is_empty() {
            let of = |&(value, name, colour): &(u8, Text, &str)| {
                (value.to_string(), json!({ "color": colour, "index": value, "text": name.of(language) }))
            };
            let options: serde_json::Map<String, Value> = self.states.iter().map(of).collect();
            field["mappings"] = json!([{ "options": options, "type": "value" }]);
        }
        if let Some(link) = self.link {
            let url = format!("${{heartline}}/{link}");
            field["links"] = json!([{ "targetBlank": true, "title": "Heartline", "url": url }]);
        }
        field
    }

    /// What only this kind of panel knows of a field.
    fn custom(&self) -> Value {
        let shown = json!({ "legend": false, "tooltip": false, "viz": false });
        match self.kind {
            Kind::Lines | Kind::Stacked => json!({
                "axisPlacement": "auto", "drawStyle": "line", "fillOpacity": if self.kind == Kind::Stacked { 40 } else { 8 },
                "hideFrom": shown, "lineInterpolation": "linear", "lineWidth": 1, "showPoints": "never", "spanNulls": false,
                "stacking": { "group": "A", "mode": if self.kind == Kind::Stacked { "normal" } else { "none" } },
            }),
            Kind::Heatmap => json!({ "hideFrom": shown, "scaleDistribution": { "type": "linear" } }),
            Kind::Donut | Kind::Map => json!({ "hideFrom": shown }),
            Kind::States => json!({ "fillOpacity": 70, "hideFrom": shown, "lineWidth": 0 }),
            Kind::Table => json!({ "align": "auto", "cellOptions": { "type": "auto" }, "inspect": false }),
            Kind::Stat | Kind::Bars => json!({}),
        }
    }

    fn overrides(&self) -> Vec<Value> {
        let below = ('A'..).zip(&self.targets).filter(|(_, target)| target.is_below);
        let negative = [json!({ "id": "custom.transform", "value": "negative-Y" })];
        below
            .map(|(ref_id, _)| json!({ "matcher": { "id": "byFrameRefID", "options": ref_id }, "properties": negative }))
            .collect()
    }

    /// Tables do without the time, which is the same in all rows.
    fn transformations(&self) -> Vec<Value> {
        let without_time = || json!({ "id": "organize", "options": { "excludeByName": { "Time": true } } });
        (self.kind == Kind::Table).then(without_time).into_iter().collect()
    }

    /// The type of the panel and its options, those included that Grafana 13 knows.
    fn drawn(&self) -> (&'static str, Value) {
        let reduced = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
        let legend = json!({ "calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": true });
        let tooltip = json!({ "mode": "multi", "sort": "desc" });
        match self.kind {
            Kind::Stat => (
                "stat",
                json!({
                    "colorMode": "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto",
                    "percentChangeColorMode": "standard", "reduceOptions": reduced, "showPercentChange": false,
                    "textMode": if self.unit == "none" { "name" } else { "auto" }, "wideLayout": true,
                }),
            ),
            Kind::Lines | Kind::Stacked => ("timeseries", json!({ "legend": legend, "tooltip": tooltip })),
            Kind::Heatmap => (
                "heatmap",
                json!({
                    "calculate": false, "cellGap": 1,
                    "color": {
                        "exponent": 0.5, "fill": "dark-orange", "mode": "scheme", "reverse": false, "scale": "exponential",
                        "scheme": "Turbo", "steps": 64,
                    },
                    "exemplars": { "color": "rgba(255,0,255,0.7)" }, "filterValues": { "le": 1e-9 }, "legend": { "show": true },
                    "rowsFrame": { "layout": "auto" }, "showValue": "never",
                    "tooltip": { "mode": "single", "showColorScale": true, "yHistogram": false },
                    "yAxis": { "axisPlacement": "left", "reverse": false, "unit": self.unit },
                }),
            ),
            Kind::Donut => (
                "piechart",
                json!({
                    "displayLabels": [], "pieType": "donut", "reduceOptions": reduced, "sort": "desc", "tooltip": tooltip,
                    "orientation": "auto",
                    "legend": {
                        "calcs": [], "displayMode": "table", "placement": "right", "showLegend": true,
                        "values": ["value", "percent"],
                    },
                }),
            ),
            Kind::Bars => (
                "bargauge",
                json!({
                    "displayMode": "basic", "maxVizHeight": 300, "minVizHeight": 12, "minVizWidth": 8, "namePlacement": "auto",
                    "orientation": "horizontal", "reduceOptions": reduced, "showUnfilled": true, "sizing": "auto",
                    "valueMode": "color", "legend": {
                        "calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": false,
                    },
                }),
            ),
            Kind::States => (
                "state-timeline",
                json!({
                    "alignValue": "left", "legend": legend, "mergeValues": true, "rowHeight": 0.9, "showValue": "auto",
                    "tooltip": { "mode": "single", "sort": "none" },
                }),
            ),
            // The base map is a file that comes with Grafana: the default one is fetched from the internet.
            Kind::Map => (
                "geomap",
                json!({
                    "basemap": { "config": { "src": "public/maps/countries.geojson" }, "name": "Layer 0", "type": "geojson" },
                    "controls": {
                        "mouseWheelZoom": false, "showAttribution": false, "showDebug": false, "showMeasure": false,
                        "showScale": false, "showZoom": true,
                    },
                    "layers": [{
                        "config": {
                            "showLegend": false,
                            "style": {
                                "color": { "fixed": "blue" }, "opacity": 0.6,
                                "size": { "field": "Value", "fixed": 5, "max": 30, "min": 4 },
                                "symbol": { "fixed": "img/icons/marker/circle.svg", "mode": "fixed" },
                            },
                        },
                        "location": {
                            "gazetteer": "public/gazetteer/countries.json", "lookup": "country", "mode": "lookup",
                        },
                        "name": "Clients", "tooltip": true, "type": "markers",
                    }],
                    "tooltip": { "mode": "details" },
                    "view": { "allLayers": true, "id": "zero", "lat": 20, "lon": 0, "zoom": 1 },
                }),
            ),
            Kind::Table => ("table", json!({ "cellHeight": "sm", "frameIndex": 0, "showHeader": true })),
        }
    }
}

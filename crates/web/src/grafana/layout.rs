//! Where panels stand: rows of a grid that is 24 wide.

use model::Language;
use model::language::Text;
use serde_json::{Value, json};

use crate::grafana::panel::Panel;

const WIDTH: u8 = 24;

/// Panels under a heading.
pub(super) struct Row {
    title: Text,
    is_open: bool,
    panels: Vec<Panel>,
}

/// Panels that are seen at once.
pub(super) fn open(title: Text, panels: Vec<Panel>) -> Row {
    Row { title, is_open: true, panels }
}

/// Panels that are seen, and queried, once somebody opens the row.
pub(super) fn folded(title: Text, panels: Vec<Panel>) -> Row {
    Row { title, is_open: false, panels }
}

/// All rows below each other, each with its panels from left to right.
pub(super) fn place(rows: &[Row], language: Language) -> Vec<Value> {
    let mut placed = Vec::new();
    let mut ids = 1..;
    let mut id = || ids.next().unwrap_or_default();
    let mut top = 0;
    for row in rows {
        let mut heading = json!({
            "collapsed": !row.is_open, "gridPos": { "h": 1, "w": WIDTH, "x": 0, "y": top }, "id": id(), "panels": [],
            "title": row.title.of(language), "type": "row",
        });
        top += 1;
        let (mut left, mut height, mut panels) = (0, 0, Vec::new());
        for panel in &row.panels {
            if left + panel.width > WIDTH {
                (top, left, height) = (top + height, 0, 0);
            }
            let place = json!({ "h": panel.height, "w": panel.width, "x": left, "y": top });
            panels.push(panel.json(id(), &place, language));
            left += panel.width;
            height = height.max(u32::from(panel.height));
        }
        if row.is_open {
            top += height;
            placed.push(heading);
            placed.append(&mut panels);
        } else {
            heading["panels"] = Value::Array(panels);
            placed.push(heading);
        }
    }
    placed
}

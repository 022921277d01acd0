//! Tables.

use model::live::LiveConnection;
use model::record::CloseRecord;
use model::{PerDirection, Word as _};
use web::body::List;

use super::text::{address, duration, size, visible};

/// Open connections.
pub(super) fn live(list: &List<LiveConnection>) -> String {
    let head = ["ID", "STATE", "PROTOCOL", "ROUTE", "CLIENT", "AGE", "IDLE", "SENT", "RECEIVED", "WAITING"];
    let row = |one: &LiveConnection| {
        vec![
            one.id.to_string(),
            one.state.as_str().to_owned(),
            one.protocol.to_string(),
            visible(&one.route),
            address(&one.client),
            duration(one.age_seconds),
            duration(one.idle_seconds),
            one.messages.client_to_server.to_string(),
            one.messages.server_to_client.to_string(),
            size(one.backlog.client_to_server.bytes + one.backlog.server_to_client.bytes),
        ]
    };
    table(&head, list.items.iter().map(row), list.total)
}

/// Closed connections.
pub(super) fn closed(list: &List<CloseRecord>) -> String {
    let head = ["ID", "CLOSED AT", "PROTOCOL", "ROUTE", "CLIENT", "LASTED", "ENDED BY", "REASON", "MESSAGES"];
    let row = |one: &CloseRecord| {
        let handshake = one.handshake.result;
        vec![
            one.id.to_string(),
            one.closed_at.to_string().chars().take(19).collect(),
            one.protocol.to_string(),
            visible(&one.route),
            address(&one.client),
            one.reason.map_or_else(|| "-".to_owned(), |_| duration(one.duration_seconds)),
            one.initiator.map_or("-", |initiator| initiator.as_str()).to_owned(),
            one.reason.map_or(handshake.as_str(), |reason| reason.as_str()).to_owned(),
            sum(one.messages).to_string(),
        ]
    };
    table(&head, list.items.iter().map(row), list.total)
}

fn sum(both: PerDirection<u64>) -> u64 {
    both.client_to_server.saturating_add(both.server_to_client)
}

/// Columns as wide as they need; under them how many there are when not all are shown.
pub(super) fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>, total: usize) -> String {
    let head = head.iter().map(|&title| title.to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        out += cells.collect::<Vec<_>>().join("  ").trim_end();
        out.push('\n');
    }
    let shown = lines.len() - 1;
    if shown < total {
        out += &format!("{shown} of {total}; more with limit: and offset:\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_need() {
        let rows = [vec!["1".to_owned(), "änd".to_owned()], vec!["1000".to_owned(), String::new()]];
        assert_eq!(table(&["N", "WORD"], rows.clone().into_iter(), 2), "N     WORD\n1     änd\n1000\n");
        assert!(
            table(&["N", "WORD"], rows.into_iter(), 9).ends_with("\n2 of 9; more with limit: and offset:\n")
        );
    }
}

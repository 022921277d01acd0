//! Reports as they are read.

use model::WallTime;
use model::finding::{Affected, Finding, Place, Said, Selection};
use model::language::Language;

use super::*;
use crate::causes;
use crate::claim::Claim;
use crate::experiment::Via;
use crate::scene::{Scene, answer};
use crate::verdict::verdict;

fn seen() -> Examination {
    Scene::websocket()
        .direct("10.0.3.7:8080")
        .plain(answer(400).body("Can \"Upgrade\" only to \"WebSocket\".").and("server", "nginx/1.24.0"))
        .direct_opens()
        .seen()
}

#[test]
fn a_fault() {
    let seen = seen();
    let report = text(&seen, &verdict(&seen), Language::English, Style { columns: 80, ..Style::default() });
    assert_eq!(
        report,
        "FAIL  ws://example.com/chat    the upgrade never reaches your server      HL-101

  tcp 1 ms   http 1 ms   -> 400
  < server: nginx/1.24.0
  < Can \"Upgrade\" only to \"WebSocket\".

  why    1. The service asks for an upgrade (400), and the request had one
         2. The same request straight to 10.0.3.7:8080 opens the stream (101)
         3. The answer names nginx: a proxy stands in between
  sure   90 %, sure
  fix    In the proxy, for the location that serves this path: forward the
         upgrade
             proxy_http_version 1.1;
             proxy_set_header Upgrade $http_upgrade;
             proxy_set_header Connection \"upgrade\";
  more   heartline explain HL-101
"
    );
}

#[test]
fn a_fault_in_chinese() {
    let seen = seen();
    let report = text(&seen, &verdict(&seen), Language::Chinese, Style { columns: 80, ..Style::default() });
    assert!(report.contains("  原因   1. 服务要求升级（400），而请求中已经带有升级字段\n"), "{report}");
    assert!(report.lines().all(|line| width(line) <= 80), "{report}");
}

#[test]
fn all_is_well() {
    let seen = Scene::websocket().plain(answer(101)).seen();
    let report = text(&seen, &verdict(&seen), Language::English, Style::default());
    let line =
        "ok  ws://example.com/chat    no problem found in 1 checks\n\n  tcp 1 ms   http 1 ms   -> 101\n";
    assert_eq!(report, line);
}

#[test]
fn what_only_informs_does_not_take_the_first_line() {
    let limit = Some(crate::scene::close(1009, ""));
    let sizes = [crate::scene::sent(Via::Url, 900, Ok(0.01)), crate::scene::sent(Via::Url, 1024, Err(limit))];
    let seen = Scene::opened().attempts(sizes).seen();
    let report = text(&seen, &verdict(&seen), Language::English, Style::default());
    assert!(report.starts_with("ok  ws://example.com/chat    no problem found in 2 checks\n"), "{report}");
    assert!(
        report.contains("  also   HL-214 messages above 900 B end the stream with 1009 (90 %)\n"),
        "{report}"
    );
}

#[test]
fn what_was_not_measured_is_named() {
    let mut seen = Scene::opened().seen();
    seen.leave_undone(&crate::scene::sent(Via::Url, 1024, Ok(0.01)).experiment);
    let report = text(&seen, &verdict(&seen), Language::English, Style::default());
    assert!(report.contains("nothing wrong was seen before the time was over"), "{report}");
    assert!(report.contains("before all of this was measured: size; see --timeout"), "{report}");
}

#[test]
fn markdown_has_all_findings() {
    let seen = seen();
    let page = markdown(&seen, &verdict(&seen), Language::English);
    assert!(page.contains("## HL-101 the upgrade never reaches your server"), "{page}");
    assert!(page.contains("```\nproxy_http_version 1.1;"), "{page}");
}

#[test]
fn findings_of_a_gateway() {
    let title = Said::new("title_timer").with("leg", "upstream").seconds("seconds", 2.0);
    let cause = causes::by_id("idle-timeout-l7-proxy").expect("a cause");
    let second = |second: u64| WallTime(second * 1_000_000_000);
    let finding = Claim::of(cause, Place::UpstreamLeg, Said::new("ages_differ"))
        .proven()
        .titled(title)
        .fix(Said::new("drain_first"))
        .concerns("chat".into(), second(1), Affected { connections: 25, share_of_closes: Some(0.9) })
        .selects(Some(Selection { filter: "route:chat idle>=2s".to_owned(), latest: second(9) }))
        .finding();
    let over = Finding { until: Some(second(70)), selection: None, ..finding.clone() };
    let told = |language| [told(&finding, language), told(&over, language)];
    let report = findings(&told(Language::English)[..1], Language::English, Style::default());
    assert_eq!(
        report,
        "warning  chat    connections end by the upstream side after 2 s, as by a timer                HL-201
  when   since 1970-01-01T00:00:01 UTC
  hits   25 connections, 90 % of those that did not end as they should
  why    Their ages differ, and their silences are the same
  sure   90 %, sure
  fix    Close in small groups with 1001 or 1012 before a process goes, and let clients come back
         with jitter
  show   these connections
             heartline connections --closed from:1970-01-01T00:00:01.000Z to:1970-01-01T00:00:09.001Z 'route:chat idle>=2s'
  more   heartline explain HL-201
"
    );
    let chinese = findings(&told(Language::Chinese), Language::Chinese, Style::default());
    assert!(chinese.contains("影响   25 个连接，占异常断开的 90 %\n"), "{chinese}");
    assert!(chinese.contains("时间   已结束：1970-01-01T00:00:01 至 1970-01-01T00:01:10 UTC\n"), "{chinese}");
    assert_eq!(findings(&[], Language::English, Style::default()), "no finding\n");
}

fn as_junit(seen: &Examination) -> String {
    junit(seen, &verdict(seen), Language::English)
}

#[test]
fn junit_fails_by_findings() {
    let page = as_junit(&seen());
    assert!(page.contains(" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\">"), "{page}");
    assert!(page.contains("name=\"handshake\"/>\n"), "{page}");
    let failure =
        "name=\"HL-101 ws-upgrade-stripped\"><failure type=\"ws-upgrade-stripped\" message=\"the upgrade";
    assert!(page.contains(failure), "{page}");
}

#[test]
fn junit_passes_what_is_healthy_and_skips_what_is_undone() {
    let mut well = Scene::websocket().plain(answer(101)).seen();
    assert!(as_junit(&well).contains(" tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"0\">"));
    well.target.url = "ws://example.com/?a=<\u{1}\"&".to_owned();
    let undone = crate::scene::sent(Via::Url, 1024, Ok(0.01));
    well.leave_undone(&undone.experiment);
    let page = as_junit(&well);
    assert!(
        page.contains(
            "diagnose ws://example.com/?a=&lt;&quot;&amp;\" tests=\"3\" failures=\"0\" errors=\"1\""
        ),
        "{page}"
    );
    assert!(page.contains("name=\"size\"><skipped message="), "{page}");
    let untested = as_junit(&Scene::websocket().seen());
    assert!(untested.contains("<error message=\"it could not be tested\"/>"), "{untested}");
}

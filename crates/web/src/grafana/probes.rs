//! What probes see: the service as a user finds it. Names are those of Prometheus' blackbox_exporter.

use meter::families as f;
use model::language::{Text, text};

use crate::grafana::Dashboard;
use crate::grafana::layout::{Row, open};
use crate::grafana::panel::{Panel, lines, stat, states};
use crate::grafana::query::of;

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "heartline-probes",
    title: text("Heartline / Probes", "Heartline / 探测"),
    about: text("The service as a user finds it, asked again and again.", "从用户角度反复探测服务。"),
    rows,
};

const STATES: &[(u8, Text, &str)] = &[(0, text("failed", "失败"), "red"), (1, text("ok", "正常"), "green")];

fn rows() -> Vec<Row> {
    vec![open(text("Probes", "探测"), panels())]
}

fn panels() -> Vec<Panel> {
    vec![
        stat(
            text("Probes that succeed", "成功的探测"),
            text("Share of probes whose last attempt succeeded.", "最近一次尝试成功的探测所占比例。"),
            "percentunit",
        )
        .colours(&[(0.0, "red"), (1.0, "green")])
        .ask("", of(f::PROBE_SUCCESS).mean_now()),
        states(text("State", "状态"), text("What each probe found.", "每个探测的结果。"), STATES)
            .size(20, 8)
            .ask("{{probe}}", of(f::PROBE_SUCCESS).by("probe").min()),
        lines(text("Duration", "耗时"), text("Of the last attempt.", "最近一次尝试的耗时。"), "s")
            .size(24, 8)
            .ask("{{probe}}", of(f::PROBE_DURATION).by("probe").max()),
        lines(
            text("Phases", "阶段"),
            text("What the last attempt spent its time on.", "最近一次尝试各阶段的耗时。"),
            "s",
        )
        .ask("{{probe}} {{phase}}", of(f::PROBE_HTTP_DURATION).by("probe, phase").max()),
        lines(
            text("Certificates", "证书"),
            text("Time until the first certificate expires.", "距最早到期的证书还有多久。"),
            "s",
        )
        .ask("{{probe}}", format!("{} - time()", of(f::PROBE_CERT_EXPIRY).by("probe").min())),
    ]
}

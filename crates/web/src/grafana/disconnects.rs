//! Why connections end or are not made at all.

use meter::families as f;
use model::language::{Text, text};

use crate::grafana::Dashboard;
use crate::grafana::layout::{Row, folded, open};
use crate::grafana::panel::{Panel, bars, donut, heatmap, lines, stacked, states};
use crate::grafana::query::of;

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "heartline-disconnects",
    title: text("Heartline / Disconnects and causes", "Heartline / 断开与原因"),
    about: text(
        "Who ended connections and why, what they have in common, and why handshakes fail.",
        "谁结束了连接、为什么、它们有何共同点，以及握手为何失败。",
    ),
    rows,
};

const FINDING_STATES: &[(u8, Text, &str)] = &[(1, text("active", "存在"), "orange")];

fn rows() -> Vec<Row> {
    vec![
        open(text("Why connections end", "连接为何结束"), ends()),
        open(text("What explains it", "诊断结论"), explained()),
        open(text("Handshakes", "握手"), handshakes()),
        folded(text("Lifetimes, heartbeats and reconnects", "寿命、心跳与重连"), lifetimes()),
        folded(text("gRPC streams", "gRPC 流"), grpc()),
    ]
}

fn ends() -> Vec<Panel> {
    let ended = of(f::WEBSOCKET_CLOSED).by("initiator, reason");
    let same = "#/connections?set=closed&q=protocol:websocket+reason:${__field.labels.reason}+initiator:${__field.labels.initiator}";
    vec![
        donut(
            text("Why they ended", "结束原因"),
            text("WebSocket connections that ended in the chosen time, by who ended them and why. A click lists them.", "所选时间内结束的 WebSocket 连接，按发起方与原因。点击可列出它们。"),
        )
        .leads_to(same)
        .ask("{{initiator}}: {{reason}}", ended.increase()),
        bars(
            text("The same as bars", "同上，条形"),
            text("Small parts are seen better here.", "小份额在这里更清楚。"),
            "short",
        )
        .leads_to(same)
        .ask("{{initiator}}: {{reason}}", format!("sort_desc({})", ended.increase())),
        stacked(
            text("Ends per second", "每秒结束"),
            text("WebSocket connections by who ended them and why.", "WebSocket 连接，按发起方与原因。"),
            "cps",
        )
        .size(8, 8)
        .ask("{{initiator}}: {{reason}}", format!("{} > 0", ended.rate())),
        heatmap(
            text("Silence before the end", "结束前的静默"),
            text("Of connections that ended without a Close handshake. A line at 60 s is a timeout of 60 s on the way.", "未经关闭握手而结束的连接。停在 60 秒处的横线说明路上有 60 秒超时。"),
        )
        .size(24, 8)
        .ask("{{le}}", of(f::WEBSOCKET_CLOSE_IDLE).buckets()),
    ]
}

fn explained() -> Vec<Panel> {
    vec![
        states(
            text("Findings", "诊断结论"),
            text(
                "Causes that explain what happens to connections, while they go on.",
                "解释连接问题的原因，在其持续期间显示。",
            ),
            FINDING_STATES,
        )
        .leads_to("findings/${__field.labels.finding}")
        .ask("{{finding}} {{route}}", of(f::FINDING_ACTIVE).by("finding, route").max()),
    ]
}

fn handshakes() -> Vec<Panel> {
    let failed = of(f::WEBSOCKET_HANDSHAKES).only(r#"result!="success""#).by("result");
    vec![
        donut(
            text("Handshakes that failed", "失败的握手"),
            text("In the chosen time, by outcome.", "所选时间内，按结果。"),
        )
        .leads_to("#/connections?set=closed&q=protocol:websocket+result:${__field.labels.result}")
        .ask("{{result}}", failed.increase()),
        stacked(
            text("Failures per second", "每秒失败"),
            text("Handshakes by outcome.", "握手，按结果。"),
            "cps",
        )
        .size(8, 8)
        .ask("{{result}}", failed.rate()),
        lines(
            text("Refused", "被拒绝"),
            text("Per second: broken rules of the upgrade discipline, and what was ended before a route took it.", "每秒：违反升级规范的请求，以及在匹配路由之前就被结束的连接。"),
            "cps",
        )
        .size(8, 8)
        .ask("{{check}}", format!("{} > 0", of(f::REJECTED_UPGRADES).by("check").rate()))
        .ask("{{reason}}", format!("{} > 0", of(f::REFUSED).by("reason").rate())),
        lines(
            text("Duration of handshakes", "握手耗时"),
            text("Of those that succeeded.", "仅成功的握手。"),
            "s",
        )
        .size(24, 6)
        .ask("p50", of(f::WEBSOCKET_HANDSHAKE_SECONDS).quantile(0.5))
        .ask("p99", of(f::WEBSOCKET_HANDSHAKE_SECONDS).quantile(0.99)),
    ]
}

fn lifetimes() -> Vec<Panel> {
    vec![
        heatmap(
            text("Lifetimes", "连接寿命"),
            text("WebSocket connections at their end.", "WebSocket 连接结束时的寿命。"),
        )
        .ask("{{le}}", of(f::WEBSOCKET_DURATION_SECONDS).buckets()),
        lines(
            text("Mean lifetime", "平均寿命"),
            text("WebSocket connections that ended, by route.", "已结束的 WebSocket 连接，按路由。"),
            "s",
        )
        .ask("{{route}}", of(f::WEBSOCKET_DURATION_SECONDS).by("route").mean()),
        lines(
            text("Reconnects", "重连"),
            text(
                "Per second: opened within 60 s after the end of one of the same client.",
                "每秒：同一客户端断开后 60 秒内的重连。",
            ),
            "cps",
        )
        .ask("{{route}}", of(f::WEBSOCKET_RECONNECTS).by("route").rate())
        .ask("SSE {{route}}", of(f::SSE_RECONNECTS).by("route").rate()),
        lines(
            text("Pause before a reconnect", "重连间隔"),
            text("A median near 0: clients come back without a pause.", "中位数接近 0：客户端不等待就重连。"),
            "s",
        )
        .ask("p50", of(f::WEBSOCKET_RECONNECT_INTERVAL).quantile(0.5)),
        lines(
            text("Round trips of Pings", "心跳往返"),
            text(
                "Relayed WebSocket Pings, p99 by the peer that answered.",
                "转发的 WebSocket Ping，按应答方的 p99。",
            ),
            "s",
        )
        .ask("{{peer}}", of(f::WEBSOCKET_HEARTBEAT_RTT).by("peer").quantile(0.99)),
        lines(
            text("Pings without an answer", "未应答的心跳"),
            text("Per second by the peer that owed it.", "每秒，按应答方。"),
            "cps",
        )
        .ask("{{peer}}", of(f::WEBSOCKET_HEARTBEATS_MISSED).by("peer").rate()),
    ]
}

fn grpc() -> Vec<Panel> {
    vec![
        donut(
            text("Status codes", "状态码"),
            text("gRPC streams that ended in the chosen time.", "所选时间内结束的 gRPC 流。"),
        )
        .ask("{{grpc_code}}", of(f::GRPC_CLOSED).by("grpc_code").increase()),
        lines(
            text("Resets", "流重置"),
            text(
                "RST_STREAM per second by who sent it first and why.",
                "每秒 RST_STREAM，按先发送方与错误码。",
            ),
            "cps",
        )
        .size(8, 8)
        .ask(
            "{{initiator}}: {{http2_error}}",
            format!("{} > 0", of(f::GRPC_RESETS).by("initiator, http2_error").rate()),
        ),
        lines(
            text("GOAWAY", "GOAWAY"),
            text("Per second by who sent it and why.", "每秒，按发送方与错误码。"),
            "cps",
        )
        .size(8, 8)
        .ask("{{initiator}}: {{http2_error}}", of(f::GRPC_GOAWAYS).by("initiator, http2_error").rate()),
    ]
}

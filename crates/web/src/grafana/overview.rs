//! What goes on, at one look: connections, messages, latency, errors.

use meter::families as f;
use model::language::text;

use crate::grafana::Dashboard;
use crate::grafana::layout::{Row, folded, open};
use crate::grafana::panel::{Panel, bars, donut, heatmap, lines, map, stacked, stat, table};
use crate::grafana::query::{FIRING, of};

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "heartline-overview",
    title: text("Heartline / Overview", "Heartline / 总览"),
    about: text(
        "Connections, messages, latency and errors of WebSocket, server-sent events and gRPC streams.",
        "WebSocket、SSE 与 gRPC 流的连接、消息、延迟和错误。",
    ),
    rows,
};

fn rows() -> Vec<Row> {
    vec![
        open(text("Connections", "连接概览"), connections()),
        open(text("Messages", "消息流量"), messages()),
        open(text("Latency", "延迟监控"), latency()),
        open(text("Errors", "错误分析"), errors()),
        open(text("Where clients are", "客户端地理分布"), countries()),
        folded(text("Event streams", "SSE 事件流"), event_streams()),
        folded(text("gRPC streams", "gRPC 流"), grpc_streams()),
        folded(text("Network and backlog", "网络与积压"), network()),
    ]
}

fn connections() -> Vec<Panel> {
    let current = |title, about, expr| stat(title, about, "short").ask("", expr);
    vec![
        current(
            text("WebSocket connections", "WebSocket 连接"),
            text("Open WebSocket connections.", "当前打开的 WebSocket 连接数。"),
            of(f::WEBSOCKET_ACTIVE).now(),
        ),
        current(
            text("Event streams", "SSE 订阅"),
            text("Open event streams.", "当前打开的 SSE 事件流数。"),
            of(f::SSE_ACTIVE).now(),
        ),
        current(
            text("gRPC streams", "gRPC 流"),
            text("Open gRPC streams.", "当前打开的 gRPC 流数。"),
            of(f::GRPC_ACTIVE).now(),
        ),
        stat(
            text("Messages per second", "每秒消息"),
            text("WebSocket messages of both directions, events and gRPC messages.", "双向 WebSocket 消息、SSE 事件与 gRPC 消息之和。"),
            "cps",
        )
        .ask("", [f::WEBSOCKET_MESSAGES, f::SSE_EVENTS, f::GRPC_MESSAGES].map(|family| format!("({} or vector(0))", of(family).rate())).join(" + ")),
        stat(
            text("Latency p99", "延迟 p99"),
            text("WebSocket messages in the gateway: read from the sender to accepted by the receiver's kernel.", "WebSocket 消息在网关内的停留时间：从发送方读到，到接收方内核接受。"),
            "s",
        )
        .colours(&[(0.0, "green"), (0.1, "yellow"), (1.0, "red")])
        .ask("", of(f::WEBSOCKET_LATENCY).quantile(0.99)),
        stat(
            text("Handshakes that succeed", "握手成功率"),
            text("Of those that are the service's to answer: faults of clients and refusals of the gateway do not count.", "只计应由服务应答的握手：客户端的错误和网关的拒绝不计入。"),
            "percentunit",
        )
        .colours(&[(0.0, "red"), (0.99, "yellow"), (0.999, "green")])
        .ask("", format!("{} / {}", of(f::WEBSOCKET_HANDSHAKES).only(r#"result="success""#).rate(), of(f::WEBSOCKET_HANDSHAKES).only(JUDGED).rate())),
        stacked(
            text("Open connections", "连接趋势"),
            text("Open connections by protocol.", "按协议划分的当前连接数。"),
            "short",
        )
        .ask("WebSocket", of(f::WEBSOCKET_ACTIVE).now())
        .ask("SSE", of(f::SSE_ACTIVE).now())
        .ask("gRPC", of(f::GRPC_ACTIVE).now()),
        lines(
            text("Opened and ended", "建立与结束"),
            text("WebSocket connections per second. Much of both while the total is level: clients come back again and again.", "每秒建立和结束的 WebSocket 连接。两者都高而总数平稳，说明客户端在反复重连。"),
            "cps",
        )
        .ask_in_words(text("opened", "建立"), of(f::WEBSOCKET_HANDSHAKES).only(r#"result="success""#).rate())
        .ask_in_words(text("ended", "结束"), of(f::WEBSOCKET_CLOSED).rate())
        .below(),
    ]
}

/// Outcomes of handshakes that are the service's (docs/endings.md).
const JUDGED: &str = r#"result=~"success|server_error|unreachable|timeout|invalid_upgrade|not_upgraded""#;

fn messages() -> Vec<Panel> {
    let both = |panel: Panel, family| {
        let way = |direction| of(family).only(direction).rate();
        panel
            .ask_in_words(text("sent to clients", "发送"), way(r#"direction="server_to_client""#))
            .ask_in_words(text("received from clients", "接收"), way(r#"direction="client_to_server""#))
            .below()
    };
    vec![
        both(
            lines(
                text("Messages", "消息"),
                text(
                    "WebSocket messages per second; received ones below the axis.",
                    "每秒 WebSocket 消息数；接收的画在轴下方。",
                ),
                "cps",
            ),
            f::WEBSOCKET_MESSAGES,
        ),
        both(
            lines(
                text("Bytes of messages", "消息字节"),
                text(
                    "Payload of WebSocket messages on the wire per second.",
                    "每秒 WebSocket 消息的线上载荷字节。",
                ),
                "Bps",
            ),
            f::WEBSOCKET_MESSAGE_BYTES,
        ),
    ]
}

fn latency() -> Vec<Panel> {
    vec![
        heatmap(
            text("Latency of messages", "消息延迟分布"),
            text(
                "How many WebSocket messages per second stayed how long in the gateway.",
                "每秒有多少 WebSocket 消息在网关内停留了多久。",
            ),
        )
        .ask("{{le}}", of(f::WEBSOCKET_LATENCY).buckets()),
        percentiles(
            lines(
                text("Latency, trend", "消息延迟趋势"),
                text(
                    "WebSocket messages in the gateway. The mean includes those that still wait.",
                    "WebSocket 消息在网关内的停留时间。平均值包含仍在等待的消息。",
                ),
                "s",
            ),
            f::WEBSOCKET_LATENCY,
        )
        .ask_in_words(text("mean", "平均"), of(f::WEBSOCKET_LATENCY_MEAN).max()),
    ]
}

fn percentiles(panel: Panel, family: f::Family) -> Panel {
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)]
        .into_iter()
        .fold(panel, |panel, (name, quantile)| panel.ask(name, of(family).quantile(quantile)))
}

fn errors() -> Vec<Panel> {
    vec![
        donut(
            text("Types of errors", "错误类型"),
            text(
                "Errors on established connections in the chosen time.",
                "所选时间内已建立连接上的错误，按类型。",
            ),
        )
        .ask("{{type}}", of(f::WEBSOCKET_ERRORS).by("type").increase())
        .ask("SSE {{type}}", of(f::SSE_ERRORS).by("type").increase()),
        stacked(
            text("Errors per second", "错误频率"),
            text(
                "Errors on established WebSocket connections by type.",
                "已建立的 WebSocket 连接上的错误，按类型。",
            ),
            "cps",
        )
        .size(8, 8)
        .ask("{{type}}", of(f::WEBSOCKET_ERRORS).by("type").rate()),
        table(
            text("Alerts that fire", "正在触发的告警"),
            text(
                "As the engine of the data source sees them; it must evaluate the rules.",
                "由数据源所在引擎给出；该引擎需要加载告警规则。",
            ),
            "none",
        )
        .size(8, 8)
        .ask("", FIRING.to_owned()),
    ]
}

fn countries() -> Vec<Panel> {
    let by_country = of(f::CONNECTIONS_BY_COUNTRY).by("country").now();
    vec![
        map(
            text("Clients by country", "客户端地理分布"),
            text(
                "Open connections by the client's country; Heartline needs a database of countries for it (docs/geography.md).",
                "按客户端所在国家统计的当前连接；需要为 Heartline 配置国家数据库（docs/geography.md）。",
            ),
        )
        .ask("", format!("{by_country} > 0")),
        bars(
            text("Most clients", "客户端最多的国家"),
            text("The ten countries with most open connections.", "当前连接最多的十个国家。"),
            "short",
        )
        .size(8, 10)
        .ask("{{country}}", format!("sort_desc(topk(10, {by_country} > 0))")),
    ]
}

fn event_streams() -> Vec<Panel> {
    vec![
        lines(text("Events", "事件"), text("Events per second by route.", "每秒事件数，按路由。"), "cps")
            .ask("{{route}}", of(f::SSE_EVENTS).by("route").rate()),
        percentiles(
            lines(
                text("Delay of events", "事件延迟"),
                text(
                    "From an event read to accepted by the client's kernel.",
                    "从读到事件，到客户端内核接受。",
                ),
                "s",
            ),
            f::SSE_DELAY,
        ),
        stacked(
            text("Ends of event streams", "SSE 断开"),
            text("Per second, by who ended them and why.", "每秒断开数，按发起方与原因。"),
            "cps",
        )
        .ask(
            "{{initiator}}: {{reason}}",
            format!("{} > 0", of(f::SSE_DISCONNECTS).by("initiator, reason").rate()),
        ),
        lines(
            text("Backlog of event streams", "SSE 积压"),
            text("Bytes read and not yet accepted by clients.", "已读到但客户端尚未接受的字节。"),
            "bytes",
        )
        .ask("{{route}}", of(f::SSE_BACKLOG_BYTES).by("route").now()),
    ]
}

fn grpc_streams() -> Vec<Panel> {
    vec![
        lines(text("gRPC messages", "gRPC 消息"), text("Per second by service and direction.", "每秒消息数，按服务与方向。"), "cps")
            .ask("{{grpc_service}} {{direction}}", of(f::GRPC_MESSAGES).by("grpc_service, direction").rate()),
        stacked(
            text("Ends of gRPC streams", "gRPC 流结束"),
            text("Per second by status code.", "每秒结束数，按状态码。"),
            "cps",
        )
        .ask("{{grpc_code}}", format!("{} > 0", of(f::GRPC_CLOSED).by("grpc_code").rate())),
        percentiles(
            lines(
                text("Time to the first message", "首条消息时间"),
                text("From the request to the service's first message.", "从请求到服务端的第一条消息。"),
                "s",
            ),
            f::GRPC_FIRST_MESSAGE,
        ),
        lines(
            text("Held back by flow control", "流控等待"),
            text("Share of a second in which data waited for the receiver's windows; more than one stream can make it more than 1.", "数据等待接收方窗口的时间占比；多个流时可超过 1。"),
            "percentunit",
        )
        .ask("{{direction}}", of(f::GRPC_STALLED).by("direction").rate()),
    ]
}

fn network() -> Vec<Panel> {
    vec![
        lines(
            text("Round trips of TCP", "TCP 往返时间"),
            text("Smoothed round trips to the next hop, sampled.", "到下一跳的平滑往返时间，采样值。"),
            "s",
        )
        .ask_in_words(text("clients p50", "客户端 p50"), of(f::WEBSOCKET_CLIENT_RTT).quantile(0.5))
        .ask_in_words(text("clients p99", "客户端 p99"), of(f::WEBSOCKET_CLIENT_RTT).quantile(0.99))
        .ask_in_words(text("upstreams p99", "上游 p99"), of(f::WEBSOCKET_UPSTREAM_RTT).quantile(0.99)),
        lines(
            text("Segments sent again", "TCP 重传"),
            text(
                "Segments of TCP that were sent again, per second by peer.",
                "每秒重传的 TCP 报文段，按对端。",
            ),
            "cps",
        )
        .ask("{{peer}}", of(f::WEBSOCKET_RETRANSMITS).by("peer").rate()),
        lines(
            text("Backlog", "积压"),
            text(
                "Bytes of WebSocket connections read and not yet accepted by the receiver.",
                "WebSocket 连接上已读到但接收方尚未接受的字节。",
            ),
            "bytes",
        )
        .ask("{{route}} {{direction}}", of(f::WEBSOCKET_BACKLOG_BYTES).by("route, direction").now()),
        lines(
            text("Slow consumers", "慢消费者"),
            text(
                "Connections whose receiver has left a backlog for 5 s or longer.",
                "接收方留下积压达 5 秒以上的连接数。",
            ),
            "short",
        )
        .ask("{{route}}", of(f::WEBSOCKET_SLOW_CONSUMERS).by("route").now()),
        lines(
            text("Queued for slow clients", "慢客户端队列"),
            text(
                "Bytes that wait in the queues of routes that have one.",
                "配置了队列的路由上，队列中等待的字节。",
            ),
            "bytes",
        )
        .ask("{{route}}", of(f::QUEUE_WAITING_BYTES).by("route").now()),
        lines(
            text("Dropped by queues", "队列丢弃"),
            text(
                "Messages per second that a policy of a queue has dropped, by class and policy.",
                "队列策略每秒丢弃的消息数，按类别与策略。",
            ),
            "cps",
        )
        .ask(
            "{{priority}}: {{policy}}",
            format!("{} > 0", of(f::QUEUE_DROPPED).by("priority, policy").rate()),
        ),
    ]
}

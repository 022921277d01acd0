//! A browser has as many WebSockets open as it allows.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "browser-socket-limit",
    number: 806,
    severity: Severity::Info,
    manual: Manual {
        title: text("the browser allows no further WebSocket", "浏览器不再允许新的 WebSocket"),
        symptoms: text(
            "After many connections `Insufficient resources`, or the next one stays pending without an \
             end.",
            "连接很多之后出现 `Insufficient resources`，或下一个连接一直处于等待状态。",
        ),
        evidence: text(
            "One client holds about 255 connections to a host (Chromium) or 200 in all (Firefox), and its \
             next one sends no packet.",
            "同一客户端对某一主机持有约 255 个连接（Chromium），或总共 200 个（Firefox），其下一个连接不发\
             送任何数据包。",
        ),
        look_alikes: text(
            "`duplicate-connections-client`: the leak that leads here. `sse-browser-6-connection-limit`: \
             event streams over HTTP/1.1, at six. `edge-rate-limit-or-ban`: the request is sent and \
             refused.",
            "`duplicate-connections-client`：导致此问题的泄漏；`sse-browser-6-connection-limit`：HTTP/1.1 \
             上的事件流，上限为六；`edge-rate-limit-or-ban`：请求已发出并被拒绝。",
        ),
        fix: text(
            "In the page: one connection for all that it needs, shared between tabs by a SharedWorker; \
             close what is not used. Prove it: the number of the client's connections stays the same over \
             an hour of use.",
            "在页面中：用一个连接承载所有需求，并通过 SharedWorker 在标签页间共享；关闭不用的连接。验证：\
             使用一小时后该客户端的连接数不变。",
        ),
        sources: &[
            "Chromium, net/socket/client_socket_pool_manager.cc (sockets for each group)",
            "Firefox, network.websocket.max-connections",
        ],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: the browser sends nothing for the connection that it does not allow. The number of \
         connections that one client has open shows in `heartline connections`.",
        "无法检测：浏览器对不被允许的连接不发送任何数据。某客户端打开的连接数可在 `heartline connections` \
         中看到。",
    )),
};

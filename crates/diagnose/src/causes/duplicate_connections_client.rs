//! A client opens a new connection and keeps the old one.

use model::finding::{Finding, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::population::{Population, clients};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "duplicate-connections-client",
    number: 406,
    severity: Severity::Warning,
    manual: Manual {
        title: text("a client opens a new connection and keeps the old one", "客户端新建连接而未关闭旧连接"),
        symptoms: text(
            "Messages come twice, then three times; the number grows with each navigation or reconnect.",
            "消息收到两次、三次，每次页面跳转或重连后次数增加。",
        ),
        evidence: text(
            "One client has several connections of the same route at once, one more after each reconnect, \
             and each gets the same number of messages.",
            "同一客户端在同一路由上同时有多个连接，每次重连多一个，且各连接收到的消息数相同。",
        ),
        look_alikes: text(
            "Several tabs, or an office behind one address: the number does not grow with reconnects. A \
             service that sends twice: both copies come on one connection.",
            "多个标签页，或共用一个地址的办公室：数量不随重连增长；服务重复发送：两份消息出现在同一连接\
             上。",
        ),
        fix: text(
            "In the client: close the connection where it was opened for (React: the clean-up function of \
             `useEffect`), and close the old one and detach its handlers before opening the next. Prove \
             it: navigate ten times; one connection is left.",
            "在客户端：在打开连接的位置负责关闭它（React：`useEffect` 的清理函数）；打开新连接前先关闭旧连\
             接并移除其处理函数。验证：跳转十次后只剩一个连接。",
        ),
        sources: &[
            "https://react.dev/reference/react/useEffect#connecting-to-an-external-system",
            "https://websockets.spec.whatwg.org/#garbage-collection",
        ],
    },
    phrases: &[
        phrase(
            "several",
            "{count} of {all} clients (by address and program) have several connections at once, opened one after the other, up to {most}",
            "{all} 个客户端（按地址与程序区分）中有 {count} 个同时有多个先后建立的连接，最多 {most} 个",
        ),
        phrase(
            "none_alone",
            "Of these {count} connections {alone} were ended while others of the same client stayed: they go all together",
            "这 {count} 个连接中，只有 {alone} 个在同一客户端的其他连接仍在时结束：它们一起结束",
        ),
        phrase("shared", "several tabs or several people behind one address", "同一地址后的多个标签页或多人"),
        phrase(
            "count_keys",
            "Count the open connections of one session or user, before and after a navigation",
            "统计同一会话或用户在页面跳转前后的打开连接数",
        ),
        phrase(
            "close_old",
            "In the client: close the old connection before the next is opened, and when its page or component goes",
            "在客户端：打开下一个连接之前，以及页面或组件卸载时，关闭旧连接",
        ),
    ],
    signs: Signs::population(population),
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    clients::forgetful(&CAUSE, seen).into_iter().collect()
}

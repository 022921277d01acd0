//! A proxy or a scanner in the client's network takes TLS apart, or holds what it cannot scan.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "corporate-proxy-or-antivirus",
    number: 807,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "a proxy or a scanner in the client's network interferes",
            "客户端网络中的代理或杀毒软件干预了连接",
        ),
        symptoms: text(
            "Only some companies are concerned: WebSocket fails on port 80, or events come all at once \
             when the stream ends.",
            "只影响部分公司：80 端口上的 WebSocket 失败，或事件在流结束时一次性到达。",
        ),
        evidence: text(
            "It goes by the client's network. `ws:` fails there and `wss:` works; or the certificate that \
             is shown there is issued by the company; or events reach those clients only at the end, \
             though they are acknowledged at once.",
            "取决于客户端所在网络：在那里 `ws:` 失败而 `wss:` 正常；或证书由该公司签发；或事件虽立即得到确\
             认，却到结束时才到达客户端。",
        ),
        look_alikes: text(
            "`sse-proxy-buffering`: all networks. `network-unreachable-or-filtered`: TCP fails. \
             `tls-cert-expired-or-untrusted`: the certificate is bad everywhere. `idle-timeout-l7-proxy`: \
             opens, and is cut after a silence.",
            "`sse-proxy-buffering`：所有网络都受影响；`network-unreachable-or-filtered`：TCP 失败；\
             `tls-cert-expired-or-untrusted`：证书在各处都有问题；`idle-timeout-l7-proxy`：可以打开，静默\
             后被切断。",
        ),
        fix: text(
            "In the service: `wss:` on port 443 alone, and another transport to fall back on (long \
             polling). In that network: exempt the host from inspection. Prove it: run `heartline \
             diagnose URL` on a machine in that network.",
            "在服务中：只使用 443 端口的 `wss:`，并提供备用传输（长轮询）。在该网络中：将该主机排除在检查\
             之外。验证：在该网络内的机器上运行 `heartline diagnose URL`。",
        ),
        sources: &[
            "RFC 6455, section 1.8",
            "RFC 9110, section 7.6.1",
            "https://github.com/Fyrd/caniuse/issues/2148",
        ],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected from elsewhere: what stands in a client's network ends the connection on this side \
         and makes another one on that side. Run `heartline diagnose` inside that network: it shows the \
         certificate's issuer and whether events are held.",
        "无法从别处检测：位于客户端网络中的设备在这一侧终止连接，并在另一侧建立新的连接。请在该网络内运行 \
         `heartline diagnose`：它会显示证书签发者，以及事件是否被滞留。",
    )),
};

//! Sentences that several causes use.

use crate::cause::{Phrase, phrase};

/// They are looked up when a cause has no sentence of that code.
pub const SHARED: &[Phrase] = &[
    phrase(
        "timer_silence",
        "{count} held streams ended after the same silence, {seconds}",
        "{count} 条保持的连接都在静默 {seconds}后结束",
    ),
    phrase(
        "timer_age",
        "{count} held streams ended at the same age, {seconds}, whatever went over them",
        "{count} 条保持的连接都在存活 {seconds}时结束，与其上的流量无关",
    ),
    phrase(
        "timer_unknown",
        "{count} held streams ended after {seconds}",
        "{count} 条保持的连接都在 {seconds}后结束",
    ),
    phrase(
        "heartbeat_survives",
        "With something sent each {period} a stream lived {lived}, more than twice as long",
        "每 {period}发送一次数据的连接存活了 {lived}，超过两倍时长",
    ),
    phrase(
        "not_one_moment",
        "They ended at different moments, or others lived on: it was not one event",
        "它们结束的时刻不同，或同时有其他连接存活：不是同一次事件",
    ),
    phrase(
        "direct_outlives",
        "Straight to {upstream} a stream outlives {seconds}",
        "直接连接 {upstream} 时，连接存活超过 {seconds}",
    ),
    phrase(
        "direct_same_time",
        "Straight to {upstream} it ends after the same time",
        "直接连接 {upstream} 也在同样的时长后结束",
    ),
    phrase(
        "some_outlived",
        "{count} silent streams lived clearly longer",
        "有 {count} 条静默的连接存活得明显更久",
    ),
    phrase("one_end_only", "a single end, which may be chance", "只有一次结束，可能是偶然"),
    phrase("one_event", "one event that ended all of them at once", "一次事件使它们同时结束"),
    phrase(
        "try_heartbeat",
        "Hold a stream with a Ping each half of that time: if it lives on, it is silence that counts",
        "以该时长的一半为周期发送 Ping 并保持连接：若能存活，则说明计的是静默时间",
    ),
    phrase(
        "gateway_beats",
        "Or let this gateway send signs of life on route {route} (docs/heartbeats.md)",
        "或者让本网关在路由 {route} 上发送心跳（docs/heartbeats.zh-CN.md）",
    ),
    phrase(
        "gateway_beats_sooner",
        "Let this gateway send its signs of life on route {route} sooner (docs/heartbeats.md)",
        "让本网关在路由 {route} 上更早发送心跳（docs/heartbeats.zh-CN.md）",
    ),
    phrase(
        "own_beat_is_late",
        "This gateway's own heartbeat comes after {interval} of silence (`heartbeat.interval`): of what is cut after {seconds}, \
         one that is lost is one too many",
        "本网关自身的心跳在静默 {interval}后才发送（`heartbeat.interval`）：而 {seconds}后就会切断，丢失一次即已太晚",
    ),
    phrase(
        "heartbeat_yaml",
        "heartbeat:\n  interval: {interval}\n  timeout: {timeout}\n  towards: {towards}",
        "heartbeat:\n  interval: {interval}\n  timeout: {timeout}\n  towards: {towards}",
    ),
    phrase(
        "repeat_hold",
        "Hold several silent streams that begin at different moments",
        "在不同时刻开始保持多条静默连接",
    ),
    phrase(
        "says_close",
        "A Close frame with code {code} ended it; its reason: {reason}",
        "Close 帧结束了连接，代码 {code}，原因：{reason}",
    ),
    phrase(
        "direct_opens",
        "The same request straight to {upstream} opens the stream ({status})",
        "同样的请求直接发到 {upstream} 可以建立连接（{status}）",
    ),
    phrase(
        "direct_fails_too",
        "Straight to {upstream} it fails in the same way",
        "直接连接 {upstream} 也以同样的方式失败",
    ),
    phrase(
        "pass_upstream",
        "Compare with the service itself: pass `--upstream HOST:PORT`",
        "与服务本身对比：加上 `--upstream 主机:端口`",
    ),
    phrase(
        "server_field",
        "The answer names {product}: a proxy stands in between",
        "应答中出现了 {product}：中间有代理",
    ),
    phrase("answered", "The answer is {status} after {seconds}", "{seconds}后应答 {status}"),
    phrase("body_says", "Its body says: {body}", "应答正文：{body}"),
    phrase(
        "title_timer",
        "connections end by the {leg} side after {seconds}, as by a timer",
        "连接在 {seconds}后由{leg}一侧结束，如同定时器到期",
    ),
    phrase(
        "ended_after_same_silence",
        "{count} connections ({share} of those that ended so) ended by the {leg} side after {seconds} of silence",
        "{count} 个连接（同类结束的 {share}）在静默 {seconds}后由{leg}一侧结束",
    ),
    phrase(
        "ended_at_same_age",
        "{count} connections ({share} of those that ended so) ended by the {leg} side at an age of {seconds}",
        "{count} 个连接（同类结束的 {share}）在存活 {seconds}时由{leg}一侧结束",
    ),
    phrase(
        "same_silence_and_age",
        "{count} connections ({share} of those that ended so) ended by the {leg} side after {seconds}, silent from their \
         opening on",
        "{count} 个连接（同类结束的 {share}）从建立起一直静默，在 {seconds}后由{leg}一侧结束",
    ),
    phrase("with_code", "The Close frame says {code}", "Close 帧的代码是 {code}"),
    phrase(
        "without_word",
        "Nobody said a word: FIN or RST came on the {leg} leg without a Close frame or an end of the body",
        "没有任何说明：{leg}侧直接出现 FIN 或 RST，没有 Close 帧或正文结束标志",
    ),
    phrase(
        "busy_outlive",
        "{count} connections that were never silent for {seconds} lived longer",
        "{count} 个从未静默满 {seconds}的连接存活得更久",
    ),
    phrase(
        "ages_differ",
        "Their ages differ, and their silences are the same",
        "它们的存活时间各不相同，而静默时间相同",
    ),
    phrase(
        "silences_differ",
        "Their silences differ, and their ages are the same",
        "它们的静默时间各不相同，而存活时间相同",
    ),
    phrase(
        "silent_longer",
        "{count} of them had been silent for longer before, and lived on",
        "其中 {count} 个此前静默过更久，却仍存活",
    ),
    phrase(
        "other_clock",
        "a limit of the age in place of one of the silence, or the reverse: nothing was ever said on these connections",
        "限制的是存活时间而不是静默时间（或相反）：这些连接上从未有过数据",
    ),
    phrase(
        "hold_busy",
        "Hold a connection with a heartbeat for longer than that: `heartline diagnose URL --checks idle`",
        "带心跳保持一个连接更长时间：`heartline diagnose URL --checks idle`",
    ),
    phrase(
        "beat_is_late",
        "Pings come each {beat}, and the timer fires after {seconds}",
        "Ping 每 {beat}一次，而定时器在 {seconds}后到期",
    ),
    phrase(
        "hop_or_service",
        "From here a proxy in front of the service and the service itself look the same",
        "从这里无法区分服务前面的代理与服务本身",
    ),
    phrase(
        "outlive_age",
        "Raise the limit above {seconds} where it is set, or let clients come back with jitter and go on where they were",
        "在设置处把上限调到大于 {seconds}，或让客户端带抖动重连并从中断处继续",
    ),
    phrase(
        "beat_sooner",
        "Send a heartbeat each {half} or more often, or raise the timer above {seconds} on that side",
        "每 {half}或更频繁地发送心跳，或把该侧的超时调到大于 {seconds}",
    ),
    phrase(
        "title_clump",
        "{count} connections of {upstream} ended at one moment",
        "{upstream} 的 {count} 个连接在同一时刻结束",
    ),
    phrase(
        "ended_together",
        "{count} connections of {upstream} ({share} of them) ended within {seconds}, of different ages",
        "{upstream} 的 {count} 个连接（占 {share}）在 {seconds}内结束，存活时间各不相同",
    ),
    phrase(
        "was_told",
        "Shortly before, somebody told of: {kind} {subject}",
        "不久之前有人通报：{kind} {subject}",
    ),
    phrase(
        "nobody_there",
        "{count} attempts soon after found nobody there",
        "随后有 {count} 次连接尝试无人应答",
    ),
    phrase(
        "hop_reaches_nobody",
        "{count} attempts soon after were answered 502, 503 or 504, and none before: a proxy is there, and what it stands \
         before has gone",
        "随后有 {count} 次尝试得到 502、503 或 504，此前没有：代理仍在，而其后面的服务已不在",
    ),
    phrase(
        "youngest_spared",
        "{count} connections lived on that were opened shortly before, and none older than that ({seconds}): whoever ended \
         the others had taken no new ones for a while",
        "此前不久建立的 {count} 个连接仍然存活，更早的（{seconds}以上）无一存活：结束它们的进程此前已有一段时间不再接受新连接",
    ),
    phrase(
        "let_in_elsewhere",
        "For {seconds} nobody got a connection there, while {count} were let in elsewhere",
        "有 {seconds}无法在该处建立连接，期间其他上游接受了 {count} 个连接",
    ),
    phrase(
        "let_in_at_once",
        "New connections opened there at once ({count} soon after): its address answered all along",
        "新连接立即可以建立（随后共 {count} 个）：该地址始终有应答",
    ),
    phrase(
        "proxy_listens",
        "The program that listens there is {product}: a proxy",
        "在该处监听的程序是 {product}：一个代理",
    ),
    phrase(
        "maybe_handover",
        "the service itself, whose new process takes its listener over",
        "服务自身：由新进程接管监听套接字",
    ),
    phrase(
        "maybe_behind",
        "what the proxy stands before ended them, and was back at once",
        "由代理后面的服务结束，且随即恢复",
    ),
    phrase("new_process", "Its process was started then", "其进程在当时重新启动"),
    phrase("same_process", "Its process is the same as before", "其进程与之前相同"),
    phrase("maybe_restart", "a restart without a farewell in place of a crash", "没有告别的重启，而不是崩溃"),
    phrase("maybe_network", "a break of the network to many at once", "同时影响许多连接的网络中断"),
    phrase(
        "tell_deploys",
        "Tell of deploys and reloads: `POST /api/v1/events`; look at the start times of the processes",
        "通报部署与重载：`POST /api/v1/events`；查看进程的启动时间",
    ),
    phrase(
        "drain_first",
        "Close in small groups with 1001 or 1012 before a process goes, and let clients come back with jitter",
        "进程退出前用 1001 或 1012 分批关闭，并让客户端带抖动重连",
    ),
    phrase(
        "title_code",
        "connections end with code {code} of the {leg} side",
        "连接以{leg}一侧的代码 {code} 结束",
    ),
    phrase(
        "ended_by_code",
        "{count} connections ({share} of the ends) were ended by the {leg} side with code {code}",
        "{count} 个连接（占结束的 {share}）由{leg}一侧以代码 {code} 结束",
    ),
    phrase(
        "code_is_registered",
        "Code {code} is its own word (RFC 6455, section 7.4.1): the {leg} side owns the reason",
        "代码 {code} 是其自己的说明（RFC 6455 第 7.4.1 节）：原因在{leg}一侧",
    ),
    phrase(
        "own_meaning",
        "code {code} means what the application says it means",
        "代码 {code} 的含义由应用自行定义",
    ),
    phrase("look_up_code", "Look for code {code} in the application", "在应用中查找代码 {code}"),
    phrase(
        "ended_at_once",
        "{count} of them ended within a second of their opening",
        "其中 {count} 个在建立后一秒内结束",
    ),
    phrase(
        "ask_sender",
        "In the application of the {leg} side: what sends code {code}, and the log of that instant",
        "在{leg}一侧的应用中：查找发送代码 {code} 的位置以及当时的日志",
    ),
    phrase("title_opening", "{count} handshakes fail ({share})", "{count} 次握手失败（{share}）"),
    phrase(
        "attempts_failed",
        "{count} of {all} attempts ({share}) failed in the same way",
        "{all} 次尝试中有 {count} 次（{share}）以同样的方式失败",
    ),
    phrase("all_answered", "They were answered {status}", "它们得到的应答是 {status}"),
    phrase("said_so", "{count} of them: {detail}", "其中 {count} 次：{detail}"),
    phrase("mostly_at", "{share} of them at {upstream}", "其中 {share} 发生在 {upstream}"),
    phrase(
        "mostly_of",
        "{share} of them are of clients that call themselves {agent}, as {exposure} of all do",
        "其中 {share} 的客户端自称 {agent}，而全部连接中只占 {exposure}",
    ),
    phrase(
        "mostly_from",
        "{share} of them are of clients in {network}, where {exposure} of all are",
        "其中 {share} 的客户端位于 {network}，而全部连接中只占 {exposure}",
    ),
    phrase(
        "code_accuses",
        "By code {code} a side says that what it read was broken (RFC 6455, section 7.4.1): the other side sent it",
        "代码 {code} 表示该侧读到的内容有误（RFC 6455 第 7.4.1 节）：由另一侧发出",
    ),
    phrase(
        "breach_seen",
        "On {count} of them what came from the {leg} side broke RFC 6455 when it came here: {kind}",
        "其中 {count} 个连接上，来自{leg}一侧的数据到达这里时已违反 RFC 6455：{kind}",
    ),
    phrase(
        "well_when_read",
        "what came from the {leg} side was in order here: something behind this gateway may change it, or the other side \
         misreads it",
        "来自{leg}一侧的数据在这里是正常的：可能在本网关之后被改动，或被另一侧误读",
    ),
    phrase(
        "kernel_answers",
        "On {count} of them its kernel acknowledged at once what was sent: the way is not slow",
        "其中 {count} 个连接上，其内核立即确认了发送的数据：网络并不慢",
    ),
    phrase("maybe_way", "the way to it is slow, or lost", "通往它的路径缓慢或中断"),
    phrase(
        "maybe_machine",
        "`host-cpu-saturation-or-steal`: its machine gives it no time",
        "`host-cpu-saturation-or-steal`：其机器没有给它 CPU 时间",
    ),
    phrase(
        "at_ceiling",
        "{connections} connections were open at the time, always about as many, though {let_in} were let in between them \
         when others had gone",
        "当时已有 {connections} 个连接，且一直如此，尽管其间在其他连接离开后又有 {let_in} 个成功建立",
    ),
    phrase("as_meant", "the service means it so", "服务本来就如此设计"),
    phrase(
        "run_diagnose",
        "`heartline diagnose URL` with the fields that these clients send",
        "用这些客户端发送的字段运行 `heartline diagnose URL`",
    ),
    phrase(
        "mend_opening",
        "Look at the service's log at these times, and at what the answer says",
        "查看这些时刻的服务日志以及应答内容",
    ),
    phrase(
        "crowd_opens_straight",
        "Straight to {upstream} all {connections} open",
        "直接连接 {upstream} 时 {connections} 个全部打开",
    ),
    phrase("service_itself", "the service itself may have room for no more", "服务本身可能已没有余量"),
    phrase("ended_share", "They are {share} of all that ended", "它们占全部结束的 {share}"),
    phrase(
        "pings_unanswered",
        "On {count} of them Pings towards the other side had no answer",
        "其中 {count} 个连接上，发往另一侧的 Ping 没有得到应答",
    ),
    phrase(
        "maybe_firewall",
        "a firewall on the way that drops, in place of a full accept queue",
        "途中丢弃报文的防火墙，而不是接受队列已满",
    ),
    phrase(
        "look_at_queue",
        "On the service's machine: `ss -ltn` (Recv-Q above Send-Q) and ListenOverflows in `nstat`",
        "在服务所在机器上：`ss -ltn`（Recv-Q 大于 Send-Q）以及 `nstat` 中的 ListenOverflows",
    ),
    phrase("maybe_workers", "a pool of workers that is used up", "工作进程池已耗尽"),
    phrase("maybe_hang", "a handshake that hangs for another reason", "握手因其他原因挂起"),
    phrase("some_are_served", "{count} are served meanwhile", "同时有 {count} 个正在被服务"),
    phrase(
        "unacked_at_end",
        "On {count} connections nothing was acknowledged any more when they ended, and bytes were on their way",
        "有 {count} 个连接在结束时已不再有确认，且仍有数据在途",
    ),
    phrase(
        "silent_before",
        "They had been silent for {seconds} before the first byte that was not acknowledged",
        "在首个未被确认的字节之前，它们已静默 {seconds}",
    ),
    phrase("busy_before", "They were in use until then", "在此之前它们一直有数据往来"),
    phrase(
        "watch_and_beat",
        "A heartbeat each 25 s or more often, and TCP_USER_TIMEOUT of 20-30 s on the server's side",
        "每 25 秒或更频繁地发送心跳，并在服务端设置 20-30 秒的 TCP_USER_TIMEOUT",
    ),
    phrase(
        "maybe_other_loss",
        "the other of: a path that forgot an idle flow, a client that lost its network",
        "另一种可能：空闲流被中间设备遗忘，或客户端失去网络",
    ),
    phrase(
        "http_status",
        "They were answered {status}, or with a type that is not `application/grpc`: whoever answers speaks no gRPC",
        "应答为 {status} 或类型不是 `application/grpc`：应答方不使用 gRPC",
    ),
    phrase(
        "calls_in_flow",
        "Messages flowed over {count} of them until then: silence is not what counts",
        "其中 {count} 个在此之前一直有消息传输：计的不是静默时间",
    ),
    phrase("calls_status_is", "They ended with the status {status}", "它们以状态 {status} 结束"),
    phrase(
        "calls_no_deadline",
        "None of them had a deadline of the client (`grpc-timeout`)",
        "它们都没有客户端的截止时间（`grpc-timeout`）",
    ),
    phrase(
        "calls_other_deadline",
        "The deadlines of the client (`grpc-timeout`, on {count}) are not at that age",
        "客户端的截止时间（`grpc-timeout`，{count} 个带有）并不在该时长",
    ),
    phrase(
        "calls_own_timer",
        "the service itself, which resets its calls at that age",
        "服务自身在该时长重置调用",
    ),
    phrase(
        "calls_hop_timer",
        "a proxy on the way that speaks gRPC and gives that status by itself",
        "途中会说 gRPC 的代理自行给出该状态",
    ),
    phrase(
        "maybe_counted",
        "whoever ends them counts messages: each had {messages}",
        "结束连接的一方统计的是消息数：每个都有 {messages} 条",
    ),
    phrase(
        "goaway_moments",
        "That came at {count} different moments, while others went on: it was not one restart",
        "这发生在 {count} 个不同时刻，期间其他连接继续：不是一次重启",
    ),
    phrase(
        "maybe_restarts",
        "processes of the service that are replaced one after the other",
        "服务进程被逐个替换",
    ),
    phrase(
        "reset_in_silence",
        "{count} calls were reset after a silence of {seconds} (most: {low} to {high}), none while messages flowed",
        "{count} 个调用在静默 {seconds}后被重置（多数在 {low} 到 {high} 之间），没有一个是在传输消息时",
    ),
    phrase(
        "no_status",
        "They were reset without a status, which a service sends",
        "重置时没有服务会发送的状态",
    ),
    phrase("calls_ended", "{count} calls ended so", "{count} 个调用以此方式结束"),
    phrase(
        "calls_goaway_says",
        "The upstream's GOAWAY says {error}: {debug}",
        "上游的 GOAWAY 为 {error}：{debug}",
    ),
    phrase("calls_status_says", "Their status says: {message}", "其状态说明为：{message}"),
    phrase(
        "calls_stalled_for",
        "Data waited for the receiver's window for {seconds} (median)",
        "数据等待接收方窗口 {seconds}（中位数）",
    ),
    phrase(
        "see_manual",
        "See the manual page of this cause: `heartline explain {id}`",
        "参见该原因的手册页：`heartline explain {id}`",
    ),
    phrase(
        "unterminated",
        "{count} streams brought {bytes} and not one event",
        "{count} 个流传送了 {bytes}，却没有一个事件",
    ),
    phrase(
        "short_and_back",
        "{count} streams lived {seconds} (median) and their clients were back after {back}",
        "{count} 个流存活 {seconds}（中位数），其客户端在 {back}后重连",
    ),
    phrase(
        "in_batches",
        "{count} of {all} streams bring {mean} events with each read",
        "{all} 个流中有 {count} 个每次读取带来 {mean} 个事件",
    ),
    phrase("maybe_other_batch", "the service itself writes in batches", "服务本身成批写出"),
];

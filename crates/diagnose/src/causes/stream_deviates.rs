//! Something was seen that no healthy stream shows, whatever its cause.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::expected;
use crate::experiment::Via;
use crate::openings::ask_straight;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "stream-deviates",
    number: 960,
    severity: Severity::Warning,
    manual: Manual {
        title: text("a stream shows what no healthy one does", "连接出现健康连接不会有的现象"),
        symptoms: text(
            "“Something is odd”: it works most of the time, and nobody can say what is wrong.",
            "“有点不对劲”：大多数时候可用，但没人说得清哪里有问题。",
        ),
        evidence: text(
            "What was seen is compared with a list of what each healthy stream shows: it opens within a second \
             also as browsers ask for it; it ends as announced; Pings and a Close are answered, also after a \
             silence; what is sent is taken; messages come back once, soon, all of them, valid; ids of events \
             differ and go up; each line of an event stream is a field or a comment; each call has a status; an even flow \
             goes on; what comes can be read, whole, as it was written; some streams fit on a connection of HTTP/2.",
            "把所见与健康连接的清单对比：按浏览器的方式请求也能在一秒内打开；按约定结束；Ping 与 Close 得到应答，静默之后也是如此；发送的数据被接收；消息及时、完整、有效地返回且只返回一次；事件 id 各不相同且递增；事件流的每一行都是字段或注释；每个调用都有状态；均匀的消息流持续；收到的内容完整、可读、未被误读；一个 HTTP/2 连接容得下若干流。",
        ),
        look_alikes: text(
            "A service that means it so: one that answers only some messages, or gives several events one id.",
            "服务有意如此：只应答部分消息，或让多个事件共用一个 id。",
        ),
        fix: text(
            "Make the measurement that the finding names; what it shows names the place. Then the same \
             examination must find nothing.",
            "执行该结论给出的测量，结果会指出位置。之后同样的检查应不再有发现。",
        ),
        sources: &[
            "RFC 6455, sections 5.5 and 7",
            "RFC 9113, section 5.2",
            "https://html.spec.whatwg.org/multipage/server-sent-events.html",
            "https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md",
        ],
    },
    phrases: &[
        phrase(
            "odd_opening",
            "{count} of {all} requests that differ only as those of browsers do are refused",
            "{all} 个仅以浏览器方式变化的请求中有 {count} 个被拒绝",
        ),
        phrase(
            "odd_stages",
            "{count} of {all} openings had a stage of a second or more",
            "{all} 次打开中有 {count} 次某个阶段耗时一秒以上",
        ),
        phrase(
            "odd_end",
            "the peer ended {count} of {all} streams, and not as one that is done",
            "对端结束了 {all} 个连接中的 {count} 个，且不是正常完成的方式",
        ),
        phrase(
            "odd_farewell",
            "the peer ended {count} of {all} held streams by a normal Close that nobody had asked for",
            "对端以正常的 Close 结束了 {all} 个保持的连接中的 {count} 个，而并没有人要求",
        ),
        phrase(
            "odd_status",
            "{count} of {all} calls have a status of a call that broke, or of a method that is not there",
            "{all} 个调用中有 {count} 个的状态表示调用中断或方法不存在",
        ),
        phrase(
            "odd_trailers",
            "{count} of {all} calls ended without a status",
            "{all} 个调用中有 {count} 个没有状态就结束",
        ),
        phrase(
            "odd_pings",
            "on {count} of {all} open streams Pings were not answered",
            "{all} 个打开的连接中有 {count} 个未应答 Ping",
        ),
        phrase(
            "odd_wake",
            "{count} of {all} streams were not there any more after a silence",
            "{all} 个连接中有 {count} 个在静默之后已不可用",
        ),
        phrase(
            "odd_goodbye",
            "on {count} of {all} streams the probe's Close was not answered",
            "{all} 个连接中有 {count} 个未应答探测发出的 Close",
        ),
        phrase(
            "odd_stall",
            "on {count} of {all} streams what was sent was not taken",
            "{all} 个连接中有 {count} 个未接收所发送的数据",
        ),
        phrase(
            "odd_echoes",
            "on {count} of {all} streams some small messages came back and others did not",
            "{all} 个连接中有 {count} 个只返回了部分小消息",
        ),
        phrase(
            "odd_echo_time",
            "on {count} of {all} streams small messages took a second or more to come back",
            "{all} 个连接中有 {count} 个的小消息需一秒以上才返回",
        ),
        phrase(
            "odd_jitter",
            "on {count} of {all} streams some small messages took far longer than most to come back",
            "{all} 个连接中有 {count} 个的部分小消息返回耗时远超其他消息",
        ),
        phrase(
            "odd_change",
            "on {count} of {all} streams messages came back changed",
            "{all} 个连接中有 {count} 个的消息返回时被改动",
        ),
        phrase(
            "odd_opcode",
            "on {count} of {all} streams text came back as binary messages",
            "{all} 个连接中有 {count} 个的文本以二进制消息返回",
        ),
        phrase(
            "odd_twice",
            "on {count} of {all} streams messages came back more than once",
            "{all} 个连接中有 {count} 个的消息重复返回",
        ),
        phrase(
            "odd_frames",
            "the frames of {count} of {all} streams break the protocol",
            "{all} 个连接中有 {count} 个的帧违反协议",
        ),
        phrase(
            "odd_text",
            "{count} of {all} streams brought text that is no UTF-8",
            "{all} 个连接中有 {count} 个带来了非 UTF-8 文本",
        ),
        phrase(
            "odd_ids",
            "on {count} of {all} streams several events have the same id: they come twice, or cannot be resumed from",
            "{all} 个流中有 {count} 个的多个事件使用同一 id：事件重复，或无法据此续传",
        ),
        phrase(
            "odd_order",
            "on {count} of {all} streams the ids of events go back at times",
            "{all} 个流中有 {count} 个的事件 id 有时倒退",
        ),
        phrase(
            "odd_turn",
            "on {count} of {all} streams messages come in another order than the numbers in them",
            "{all} 个流中有 {count} 个的消息到达顺序与其中的编号不一致",
        ),
        phrase(
            "odd_gaps",
            "on {count} of {all} streams the ids of events leave numbers out",
            "{all} 个流中有 {count} 个的事件 id 有缺号",
        ),
        phrase(
            "odd_holes",
            "on {count} of {all} streams numbered messages are left out or come twice",
            "{all} 个流中有 {count} 个的带编号消息有缺失或重复",
        ),
        phrase(
            "odd_nul",
            "{count} of {all} streams have ids with a NUL: clients ignore them and cannot resume",
            "{all} 个流中有 {count} 个的 id 含有 NUL：客户端会忽略，无法续传",
        ),
        phrase(
            "odd_charset",
            "{count} of {all} event streams call themselves other than UTF-8, as which they are read",
            "{all} 个事件流中有 {count} 个声明了 UTF-8 以外的字符集，而客户端始终按 UTF-8 读取",
        ),
        phrase(
            "odd_lines",
            "{count} of {all} streams have lines that are neither a field nor a comment: clients ignore them",
            "{all} 个流中有 {count} 个含有既非字段也非注释的行：客户端会忽略它们",
        ),
        phrase(
            "odd_coding",
            "{count} of {all} streams are compressed though the request offers no compression",
            "{all} 个流中有 {count} 个被压缩，而请求并未提供压缩",
        ),
        phrase(
            "odd_http2",
            "what came on {count} of {all} streams is no HTTP/2, so that the connection was over",
            "{all} 个流中有 {count} 个收到的内容不符合 HTTP/2，连接因此终止",
        ),
        phrase(
            "odd_unreadable",
            "{count} of {all} streams brought messages that no client can read: their compression was not told, or fails",
            "{all} 个流中有 {count} 个带来了客户端无法读取的消息：未说明压缩方式，或无法解压",
        ),
        phrase(
            "odd_cut",
            "{count} of {all} streams ended inside a message: what came of it is never delivered",
            "{all} 个流中有 {count} 个在一条消息中间结束：该消息不会被交付",
        ),
        phrase(
            "odd_replaced",
            "{count} of {all} streams brought text with replacement characters (U+FFFD): its bytes were misread before",
            "{all} 个流中有 {count} 个的文本含有替换字符（U+FFFD）：其字节在此前已被错误解读",
        ),
        phrase(
            "odd_room",
            "on {count} of {all} connections only a few streams may be open at once (SETTINGS_MAX_CONCURRENT_STREAMS): \
             others of the same client wait",
            "{all} 个连接中有 {count} 个只允许少数流同时打开（SETTINGS_MAX_CONCURRENT_STREAMS）：同一客户端的其他流须等待",
        ),
        phrase(
            "odd_stop",
            "{count} of {all} streams brought messages in an even flow and then no more, without an end",
            "{all} 个流中有 {count} 个先均匀带来消息，之后不再有消息，也没有结束",
        ),
        phrase(
            "odd_mute",
            "on {count} of {all} streams no message came back, and on the others they did",
            "{all} 个连接中有 {count} 个没有任何消息返回，而其他连接都有返回",
        ),
        phrase(
            "odd_waking",
            "on {count} of {all} streams the first message after a silence did not come back",
            "{all} 个连接中有 {count} 个在静默之后的第一条消息没有返回",
        ),
        phrase(
            "two_streams",
            "Open as many streams on one connection as a client has: which of them waits for another's end?",
            "在一个连接上打开与客户端同样多的流：哪一个要等另一个结束？",
        ),
        phrase("straight_too", "Straight at {upstream} it is the same", "直连 {upstream} 也一样"),
        phrase("straight_not", "Straight at {upstream} it is not so", "直连 {upstream} 则不是如此"),
        phrase("is_meant", "the service means it so", "服务有意如此"),
        phrase(
            "vary_alone",
            "See which of the requests is refused (`-v`), and send it with and without that one field",
            "用 `-v` 查看哪个请求被拒绝，并在有无该字段的情况下各发送一次",
        ),
        phrase(
            "time_hops",
            "Time the same straight at each hop: the first one that is quick lies behind the slow one",
            "逐跳直接测量同样的耗时：第一个变快的一跳之前就是慢的位置",
        ),
        phrase(
            "read_log_then",
            "Read the log of the service, and of each hop, at that instant",
            "查看服务与各跳当时的日志",
        ),
        phrase(
            "capture_end",
            "Capture the bytes on both sides of each hop: the first one that shows it made it",
            "在每一跳两侧抓取字节：第一个出现该现象的位置就是其来源",
        ),
        phrase(
            "ask_reader",
            "Look on the service's machine whether the process reads that socket: `ss -tnp` (Recv-Q), and its stacks",
            "在服务所在机器上查看进程是否读取该套接字：`ss -tnp`（Recv-Q）及其调用栈",
        ),
        phrase(
            "count_hops",
            "Count the same numbered messages at their producer, at each hop and here",
            "对同一批带编号的消息，在生产者、每一跳与此处分别计数",
        ),
        phrase(
            "read_lines",
            "Read the stream as it is (`curl -N`): is each line of the data behind a `data:` of its own?",
            "查看原始流（`curl -N`）：数据的每一行是否都有自己的 `data:`？",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    seen.plain().filter(|plain| plain.is_open())?;
    let told: Vec<_> = expected::ALL.iter().filter_map(|it| Some((it, it.told(seen)?))).collect();
    let (first, said) = told.first()?;
    let (count, all) = first.count(seen, Via::Direct);
    let compared = match (all, count) {
        (0, _) => None,
        (_, 0) => Some("straight_not"),
        _ => Some("straight_too"),
    };
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let claim = Claim::of(&CAUSE, Place::Unknown, said.clone())
        .titled(said.clone())
        .suspected()
        .noted(compared.map(|code| Said::new(code).with("upstream", upstream)))
        .unless(Said::new("is_meant"))
        .next(ask_straight(seen).unwrap_or_else(|| Said::new(first.next)));
    Some(told.iter().skip(1).fold(claim, |claim, (_, said)| claim.noted(said.clone())).finding())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Attempt, Message, Sign, Stream, Woken};
    use crate::attempt::{Fault, StageName};
    use crate::experiment::{Check, Vary};
    use crate::scene::{
        DIRECT, SILENT, Scene, URL, answer, close, cut_at, echoed, end, event_stream, fails, found,
        greeted_by, greeting, lives, message, none, sent, talked,
    };

    fn told(scene: Scene) -> Vec<String> {
        let finding = found(probe, scene, Level::Low);
        finding.evidence.iter().map(|said| said.code.to_string()).collect()
    }

    fn greets(change: impl FnOnce(&mut Stream)) -> Scene {
        Scene::websocket().attempt(greeted_by(URL, Stream::default()).stream_with(change))
    }

    fn feeds(ids: &[&str]) -> Scene {
        let change = |stream: &mut Stream| stream.ids = ids.iter().map(|id| (*id).to_owned()).collect();
        Scene::sse().attempt(greeting(Check::Handshake, URL, None, event_stream()).stream_with(change))
    }

    fn call(stream: Stream) -> Scene {
        let head = answer(200).and("content-type", "application/grpc");
        Scene::grpc().attempt(Attempt { answer: Some(head), ..greeted_by(URL, stream) })
    }

    fn is_over() -> Stream {
        Stream { end: Some(end(0.1, Sign::BodyEnd)), ..Stream::default() }
    }

    #[test]
    fn each_deviation_is_named() {
        let compressed = Some(Vary::Compression(true));
        let refused = greeting(Check::Compression, URL, compressed.clone(), answer(400));
        assert_eq!(told(Scene::opened().attempt(refused)), ["odd_opening"]);
        let silent = fails(URL, compressed, StageName::Http, Fault::Timeout, 10.0);
        assert_eq!(told(Scene::opened().attempt(silent)), ["odd_opening"]);

        let slow = || greeted_by(URL, Stream::default()).slow(1.5);
        assert_eq!(told(Scene::websocket().attempts([slow(), slow()])), ["odd_stages"]);

        let ended = |sign| greets(|stream| stream.end = Some(end(0.3, sign)));
        for sign in [Sign::Fin, Sign::Rst, close(1003, ""), close(1011, ""), close(4400, "")] {
            assert_eq!(told(ended(sign)), ["odd_end"]);
        }
        for code in [1, 2, 12, 13, 14] {
            let scene = call(is_over()).map(|attempt| attempt.grpc(code, ""));
            assert_eq!(told(scene), ["odd_status"], "{code}");
        }
        assert_eq!(told(call(is_over())), ["odd_trailers"]);

        assert_eq!(told(greets(|stream| stream.pings = vec![None])), ["odd_pings"]);
        let beats =
            lives(URL, talked(1.0), 0.0, 5.0).stream_with(|it| it.pings = vec![Some(0.1), None, None]);
        assert_eq!(told(Scene::opened().attempt(beats)), ["odd_pings"]);
        let often = |missed| {
            let hold = lives(URL, crate::scene::pinged(0.25), 0.0, 7.0)
                .stream_with(|it| it.pings = vec![None; missed]);
            Scene::opened().attempt(hold)
        };
        assert_eq!(told(often(5)), ["odd_pings"]);
        none(probe, often(4));
        let wakes = lives(URL, SILENT, 0.0, 5.0).stream_with(|it| it.woken = Some(Woken::Unanswered));
        assert_eq!(told(Scene::opened().attempt(wakes)), ["odd_wake"]);
        let leaves = || greeted_by(URL, Stream { is_close_answered: Some(false), ..Stream::default() });
        assert_eq!(told(Scene::websocket().attempts([leaves(), leaves()])), ["odd_goodbye"]);

        let stalls = sent(URL, 1 << 20, Err(None))
            .stream_with(|stream| (stream.sent, stream.stalled) = (vec![0.1], 10.0));
        assert_eq!(told(Scene::opened().attempt(stalls)), ["odd_stall"]);
        let unsent = |stalled| {
            let change =
                |stream: &mut Stream| (stream.sent, stream.unsent, stream.stalled) = (vec![0.1], 9, stalled);
            Scene::opened().attempt(sent(URL, 1 << 20, Err(None)).stream_with(change))
        };
        assert_eq!(told(unsent(2.0)), ["odd_stall"]);
        none(probe, unsent(0.1));
        let holds = |echoes: [Option<f64>; 3]| {
            Scene::opened()
                .attempt(lives(URL, talked(1.0), 0.0, 3.0).stream_with(|it| it.echoes = echoes.into()))
        };
        assert_eq!(told(holds([Some(0.01), None, Some(0.01)])), ["odd_echoes"]);
        assert_eq!(told(holds([Some(1.2); 3])), ["odd_echo_time"]);
        let row = |latest| {
            let mut trips = [0.01; 10];
            trips[4] = latest;
            echoed(URL, &trips, &[])
        };
        assert_eq!(told(Scene::opened().attempt(row(0.7))), ["odd_jitter"]);
        none(probe, Scene::opened().attempt(row(0.3)));
        let changed = row(0.01).stream_with(|stream| (stream.sent, stream.altered) = (vec![0.1], 1));
        assert_eq!(told(Scene::opened().attempt(changed)), ["odd_change"]);
        let binary = |stream: &mut Stream| {
            let opcode = Some(model::words::Opcode::Binary);
            (stream.echoes, stream.messages) =
                (vec![Some(0.01)], vec![Message { opcode, ..message(0.1, 1, 9) }]);
        };
        assert_eq!(told(greets(binary)), ["odd_opcode"]);
        let leaves = cut_at(URL, SILENT, 0.0, 9.0, close(1000, ""));
        assert_eq!(told(Scene::opened().attempt(leaves)), ["odd_farewell"]);
        let packed = event_stream().and("content-encoding", "gzip");
        assert_eq!(told(Scene::sse().plain(packed)), ["odd_coding"]);
        let late = lives(URL, SILENT, 0.0, 5.0).stream_with(|it| it.woken = Some(Woken::Answered(1.4)));
        assert_eq!(told(Scene::opened().attempt(late)), ["odd_wake"]);

        let twice = sent(URL, 1024, Ok(0.01)).stream_with(|stream| stream.repeated = 1);
        assert_eq!(told(Scene::opened().attempt(twice)), ["odd_twice"]);

        let broken = |stream: &mut Stream| {
            stream.messages = vec![Message { broken_at: Some(3), ..message(0.1, 1, 9) }];
        };
        assert_eq!(told(greets(broken)), ["odd_text"]);
        let scrambled = |stream: &mut Stream| {
            stream.violations = vec![(model::event::FrameViolation::Masked, 2)];
        };
        assert_eq!(told(greets(scrambled)), ["odd_frames"]);

        assert_eq!(told(feeds(&["1", "1", "2", "2"])), ["odd_ids"]);
        assert_eq!(told(feeds(&["a", "b", "c", "a"])), ["odd_ids"]);
        assert_eq!(told(feeds(&["1", "2", "3", "5", "4", "6", "7"])), ["odd_order"]);
        let pairs: Vec<String> = (0..12).map(|place: u64| (place ^ 1).to_string()).collect();
        assert_eq!(told(feeds(&pairs.iter().map(String::as_str).collect::<Vec<_>>())), ["odd_order"]);
        assert_eq!(told(feeds(&["1", "2", "3", "4", "5", "8", "9", "10", "11"])), ["odd_gaps"]);
        let feed = |via, numbers: &[u64]| {
            let message = |number: &u64| Message { numbers: vec![7, *number], ..message(0.1, 1, 9) };
            let messages = numbers.iter().map(message).collect();
            lives(via, SILENT, 0.0, 6.0).stream_with(|stream| stream.messages = messages)
        };
        let pushed = |numbers: &[u64]| Scene::opened().attempt(feed(URL, numbers));
        assert_eq!(told(pushed(&[1, 2, 3, 5, 4, 6, 7, 8, 9, 10, 12, 11])), ["odd_turn"]);
        none(probe, pushed(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));
        none(probe, pushed(&[12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]));
        none(probe, pushed(&[1, 2, 3, 4, 3, 4, 5, 6, 5, 6, 7, 8]));
        none(probe, pushed(&[10, 30, 20, 40, 60, 50, 90, 70, 110, 100, 130, 120]));
        let straight =
            |scene: Scene, numbers: &[u64]| scene.direct("10.0.3.7:80").attempt(feed(DIRECT, numbers));
        let (all, holes) =
            ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13]);
        let twice = [1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11];
        assert_eq!(told(straight(pushed(&holes), &all)), ["odd_holes", "straight_not"]);
        assert_eq!(told(straight(pushed(&twice), &all)), ["odd_holes", "straight_not"]);
        none(probe, straight(pushed(&holes), &twice));
        none(probe, pushed(&holes));
        none(probe, straight(pushed(&all), &holes));
        assert_eq!(told(feeds(&["1\0", "2\0"])), ["odd_nul"]);
        let typed = |kind: &str| Scene::sse().plain(answer(200).and("content-type", kind));
        assert_eq!(told(typed("text/event-stream; charset=iso-8859-1")), ["odd_charset"]);
        none(probe, typed("text/event-stream; Charset=\"UTF-8\"; x=y"));
        let lines = |stream: &mut Stream| (stream.bytes_seen, stream.ignored_lines) = (90, 2);
        assert_eq!(told(feeds(&[]).map(|attempt| attempt.stream_with(lines))), ["odd_lines"]);
    }

    #[test]
    fn what_comes_is_to_be_read_whole() {
        let unreadable = |stream: &mut Stream| (stream.bytes_seen, stream.unreadable) = (90, 1);
        assert_eq!(told(greets(unreadable)), ["odd_unreadable"]);
        let replaced = |stream: &mut Stream| {
            (stream.messages, stream.replaced) = (vec![message(0.1, 1, 9)], 1);
        };
        assert_eq!(told(greets(replaced)), ["odd_replaced"]);
        let cut = |sign, is_end_inside| {
            feeds(&[]).map(|it| {
                it.stream_with(|it| (it.end, it.is_end_inside) = (Some(end(0.3, sign)), is_end_inside))
            })
        };
        assert_eq!(told(cut(Sign::BodyEnd, true)), ["odd_cut"]);
        none(probe, cut(Sign::BodyEnd, false));
    }

    #[test]
    fn what_comes_is_http2_with_room() {
        let over = |answer: crate::attempt::Answer, stream: Stream| {
            let answer = crate::attempt::Answer { version: "2".to_owned(), ..answer };
            Scene::grpc().attempt(Attempt { answer: Some(answer), ..greeted_by(URL, stream) })
        };
        let broken =
            Stream { end: Some(end(0.3, Sign::Broken("COMPRESSION_ERROR".to_owned()))), ..Stream::default() };
        assert_eq!(told(over(answer(200), broken)), ["odd_end", "odd_http2"]);
        let room =
            |streams_max| over(crate::attempt::Answer { streams_max, ..answer(200) }, Stream::default());
        assert_eq!(told(room(Some(1))), ["odd_room"]);
        none(probe, room(Some(100)));
        none(probe, room(None));
    }

    #[test]
    fn an_even_flow_goes_on() {
        let flow = |number: u64, each: f64, age: f64| {
            let messages = (0..10).map(|nth| message(number as f64 + f64::from(nth) * each, 1, 9)).collect();
            lives(URL, SILENT, number as f64, number as f64 + age)
                .stream_with(|it| (it.messages, it.messages_seen) = (messages, 10))
        };
        let flows =
            |each, age| Scene::sse().plain(event_stream()).attempts([flow(0, each, age), flow(2, each, age)]);
        assert_eq!(told(flows(0.2, 6.0)), ["odd_stop"]);
        none(probe, flows(0.2, 3.0));
        none(probe, flows(0.001, 6.0));
        none(probe, Scene::sse().plain(event_stream()).attempt(flow(0, 0.2, 6.0)));
        let beats = || flow(0, 0.2, 6.0).stream_with(|it| it.comments = vec![5.0]);
        none(probe, Scene::sse().plain(event_stream()).attempts([beats(), beats()]));
    }

    #[test]
    fn streams_are_compared_with_each_other() {
        let mute = || greeted_by(URL, Stream { sent: vec![0.1], echoes: vec![None], ..Stream::default() });
        let row = || echoed(URL, &[0.01; 10], &[]);
        assert_eq!(told(Scene::opened().attempts([row(), mute()])), ["odd_mute"]);
        none(probe, Scene::opened().attempts([mute(), mute()]));
        let woken = |came| {
            lives(URL, SILENT, 0.0, 5.0)
                .stream_with(|it| (it.woken, it.woken_echo) = (Some(Woken::Answered(0.01)), Some(came)))
        };
        assert_eq!(told(Scene::opened().attempts([row(), woken(false)])), ["odd_waking"]);
        none(probe, Scene::opened().attempts([row(), woken(true)]));
        none(probe, Scene::opened().attempts([mute(), woken(false)]));
    }

    #[test]
    fn http2_without_extended_connect_is_legal() {
        let both = Some(Vary::Alpn(crate::experiment::Alpn::Both));
        let refused = |fault| fails(URL, both.clone(), StageName::Upgrade, fault, 0.01);
        none(probe, Scene::opened().attempt(refused(Fault::Answer).agreed("h2")));
        assert_eq!(told(Scene::opened().attempt(refused(Fault::Answer).agreed("http/1.1"))), ["odd_opening"]);
    }

    #[test]
    fn what_healthy_streams_do() {
        none(probe, Scene::opened());
        none(probe, greets(|stream| stream.end = Some(end(0.3, close(1000, "")))));
        none(probe, greets(|stream| (stream.pings, stream.echoes) = (vec![Some(0.2)], vec![None])));
        none(probe, Scene::websocket().attempt(greeted_by(URL, Stream::default()).slow(1.5)));
        none(probe, Scene::opened().attempt(sent(URL, 1 << 20, Err(Some(close(1009, ""))))));
        none(probe, Scene::opened().attempt(echoed(URL, &[0.1; 10], &[0.1; 10])));
        let pushes = lives(URL, talked(1.0), 0.0, 3.0).stream_with(|it| it.echoes = vec![None; 3]);
        none(probe, Scene::opened().attempt(pushes));
        let leaving = lives(URL, talked(1.0), 0.0, 5.0).stream_with(|it| it.pings = vec![Some(0.1), None]);
        none(probe, Scene::opened().attempt(leaving));
        for code in [0, 3, 5, 16] {
            none(probe, call(is_over()).map(|attempt| attempt.grpc(code, "")));
        }
        for ids in
            [&["1", "2", "3"][..], &["9", "8", "7"], &["x", "b", "q"], &["3", "90", "4", "17", "2", "6"]]
        {
            none(probe, feeds(ids));
        }
        none(probe, Scene::websocket().plain(answer(403)));
    }

    #[test]
    fn the_service_is_compared() {
        let mute = |via| greeted_by(via, Stream { pings: vec![None], ..Stream::default() });
        let scene = || Scene::websocket().direct("10.0.3.7:80").attempt(mute(URL));
        assert_eq!(told(scene().attempt(mute(Via::Direct))), ["odd_pings", "straight_too"]);
        let answers = mute(Via::Direct).stream_with(|stream| stream.pings = vec![Some(0.1)]);
        assert_eq!(told(scene().attempt(answers)), ["odd_pings", "straight_not"]);
    }
}

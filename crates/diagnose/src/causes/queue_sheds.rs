//! A queue of this gateway drops messages for clients that take less than they are sent.

use std::collections::BTreeMap;

use model::Leg;
use model::finding::{Affected, Finding, Place, Said, Severity};
use model::queue::{QueueFacts, QueuedClass};
use model::record::What;

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::{Population, Slow, between};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "queue-sheds",
    number: 977,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "Heartline's queue drops messages for clients that take too little",
            "Heartline 的队列为接收过慢的客户端丢弃消息",
        ),
        symptoms: text(
            "On a route with `queue`, some clients get only a part of the messages: those of low priority, or old ones, are \
             missing, while others arrive on time.",
            "在配置了 `queue` 的路由上，部分客户端只收到一部分消息：低优先级或较旧的消息缺失，其余准时到达。",
        ),
        evidence: text(
            "The queue of the connection itself counts what it drops, by class and policy (`queue` of the connection, \
             `heartline_queue_dropped_messages_total`). Messages that a later one of the same key stands for \
             (`coalesce`) are left out.",
            "连接的队列自身按类别与策略统计所丢弃的消息（连接的 `queue` 字段，`heartline_queue_dropped_messages_total`）。\
             由同一键的后续消息取代的消息（`coalesce`）不计入。",
        ),
        look_alikes: text(
            "A few slow clients: others on the same route are sent as much and take it all. The service floods everybody: \
             nearly all connections lose messages at once. `messages-lost`: the service itself or a proxy drops them, and no \
             queue here counts it. `narrow-link-or-bufferbloat`: the client reads, and the link to it is full.",
            "少数慢客户端：同一路由上的其他连接收到同样多的消息且全部取走。服务向所有客户端过量发送：几乎所有连接同时丢失消息。\
             `messages-lost`：由服务自身或代理丢弃，这里的队列没有计数。`narrow-link-or-bufferbloat`：客户端在读取，但通往它的链路已满。",
        ),
        fix: text(
            "A few slow clients: make their handler of messages cheaper, or send them less (a subscription to what they \
             show). Everybody: send less, merge what replaces itself (`coalesce`), and give what matters a class of its own. \
             Where nothing may be lost, `policy: disconnect` lets the client come back and resume.",
            "少数慢客户端：降低其消息处理的开销，或减少发送给它的内容（只订阅所展示的部分）。所有客户端：减少发送，合并会被更新取代的\
             消息（`coalesce`），并为重要消息单设类别。若任何消息都不可丢失，`policy: disconnect` 让客户端重新连接并续传。",
        ),
        sources: &["docs/queues.md", "RFC 9293, section 3.8.6"],
    },
    phrases: &[
        phrase(
            "title",
            "The queue drops `{class}` messages: clients take less than they are sent",
            "队列丢弃 `{class}` 消息：客户端取走的少于发给它的",
        ),
        phrase(
            "few_title",
            "A few slow clients: the queue drops `{class}` messages for them",
            "少数慢客户端：队列为其丢弃 `{class}` 消息",
        ),
        phrase(
            "flood_title",
            "The service sends nearly every client more than it takes: the queue drops `{class}` messages",
            "服务发给几乎每个客户端的都超过其所能取走的：队列丢弃 `{class}` 消息",
        ),
        phrase(
            "dropped",
            "The queues of {count} of {all} connections dropped {messages} messages, {of_class} of them of `{class}`",
            "{all} 个连接中有 {count} 个的队列丢弃了 {messages} 条消息，其中 {of_class} 条属于 `{class}`",
        ),
        phrase(
            "ratio",
            "Of the messages for them {share} were delivered; each is sent {rate} a second and takes {taken}",
            "发给它们的消息有 {share} 送达；每个连接每秒被发送 {rate} 条，取走 {taken} 条",
        ),
        phrase(
            "others_take_it",
            "{rest} other connections are sent {rate} a second each and take all of it",
            "另有 {rest} 个连接每秒各被发送 {rate} 条，并全部取走",
        ),
        phrase(
            "others_get_less",
            "The {rest} other connections are sent only {rate} a second each",
            "另外 {rest} 个连接每秒各只被发送 {rate} 条",
        ),
        phrase(
            "nearly_all",
            "Nearly all connections lose messages at once, whoever their clients are",
            "几乎所有连接同时丢失消息，与客户端是谁无关",
        ),
        phrase(
            "reader",
            "The kernel says the same of {count} clients: their window is shut while bytes wait",
            "内核对 {count} 个客户端给出同样结论：有数据等待发送而其窗口关闭",
        ),
        phrase("spared", "Of `{class}` nothing was dropped", "`{class}` 没有任何丢弃"),
        phrase(
            "cut",
            "{count} connections were ended with 1008, since their queue was full",
            "{count} 个连接因队列已满以 1008 结束",
        ),
        phrase(
            "link",
            "the link to {count} of the clients is full, and they may read",
            "其中 {count} 个客户端的链路已满，客户端可能在读取",
        ),
        phrase(
            "flood",
            "the service sends more than any client takes: there is no other connection to compare with",
            "服务发送的超过任何客户端所能取走的：没有其他连接可供比较",
        ),
        phrase(
            "all_slow",
            "the clients are all slow alike, such as after a release of theirs",
            "所有客户端同样慢，例如在其发布新版本之后",
        ),
        phrase("slow_too", "these clients may be slow as well", "这些客户端可能也较慢"),
        phrase(
            "compare",
            "Open one connection that takes all (`heartline load … --connections 1`): if its queue drops nothing, these clients are slow",
            "打开一个全部取走的连接（`heartline load … --connections 1`）：若其队列无丢弃，则是这些客户端慢",
        ),
        phrase(
            "ask_client",
            "At the client while it lags: `ss -tm`. Much in Recv-Q: it does not read; nothing there: the link",
            "在客户端滞后时执行 `ss -tm`：Recv-Q 很大说明其未读取；为空则是链路",
        ),
        phrase(
            "cheaper",
            "In these clients: read without waiting for what is made of the messages, or ask for less",
            "在这些客户端：读取时不要等待消息处理完成，或减少订阅",
        ),
        phrase(
            "send_less",
            "In the service: send less, or merge what a later message replaces",
            "在服务端：减少发送，或合并会被后续消息取代的内容",
        ),
        phrase(
            "coalesce",
            "On the route: only the latest of a key waits; name yours",
            "在路由上：同一键只保留最新一条；请填写实际的键",
        ),
        phrase(
            "coalesce_config",
            "queue:\n  coalesce: { json_pointer: /symbol }",
            "queue:\n  coalesce: { json_pointer: /symbol }",
        ),
    ],
    signs: Signs::population(population),
};

/// A loss counts for so long, seconds.
const RECENT_SECONDS: f64 = 120.0;
/// Least age of a connection whose rates are compared, seconds.
const AGE_MIN: f64 = 2.0;
/// Connections without loss that others are compared with.
const REST_MIN: usize = 3;
/// Connections of which nearly all lose messages.
const FLOOD_MIN: usize = 5;
/// Beyond this share it is nearly all.
const NEARLY_ALL: f64 = 0.8;
/// Others are sent as much when it is at least this part.
const AS_MUCH: f64 = 0.5;

/// What a connection with a queue has had of it.
struct Queue<'a> {
    facts: &'a QueueFacts,
    age: f64,
    has_lost: bool,
}

/// Messages a second that are sent to one of them, the median.
fn sent(queues: &[&Queue<'_>]) -> f64 {
    let all = |facts: &QueueFacts| facts.delivered() + facts.dropped();
    median(queues.iter().map(|queue| all(queue.facts) as f64 / queue.age.max(AGE_MIN)).collect())
}

/// Messages a second that one of them takes, the median.
fn taken(queues: &[&Queue<'_>]) -> f64 {
    median(queues.iter().map(|queue| queue.facts.delivered() as f64 / queue.age.max(AGE_MIN)).collect())
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    told(seen).into_iter().collect()
}

fn told(seen: &Population<'_>) -> Option<Finding> {
    let queues = queues(seen);
    let (lossy, rest): (Vec<&Queue<'_>>, Vec<&Queue<'_>>) = queues.iter().partition(|queue| queue.has_lost);
    let (class, of_class) = most_lost(&lossy)?;
    let (legs, _) = seen.slow_legs(Leg::Client);
    let of = |why: Slow| legs.iter().filter(|leg| leg.why == why).count();
    let (readers, links) = (of(Slow::Reader), of(Slow::Queue) + of(Slow::Loss));
    let cut = seen.ends_where(|record| {
        record.queue.is_some() && record.causes.first().is_some_and(|cause| cause.what == What::SlowConsumer)
    });
    let lost: u64 = lossy.iter().map(|queue| queue.facts.lost()).sum();
    let dropped = Said::new("dropped")
        .with("count", lossy.len())
        .with("all", queues.len())
        .with("messages", lost)
        .with("of_class", of_class)
        .with("class", class);
    let affected =
        Affected { connections: (lossy.len() as f64 * seen.weight).round() as u64, share_of_closes: None };
    let claim = whose(dropped, class, &lossy, &rest, links > readers)
        .noted(ratio(&lossy, lost))
        .noted(spared(&lossy).map(|class| Said::new("spared").with("class", class)))
        .noted((!cut.is_empty()).then(|| Said::new("cut").with("count", cut.len())))
        .corroborated((readers > 0).then(|| Said::new("reader").with("count", readers)))
        .unless((links > readers).then(|| Said::new("link").with("count", links)))
        .fix_by(Said::new("coalesce"), Said::new("coalesce_config"))
        .concerns(seen.route.clone(), since(seen, &lossy), affected)
        .selects(seen.selection(&cut));
    Some(claim.finding())
}

/// Whose fault it is: the others of the same route are the measure.
fn whose(dropped: Said, class: &str, lossy: &[&Queue<'_>], rest: &[&Queue<'_>], is_link: bool) -> Claim {
    let all = lossy.len() + rest.len();
    let rest: Vec<&Queue<'_>> = rest.iter().copied().filter(|queue| queue.age >= AGE_MIN).collect();
    let has_rest = rest.len() >= REST_MIN;
    let is_flood = all >= FLOOD_MIN && lossy.len() as f64 >= NEARLY_ALL * all as f64;
    let is_sent_as_much = sent(&rest) >= AS_MUCH * sent(lossy);
    let side = if is_link { Place::ClientLeg } else { Place::Client };
    let claim =
        |place, title| Claim::of(&CAUSE, place, dropped).titled(Said::new(title).with("class", class));
    let others = |code| Said::new(code).with("rest", rest.len()).with("rate", sent(&rest).round() as u64);
    let (by_client, by_service) = (Said::new("cheaper"), Said::new("send_less"));
    if is_flood {
        claim(Place::Upstream, "flood_title")
            .corroborated(Said::new("nearly_all"))
            .unless(Said::new("all_slow"))
            .next(Said::new("compare"))
            .fix(by_service)
            .fix(by_client)
    } else if has_rest && is_sent_as_much {
        claim(side, "few_title")
            .corroborated(others("others_take_it"))
            .next(is_link.then(|| Said::new("ask_client")))
            .fix(by_client)
            .fix(by_service)
    } else if has_rest {
        claim(Place::Upstream, "title")
            .corroborated(others("others_get_less"))
            .unless(Said::new("slow_too"))
            .next(Said::new("compare"))
            .fix(by_service)
            .fix(by_client)
    } else {
        claim(side, "title")
            .unless(Said::new("flood"))
            .next(Said::new("compare"))
            .fix(by_client)
            .fix(by_service)
    }
}

fn ratio(lossy: &[&Queue<'_>], lost: u64) -> Said {
    let delivered: u64 = lossy.iter().map(|queue| queue.facts.delivered()).sum();
    let share = delivered as f64 / (delivered + lost).max(1) as f64;
    Said::new("ratio")
        .share("share", share)
        .with("rate", sent(lossy).round() as u64)
        .with("taken", taken(lossy).round() as u64)
}

/// Connections with a queue that are open, or ended lately.
fn queues<'b>(seen: &'b Population<'_>) -> Vec<Queue<'b>> {
    let is_recent = |facts: &QueueFacts| {
        facts.lost() > 0 && facts.lost_last_at.is_some_and(|at| between(at, seen.now) <= RECENT_SECONDS)
    };
    let of = |facts: &'b QueueFacts, age| Queue { facts, age, has_lost: is_recent(facts) };
    let open = seen.open.iter().filter_map(|open| Some(of(open.queue.as_deref()?, open.age_seconds)));
    let ended = seen.ends.iter().chain(&seen.orderly);
    let recent = ended.filter(|record| between(record.closed_at, seen.now) <= RECENT_SECONDS);
    let ended = recent.filter_map(|record| Some(of(record.queue.as_deref()?, record.duration_seconds)));
    open.chain(ended).collect()
}

/// The class of which most was lost, and how much.
fn most_lost<'a>(lossy: &[&Queue<'a>]) -> Option<(&'a str, u64)> {
    let mut by_class: BTreeMap<&str, u64> = BTreeMap::new();
    for class in lossy.iter().flat_map(|queue| &queue.facts.classes) {
        *by_class.entry(&class.class).or_default() += class.lost();
    }
    by_class.into_iter().max_by_key(|&(_, lost)| lost).filter(|&(_, lost)| lost > 0)
}

/// The highest class that had messages, when all of them went through.
fn spared<'a>(lossy: &[&Queue<'a>]) -> Option<&'a str> {
    let first = lossy.first()?.facts.classes.iter().position(|class| class.delivered + class.dropped > 0)?;
    let name = &*lossy.first()?.facts.classes[first].class;
    let of_it = lossy.iter().flat_map(|queue| &queue.facts.classes).filter(|class| &*class.class == name);
    of_it.map(QueuedClass::lost).all(|lost| lost == 0).then_some(name)
}

fn since(seen: &Population<'_>, lossy: &[&Queue<'_>]) -> model::WallTime {
    lossy.iter().filter_map(|queue| queue.facts.lost_last_at).min().unwrap_or(seen.now)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use model::finding::{Level, Param};
    use model::tcp::TcpSample;

    use super::*;
    use crate::population::tests::{Made, NOW, at, end, evidence_of, said_of, told_of};

    /// A connection of a minute with so many messages of `low` delivered and lost.
    fn client(number: u64, delivered: u64, lost: u64) -> Made {
        let class = |name: &str, delivered, dropped| QueuedClass {
            class: name.into(),
            delivered,
            dropped,
            coalesced: 0,
        };
        let mut facts = QueueFacts::new(vec![class("high", 60, 0), class("low", delivered, lost)], 1 << 20);
        facts.lost_last_at = (lost > 0).then(|| at(NOW - 1.0));
        end(number).with(|record| record.queue = Some(Box::new(facts)))
    }

    fn clients(slow: u64, good: u64) -> impl Iterator<Item = Made> + Clone {
        let slow = (0..slow).map(|number| client(number, 12_000, 18_000));
        slow.chain((100..100 + good).map(|number| client(number, 30_000, 0)))
    }

    fn title(records: impl Iterator<Item = Made>) -> Option<String> {
        said_of(CAUSE.id, records).map(|finding| finding.title.code.to_string())
    }

    #[test]
    fn a_few_slow_clients_are_told_from_a_flood() {
        assert_eq!(told_of(CAUSE.id, clients(2, 20)), Some((Level::High, Place::Client)));
        assert_eq!(title(clients(2, 20)).as_deref(), Some("few_title"));
        assert_eq!(told_of(CAUSE.id, clients(20, 1)), Some((Level::Medium, Place::Upstream)));
        assert_eq!(title(clients(20, 1)).as_deref(), Some("flood_title"));
        assert_eq!(told_of(CAUSE.id, clients(1, 0)), Some((Level::Medium, Place::Client)));
        assert_eq!(told_of(CAUSE.id, clients(0, 20)), None);
    }

    #[test]
    fn those_who_are_sent_more_are_no_slow_clients() {
        let rest = (100..120).map(|number| client(number, 300, 0));
        let records = (0..2).map(|number| client(number, 12_000, 18_000)).chain(rest);
        assert_eq!(told_of(CAUSE.id, records.clone()), Some((Level::Medium, Place::Upstream)));
        assert!(evidence_of(CAUSE.id, records).contains(&"others_get_less".to_owned()));
    }

    #[test]
    fn others_are_no_measure_when_they_are_young_or_long_gone() {
        let with_others = |change: fn(&mut model::record::CloseRecord)| {
            let rest = (100..120).map(move |number| client(number, 30_000, 0).with(change));
            let records = (0..2).map(|number| client(number, 12_000, 18_000)).chain(rest);
            let finding = said_of(CAUSE.id, records).expect("told");
            (finding.title.code.to_string(), finding.evidence[0].params.get("all").cloned())
        };
        let young = with_others(|record| record.duration_seconds = 1.0);
        assert_eq!(young, ("title".to_owned(), Some(Param::Count(22))));
        let gone = with_others(|record| record.closed_at = at(NOW - 200.0));
        assert_eq!(gone, ("title".to_owned(), Some(Param::Count(2))));
    }

    #[test]
    fn what_the_kernel_and_close_frames_say_stands_beside_it() {
        let shut = TcpSample {
            zero_window: true,
            rwnd_limited_seconds: 9.5,
            busy_seconds: 10.0,
            notsent_bytes: 300_000,
            rtt_seconds: Some(0.001),
            min_rtt_seconds: Some(0.001),
            ..TcpSample::default()
        };
        let slow = (0..2).map(|number| client(number, 12_000, 18_000).tcp(Leg::Client, shut));
        let records = slow.chain((100..120).map(|number| client(number, 30_000, 0)));
        assert!(evidence_of(CAUSE.id, records).contains(&"reader".to_owned()));
        let cut = (0..2).map(|number| {
            let made = client(number, 12_000, 18_000);
            made.by(Leg::Client, What::SlowConsumer, model::Reason::SlowConsumer)
        });
        assert!(evidence_of(CAUSE.id, cut).contains(&"cut".to_owned()));
    }

    #[test]
    fn what_was_lost_is_told_by_class() {
        let finding = said_of(CAUSE.id, clients(2, 20)).expect("told");
        let params = &finding.evidence[0].params;
        assert_eq!(params.get("messages"), Some(&Param::Count(36_000)));
        assert_eq!(params.get("class"), Some(&Param::Text("low".to_owned())));
        let ratio = finding.evidence.iter().find(|said| said.code == "ratio").expect("told");
        assert_eq!(ratio.params.get("taken"), Some(&Param::Count(201)));
        let share = 2.0 * 12_060.0 / (2.0 * 30_060.0);
        assert_eq!(ratio.params.get("share"), Some(&Param::Share(share)));
        assert!(evidence_of(CAUSE.id, clients(2, 20)).contains(&"spared".to_owned()));
        assert_eq!(finding.affected.map(|affected| affected.connections), Some(2));
    }

    #[test]
    fn a_full_link_is_not_excluded() {
        let full = TcpSample {
            rtt_seconds: Some(1.0),
            min_rtt_seconds: Some(0.02),
            notsent_bytes: 300_000,
            unacked_bytes: 75_000,
            bytes_acked: 750_000,
            busy_seconds: 10.0,
            ..TcpSample::default()
        };
        let slow = (0..2).map(|number| client(number, 12_000, 18_000).tcp(Leg::Client, full));
        let records = slow.chain((100..120).map(|number| client(number, 30_000, 0)));
        assert_eq!(told_of(CAUSE.id, records), Some((Level::Medium, Place::ClientLeg)));
    }

    #[test]
    fn what_is_long_ago_or_only_replaced_is_no_loss() {
        let old = (0..9).map(|number| {
            client(number, 10, 10).with(|record| {
                record.queue.as_mut().expect("a queue").lost_last_at = Some(at(NOW - 300.0));
            })
        });
        assert_eq!(told_of(CAUSE.id, old), None);
        let replaced = (0..9).map(|number| {
            client(number, 10, 10).with(|record| {
                record.queue.as_mut().expect("a queue").classes[1].coalesced = 10;
            })
        });
        assert_eq!(told_of(CAUSE.id, replaced.clone()), None);
        let few = (100..102).map(|number| client(number, 12_000, 18_000));
        assert_eq!(title(few.chain(replaced)).as_deref(), Some("title"), "it is no flood");
    }
}

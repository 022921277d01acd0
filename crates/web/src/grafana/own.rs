//! Heartline itself: process, machine, what is kept, rules, notices.

use meter::families as f;
use model::language::text;

use crate::grafana::Dashboard;
use crate::grafana::layout::{Row, folded, open};
use crate::grafana::panel::{Panel, lines, stacked, stat};
use crate::grafana::query::of;

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "heartline-self",
    title: text("Heartline / Itself", "Heartline / 自身"),
    about: text(
        "What Heartline needs, keeps, drops and fails at.",
        "Heartline 自身的资源占用、存储、丢弃与失败。",
    ),
    rows,
};

fn rows() -> Vec<Row> {
    vec![
        open(text("Process", "进程"), process()),
        open(text("What is kept", "存储"), kept()),
        open(text("What is lost", "丢失"), lost()),
        folded(text("Queries and rules", "查询与规则"), rules()),
        folded(text("Notices", "通知"), notices()),
        folded(text("This machine", "本机"), machine()),
    ]
}

fn process() -> Vec<Panel> {
    vec![
        stat(text("Version", "版本"), text("Versions that run.", "正在运行的版本。"), "none")
            .ask("{{version}}", of(f::BUILD_INFO).by("version").now()),
        stat(
            text("Up for", "已运行"),
            text("Since the last start of any instance.", "距任一实例最近一次启动。"),
            "dtdurations",
        )
        .ask("", format!("time() - {}", of(f::PROCESS_START).max())),
        stat(text("CPU", "CPU"), text("CPUs used.", "使用的 CPU 数。"), "short")
            .ask("", of(f::PROCESS_CPU).rate()),
        stat(text("Memory", "内存"), text("Resident memory.", "常驻内存。"), "bytes")
            .ask("", of(f::PROCESS_RESIDENT).now()),
        stat(
            text("Open files", "打开的文件"),
            text("Share of the limit; a connection takes two.", "占上限的比例；每个连接占两个。"),
            "percentunit",
        )
        .colours(&[(0.0, "green"), (0.8, "yellow"), (0.95, "red")])
        .ask("", format!("{} / {}", of(f::PROCESS_OPEN_FDS).max(), of(f::PROCESS_MAX_FDS).max())),
        stat(
            text("Configuration", "配置"),
            text("Whether the last reload was taken over.", "最近一次重新加载是否成功。"),
            "bool_yes_no",
        )
        .colours(&[(0.0, "red"), (1.0, "green")])
        .ask("", of(f::CONFIG_RELOADED).min()),
        lines(text("CPU by instance", "各实例 CPU"), text("CPUs used.", "使用的 CPU 数。"), "short")
            .ask("{{instance}}", of(f::PROCESS_CPU).by("instance").rate()),
        lines(
            text("Memory by instance", "各实例内存"),
            text("Resident memory, and that of flight recorders.", "常驻内存，以及飞行记录器所占。"),
            "bytes",
        )
        .ask("{{instance}}", of(f::PROCESS_RESIDENT).by("instance").now())
        .ask_in_words(
            text("{{instance}} recorders", "{{instance}} 记录器"),
            of(f::RECORDER_MEMORY).by("instance").now(),
        ),
    ]
}

fn kept() -> Vec<Panel> {
    vec![
        lines(text("Series", "序列"), text("Series that are kept.", "保存的序列数。"), "short")
            .size(8, 7)
            .ask("{{instance}}", of(f::STORE_SERIES).by("instance").now()),
        lines(
            text("Samples and records", "样本与记录"),
            text("Taken to be kept, per second.", "每秒写入的样本与关闭记录。"),
            "cps",
        )
        .size(8, 7)
        .ask_in_words(text("samples", "样本"), of(f::STORE_SAMPLES).rate())
        .ask_in_words(text("close records", "关闭记录"), of(f::JOURNAL_WRITTEN).rate()),
        stacked(
            text("Disk", "磁盘"),
            text("Bytes in use by part of the data directory.", "数据目录各部分占用的字节。"),
            "bytes",
        )
        .size(8, 7)
        .ask("{{part}}", of(f::STORE_DISK_BYTES).by("part").now()),
    ]
}

fn lost() -> Vec<Panel> {
    vec![
        lines(
            text("Dropped by bounds", "因上限丢弃"),
            text(
                "Per second: label values, samples, records and log lines for which there was no room.",
                "每秒因上限而丢弃的标签值、样本、记录与日志行。",
            ),
            "cps",
        )
        .ask_in_words(
            text("label values of {{metric}}", "{{metric}} 的标签值"),
            of(f::SERIES_DROPPED).by("metric").rate(),
        )
        .ask_in_words(
            text("samples, {{reason}}", "样本，{{reason}}"),
            of(f::STORE_SAMPLES_DROPPED).by("reason").rate(),
        )
        .ask_in_words(text("close records", "关闭记录"), of(f::JOURNAL_DROPPED).rate())
        .ask_in_words(text("log lines", "日志行"), of(f::ACCESS_LOG_DROPPED).rate())
        .ask_in_words(
            text("records for findings, {{reason}}", "诊断用记录，{{reason}}"),
            of(f::FINDING_RECORDS_DROPPED).by("reason").rate(),
        ),
        lines(
            text("Failures", "失败"),
            text(
                "Per second: faults of this program, and writes that failed. None is expected.",
                "每秒：本程序的故障与写入失败。正常时应为 0。",
            ),
            "cps",
        )
        .ask_in_words(text("observers", "观察器"), of(f::OBSERVERS_FAILED).rate())
        .ask_in_words(
            text("writes of {{part}}", "写入 {{part}}"),
            of(f::STORE_WRITE_ERRORS).by("part").rate(),
        )
        .ask_in_words(text("damaged in {{part}}", "{{part}} 损坏"), of(f::STORE_DAMAGED).by("part").rate()),
    ]
}

fn rules() -> Vec<Panel> {
    vec![
        lines(text("Queries", "查询"), text("Per second by outcome.", "每秒查询数，按结果。"), "cps")
            .ask("{{result}}", of(f::QUERIES).by("result").rate()),
        lines(text("Duration of queries", "查询耗时"), text("Waiting for their turn included.", "包含排队时间。"), "s")
            .ask("p99", of(f::QUERY_SECONDS).quantile(0.99)),
        lines(text("Duration of rules", "规则耗时"), text("Of the last evaluation of each group.", "每组最近一次求值的耗时。"), "s")
            .ask("{{rule_group}}", of(f::RULE_LAST_DURATION).by("rule_group").max()),
        lines(text("Rules that fail", "失败的规则"), text("Per second: evaluations that failed, and those left out since the ones before took too long.", "每秒：失败的求值，以及因上一次耗时过长而跳过的求值。"), "cps")
            .ask_in_words(text("{{rule_group}} failed", "{{rule_group}} 失败"), of(f::RULE_FAILURES).by("rule_group").rate())
            .ask_in_words(text("{{rule_group}} left out", "{{rule_group}} 跳过"), of(f::RULE_MISSED).by("rule_group").rate()),
    ]
}

fn notices() -> Vec<Panel> {
    vec![
        lines(
            text("Messages to people", "发给人的消息"),
            text("Per second by channel and outcome.", "每秒，按渠道与结果。"),
            "cps",
        )
        .ask("{{channel}} {{result}}", of(f::NOTIFICATIONS).by("channel, result").rate()),
        lines(
            text("Waiting", "等待发送"),
            text("Groups of alerts that a channel has to tell of.", "各渠道待发送的告警组。"),
            "short",
        )
        .ask("{{channel}}", of(f::NOTIFICATIONS_WAITING).by("channel").now()),
        lines(
            text("Lag of remote write", "远程写入延迟"),
            text("Age of the oldest sample that waits.", "最早的待发送样本已等待的时间。"),
            "s",
        )
        .ask("{{remote}}", of(f::REMOTE_LAG).by("remote").max()),
        lines(
            text("Samples elsewhere", "远程样本"),
            text("Per second by engine and outcome.", "每秒，按目标引擎与结果。"),
            "cps",
        )
        .ask("{{remote}} {{outcome}}", of(f::REMOTE_SAMPLES).by("remote, outcome").rate()),
    ]
}

fn machine() -> Vec<Panel> {
    vec![
        stacked(
            text("CPU of the machine", "本机 CPU"),
            text("CPUs by what they are spent on.", "CPU 用途。"),
            "short",
        )
        .ask("{{mode}}", of(f::HOST_CPU).by("mode").rate()),
        lines(
            text("Memory of the machine", "本机内存"),
            text("All of it, and what programs can have without swapping.", "总量，以及不换页即可使用的量。"),
            "bytes",
        )
        .ask_in_words(text("all", "总量"), of(f::HOST_MEMORY).by("instance").max())
        .ask_in_words(text("available", "可用"), of(f::HOST_MEMORY_AVAILABLE).by("instance").max()),
        lines(
            text("Pressure", "压力"),
            text("Share of time in which tasks waited for a resource.", "任务等待资源的时间占比。"),
            "percentunit",
        )
        .ask("{{resource}} {{stalled}}", of(f::HOST_PRESSURE).by("resource, stalled").rate()),
        lines(
            text("Accept queues", "接受队列"),
            text(
                "Connections that wait to be accepted, and those that a full queue turned away per second.",
                "等待接受的连接数，以及每秒因队列满而被拒绝的连接。",
            ),
            "short",
        )
        .ask("{{listener}}", of(f::ACCEPT_QUEUE).by("listener").max())
        .ask_in_words(text("turned away", "被拒绝"), of(f::HOST_LISTEN_OVERFLOWS).rate()),
    ]
}

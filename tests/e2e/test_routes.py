"""alertmanager.yml: our verdicts and routes are amtool's."""

import json
import os
import random
import shutil
import subprocess

import pytest

AMTOOL = shutil.which("amtool")
needs_amtool = pytest.mark.skipif(AMTOOL is None, reason="amtool is not installed")

MINIMAL = "route: {receiver: ops}\nreceivers: [{name: ops}]\n"


def route(text):
    """A file with one route below the root."""
    return f"route: {{receiver: ops, routes: [{text}]}}\nreceivers: [{{name: ops}}, {{name: db}}]\n"


def matcher(text):
    """A file with one matcher, in the syntax of matchers."""
    return route(f"{{matchers: [{json.dumps(text)}]}}")


def interval(text):
    """A file with one time interval."""
    return f"{MINIMAL}time_intervals: [{{name: n, time_intervals: [{text}]}}]\n"


def receiver(text, rest=""):
    """A file with one receiver."""
    return f"route: {{receiver: a}}\nreceivers: [{{name: a, {text}}}]\n{rest}"


FILES = {
    "minimal": MINIMAL,
    "empty": "",
    "no route": "receivers: [{name: ops}]\n",
    "null route": "route:\nreceivers: [{name: ops}]\n",
    "no receivers": "route: {receiver: ops}\n",
    "root without receiver": "route: {}\nreceivers: [{name: ops}]\n",
    "root with match": "route: {receiver: ops, match: {a: b}}\nreceivers: [{name: ops}]\n",
    "root with match_re": "route: {receiver: ops, match_re: {a: b}}\nreceivers: [{name: ops}]\n",
    "root with matchers": "route: {receiver: ops, matchers: [a=b]}\nreceivers: [{name: ops}]\n",
    "root with empty matchers": "route: {receiver: ops, matchers: []}\nreceivers: [{name: ops}]\n",
    "root continues": "route: {receiver: ops, continue: true}\nreceivers: [{name: ops}]\n",
    "root with intervals": f"{interval('{}')}".replace("receiver: ops", "receiver: ops, mute_time_intervals: [n]"),
    "unknown top key": f"{MINIMAL}recievers: []\n",
    "unknown global key": f"global: {{slack_url: a}}\n{MINIMAL}",
    "unknown route key": route("{group_wat: 5s}"),
    "unknown receiver key": receiver("slak_configs: []"),
    "key twice": f"{MINIMAL}route: {{receiver: ops}}\n",
    "undefined receiver": route("{receiver: nobody}"),
    "receiver twice": "route: {receiver: a}\nreceivers: [{name: a}, {name: a}]\n",
    "receiver without name": "route: {receiver: a}\nreceivers: [{name: a}, {webhook_configs: []}]\n",
    "inherited receiver": route("{group_wait: 5s}"),
    "null routes": "route: {receiver: ops, routes: }\nreceivers: [{name: ops}]\n",
    "deep": route("{routes: [{routes: [{routes: [{receiver: db}]}]}]}"),
    "deep undefined": route("{routes: [{routes: [{routes: [{receiver: nobody}]}]}]}"),
    "group_by": route("{group_by: [a, b]}"),
    "group_by all": route("{group_by: ['...']}"),
    "group_by all and more": route("{group_by: ['...', a]}"),
    "group_by twice": route("{group_by: [a, a]}"),
    "group_by nothing": route("{group_by: []}"),
    "group_by number": route("{group_by: [a1]}"),
    "group_by empty name": route("{group_by: ['']}"),
    "group_interval zero": route("{group_interval: 0s}"),
    "repeat_interval zero": route("{repeat_interval: 0s}"),
    "group_wait zero": route("{group_wait: 0s}"),
    "group_wait without unit": route("{group_wait: 5}"),
    "group_wait null": route("{group_wait: }"),
    "group_wait empty": route("{group_wait: ''}"),
    "durations": route("{group_wait: 1m30s, group_interval: 1h, repeat_interval: 1d}"),
    "continue": route("{continue: yes}"),
    "continue is a text": route("{continue: perhaps}"),
    "match": route("{match: {a: b, c: 1}}"),
    "match bad name": route("{match: {a-b: c}}"),
    "match_re": route("{match_re: {a: 'b|c'}}"),
    "match_re bad": route("{match_re: {a: '('}}"),
    "matchers": route("{matchers: [a=b, c!=d, e=~f, g!~h]}"),
    "matchers null": route("{matchers: }"),
    "matcher braces": matcher('{a="b", c!="d"}'),
    "matcher quotes": matcher('a="b,c"'),
    "matcher open quote": matcher('a="b'),
    "matcher inner quote": matcher('a=b"c'),
    "matcher escaped quote": matcher('a="b\\"c"'),
    "matcher trailing comma": matcher("a=b,"),
    "matcher two commas": matcher("a=b,,c=d"),
    "matcher empty value": matcher("a="),
    "matcher no value": matcher("a"),
    "matcher no name": matcher("=a"),
    "matcher bad name": matcher("1a=b c"),
    "matcher blanks": matcher(' a  =~  "b" '),
    "matcher bad regex": matcher("a=~("),
    "matcher go regex": matcher(r"a=~\pL[[:alpha:]]\Qx.y\E"),
    "matcher look-ahead": matcher("a=~(?=b)"),
    "undefined interval": route("{mute_time_intervals: [night]}"),
    "undefined active interval": route("{active_time_intervals: [night]}"),
    "interval": interval("{times: [{start_time: '09:00', end_time: '24:00'}], weekdays: ['monday:friday', sunday]}"),
    "interval without name": f"{MINIMAL}time_intervals: [{{time_intervals: []}}]\n",
    "interval twice": f"{MINIMAL}time_intervals: [{{name: a}}, {{name: a}}]\n",
    "mute interval and interval": f"{MINIMAL}time_intervals: [{{name: a}}]\nmute_time_intervals: [{{name: a}}]\n",
    "mute interval": f"{MINIMAL}mute_time_intervals: [{{name: a, time_intervals: [{{months: [may]}}]}}]\n",
    "time without end": interval("{times: [{start_time: '09:00'}]}"),
    "time too late": interval("{times: [{start_time: '09:00', end_time: '24:01'}]}"),
    "time of one digit": interval("{times: [{start_time: '9:00', end_time: '10:00'}]}"),
    "time backwards": interval("{times: [{start_time: '10:00', end_time: '09:00'}]}"),
    "weekday unknown": interval("{weekdays: [someday]}"),
    "weekday in capitals": interval("{weekdays: ['Monday:FRIDAY']}"),
    "weekdays backwards": interval("{weekdays: ['friday:sunday']}"),
    "days": interval("{days_of_month: ['1:7', '-7:-1', '15:-1', 31]}"),
    "day zero": interval("{days_of_month: ['0']}"),
    "day 32": interval("{days_of_month: ['1:32']}"),
    "days across": interval("{days_of_month: ['-5:5']}"),
    "days never": interval("{days_of_month: ['25:-10']}"),
    "months": interval("{months: ['january:march', '5', 'june:8']}"),
    "month unknown": interval("{months: [brumaire]}"),
    "months backwards": interval("{months: ['may:april']}"),
    "years": interval("{years: ['2026:2030', 2032]}"),
    "years backwards": interval("{years: ['2030:2026']}"),
    "location": interval("{location: Asia/Shanghai}"),
    "location unknown": interval("{location: Nowhere/City}"),
    "interval key unknown": interval("{weekday: [monday]}"),
    "inhibit": f"{MINIMAL}inhibit_rules: [{{source_matchers: [a=b], target_matchers: [a=c], equal: [x, y]}}]\n",
    "inhibit classic": f"{MINIMAL}inhibit_rules: [{{source_match: {{a: b}}, target_match_re: {{a: 'c|d'}}}}]\n",
    "inhibit bad name": f"{MINIMAL}inhibit_rules: [{{source_match: {{a-b: b}}}}]\n",
    "inhibit bad regex": f"{MINIMAL}inhibit_rules: [{{source_match_re: {{a: '('}}}}]\n",
    "inhibit key unknown": f"{MINIMAL}inhibit_rules: [{{source: [a=b]}}]\n",
    "webhook": receiver("webhook_configs: [{url: 'http://127.0.0.1/', send_resolved: false}]"),
    "null channels": receiver("webhook_configs: "),
    "channels are a map": receiver("webhook_configs: {}"),
    "slack": receiver("slack_configs: [{channel: '#ops'}]", "global: {slack_api_url: 'http://127.0.0.1/'}\n"),
    "slack twice": f"global: {{slack_api_url: 'http://127.0.0.1/', slack_api_url_file: a}}\n{MINIMAL}",
    "resolve_timeout": f"global: {{resolve_timeout: 1m}}\n{MINIMAL}",
    "resolve_timeout bad": f"global: {{resolve_timeout: soon}}\n{MINIMAL}",
    "null global": f"global:\n{MINIMAL}",
    "templates": f"{MINIMAL}templates: []\n",
    "not yaml": "route: [\n",
}

# What amtool 0.25 does not know, and what differs on purpose: each with a word on why.
OTHERWISE = {
    "labels of a route": (route("{labels: {team: a}}"), True, "since 0.34"),
    "name in UTF-8": (matcher("服务=聊天"), True, "since 0.27"),
    "name in quotes": (matcher('"a b"=c'), True, "since 0.27"),
    "group_by in UTF-8": (route("{group_by: [服务]}"), True, "since 0.27"),
    "teams": (receiver("msteamsv2_configs: [{webhook_url: 'http://127.0.0.1/'}]"), True, "since 0.28"),
    "tracing": (f"{MINIMAL}tracing: {{endpoint: a}}\n", True, "since 0.30"),
    "sns": (receiver("sns_configs: [{topic_arn: a, sigv4: {region: b}}]"), False, "not supported here"),
}


def ours(*arguments, stdin=None):
    """Whether our command is content, and what it says."""
    command = [os.environ["HEARTLINE_BIN"], *arguments]
    done = subprocess.run(command, capture_output=True, text=True, input=stdin, timeout=20)
    assert done.returncode in (0, 2), done.stderr
    return done.returncode == 0, done.stdout + done.stderr


def amtool(*arguments):
    """Whether amtool is content, and what it says."""
    done = subprocess.run([AMTOOL, *arguments], capture_output=True, text=True, timeout=20)
    return done.returncode == 0, done.stdout


def write(directory, text):
    path = directory / "alertmanager.yml"
    path.write_text(text)
    return str(path)


@needs_amtool
@pytest.mark.parametrize("name", FILES)
def test_files_are_judged_as_by_amtool(name, tmp_path):
    path = write(tmp_path, FILES[name])
    good, said = ours("routes", "test", "-c", path, "a=b")
    assert good == amtool("check-config", path)[0], said


@needs_amtool
@pytest.mark.parametrize("name", OTHERWISE)
def test_files_that_amtool_judges_otherwise(name, tmp_path):
    text, expected, why = OTHERWISE[name]
    path = write(tmp_path, text)
    good, said = ours("routes", "test", "-c", path, "a=b")
    assert good == expected, said
    assert amtool("check-config", path)[0] != expected, f"no more: {why}"


def test_check_knows_an_alertmanager_yml(tmp_path):
    good, said = ours("check", write(tmp_path, MINIMAL))
    assert good and "1 routes, 1 receivers" in said
    good, said = ours("check", write(tmp_path, MINIMAL.replace("receiver: ops", "receiver: op")))
    assert not good and "1:19" in said and "did you mean `ops`?" in said


NAMES = ["a", "b", "c"]
VALUES = ["1", "2", ""]
PATTERNS = ["1|2", ".*", ".+", "[^1]", "1?", "2.?"]


def condition(chance):
    """A matcher, and what it is written as."""
    sign = chance.choice(["=", "!=", "=~", "!~"])
    value = chance.choice(PATTERNS if "~" in sign else VALUES)
    return f'{chance.choice(NAMES)}{sign}"{value}"'


def tree(chance, names, depth=0):
    """A random route with those below it; each that has a receiver has one of its own."""
    node = {}
    if depth == 0 or chance.random() < 0.8:
        names.append(f"r{len(names)}")
        node["receiver"] = names[-1]
    if depth > 0:
        kind = chance.choice(["matchers", "matchers", "match", "match_re", "none"])
        if kind == "matchers":
            node["matchers"] = [condition(chance) for _ in range(chance.randint(1, 2))]
        elif kind == "match":
            node["match"] = {chance.choice(NAMES): chance.choice(VALUES)}
        elif kind == "match_re":
            node["match_re"] = {chance.choice(NAMES): chance.choice(PATTERNS)}
        node["continue"] = chance.random() < 0.5
    if depth < 3:
        below = range(chance.randint(1 if depth == 0 else 0, 4 - depth))
        node["routes"] = [tree(chance, names, depth + 1) for _ in below]
    return node


@needs_amtool
@pytest.mark.parametrize("seed", range(20))
def test_alerts_go_where_amtool_says(seed, tmp_path):
    """50 trees of 1,000, each with an alert."""
    chance = random.Random(seed)
    for _ in range(50):
        names = []
        routes = tree(chance, names)
        path = write(tmp_path, json.dumps({"route": routes, "receivers": [{"name": name} for name in names]}))
        labels = [f"{name}={chance.choice(VALUES[:2])}" for name in NAMES if chance.random() < 0.7]
        labels = labels or ["d=1"]
        good, receivers = ours("routes", "test", "-c", path, *labels)
        expected = amtool("config", "routes", "test", f"--config.file={path}", *labels)
        assert (good, receivers) == expected, f"{routes} {labels}"


def test_many_alerts_are_asked_for_at_once(tmp_path):
    path = write(tmp_path, route("{matchers: [a=b], receiver: db}"))
    good, said = ours("routes", "test", "-c", path, "-", stdin="a=b\tc=d\nc=d\n\n")
    assert (good, said) == (True, "db\nops\nops\n")
    assert ours("routes", "test", "-c", path, "a")[0] is False

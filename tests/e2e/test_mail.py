"""E-mail to a real mail server: TLS, logging in, what is repeated, and what arrives."""

import json
import subprocess

import pytest

from harness.certificates import Authority
from harness.gateway import BINARY, config_for, until
from harness.sink import Sink
from harness.smtp import Mails
from test_telling import Telling

SECRET = "canary-5ec7e7-0123456789"
LOGIN = (b"heartline", SECRET.encode())
RULES = """
groups:
- name: all
  interval: 1s
  rules:
  - alert: WebSocket消息延迟过高
    expr: up{job="heartline"} == 1
    labels: {severity: "warning\\r\\nBcc: all@example.org"}
    annotations: {summary: '当前延迟 {{ $value }} <秒>'}
"""
ROUTES = "route: {receiver: team, group_by: [alertname], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}\n"


def settings(mails, **more):
    return {"to": "值班 <ops@example.org>", "from": "heartline@example.com", "smarthost": f"127.0.0.1:{mails.port}"} | more


def telling(sink, directory, settings):
    own = {"alertmanager_config": "am.yml", "receivers": [{"name": "team", "language": "zh-CN", "email": [settings]}]}
    own = f"alerting: {json.dumps(own)}\n"
    routes = ROUTES + "receivers: [{name: team}]\n"
    return Telling(sink, directory, routes=routes, own=own, rules=RULES, arguments=("--log-level", "trace"))


def logged_in(mails, authority, **more):
    return settings(
        mails, auth_username="heartline", auth_password=SECRET, tls_config={"ca_file": str(authority.pem)}, **more
    )


def counted(gateway, *words):
    lines = gateway.get("/metrics").splitlines()
    return [line for line in lines if line.startswith("heartline_notifications_total{") and all(word in line for word in words)]


def test_a_mail_arrives_in_chinese_and_tells_no_secret(tmp_path):
    authority = Authority(tmp_path / "authority")
    headers = {"x-team": "{{ .CommonLabels.severity }}"}
    with Sink() as sink, Mails(authority.issue("mail"), login=LOGIN) as mails:
        with telling(sink, tmp_path, logged_in(mails, authority, headers=headers)) as gateway:
            until(lambda: mails.mails, "a mail")
            until(lambda: counted(gateway, 'result="delivered"'), "it is counted")
            shown = gateway.get("/metrics") + gateway.get("/api/v2/status") + json.dumps(gateway.lines)
            assert SECRET not in shown
        [mail] = mails.mails
        assert "WebSocket消息延迟过高" in mail["Subject"] and "\n" not in mail["Subject"]
        assert mail["To"].addresses[0].display_name == "值班" and mail["To"].addresses[0].addr_spec == "ops@example.org"
        assert mail["From"].addresses[0].addr_spec == "heartline@example.com"
        assert mail["Bcc"] is None and mail["X-Team"].split() == ["warning", "Bcc:", "all@example.org"]
        assert mail["Message-ID"].endswith("@example.com>") and mail["References"] == mail["In-Reply-To"]
        assert mail.get_content_type() == "multipart/alternative" and not mail.defects
        plain, html = mail.get_body(("plain",)).get_content(), mail.get_body(("html",)).get_content()
        assert "当前延迟 1 <秒>" in plain and "当前延迟 1 &lt;秒&gt;" in html
        assert [address for verb, address in mails.commands if verb == "RCPT"] == ["ops@example.org"]


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_what_is_refused_for_now_is_repeated(tmp_path, verb):
    with Sink() as sink, Mails(**{verb: ["451 4.3.0 later"]}) as mails:
        with telling(sink, tmp_path, settings(mails, require_tls=False)) as gateway:
            until(lambda: mails.mails, "a mail, the second time")
            until(lambda: counted(gateway, 'result="delivered"') and counted(gateway, 'result="retried"'), "both are counted")
        assert mails.count(verb) == 2 and len(mails.mails) == 1


def tried(directory, settings):
    """What `heartline channel test` says of one receiver."""
    own = {"receivers": [{"name": "team", "email": [settings]}]}
    (directory / "try.yaml").write_text(config_for("127.0.0.1:9", extra=f"alerting: {json.dumps(own)}\n"))
    command = [BINARY, "channel", "test", "team", "-c", directory / "try.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert SECRET not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_what_is_refused_for_good_is_told(tmp_path, verb):
    with Mails(**{verb: ["550 5.1.1 nobody here"]}) as mails:
        code, text = tried(tmp_path, settings(mails, require_tls=False))
        assert code != 0 and "nobody here" in text, text
        assert mails.count(verb) == 1 and not mails.mails


def test_one_recipient_that_is_refused_keeps_no_other_from_the_mail(tmp_path):
    with Mails(RCPT=["550 5.1.1 nobody here"]) as mails:
        code, text = tried(tmp_path, settings(mails, require_tls=False, to="a@example.org, b@example.org"))
        assert code != 0 and "nobody here" in text, text
        assert len(mails.mails) == 1 and mails.count("RCPT") == 2


@pytest.mark.parametrize("begins_in_tls", [False, True])
def test_tls_and_login(tmp_path, begins_in_tls):
    authority = Authority(tmp_path / "authority")
    with Mails(authority.issue("mail"), begins_in_tls, LOGIN) as mails:
        good = logged_in(mails, authority, force_implicit_tls=begins_in_tls)
        code, text = tried(tmp_path, good)
        assert code == 0 and len(mails.mails) == 1, text
        for bad, why in (({"tls_config": {}}, "certificate"), ({"auth_password": "wrong"}, "535")):
            code, text = tried(tmp_path, good | bad)
            assert code != 0 and why in text and len(mails.mails) == 1, text
            assert "failed (auth)" in text, "it is not tried again"


def test_without_tls_nothing_is_sent_where_it_is_required(tmp_path):
    with Mails(login=LOGIN) as mails:
        code, text = tried(tmp_path, settings(mails, auth_username="heartline", auth_password=SECRET))
        assert code != 0 and not mails.commands and "STARTTLS" in text, text

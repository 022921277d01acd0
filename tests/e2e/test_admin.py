"""Who may see and change what on the admin address."""

import http.client
import itertools
import json

import pytest

from harness.gateway import Gateway, config_for

TOKEN = "correct-horse"
EVIL = "evil.example"


def guarded(**options):
    """A gateway whose admin address asks for the token."""
    config = config_for("127.0.0.1:1").replace("0 }", f"0, token: {TOKEN} }}", 1)
    return Gateway(config=config, **options)


def open_to_this_machine():
    return Gateway(config=config_for("127.0.0.1:1"))


def ask(gateway, line, headers=None, body=None):
    """Status, headers and body of the answer to `GET /path`; a `Host` among the headers replaces the true one."""
    method, path = line.split(" ")
    connection = http.client.HTTPConnection(gateway.admin, timeout=10)
    try:
        data = json.dumps(body).encode() if body is not None else None
        connection.putrequest(method, path, skip_host=True)
        length = {"Content-Length": str(len(data or b""))} if method == "POST" else {}
        json_type = {"Content-Type": "application/json"} if body is not None else {}
        for name, value in {"Host": gateway.admin, **length, **json_type, **(headers or {})}.items():
            connection.putheader(name, value.replace("ADMIN", gateway.admin))
        connection.endheaders(data)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def refusal(answer):
    """Status and code of an answer that is an error, which must say what it is about."""
    status, _, body = answer
    error = json.loads(body)["error"]
    assert error["message"]
    return status, error["code"]


SECRETS = [
    "/metrics", "/api/v1/overview", "/api/v1/stream", "/api/v1/connections?set=live", "/api/v1/nothing", "/-/nothing",
]
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def locked():
    with guarded() as gateway:
        yield gateway


@pytest.fixture(scope="module")
def local():
    with open_to_this_machine() as gateway:
        yield gateway


@pytest.mark.parametrize("path", SECRETS)
def test_what_needs_the_token(locked, path):
    assert refusal(ask(locked, f"GET {path}")) == (401, "unauthorized")
    assert ask(locked, f"GET {path}")[1]["WWW-Authenticate"] == 'Bearer realm="heartline"'
    if path != "/api/v1/stream":
        assert ask(locked, f"GET {path}", BEARER)[0] in (200, 404)


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/api/v1/status"])
def test_what_needs_no_token(locked, path):
    """The page that asks for the token, and what a probe of an orchestrator looks at."""
    assert ask(locked, f"GET {path}", {"Host": "heartline.example"})[0] == 200


def test_the_token_opens_everything(locked):
    assert ask(locked, "POST /-/reload")[0] == 401
    assert ask(locked, "POST /-/reload", BEARER)[0] == 200
    assert "websocket_active_connections" in ask(locked, "GET /metrics", BEARER)[2]
    assert "Bearer" not in str(locked.lines) and TOKEN not in str(locked.lines)
    [warning] = [line["message"] for line in locked.lines if line.get("level") == "WARN"]
    assert "`admin.token_file` is safer" in warning


def test_a_token_from_a_file(tmp_path):
    (tmp_path / "token").write_text(f"  {TOKEN}\n")
    config = config_for("127.0.0.1:1").replace("0 }", f"0, token_file: {tmp_path / 'token'} }}", 1)
    with Gateway(config=config) as gateway:
        assert [ask(gateway, "GET /metrics", headers)[0] for headers in ({}, BEARER)] == [401, 200]
        assert not [line for line in gateway.lines if line.get("level") == "WARN"]


def test_licences_of_what_is_built_in(local):
    status, headers, text = ask(local, "GET /licences")
    assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    packages = {tuple(line.split(" ")[:2]) for line in text.splitlines() if " | " in line}
    assert {("crate", "tokio"), ("crate", "rustls"), ("npm", "uplot")} <= packages
    assert "Permission is hereby granted" in text and "Apache License" in text


def session(gateway):
    status, headers, _ = ask(gateway, "POST /api/v1/login", body={"token": TOKEN})
    assert status == 204
    cookie, *attributes = headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    return {"Cookie": cookie}


def test_signing_in_and_out(locked):
    cookie = session(locked)
    assert json.loads(ask(locked, "GET /api/v1/status")[2])["auth"] == {"required": True, "authenticated": False}
    assert json.loads(ask(locked, "GET /api/v1/status", cookie)[2])["auth"] == {"required": True, "authenticated": True}
    assert ask(locked, "GET /api/v1/overview", cookie)[0] == 200
    assert refusal(ask(locked, "POST /-/reload", cookie)) == (403, "csrf")
    own = cookie | {"X-Heartline-CSRF": "1"}
    assert refusal(ask(locked, "POST /-/reload", own | {"Origin": f"http://{EVIL}"})) == (403, "cross_site")
    assert ask(locked, "POST /-/reload", own | {"Origin": "http://ADMIN"})[0] == 200
    assert ask(locked, "POST /api/v1/logout", own)[0] == 204
    assert ask(locked, "GET /api/v1/overview", cookie)[0] == 401


WRONG_LOGINS = {
    "wrong token": ({"token": "battery-staple"}, 401, "wrong_token"),
    "part of the token": ({"token": TOKEN[:-1]}, 401, "wrong_token"),
    "empty": ({"token": ""}, 401, "wrong_token"),
    "no token": ({}, 422, "bad_body"),
    "no object": (TOKEN, 422, "bad_body"),
    "too long": ({"token": "x" * 100_000}, 413, "too_large"),
}


@pytest.mark.parametrize("name", WRONG_LOGINS)
def test_wrong_login(name):
    body, status, code = WRONG_LOGINS[name]
    with guarded() as gateway:
        answer = ask(gateway, "POST /api/v1/login", body=body)
        assert refusal(answer) == (status, code)
        assert "Set-Cookie" not in answer[1]


def test_guessing_is_slowed_down():
    """Whoever was wrong too often is not even told when the next guess is right."""
    with guarded() as gateway:
        for number in range(5):
            assert ask(gateway, "GET /metrics", {"Authorization": f"Bearer {number}"})[0] == 401
        answer = ask(gateway, "POST /api/v1/login", body={"token": TOKEN})
        assert refusal(answer) == (429, "too_many_attempts")
        assert 1 <= int(answer[1]["Retry-After"]) <= 5
        assert ask(gateway, "GET /metrics", BEARER)[0] == 429
        assert ask(gateway, "GET /healthz")[0] == 200


HOSTS = {
    "ADMIN": 200, "localhost": 200, "LOCALHOST:9": 200, "[::1]:8080": 200, "127.9.9.9": 200,
    EVIL: 403, f"{EVIL}:8080": 403, f"127.0.0.1.{EVIL}": 403, f"localhost.{EVIL}": 403, "10.0.0.1": 403, "0.0.0.0": 403,
    "": 403,
}


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_that_was_rebound_to_this_machine(local, host):
    """Without a token the listener is for this machine; a page of another site names its own host."""
    for line in [f"GET {path}" for path in ["/", "/healthz", *SECRETS[:2]]] + ["POST /-/reload"]:
        answer = ask(local, line, {"Host": host})
        assert answer[0] == HOSTS[host], line
        if answer[0] == 403:
            assert refusal(answer) == (403, "forbidden_host")


NAMES = (f"route-{number}" for number in itertools.count())


def asked_to_reload(gateway, line, headers=None):
    """The answer, and whether a changed configuration is in force after it."""
    name = next(NAMES)
    gateway.write_config(config_for("127.0.0.1:1").replace("test", name))
    answer = ask(gateway, line, headers)
    return answer, f'websocket_active_connections{{route="{name}"}}' in gateway.metrics()


CROSS_SITE = {
    "no browser": ({}, 200),
    "own page": ({"Origin": "http://ADMIN", "Sec-Fetch-Site": "same-origin"}, 200),
    "own page, no metadata": ({"Origin": "http://ADMIN"}, 200),
    "other site": ({"Origin": f"http://{EVIL}"}, 403),
    "other port": ({"Origin": "http://127.0.0.1:1"}, 403),
    "no origin": ({"Origin": "null"}, 403),
    "other site, said by the browser": ({"Sec-Fetch-Site": "cross-site"}, 403),
    "other port, said by the browser": ({"Sec-Fetch-Site": "same-site"}, 403),
}


@pytest.mark.parametrize("name", CROSS_SITE)
def test_reload_asked_for_by_a_page(local, name):
    headers, status = CROSS_SITE[name]
    answer, is_reloaded = asked_to_reload(local, "POST /-/reload", headers)
    assert (answer[0], is_reloaded) == (status, status == 200), answer[2]
    if status == 403:
        assert refusal(answer) == (403, "cross_site")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_reload_needs_post(local, method):
    (status, headers, _), is_reloaded = asked_to_reload(local, f"{method} /-/reload")
    assert (status, headers["Allow"], is_reloaded) == (405, "POST", False)


def test_every_answer_has_the_security_headers(local):
    for line in ("GET /", "GET /metrics", "GET /api/v1/overview", "GET /nothing", "POST /-/reload", "GET /-/reload"):
        for host in ("ADMIN", EVIL):
            headers = ask(local, line, {"Host": host})[1]
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], line
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert "Access-Control-Allow-Origin" not in headers

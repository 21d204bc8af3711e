"""What the proxy takes away from heads and what it adds to them."""
import pytest

from client import Client, get
from pods import answer


@pytest.fixture
def echo(shop, pod):
    """Fields as the pod got them, through a proxy with `forward` options."""
    def start(**forward):
        p = shop({"v1": [pod().port]}, workers=1,
                 config={"forward": forward} if forward else {})

        def ask(*fields, **named):
            seen = get(p.port, fields=fields, **named).json()
            return {n.lower(): [v for m, v in seen["fields"]
                                if m.lower() == n.lower()]
                    for n, _ in seen["fields"]}
        return ask
    return start


def test_fields_pass_in_order_and_unchanged(shop, pod):
    p = shop({"v1": [pod().port]})
    mine = [["X-One", "1"], ["x-TWO", "a  b"], ["X-One", "3"],
            ["Accept", "*/*"], ["X-Empty", ""], ["Cookie", "a=b; c=\"d e\""]]
    seen = get(p.port, "/a%20b/../c?x=%2F&y", fields=mine).json()
    assert [f for f in seen["fields"] if f in mine] == mine
    assert seen["target"] == "/a%20b/../c?x=%2F&y"
    assert seen["protocol"] == "HTTP/1.1"
    assert [v for n, v in seen["fields"] if n.lower() == "host"] == [
        "shop.test"]


def test_hop_by_hop_fields_are_removed(echo):
    seen = echo()(
        ("Connection", "keep-alive, X-Mine, x-other"), ("X-Mine", "1"),
        ("X-Other", "2"), ("X-Kept", "3"), ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"), ("TE", "gzip"),
        ("Upgrade", "h2c"), ("HTTP2-Settings", "x"))
    for name in ("x-mine", "x-other", "keep-alive", "proxy-connection",
                 "upgrade"):
        assert name not in seen, name
    assert "te" not in seen or seen["te"] == ["trailers"]
    assert seen["x-kept"] == ["3"]
    assert seen.get("connection", ["keep-alive"]) == ["keep-alive"]


def test_connection_cannot_name_away_what_the_proxy_says(echo):
    seen = echo()(("Connection", "X-Forwarded-For, Host, Content-Length"))
    assert seen["x-forwarded-for"] == ["127.0.0.1"]
    assert seen["host"] == ["shop.test"]


def test_response_loses_hop_by_hop_fields(shop, pod):
    def respond(asked):
        return answer(200, "x", [
            ("Connection", "X-Mine"), ("X-Mine", "1"), ("X-Kept", "2"),
            ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "close"),
            ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"),
            ("Date", "Sat, 01 Jan 2000 00:00:00 GMT"), ("Server", "pod/1")])
    p = shop({"v1": [pod(respond).port]}, workers=1)
    with Client(p.port) as c:
        for _ in range(2):
            got = c.ask()
            assert got.get("X-Kept") == "2"
            assert got.all("Set-Cookie") == ["a=1", "b=2"]
            assert got.all("Date") == ["Sat, 01 Jan 2000 00:00:00 GMT"]
            assert got.get("Server") == "pod/1"
            for name in ("X-Mine", "Keep-Alive", "Proxy-Connection"):
                assert got.get(name) is None, name


def test_append_is_the_default_and_believes_nobody(echo):
    seen = echo()(("X-Forwarded-For", "203.0.113.9"),
                  ("X-Forwarded-Proto", "https"),
                  ("X-Forwarded-Host", "evil.test"))
    assert ", ".join(seen["x-forwarded-for"]) in (
        "203.0.113.9, 127.0.0.1", "127.0.0.1")
    assert seen["x-forwarded-proto"] == ["http"]
    assert seen["x-forwarded-host"] == ["shop.test"]


def test_fields_are_set_where_there_are_none(echo):
    seen = echo()()
    assert seen["x-forwarded-for"] == ["127.0.0.1"]
    assert seen["x-forwarded-proto"] == ["http"]
    assert seen["x-forwarded-host"] == ["shop.test"]
    assert seen["via"] == ["1.1 shunt"]


def test_trusted_addresses_are_believed(echo):
    seen = echo(x_forwarded="append", trusted=["127.0.0.0/8"])(
        ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "front.test"))
    assert ", ".join(seen["x-forwarded-for"]) == "203.0.113.9, 127.0.0.1"
    assert seen["x-forwarded-proto"] == ["https"]
    assert seen["x-forwarded-host"] == ["front.test"]


def test_replace(echo):
    seen = echo(x_forwarded="replace", via=False)(
        ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.test"))
    assert seen["x-forwarded-for"] == ["127.0.0.1"]
    assert seen["x-forwarded-proto"] == ["http"]
    assert seen["x-forwarded-host"] == ["shop.test"]
    assert "via" not in seen


def test_off_leaves_what_is_there(echo):
    seen = echo(x_forwarded="off")(("X-Forwarded-For", "203.0.113.9"))
    assert seen["x-forwarded-for"] == ["203.0.113.9"]
    assert "x-forwarded-proto" not in seen


def test_via_is_added_to_others(echo):
    seen = echo()(("Via", "1.0 front"))
    assert ", ".join(seen["via"]) == "1.0 front, 1.1 shunt"


def test_absolute_target_and_host_agree(shop, pod):
    """Two names for one request are refused: readers would disagree."""
    p = shop({"v1": [pod().port]},
             service={"routes": [{"host": "real.test", "path": "/x"}]})
    got = get(p.port, "http://real.test/x?y=z", host="real.test")
    assert got.status == 200
    assert got.json()["target"] in ("/x?y=z", "http://real.test/x?y=z")
    assert get(p.port, "http://other.test/x", host="real.test").status == 400

"""Projects and secrets over HTTP: bodies to the byte, in every state."""
import json
import re
import threading

import pytest

from harness import Server
from rawhttp import ask, over_tcp, request

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@pytest.fixture(scope="module")
def server():
    with Server() as one:
        one.key = one.make_key()
        yield one


@pytest.fixture
def project(server):
    server.make_project("p")
    yield "p"
    server.owner("DELETE", "/projects/p")


def api(server, method, target, body=None, key=None):
    if method == "POST" and body is None:
        body = b""
    return ask(server, request(method, "/api/v1" + target, (), body, key or server.key))


def matches(answer, status, pattern):
    """The whole body, where TIME and UUID stand for themselves."""
    text = re.escape(pattern).replace("TIME", TIME).replace("UUID", UUID)
    assert answer.status == status, answer
    assert re.fullmatch(text, answer.body.decode()), (answer.body, pattern)


# --- secrets ---

def test_bodies_of_secrets(server, project):
    secret = '{"key":"%s","lastFour":"%s","createdAt":"TIME","updatedAt":"TIME"}'
    matches(api(server, "GET", "/projects/p/secrets"), 200, '{"data":{"secrets":[]}}')
    first = api(server, "POST", "/projects/p/secrets",
                {"key": "BINANCE_API_KEY", "value": "your-exchange-kaB3x"})
    matches(first, 200, '{"data":{"secret":%s}}' % (secret % ("BINANCE_API_KEY", "aB3x")))
    created = first.json["data"]["secret"]
    assert created["createdAt"] == created["updatedAt"]
    again = api(server, "POST", "/projects/p/secrets",
                {"value": "another-value", "key": "BINANCE_API_KEY"})
    matches(again, 200, '{"data":{"secret":%s}}' % (secret % ("BINANCE_API_KEY", "alue")))
    assert again.json["data"]["secret"]["createdAt"] == created["createdAt"]
    api(server, "POST", "/projects/p/secrets", {"key": "A", "value": "short"})
    matches(api(server, "GET", "/projects/p/secrets"), 200, '{"data":{"secrets":[%s,%s]}}' % (
        secret % ("A", ""), secret % ("BINANCE_API_KEY", "alue")))
    listed = api(server, "GET", "/projects/p/secrets").json["data"]["secrets"]
    assert listed[1] == again.json["data"]["secret"]
    assert server.values("p") == {"A": "short", "BINANCE_API_KEY": "another-value"}
    for existed in ("true", "false", "false"):
        matches(api(server, "DELETE", "/projects/p/secrets/A"), 200,
                '{"data":{"success":true,"existed":%s}}' % existed)
    assert list(server.values("p")) == ["BINANCE_API_KEY"]


def test_secrets_are_sorted_by_key(server, project):
    names = ["B", "A", "A_", "AA", "A1", "A0", "Z", "A" * 64, "A" * 63, "B_A", "BA", "B0"]
    for name in names:
        server.put("p", name, "v")
    listed = api(server, "GET", "/projects/p/secrets").json["data"]["secrets"]
    assert [one["key"] for one in listed] == sorted(names)
    assert list(server.values("p")) == sorted(names)


def test_keys_in_a_body(server, project):
    wrong = ["", "a", "Ab", "1A", "_A", "A-B", "A B", "A.B", " A", "A ", "A\n", "\u00c4", "A" * 65,
             "A\u0000", "A" * 5000, "\uff21", "A\u200b"]
    for name in wrong:
        answer = api(server, "POST", "/projects/p/secrets", {"key": name, "value": "v"})
        assert (answer.status, answer.code()) == (400, "VALIDATION_ERROR"), name
        assert answer.json["error"]["details"][0]["field"] == "key"
    for name in ("A", "A" * 64, "A0_", "ZZ9"):
        assert server.put("p", name, "v")["key"] == name
    assert len(server.values("p")) == 4


def test_a_key_may_be_written_with_escapes(server, project):
    body = rb'{"\u006bey":"\u0041\u005F","value":"v"}'
    assert api(server, "POST", "/projects/p/secrets", body).json["data"]["secret"]["key"] == "A_"


def test_secrets_of_projects_do_not_mix(server):
    for one in ("mix", "mixed", "mi", "MIX", "mix-1", "mix_1"):
        server.make_project(one)
        server.put(one, "NAME", "value of " + one)
    server.owner("DELETE", "/projects/mix")
    for one in ("mixed", "mi", "MIX", "mix-1", "mix_1"):
        assert server.values(one) == {"NAME": "value of " + one}
        server.owner("DELETE", "/projects/" + one)
    assert server.deliver("mix").status == 404


def test_a_project_made_again_is_empty(server):
    for _ in range(3):
        server.make_project("again", secretLimit=2)
        for name in ("A", "B"):
            server.put("again", name, "v")
        assert api(server, "POST", "/projects/again/secrets",
                   {"key": "C", "value": "v"}).status == 409
        matches(api(server, "DELETE", "/projects/again"), 200,
                '{"data":{"success":true,"existed":true}}')
        assert api(server, "GET", "/projects/again/secrets").status == 404
    server.make_project("again")
    assert server.values("again") == {}
    shown = api(server, "GET", "/projects/again").json["data"]["project"]
    assert (shown["secretCount"], shown["secretLimit"]) == (0, 25)
    server.owner("DELETE", "/projects/again")


def test_the_cap_of_25(server, project):
    for i in range(25):
        server.put("p", "K%d" % i, "v")
    full = api(server, "POST", "/projects/p/secrets", {"key": "ONE_MORE", "value": "v"})
    assert (full.status, full.code()) == (409, "SECRET_LIMIT_EXCEEDED")
    server.put("p", "K3", "updates never count")
    assert "ONE_MORE" not in server.values("p")
    assert api(server, "GET", "/projects/p").json["data"]["project"]["secretCount"] == 25
    server.owner("DELETE", "/projects/p/secrets/K24")
    server.put("p", "ONE_MORE", "v")
    assert api(server, "GET", "/projects/p").json["data"]["project"]["secretCount"] == 25


def test_the_cap_of_a_project_of_its_own(server):
    server.make_project("tiny", secretLimit=1)
    server.put("tiny", "A", "v")
    assert api(server, "POST", "/projects/tiny/secrets", {"key": "B", "value": "v"}).status == 409
    server.owner("DELETE", "/projects/tiny")


def test_the_cap_holds_when_all_come_at_once(server):
    server.make_project("race", secretLimit=5)
    got = []

    def write(i):
        got.append(api(server, "POST", "/projects/race/secrets",
                       {"key": "K%d" % i, "value": "v"}).status)
    threads = [threading.Thread(target=write, args=(i,)) for i in range(32)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(got) == [200] * 5 + [409] * 27
    assert len(server.values("race")) == 5
    server.owner("DELETE", "/projects/race")


def test_every_connection_sees_a_write_that_was_acknowledged():
    """Whatever a thread keeps of a list: after the 200 of a write no other shows the old one."""
    with Server(threads=4) as server:
        server.make_project("p")
        key = server.make_key()
        wires = [over_tcp(server) for _ in range(12)]
        read = request("GET", "/api/v1/projects/p/secrets", key=key)

        def seen():
            for wire in wires:
                wire.send(read)
            return [wire.answer() for wire in wires]
        assert {one.body for one in seen()} == {b'{"data":{"secrets":[]}}'}
        for i in range(40):
            if i % 3 == 2:
                server.owner("DELETE", "/projects/p/secrets/K%d" % (i - 1))
            else:
                server.put("p", "K%d" % i, "value-%04d" % i)
            current = server.owner("GET", "/projects/p/secrets")
            assert {one.body for one in seen()} == {current.body}
            assert {one.get("ETag") for one in seen()} == {current.headers["ETag"]}
        server.owner("DELETE", "/projects/p")
        assert {one.status for one in seen()} == {404}
        server.make_project("p")
        assert {one.body for one in seen()} == {b'{"data":{"secrets":[]}}'}
        for wire in wires:
            wire.raw.close()


# --- projects ---

PROJECT = ('{"id":"%s","name":"%s","secretCount":%d,"secretLimit":%d,"createdAt":"TIME",'
           '"updatedAt":"TIME"}')


def test_bodies_of_projects():
    with Server() as server:
        server.key = server.make_key()
        matches(api(server, "GET", "/projects"), 200, '{"data":[]}')
        matches(api(server, "POST", "/projects", {"name": "Shop", "id": "shop"}), 201,
                '{"data":{"project":%s}}' % (PROJECT % ("shop", "Shop", 0, 25)))
        matches(api(server, "POST", "/projects", {"secretLimit": 7, "name": "Bot \u00e9", "id":
                                                  "Bot_1"}), 201,
                '{"data":{"project":%s}}' % (PROJECT % ("Bot_1", "Bot \u00e9", 0, 7)))
        server.put("shop", "A", "v")
        shop = PROJECT % ("shop", "Shop", 1, 25)
        matches(api(server, "GET", "/projects/shop"), 200, '{"data":{"project":%s}}' % shop)
        matches(api(server, "GET", "/projects"), 200,
                '{"data":[%s,%s]}' % (PROJECT % ("Bot_1", "Bot \u00e9", 0, 7), shop))
        matches(api(server, "DELETE", "/projects/shop"), 200,
                '{"data":{"success":true,"existed":true}}')
        matches(api(server, "DELETE", "/projects/shop"), 200,
                '{"data":{"success":true,"existed":false}}')
        matches(api(server, "DELETE", "/projects/-bad-"), 200,
                '{"data":{"success":true,"existed":false}}')
        matches(api(server, "GET", "/projects/shop"), 404,
                '{"error":{"code":"NOT_FOUND","message":"Not found"}}')


def test_a_project_without_an_id_gets_a_uuid(server):
    ids = set()
    for _ in range(20):
        answer = api(server, "POST", "/projects", {"name": "Same name"})
        assert answer.status == 201
        one = answer.json["data"]["project"]
        assert re.fullmatch(UUID, one["id"]) and one["name"] == "Same name"
        ids.add(one["id"])
    assert len(ids) == 20
    for one in ids:
        server.owner("DELETE", "/projects/" + one)


def test_times_of_a_project_move_with_its_secrets(server, project):
    def shown():
        return api(server, "GET", "/projects/p").json["data"]["project"]
    made = shown()
    assert made["createdAt"] == made["updatedAt"]
    secret = server.put("p", "A", "v")
    after = shown()
    assert after["createdAt"] == made["createdAt"]
    assert after["updatedAt"] == secret["updatedAt"]
    server.owner("DELETE", "/projects/p/secrets/A")
    gone = shown()["updatedAt"]
    assert gone >= after["updatedAt"]
    server.owner("DELETE", "/projects/p/secrets/A")
    assert shown()["updatedAt"] == gone


def test_a_taken_id(server, project):
    server.put("p", "A", "v")
    answer = api(server, "POST", "/projects", {"name": "other", "id": "p", "secretLimit": 3})
    assert (answer.status, answer.code()) == (409, "CONFLICT")
    assert server.values("p") == {"A": "v"}
    assert api(server, "GET", "/projects/p").json["data"]["project"]["secretLimit"] == 25
    assert api(server, "POST", "/projects", {"name": "x", "id": "P"}).status == 201
    server.owner("DELETE", "/projects/P")


LONG = "\U0001f600"

# name, body, the field of error.details (None: it is taken)
BODIES = [
    ("name alone", {"name": "x"}, None),
    ("name of 128", {"name": "x" * 128}, None),
    ("name of 128 emoji", {"name": LONG * 128}, None),
    ("name of 129", {"name": "x" * 129}, "name"),
    ("name of 129 emoji", {"name": LONG * 129}, "name"),
    ("name of 10,000", {"name": "x" * 10000}, "name"),
    ("empty name", {"name": ""}, "name"),
    ("newline in the name", {"name": "a\nb"}, "name"),
    ("NUL in the name", {"name": "a\0b"}, "name"),
    ("DEL in the name", {"name": "a\x7fb"}, "name"),
    ("no name", {"id": "x1"}, "name"),
    ("empty object", {}, "name"),
    ("number as name", {"name": 5}, "name"),
    ("null as name", {"name": None}, "name"),
    ("list as name", {"name": ["x"]}, "name"),
    ("object as name", {"name": {}}, "name"),
    ("id of 64", {"name": "x", "id": "a" * 64}, None),
    ("id of 65", {"name": "x", "id": "a" * 65}, "id"),
    ("id of capitals and signs", {"name": "x", "id": "A-_9"}, None),
    ("id of one", {"name": "x", "id": "9"}, None),
    ("empty id", {"name": "x", "id": ""}, "id"),
    ("id with - first", {"name": "x", "id": "-a"}, "id"),
    ("id with _ first", {"name": "x", "id": "_a"}, "id"),
    ("id with a dot", {"name": "x", "id": "a.b"}, "id"),
    ("id with a slash", {"name": "x", "id": "a/b"}, "id"),
    ("id with an umlaut", {"name": "x", "id": "\u00e4"}, "id"),
    ("id with a newline", {"name": "x", "id": "a\n"}, "id"),
    ("null as id", {"name": "x", "id": None}, "id"),
    ("number as id", {"name": "x", "id": 7}, "id"),
    ("limit of 1", {"name": "x", "secretLimit": 1}, None),
    ("limit of 100000", {"name": "x", "secretLimit": 100000}, None),
    ("limit of 100001", {"name": "x", "secretLimit": 100001}, "secretLimit"),
    ("limit of 0", {"name": "x", "secretLimit": 0}, "secretLimit"),
    ("limit of -1", {"name": "x", "secretLimit": -1}, "secretLimit"),
    ("limit as text", {"name": "x", "secretLimit": "5"}, "secretLimit"),
    ("limit with a fraction", b'{"name":"x","secretLimit":5.5}', "secretLimit"),
    ("limit with an exponent", b'{"name":"x","secretLimit":1e2}', "secretLimit"),
    ("limit beyond 64 bits", b'{"name":"x","secretLimit":18446744073709551617}', "secretLimit"),
    ("limit beyond 32 bits", b'{"name":"x","secretLimit":4294967297}', "secretLimit"),
    ("boolean as limit", {"name": "x", "secretLimit": True}, "secretLimit"),
    ("null as limit", {"name": "x", "secretLimit": None}, "secretLimit"),
    ("unknown member", {"name": "x", "color": "red"}, "body"),
    ("name twice", b'{"name":"x","name":"y"}', "name"),
    ("name twice, once escaped", rb'{"name":"x","n\u0061me":"y"}', "name"),
    ("member of another case", {"Name": "x"}, "body"),
    ("a list", b"[]", "body"),
    ("a text", b'"name"', "body"),
    ("a number", b"1", "body"),
    ("null", b"null", "body"),
    ("nothing", b"", "body"),
    ("space", b"  ", "body"),
    ("half", b'{"name":"x"', "body"),
    ("a comma too many", b'{"name":"x",}', "body"),
    ("a comment", b'{"name":"x"/**/}', "body"),
    ("single quotes", b"{'name':'x'}", "body"),
    ("space around", b' \r\n\t{ "name" : "x" } \n', None),
    ("trailing text", b'{"name":"x"}x', "body"),
    ("two objects", b'{"name":"x"}{"name":"y"}', "body"),
    ("byte-order mark", b'\xef\xbb\xbf{"name":"x"}', "body"),
    ("UTF-16", '{"name":"x"}'.encode("utf-16"), "body"),
    ("invalid UTF-8", b'{"name":"\xff"}', "body"),
    ("nesting", b'{"name":' + b"[" * 100 + b"]" * 100 + b"}", "name"),
    ("deep nesting", b"[" * 60000, "body"),
    ("deep objects", b'{"name":' * 7000, "name"),
]


def test_bodies_that_are_taken_and_refused(server):
    wrong = []
    for name, body, field in BODIES:
        answer = api(server, "POST", "/projects", body)
        if field is None:
            if answer.status != 201:
                wrong.append((name, answer.raw))
            else:
                server.owner("DELETE", "/projects/" + answer.json["data"]["project"]["id"])
            continue
        problem = answer.json["error"]
        got = answer.status, problem["code"], problem["details"][0]["field"]
        if got != (400, "VALIDATION_ERROR", field):
            wrong.append((name, answer.raw))
        if list(problem) != ["code", "message", "details"] or len(problem["details"]) != 1:
            wrong.append((name, "form", problem))
        if list(problem["details"][0]) != ["field", "issue"]:
            wrong.append((name, "details", problem))
    assert wrong == []
    assert api(server, "GET", "/projects").json["data"] == []


def test_names_come_back_as_they_were(server):
    for name in ('quote " and \\', "<b>&amp;</b>", "\u00e9\u4e2d\U0001f600", "a/b", " x ",
                 "e\u0301",
                 "\u202eabc", "\u2028"):
        answer = api(server, "POST", "/projects", {"name": name, "id": "named"})
        assert answer.status == 201, name
        assert answer.json["data"]["project"]["name"] == name
        assert api(server, "GET", "/projects").json["data"][0]["name"] == name
        server.owner("DELETE", "/projects/named")


def test_a_key_sees_its_projects_only(server):
    for one in ("one", "two", "three"):
        server.make_project(one)
    for scope in (["two"], ["one", "three"], "*"):
        key = server.make_key(projects=scope, permissions=["read"])
        seen = [one["id"] for one in api(server, "GET", "/projects", None, key).json["data"]]
        assert seen == sorted(["one", "two", "three"] if scope == "*" else scope)
    for one in ("one", "two", "three"):
        server.owner("DELETE", "/projects/" + one)


def test_many_projects(server):
    ids = sorted("many-%03d" % i for i in range(300))
    for one in ids:
        server.make_project(one)
    listed = api(server, "GET", "/projects").json["data"]
    assert [one["id"] for one in listed] == ids
    for one in ids:
        server.owner("DELETE", "/projects/" + one)


def test_everything_is_there_after_a_restart():
    with Server() as server:
        server.key = server.make_key()
        server.make_project("p", secretLimit=3)
        server.put("p", "A", "eight or more")
        targets = "/projects", "/projects/p", "/projects/p/secrets"
        before = [json.loads(api(server, "GET", one).body) for one in targets]
        for how in (15, 9):
            server.restart(how)
            assert [json.loads(api(server, "GET", one).body) for one in targets] == before
            assert server.values("p") == {"A": "eight or more"}

"""API keys: what they are, what each may do, and how they end."""
import datetime
import re
import signal
import string
import zlib

import pytest

from harness import Server, files_with, wait_until
from rawhttp import ask, over_tcp, over_unix, request

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


@pytest.fixture(scope="module")
def server():
    with Server(limits_failed_auth_per_minute=0) as one:
        one.make_project("mine")
        one.make_project("other")
        yield one


def api(server, method, target, body=None, key=None):
    if method == "POST" and body is None:
        body = b""
    return ask(server, request(method, "/api/v1" + target, (), body, key))


def make(server, **fields):
    """The text and the id of a new API key."""
    answer = server.owner("POST", "/api-keys", {"name": "test", **fields})
    assert answer.status == 201, answer.body
    return answer.data()["rawKey"], answer.data()["id"]


def listed(server, key_id):
    every = server.owner("GET", "/api-keys").data()["keys"]
    return next(one for one in every if one["id"] == key_id)


def soon(seconds):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (when.microsecond // 1000)


# --- what they look like ---

def check_chars(text):
    crc, out = zlib.crc32(text.encode()), ""
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        out = BASE62[digit] + out
    return out


def test_the_text_of_a_key(server):
    seen = set()
    for _ in range(100):
        raw, _ = make(server)
        assert re.fullmatch(r"tac_[0-9A-Za-z]{36}", raw)
        assert raw[34:] == check_chars(raw[4:34])
        seen.add(raw)
    assert len(seen) == 100


def test_bodies(server):
    answer = api(server, "POST", "/api-keys", {"name": "CI"}, server.make_key())
    assert answer.status == 201
    data = answer.json["data"]
    assert re.fullmatch(r'\{"data":\{"id":"%s","rawKey":"tac_\w{36}","keyPrefix":"tac_\w{4}"\}\}'
                        % UUID, answer.body.decode())
    assert data["keyPrefix"] == data["rawKey"][:8]
    gone = api(server, "DELETE", "/api-keys/" + data["id"], None, server.make_key())
    assert (gone.status, gone.body) == (200, b'{"data":{"success":true}}')
    again = api(server, "DELETE", "/api-keys/" + data["id"], None, server.make_key())
    assert (again.status, again.code()) == (404, "NOT_FOUND")


def test_the_list_to_the_byte():
    with Server() as server:
        server.make_project("a")
        server.make_project("b")
        assert api_owner(server) == '{"data":{"keys":[]}}'
        _, one = make(server, name="one")
        text = api_owner(server)
        entry = (r'\{"id":"%s","name":"one","keyPrefix":"tac_\w{4}","scopes":\{"projects":"\*",'
                 r'"permissions":\["read","write"\]\},"lastUsedAt":null,"createdAt":"%s",'
                 r'"expiresAt":null\}') % (one, TIME)
        assert re.fullmatch(r'\{"data":\{"keys":\[%s\]\}\}' % entry, text)
        _, two = make(server, name="two", projects=["b", "a", "b"], permissions=["write", "read"],
                      expiresAt="2099-01-31")
        _, three = make(server, name="three", permissions=["admin"])
        assert listed(server, two)["scopes"] == {"projects": ["a", "b"],
                                                 "permissions": ["read", "write"]}
        assert listed(server, two)["expiresAt"] == "2099-01-31T00:00:00.000Z"
        assert listed(server, three)["scopes"] == {"projects": "*", "permissions": ["admin"]}
        assert "rawKey" not in api_owner(server)


def api_owner(server):
    return server.owner("GET", "/api-keys").body.decode()


def test_a_name_alone_is_read_and_write_for_all(server):
    raw, key_id = make(server)
    assert listed(server, key_id)["scopes"] == {"projects": "*",
                                                "permissions": ["read", "write"]}
    assert api(server, "GET", "/projects/mine/secrets", None, raw).status == 200
    assert api(server, "POST", "/projects/other/secrets", {"key": "A", "value": "v"},
               raw).status == 200
    assert api(server, "GET", "/api-keys", None, raw).status == 403


def test_user_me(server):
    for permissions, role in ((["admin"], "admin"), (["read"], "member"), (["write"], "member")):
        raw, key_id = make(server, name="Who \u00e9", permissions=permissions)
        who = '"id":"%s","name":"Who \u00e9","email":null,"role":"%s"' % (key_id, role)
        answer = api(server, "GET", "/user/me", None, raw)
        assert answer.body.decode() == (
            '{"data":{%s,"source":"api_key","user":{%s}}}' % (who, who))
    answer = server.owner("GET", "/user/me")
    assert answer.data()["role"] == "admin" and answer.data()["user"]["role"] == "admin"


# --- what each may do ---

WHO = {
    "reader": dict(projects=["mine"], permissions=["read"]),
    "writer": dict(projects=["mine"], permissions=["write"]),
    "both": dict(projects=["mine"], permissions=["read", "write"]),
    "all_reader": dict(permissions=["read"]),
    "all_writer": dict(permissions=["write"]),
    "all_both": dict(),
    "admin": dict(permissions=["admin"]),
    "admin_and_more": dict(permissions=["admin", "read", "write"]),
}
ORDER = list(WHO)
SECRET = {"key": "A", "value": "v"}

# method, target, body, status for each of WHO in that order. DELETE of a project is in
# test_contract_http (order of checks).
MATRIX = [
    ("GET", "/projects/mine/secrets", None, (200, 403, 200, 200, 403, 200, 200, 200)),
    ("POST", "/projects/mine/secrets", SECRET, (403, 200, 200, 403, 200, 200, 200, 200)),
    ("DELETE", "/projects/mine/secrets/A", None, (403, 200, 200, 403, 200, 200, 200, 200)),
    ("GET", "/projects/other/secrets", None, (404, 404, 404, 200, 403, 200, 200, 200)),
    ("POST", "/projects/other/secrets", SECRET, (404, 404, 404, 403, 200, 200, 200, 200)),
    ("DELETE", "/projects/other/secrets/A", None, (404, 404, 404, 403, 200, 200, 200, 200)),
    ("GET", "/projects/none/secrets", None, (404,) * 8),
    ("POST", "/projects/none/secrets", SECRET, (404,) * 8),
    ("DELETE", "/projects/none/secrets/A", None, (404,) * 8),
    ("GET", "/projects", None, (200, 403, 200, 200, 403, 200, 200, 200)),
    ("GET", "/projects/mine", None, (200, 403, 200, 200, 403, 200, 200, 200)),
    ("GET", "/projects/other", None, (404, 404, 404, 200, 403, 200, 200, 200)),
    ("GET", "/projects/none", None, (404,) * 8),
    ("POST", "/projects", {"name": "new"}, (403,) * 6 + (201,) * 2),
    ("DELETE", "/projects/mine-not", None, (None,) * 6 + (200,) * 2),
    ("GET", "/api-keys", None, (403,) * 6 + (200,) * 2),
    ("POST", "/api-keys", {"name": "new"}, (403,) * 6 + (201,) * 2),
    ("DELETE", "/api-keys/none", None, (403,) * 6 + (404,) * 2),
    ("GET", "/user/me", None, (200,) * 8),
]


def test_scopes_and_permissions_and_endpoints(server):
    keys = {name: make(server, **fields)[0] for name, fields in WHO.items()}
    wrong = []
    for method, target, body, statuses in MATRIX:
        for name, status in zip(ORDER, statuses):
            got = api(server, method, target, body, keys[name]).status
            if status is not None and got != status:
                wrong.append((name, method, target, got, status))
    assert wrong == []


def test_keys_for_several_projects(server):
    raw, _ = make(server, projects=["mine", "other"])
    assert [one["id"] for one in api(server, "GET", "/projects", None, raw).json["data"]] == [
        "mine", "other"]
    for one, status in (("mine", 200), ("other", 200), ("mine2", 404), ("min", 404)):
        assert api(server, "GET", "/projects/%s/secrets" % one, None, raw).status == status


# name, fields, the field of error.details (None: it is taken)
BODIES = [
    ("all there is", {"projects": ["mine"], "permissions": ["read", "write"],
                      "expiresAt": "2099-12-31T23:59:59.999Z"}, None),
    ("all projects", {"projects": "*"}, None),
    ("admin of all", {"projects": "*", "permissions": ["admin"]}, None),
    ("permission twice", {"permissions": ["read", "read"]}, None),
    ("name of 128", {"name": "n" * 128}, None),
    ("name of 129", {"name": "n" * 129}, "name"),
    ("empty name", {"name": ""}, "name"),
    ("control character in the name", {"name": "a\x1bb"}, "name"),
    ("number as name", {"name": 1}, "name"),
    ("no projects", {"projects": []}, "projects"),
    ("text of projects", {"projects": "mine"}, "projects"),
    ("empty text of projects", {"projects": ""}, "projects"),
    ("star in a list", {"projects": ["*"]}, "projects"),
    ("unknown project", {"projects": ["mine", "none"]}, "projects"),
    ("malformed id", {"projects": ["a.b"]}, "projects"),
    ("number in projects", {"projects": [1]}, "projects"),
    ("null in projects", {"projects": [None]}, "projects"),
    ("null as projects", {"projects": None}, "projects"),
    ("list in projects", {"projects": [["mine"]]}, "projects"),
    ("object in projects", {"projects": [{}]}, "projects"),
    ("many projects", {"projects": ["mine"] * 300}, "projects"),
    ("no permissions", {"permissions": []}, "permissions"),
    ("unknown permission", {"permissions": ["read", "own"]}, "permissions"),
    ("permission of another case", {"permissions": ["Read"]}, "permissions"),
    ("text of permissions", {"permissions": "read"}, "permissions"),
    ("star of permissions", {"permissions": "*"}, "permissions"),
    ("null as permissions", {"permissions": None}, "permissions"),
    ("admin of one project", {"projects": ["mine"], "permissions": ["admin"]}, "projects"),
    ("expires in the past", {"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
    ("expires now", {"expiresAt": soon(-1)}, "expiresAt"),
    ("expires never", {"expiresAt": "never"}, "expiresAt"),
    ("null as time", {"expiresAt": None}, "expiresAt"),
    ("number as time", {"expiresAt": 4102444800}, "expiresAt"),
    ("empty time", {"expiresAt": ""}, "expiresAt"),
    ("no such day", {"expiresAt": "2099-02-30"}, "expiresAt"),
    ("no zone", {"expiresAt": "2099-01-01T00:00:00"}, "expiresAt"),
    ("unknown member", {"role": "admin"}, "body"),
]


def test_bodies_that_are_taken_and_refused(server):
    before = len(server.owner("GET", "/api-keys").data()["keys"])
    taken, wrong = 0, []
    for name, fields, field in BODIES:
        answer = api(server, "POST", "/api-keys", {"name": "n", **fields}, server.admin_key)
        if field is None:
            taken += answer.status == 201
            if answer.status != 201:
                wrong.append((name, answer.body))
        else:
            problem = answer.json["error"]
            got = answer.status, problem["code"], problem["details"][0]["field"]
            if got != (400, "VALIDATION_ERROR", field):
                wrong.append((name, answer.body))
    assert wrong == []
    assert len(server.owner("GET", "/api-keys").data()["keys"]) == before + taken


@pytest.fixture(autouse=True)
def admin_key(server):
    if not hasattr(server, "admin_key"):
        server.admin_key = server.make_key()


def test_times_with_an_offset(server):
    for text, told in (("2099-06-01T12:00:00+02:00", "2099-06-01T10:00:00.000Z"),
                       ("2099-06-01t12:00:00.5z", "2099-06-01T12:00:00.500Z"),
                       ("2099-06-01", "2099-06-01T00:00:00.000Z")):
        assert listed(server, make(server, expiresAt=text)[1])["expiresAt"] == told


# --- how they end ---

def test_a_key_expires(server):
    raw, key_id = make(server, expiresAt=soon(1.2))
    assert api(server, "GET", "/user/me", None, raw).status == 200
    with over_tcp(server) as wire:
        def status():
            return wire.send(request("GET", "/api/v1/user/me", key=raw)).answer().status
        assert status() == 200
        wait_until(lambda: status() == 401, 5)
    answer = api(server, "GET", "/user/me", None, raw)
    assert (answer.status, answer.get("WWW-Authenticate")) == (401, "Bearer")
    assert api(server, "GET", "/user/me", None, raw[:-1] + "x").body == answer.body
    assert listed(server, key_id)["id"] == key_id  # it is listed until it is revoked


def test_revocation_holds_at_once_on_all_threads():
    with Server(threads=4, limits_failed_auth_per_minute=0) as server:
        read = "/api/v1/user/me"
        for _ in range(5):
            raw, key_id = make(server)
            wires = [over_tcp(server) for _ in range(32)]
            for wire in wires:
                wire.send(request("GET", read, key=raw))
            assert {wire.answer().status for wire in wires} == {200}
            assert server.owner("DELETE", "/api-keys/" + key_id).status == 200
            for wire in wires:
                wire.send(request("GET", read, key=raw))
            assert {wire.answer().status for wire in wires} == {401}
            for wire in wires:
                wire.raw.close()


def test_a_new_key_works_at_once_on_all_threads():
    with Server(threads=4, limits_failed_auth_per_minute=0) as server:
        wires = [over_tcp(server) for _ in range(16)]
        for _ in range(10):
            raw, _ = make(server)
            for wire in wires:
                wire.send(request("GET", "/api/v1/user/me", key=raw))
            assert {wire.answer().status for wire in wires} == {200}


def test_a_revoked_key_stays_revoked(server):
    with Server() as own:
        raw, key_id = make(own)
        own.owner("DELETE", "/api-keys/" + key_id)
        for how in (signal.SIGTERM, signal.SIGKILL):
            own.restart(how)
            assert api(own, "GET", "/user/me", None, raw).status == 401


def test_the_key_in_use_cannot_revoke_itself(server):
    raw, key_id = make(server, permissions=["admin"])
    answer = api(server, "DELETE", "/api-keys/" + key_id, None, raw)
    assert (answer.status, answer.body) == (
        400, b'{"error":{"code":"VALIDATION_ERROR","message":"The request is not valid","details":'
             b'[{"field":"id","issue":"is the API key in use, which cannot revoke itself"}]}}')
    assert api(server, "GET", "/user/me", None, raw).status == 200
    other, _ = make(server, permissions=["admin"])
    assert api(server, "DELETE", "/api-keys/" + key_id, None, other).status == 200
    assert api(server, "GET", "/user/me", None, raw).status == 401


def test_last_used_appears_and_survives_a_restart():
    with Server() as server:
        raw, key_id = make(server)
        assert listed(server, key_id)["lastUsedAt"] is None
        before = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        assert api(server, "GET", "/user/me", None, raw).status == 200
        wait_until(lambda: listed(server, key_id)["lastUsedAt"] is not None, 5)
        used = listed(server, key_id)["lastUsedAt"]
        assert re.fullmatch(TIME, used) and used >= before
        server.restart()
        assert listed(server, key_id)["lastUsedAt"] == used


def test_last_used_moves(server):
    raw, key_id = make(server)
    api(server, "GET", "/user/me", None, raw)
    first = listed(server, key_id)["lastUsedAt"]

    def has_moved():
        api(server, "GET", "/user/me", None, raw)
        return listed(server, key_id)["lastUsedAt"] > first
    wait_until(has_moved, 5)


def test_a_deleted_project_leaves_the_scopes(server):
    for one in ("left", "right"):
        server.make_project(one)
    raw, key_id = make(server, projects=["left", "right"])
    only, only_id = make(server, projects=["left"])
    server.owner("DELETE", "/projects/left")
    assert listed(server, key_id)["scopes"]["projects"] == ["right"]
    assert listed(server, only_id)["scopes"]["projects"] == []
    server.make_project("left")  # made again: the old keys do not see it
    for key in (raw, only):
        assert api(server, "GET", "/projects/left/secrets", None, key).status == 404
    assert api(server, "GET", "/projects", None, only).json == {"data": []}
    assert api(server, "GET", "/projects/right/secrets", None, raw).status == 200
    for one in ("left", "right"):
        server.owner("DELETE", "/projects/" + one)


def test_scopes_after_a_restart():
    with Server() as server:
        for one in ("a", "b"):
            server.make_project(one)
        raw, key_id = make(server, projects=["a", "b"], permissions=["read"])
        server.owner("DELETE", "/projects/b")
        server.restart(signal.SIGKILL)
        assert listed(server, key_id)["scopes"] == {"projects": ["a"], "permissions": ["read"]}
        assert api(server, "GET", "/projects/a/secrets", None, raw).status == 200
        assert api(server, "POST", "/projects/a/secrets", SECRET, raw).status == 403


def test_only_a_hash_is_stored():
    with Server() as server:
        raw, _ = make(server, permissions=["admin"])
        api(server, "GET", "/user/me", None, raw)
        server.stop()
        assert files_with(server.data, raw[8:].encode()) == []
        assert raw[8:] not in server.log()
        server.start()
        assert api(server, "GET", "/user/me", None, raw).status == 200


def test_a_key_over_the_socket_is_that_key_not_the_owner(server):
    raw, _ = make(server, permissions=["read"])
    bearer = {"Authorization": "Bearer " + raw}
    assert server.owner("GET", "/api-keys", headers=bearer).status == 403
    assert server.owner("GET", "/api-keys",
                        headers={"Authorization": "Bearer no"}).status == 401


def test_many_keys(server):
    with Server() as own:
        ids = {make(own, name="k%d" % i)[1] for i in range(300)}
        assert {one["id"] for one in own.owner("GET", "/api-keys").data()["keys"]} == ids


def test_no_more_keys_than_there_are_places():
    """4,096 of them; one more is refused, and a revoked one makes room."""
    with Server() as server:
        target = "/api/v1/api-keys"
        data = request("POST", target, (), {"name": "n"})
        with over_unix(server.api_socket) as wire:
            last = None
            for _ in range(64):
                wire.send(data * 64)
                for _ in range(64):
                    last = wire.answer()
                    assert last.status == 201
            full = wire.send(data).answer()
            assert (full.status, full.code()) == (409, "CONFLICT")
            wire.send(request("DELETE", target + "/" + last.json["data"]["id"]))
            assert wire.answer().status == 200
            assert wire.send(data).answer().status == 201

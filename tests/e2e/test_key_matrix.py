"""Every API key × project × endpoint and method: generated, and judged by a model that is written
from the contract and knows nothing of the code."""
import collections
import datetime
import itertools
import os
import random
import time
import zlib

import pytest

from harness import Server, wait_until
from rawhttp import over_tcp, request

PROJECTS = ["p0", "p1", "p2"]
STRANGE = ["absent", "-bad", "p", "p00", "P0", "p0%00", "..", "*"]  # none of them is a project
NAMES = ["K0", "K1", "K2"]
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CONNECTIONS = 4

Key = collections.namedtuple("Key", "field scope permissions state")  # field: Authorization
Request = collections.namedtuple("Request", "kind method target project body content_type")


def check_chars(text):
    crc, out = zlib.crc32(text.encode()), ""
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        out = BASE62[digit] + out
    return out


# --- the model ---

class Model:
    """What the contract says, section 1: route and method, API key, scope, permission, content
    type, body; in this order."""

    def identifies(self, key):
        return key.state == "valid"

    def sees(self, key, project):
        return project in PROJECTS and (key.scope == "*" or project in key.scope)

    def may(self, key, permission):
        return permission in key.permissions or "admin" in key.permissions

    def status(self, key, asked):
        if asked.kind == "unknown route":
            return 404
        if asked.kind == "wrong method":
            return 405
        if asked.kind == "health":
            return 200
        if not self.identifies(key):
            return 401
        return self.of_project(key, asked) if asked.project else self.of_all(key, asked)

    def of_project(self, key, asked):
        if asked.kind == "delete project" and self.may(key, "admin"):
            return 200  # existed or not
        if not self.sees(key, asked.project):
            return 404
        needed = {"list": "read", "show": "read", "delete project": "admin"}
        if not self.may(key, needed.get(asked.kind, "write")):
            return 403
        return {"set, not JSON": 415, "set, bad": 400, "remove, bad": 400}.get(asked.kind, 200)

    def of_all(self, key, asked):
        if asked.kind == "me":
            return 200
        if asked.kind == "projects":
            return 200 if self.may(key, "read") else 403
        if not self.may(key, "admin"):
            return 403
        return {"new project": 201, "keys": 200, "new key": 201, "revoke": 404}[asked.kind]


class BlindToScope(Model):
    def sees(self, key, project):
        return project in PROJECTS


class BlindToPermissions(Model):
    def may(self, key, permission):
        return True


class BlindToState(Model):
    def identifies(self, key):
        return key.state in ("valid", "expired", "revoked")


# --- what is generated ---

def soon(seconds):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (when.microsecond // 1000)


def make(server, scope, permissions, **more):
    answer = server.owner("POST", "/api-keys", {"name": "matrix", "projects": scope,
                                                "permissions": permissions, **more})
    assert answer.status == 201, answer.body
    return answer.data()


def real_keys(server):
    kinds = list(itertools.product([["p0"], ["p1"], ["p0", "p1"], "*"],
                                   [["read"], ["write"], ["read", "write"]]))
    kinds += [("*", ["admin"]), ("*", ["admin", "read"])]
    keys = []
    for scope, permissions in kinds:
        valid = make(server, scope, permissions)["rawKey"]
        keys.append(Key("Bearer " + valid, scope, permissions, "valid"))
        keys.append(Key("bEARER " + valid, scope, permissions, "valid"))
        gone = make(server, scope, permissions)
        keys.append(Key("Bearer " + gone["rawKey"], scope, permissions, "revoked"))
        assert server.owner("DELETE", "/api-keys/" + gone["id"]).status == 200
    late = [(scope, permissions, make(server, scope, permissions, expiresAt=soon(1.5))["rawKey"])
            for scope, permissions in kinds]
    keys += [Key("Bearer " + raw, scope, permissions, "expired")
             for scope, permissions, raw in late]
    wait_until(lambda: server.call("GET", "/user/me", key=late[-1][2]).status == 401, 20)
    return keys


def false_keys(server, draw):
    """What looks like an API key that may do everything, and is none."""
    made = make(server, "*", ["admin"])
    raw = made["rawKey"]
    other = "".join(draw.choice(BASE62) for _ in range(30))
    first = raw[:4] + ("0" if raw[4] != "0" else "1") + raw[5:34]
    fields = [None, "", "Bearer", "Bearer ", "Bearer  " + raw, "Basic " + raw, raw,
              "Bearer " + raw[:-1], "Bearer " + raw + "0", "Bearer " + raw[:-1] + "!",
              "Bearer " + raw.swapcase(), "Bearer " + raw[4:], "Bearer TAC_" + raw[4:],
              "Bearer " + made["id"], "Bearer " + made["keyPrefix"], "Bearer " + raw + " " + raw,
              "Bearer " + raw + ",", 'Bearer "%s"' % raw, "Bearer\t" + raw,
              "Bearer tac_" + other + check_chars(other),       # well formed, nobody's
              "Bearer " + first + check_chars(first[4:]),       # one character off, well formed
              "Bearer " + raw[:33] + ("0" if raw[33] != "0" else "1") + raw[34:]]
    return [Key(field, "*", ["admin"], "false") for field in fields]


def all_requests():
    every = []

    def add(kind, method, target, project=None, body=None, content_type="application/json"):
        every.append(Request(kind, method, target, project, body, content_type))

    for project in PROJECTS + STRANGE:
        base = "/api/v1/projects/" + project
        add("list", "GET", base + "/secrets", project)
        add("list", "GET", base + "/secrets?project=p0&api_key=x", project)
        add("show", "GET", base, project)
        for name in NAMES:
            add("set", "POST", base + "/secrets", project, {"key": name})
            add("remove", "DELETE", base + "/secrets/" + name, project)
        add("set, not JSON", "POST", base + "/secrets", project, {"key": "K0"}, "text/plain")
        add("set, bad", "POST", base + "/secrets", project, {"key": "lower"})
        add("remove, bad", "DELETE", base + "/secrets/lower", project)
        add("delete project", "DELETE", base, project)
        for method in ("PUT", "PATCH", "HEAD", "OPTIONS"):
            add("wrong method", method, base + "/secrets", None, {})
            add("wrong method", method, base, None, {})
        add("wrong method", "GET", base + "/secrets/K0")
        add("wrong method", "POST", base, None, {})
        add("unknown route", "GET", base + "/secrets/K0/value")
        add("unknown route", "GET", base + "/env")
    add("projects", "GET", "/api/v1/projects")
    add("new project", "POST", "/api/v1/projects", None, {"name": "new"})
    add("keys", "GET", "/api/v1/api-keys")
    add("new key", "POST", "/api/v1/api-keys", None, {"name": "new"})
    add("revoke", "DELETE", "/api/v1/api-keys/none")
    add("me", "GET", "/api/v1/user/me")
    add("wrong method", "PUT", "/api/v1/api-keys", None, {})
    add("wrong method", "POST", "/api/v1/user/me", None, {})
    add("unknown route", "GET", "/api/v1/")
    for path in ("/livez", "/readyz", "/healthz"):
        add("health", "GET", path)
    return every


# --- the run ---

class Run:
    def __init__(self, server, draw):
        self.draw, self.values, self.writes = draw, {one: {} for one in PROJECTS}, 0
        self.wires = [over_tcp(server) for _ in range(CONNECTIONS)]
        self.answers = []  # (key, request, status)
        self.leaks = []    # answers to a list that name what the key may not see

    def ask(self, key, asked):
        body = dict(asked.body) if asked.body is not None else None
        if body is not None and "key" in body:
            self.writes += 1
            body["value"] = "value-%d" % self.writes
        fields = [] if key.field is None else [("Authorization", key.field)]
        if body is not None:
            fields.append(("Content-Type", asked.content_type))
        wire = self.draw.choice(self.wires)  # a key remembered there must not serve another
        wire.send(request(asked.method, asked.target, fields, body))
        answer = wire.answer(to_head=asked.method == "HEAD")
        self.answers.append((key, asked, answer.status))
        if asked.kind == "projects" and answer.status == 200:
            self.note_leak(key, [one["id"] for one in answer.json["data"]])
        if answer.status == 200:
            self.note_write(asked, body)

    def note_leak(self, key, listed):
        seen = [one for one in PROJECTS if Model().sees(key, one)]
        others = [one for one in listed if one not in seen]
        if [one for one in listed if one in PROJECTS] != seen or (key.scope != "*" and others):
            self.leaks.append((key, listed))

    def note_write(self, asked, body):
        if asked.kind == "set":
            self.values[asked.project][body["key"]] = body["value"]
        elif asked.kind == "remove":
            self.values[asked.project].pop(asked.target.rsplit("/", 1)[1], None)


def differences(model, answers):
    return [(key.state, key.scope, key.permissions, asked, status, model.status(key, asked))
            for key, asked, status in answers if status != model.status(key, asked)]


def deletes(key, asked):
    return (asked.kind == "delete project" and asked.project in PROJECTS
            and Model().status(key, asked) == 200)


@pytest.fixture(scope="module")
def run():
    seed = int(os.environ.get("TACIT_SEED", time.time_ns() % 1_000_000_000))
    print("TACIT_SEED=%d" % seed)
    draw = random.Random(seed)
    with Server(limits_failed_auth_per_minute=0) as server:
        for project in PROJECTS:
            server.make_project(project)
        keys = real_keys(server) + false_keys(server, draw)
        pairs = list(itertools.product(keys, all_requests()))
        # What an admin may delete would be missed by the rest of the run: asked for at its end.
        deleting = [pair for pair in pairs if deletes(*pair)]
        pairs = [pair for pair in pairs if not deletes(*pair)]
        draw.shuffle(pairs)
        made = Run(server, draw)
        for key, asked in pairs:
            made.ask(key, asked)
        made.stored = {one: server.values(one) for one in PROJECTS}
        for key, asked in deleting:
            made.ask(key, asked)
        made.left = [one["id"] for one in server.owner("GET", "/projects").data()]
        for wire in made.wires:
            wire.raw.close()
        yield made


def test_each_answer_is_the_models(run):
    wrong = differences(Model(), run.answers)
    assert wrong == [], "%d of %d" % (len(wrong), len(run.answers))
    assert len(run.answers) > 10_000


def test_what_is_stored_is_what_allowed_requests_wrote(run):
    assert run.stored == run.values


def test_a_list_of_projects_names_those_in_scope_only(run):
    assert run.leaks == []


def test_what_an_admin_deleted_is_gone_and_nothing_else_was(run):
    assert not set(PROJECTS) & set(run.left)


@pytest.mark.parametrize("blind", [BlindToScope, BlindToPermissions, BlindToState])
def test_a_server_that_did_not_look_would_be_found(run, blind):
    """The control: the answers do not fit a model that leaves one check out."""
    assert len(differences(blind(), run.answers)) > 100

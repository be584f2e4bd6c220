"""The command line as a user types it: output, --json, exit statuses, what errors say to do."""
import json
import os
import pty
import re
import signal
import stat
import subprocess
import sys
import termios
import time

import pytest

from harness import ROOT, TACIT, Server, as_user, clean_environment, for_everybody, wait_until

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MINUTE = r"\d{4}-\d\d-\d\d \d\d:\d\d"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
GROUPS = ["serve", "project", "key", "secret", "run", "env", "deliveries",
          "runtime", "check", "recover", "completion"]


@pytest.fixture(scope="module")
def server():
    with Server(limits_secrets_per_project=100) as one:
        one.admin = one.make_key()
        yield one


@pytest.fixture(params=["socket", "http"])
def tacit(request, server):
    """A function that runs tacit over api.sock, or over HTTP with an admin's API key."""
    def over_socket(*arguments, **more):
        return server.cli(*arguments, **more)

    def over_http(*arguments, **more):
        more = {"TACIT_URL": server.url, "TACIT_TOKEN": server.admin, "TACIT_DATA_DIR": "/none",
                **more}
        stdin = more.pop("stdin", None)
        return subprocess.run([TACIT, *arguments], input=stdin, capture_output=True, timeout=60,
                              env=clean_environment(**more))
    return over_socket if request.param == "socket" else over_http


@pytest.fixture
def shop(server):
    server.owner("DELETE", "/projects/shop")
    server.make_project("shop")
    yield "shop"
    server.owner("DELETE", "/projects/shop")


def good(done, stderr=""):
    """The output of a command that must have done its work."""
    assert (done.returncode, done.stderr.decode()) == (0, stderr), done
    return done.stdout.decode()


def bad(done, status, *parts):
    """The one line of a command that must have failed; each part must be in it."""
    assert (done.returncode, done.stdout) == (status, b""), done
    text = done.stderr.decode()
    assert re.fullmatch(r"tacit: [^\n]+\n", text), text
    for part in parts:
        assert part in text, (part, text)
    return text


def wrong(*arguments, **more):
    """Wrong usage needs no server."""
    return subprocess.run([TACIT, *arguments], capture_output=True, timeout=60,
                          env=clean_environment(TACIT_DATA_DIR="/none", **more))


# --- projects, keys, secrets: over api.sock and over HTTP ---

def test_projects(tacit):
    next_step = "tacit: made project shop; next: tacit secret set NAME --project shop\n"
    assert good(tacit("project", "create", "My shop", "--id", "shop", "--limit", "7"),
                next_step) == "shop\n"
    made = tacit("project", "create", "No id")
    assert made.returncode == 0 and re.fullmatch(UUID + r"\n", made.stdout.decode())
    other = made.stdout.decode().strip()
    table = good(tacit("project", "list"))
    assert re.fullmatch(
        r"ID +NAME +SECRETS +CREATED \(UTC\) +UPDATED \(UTC\)\n"
        r"(?:%s +No id +0 of 100 +MIN +MIN\n|shop +My shop +0 of 7 +MIN +MIN\n){2}".replace(
            "MIN", MINUTE) % other, table), table
    row = good(tacit("project", "show", "shop")).splitlines()[1]
    assert re.fullmatch(r"shop  My shop  0 of 7 +MIN +MIN".replace("MIN", MINUTE), row), row
    data = json.loads(good(tacit("project", "show", "shop", "--json")))
    assert list(data["project"]) == ["id", "name", "secretCount", "secretLimit", "createdAt",
                                     "updatedAt"]
    every = json.loads(good(tacit("project", "list", "--json")))
    assert {one["id"] for one in every} == {"shop", other}
    assert good(tacit("project", "delete", other)) == "deleted project %s\n" % other
    assert good(tacit("project", "delete", other)) == "there was no project %s\n" % other
    assert json.loads(good(tacit("project", "delete", "shop", "--json"))) == {
        "success": True, "existed": True}
    assert good(tacit("project", "list"),
                "tacit: no projects; make one with: tacit project create NAME\n") == ""
    assert json.loads(good(tacit("project", "list", "--json"))) == []
    made = tacit("project", "create", "J", "--id", "j", "--json")
    assert json.loads(good(made))["project"]["id"] == "j"
    good(tacit("project", "delete", "j"))


def test_refusals_of_projects(tacit, shop):
    bad(tacit("project", "create", "x", "--id", "shop"), 1, "shop is taken", "--id")
    for command in ("show", "delete"):
        bad(tacit("project", command, "a.b"), 2, "a project id is", "tacit project list")
    bad(tacit("project", "show", "none"), 1, "no project none", "tacit project list")
    bad(tacit("project", "create", "x", "--id", "-x"), 2, "a project id is")


def test_a_refused_request_says_what_was_wrong(tacit, server):
    bad(tacit("project", "create", "x", "--limit", "0"), 1, "between 1 and 100000")
    bad(tacit("project", "create", ""), 1, "1 to 128 characters")
    bad(tacit("key", "create", "x", "--project", "none"), 1, "does not exist")
    bad(tacit("key", "create", "x", "--expires", "2020-01-01"), 1, "a time to come")


def test_keys(tacit, server, shop):
    made = tacit("key", "create", "deploy", "--project", "shop", "--read-only", "--expires",
                 "2099-01-31")
    assert made.returncode == 0
    raw = made.stdout.decode()
    assert re.fullmatch(r"tac_[0-9A-Za-z]{36}\n", raw)
    said = re.fullmatch(r"tacit: made API key (%s); this is the only time that it is shown, so keep"
                        r" it now\. Use it as TACIT_TOKEN; take it back with: tacit key revoke \1\n"
                        % UUID, made.stderr.decode())
    key_id = said.group(1)
    assert server.call("GET", "/user/me", key=raw.strip()).data()["id"] == key_id
    table = good(tacit("key", "list")).splitlines()
    assert re.fullmatch(r"ID +NAME +KEY +PROJECTS +PERMISSIONS +CREATED \(UTC\) +"
                        r"LAST USED \(UTC\) +EXPIRES \(UTC\)", table[0])
    row = next(line for line in table if line.startswith(key_id))
    assert re.fullmatch(r"%s  deploy +%s\.\.\. +shop +read +MIN +MIN +2099-01-31 00:00".replace(
        "MIN", MINUTE) % (key_id, raw[:8]), row), row
    listed = json.loads(good(tacit("key", "list", "--json")))["keys"]
    one = next(one for one in listed if one["id"] == key_id)
    assert one["scopes"] == {"projects": ["shop"], "permissions": ["read"]}
    assert good(tacit("key", "revoke", key_id)) == "revoked API key %s\n" % key_id
    bad(tacit("key", "revoke", key_id), 1, "no API key has the id " + key_id, "tacit key list")
    bad(tacit("key", "revoke", raw.strip()), 2, "an API key, not its id", "tacit key list")
    assert server.call("GET", "/user/me", key=raw.strip()).status == 401


def test_kinds_of_keys(tacit, server, shop):
    server.make_project("two")
    for arguments, scopes in (
            ([], {"projects": "*", "permissions": ["read", "write"]}),
            (["--admin"], {"projects": "*", "permissions": ["admin"]}),
            (["--read-only"], {"projects": "*", "permissions": ["read"]}),
            (["--project", "shop", "--project", "two"],
             {"projects": ["shop", "two"], "permissions": ["read", "write"]}),
            (["--project", "two", "--expires", "2099-01-31T18:00:00+01:00"],
             {"projects": ["two"], "permissions": ["read", "write"]})):
        data = json.loads(good(tacit("key", "create", "n", "--json", *arguments)))
        assert list(data) == ["id", "rawKey", "keyPrefix"]
        listed = json.loads(good(tacit("key", "list", "--json")))["keys"]
        one = next(one for one in listed if one["id"] == data["id"])
        assert one["scopes"] == scopes
        if "--expires" in arguments:
            assert one["expiresAt"] == "2099-01-31T17:00:00.000Z"
        assert json.loads(good(tacit("key", "revoke", data["id"], "--json"))) == {"success": True}
    server.owner("DELETE", "/projects/two")


def test_secrets(tacit, server, shop):
    assert good(tacit("secret", "list", "--project", "shop"),
                "tacit: project shop has no secrets; add one with: tacit secret set NAME "
                "--project shop\n") == ""
    assert good(tacit("secret", "set", "B", "--project", "shop", stdin=b"value-of-b")) == (
        "stored B in project shop\n")
    data = json.loads(good(tacit("secret", "set", "A", "--project", "shop", "--json", stdin=b"x")))
    assert re.fullmatch(TIME, data["secret"]["createdAt"])
    assert re.fullmatch(r"NAME  ENDS WITH  CREATED \(UTC\)     UPDATED \(UTC\)\n"
                        r"A                MIN  MIN\nB     of-b       MIN  MIN\n".replace(
                            "MIN", MINUTE),
                        good(tacit("secret", "list", "--project", "shop")))
    listed = json.loads(good(tacit("secret", "list", "--project", "shop", "--json")))
    assert [list(one) for one in listed["secrets"]] == [
        ["key", "lastFour", "createdAt", "updatedAt"]] * 2
    assert server.values("shop") == {"A": "x", "B": "value-of-b"}
    assert good(tacit("secret", "rm", "A", "--project", "shop")) == "removed A in project shop\n"
    assert good(tacit("secret", "rm", "A", "--project", "shop")) == (
        "there was no A in project shop\n")
    assert json.loads(good(tacit("secret", "rm", "B", "--project", "shop", "--json"))) == {
        "success": True, "existed": True}


def test_where_a_value_comes_from(tacit, server, shop, tmp_path):
    file = tmp_path / "value"

    def stored(content, *arguments, how="stdin"):
        more = {}
        if how == "stdin":
            more["stdin"] = content
        elif how == "file":
            file.write_bytes(content)
            arguments += ("--from-file", str(file))
        else:
            more["GIVEN"] = content.decode()
            arguments += ("--from-env", "GIVEN")
        good(tacit("secret", "set", "A", "--project", "shop", *arguments, **more))
        return server.values("shop")["A"].encode()

    contents = [b"x", b"x\n", b"x\n\n", b"x\r\n", b"\n\n", b" a \t",
                "\u00e9\u4e2d\U0001f511".encode(),
                "\U0001f511".encode() * 4096, b"a" * 4096, b'"$(id)" \\ \'', bytes(range(1, 128))]
    for how in ("stdin", "file", "env"):
        for content in contents:
            assert stored(content, how=how) == content, (how, content)
            if content.strip(b"\n"):
                without = content[:-1] if content.endswith(b"\n") else content
                assert stored(content, "--trim-newline", how=how) == without, (how, content)


def type_value(server, typed, *arguments):
    """The output when stdin is a terminal at which this is typed, and what the terminal showed."""
    leader, follower = pty.openpty()
    child = subprocess.Popen([TACIT, "secret", "set", "TYPED", "--project", "shop", *arguments],
                             stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=clean_environment(TACIT_DATA_DIR=server.data))
    said = child.stderr.readline()
    wait_until(lambda: not termios.tcgetattr(follower)[3] & termios.ECHO, 10)
    os.write(leader, typed)
    out, err = child.communicate(timeout=60)
    assert termios.tcgetattr(follower)[3] & termios.ECHO  # as it was before
    os.set_blocking(leader, False)
    try:
        shown = os.read(leader, 65536)
    except BlockingIOError:
        shown = b""
    os.close(leader)
    os.close(follower)
    return child.returncode, out, said + err, shown


def test_a_value_that_is_typed(server, shop):
    for typed, value in ((b"s3cret\n\x04", "s3cret"), (b"s3cret\x04", "s3cret"),
                         (b"two\nlines\n\x04", "two\nlines"), (b"a\n\n\x04", "a\n"),
                         (b"wronq\x7fg\n\x04", "wrong"), (b"no\x15yes\n\x04", "yes"),
                         ("\u00e9x\x7f\x7f\u4e2d\n\x04".encode(), "\u4e2d")):
        status, out, err, shown = type_value(server, typed)
        assert (status, out) == (0, b"stored TYPED in project shop\n"), (typed, err)
        assert err.startswith(b"tacit: type or paste the value of TYPED (it is not shown)"), err
        assert err.count(b"\n") == 1 and b"Ctrl-D" in err
        assert shown == b""
        assert server.values("shop")["TYPED"] == value
    status, out, err, shown = type_value(server, b"\x04")
    assert (status, out) == (1, b"") and b"empty" in err


def test_data_on_the_command_line_wins_over_the_address(server, shop):
    done = subprocess.run([TACIT, "project", "show", "shop", "--data", server.data],
                          capture_output=True, timeout=60,
                          env=clean_environment(TACIT_URL="http://127.0.0.1:1", TACIT_TOKEN="x"))
    assert done.returncode == 0, done.stderr


REFUSED_VALUES = [
    (b"", 1, "the value is empty"),
    (b"\xff", 1, "not UTF-8"),
    (b"a\0b", 1, "NUL"),
    (b"a" * 4097, 1, "longer than 4096 characters"),
    ("\U0001f511".encode() * 4097, 1, "longer than 4096 characters"),
    (b"a" * 1000000, 1, "longer than 4096 characters"),
    (b"\xed\xa0\xbd", 1, "not UTF-8"),
]


def test_values_that_are_refused(tacit, server, shop, tmp_path):
    server.put("shop", "A", "before")
    set_a = "secret", "set", "A", "--project", "shop"
    for content, status, part in REFUSED_VALUES:
        bad(tacit(*set_a, stdin=content), status, part)
        (tmp_path / "value").write_bytes(content)
        bad(tacit(*set_a, "--from-file", str(tmp_path / "value")), status, part)
    bad(tacit(*set_a, "--trim-newline", stdin=b"\n"), 1, "empty")
    bad(tacit(*set_a, "--from-file", "/none/value"), 1, "/none/value", "No such file")
    bad(tacit(*set_a, "--from-file", str(tmp_path)), 1, "Is a directory")
    bad(tacit(*set_a, "--from-env", "NOT_THERE"), 1, "--from-env", "export it first")
    bad(tacit(*set_a, "--from-env", "EMPTY", EMPTY=""), 1, "empty")
    assert server.values("shop") == {"A": "before"}


def test_refusals_of_secrets(tacit, server, shop):
    for command in (["set", "A"], ["rm", "A"], ["list"]):
        bad(tacit("secret", *command, "--project", "none", stdin=b"v"), 1, "no project none",
            "tacit project list")
        bad(tacit("secret", *command, "--project", "no.ne", stdin=b"v"), 2, "a project id is")
        bad(tacit("secret", *command, stdin=b"v"), 2, "--project is required", "--help")
    for name in ("a", "1A", "A-B", "A" * 65, ""):
        bad(tacit("secret", "set", name, "--project", "shop", stdin=b"v"), 2,
            "the name of a secret")
        bad(tacit("secret", "rm", name, "--project", "shop"), 2, "the name of a secret")


def test_a_value_on_the_command_line_is_refused_and_not_repeated(tacit, shop):
    text = bad(tacit("secret", "set", "A", "canary-value", "--project", "shop"), 2,
               "a value is never an argument", "--from-file")
    assert "canary" not in text
    for arguments in (["--value", "canary"], ["--value=canary"], ["-v", "canary"]):
        assert "canary" not in bad(tacit("secret", "set", "A", "--project", "shop", *arguments), 2)


def test_a_full_project(tacit, server):
    server.make_project("full", secretLimit=1)
    server.put("full", "A", "v")
    bad(tacit("secret", "set", "B", "--project", "full", stdin=b"v"), 1, "full is full",
        "B was not stored", "tacit secret rm NAME --project full")
    good(tacit("secret", "set", "A", "--project", "full", stdin=b"w"))
    server.owner("DELETE", "/projects/full")


# --- over HTTP only ---

def over_http(server, key, *arguments, url=None, stdin=None):
    return subprocess.run([TACIT, *arguments], input=stdin, capture_output=True, timeout=60,
                          env=clean_environment(TACIT_URL=url or server.url, TACIT_TOKEN=key,
                                                TACIT_DATA_DIR="/none"))


def test_the_address(server):
    for url in (server.url, server.url + "/", server.url + "/api/v1", server.url + "/api/v1/",
                server.url.replace("127.0.0.1", "localhost")):
        good(over_http(server, server.admin, "key", "list", url=url))
    for url, part in (("ftp://x", "http://"), ("127.0.0.1:1",
                      "http://"), ("http://", "no host"), ("http://x:y", "port"),
                      ("http://u:p@x", "@"), ("http://x?y", "?"), ("http://x y", "space")):
        text = bad(over_http(server, server.admin, "key", "list", url=url), 1, "TACIT_URL", part)
        assert server.admin not in text
    bad(over_http(server, server.admin, "key", "list", url="http://127.0.0.1:1"), 1,
        "Connection refused", "is the server running there?")
    bad(over_http(server, server.admin, "key", "list", url="http://host.invalid"), 1,
        "cannot find the host")


def test_half_of_an_address(server):
    bad(wrong("project", "list", TACIT_URL=server.url), 1, "TACIT_TOKEN is not")
    bad(wrong("project", "list", TACIT_TOKEN=server.admin), 1, "TACIT_URL is not")


def test_refusals_over_http(server, shop):
    reader = server.make_key(permissions=["read"], projects=["shop"])
    bad(over_http(server, reader, "key", "list"), 1, "lacks the permission", "tacit key create")
    bad(over_http(server, reader, "secret", "set", "A", "--project", "shop", stdin=b"v"), 1,
        "lacks the permission")
    bad(over_http(server, reader, "secret", "list", "--project", "none"), 1, "no project none",
        "or the API key may not see it")
    for key in ("nonsense", server.admin[:-1] + "#", "tac_" + "a" * 36):
        text = bad(over_http(server, key, "project", "list"), 1, "TACIT_TOKEN was not accepted",
                   "tacit key create NAME")
        assert key not in text
    bad(over_http(server, "two words", "project", "list"), 1, "TACIT_TOKEN holds a space")


def test_the_key_in_use_is_not_revoked(server):
    own = server.call("GET", "/user/me", key=server.admin).data()["id"]
    bad(over_http(server, server.admin, "key", "revoke", own), 1)
    assert server.call("GET", "/user/me", key=server.admin).status == 200


def test_too_many_requests_say_when_to_come_again():
    with Server(limits_reads_per_minute=1) as own:
        key = own.make_key()
        good(over_http(own, key, "project", "list", "--json"))
        bad(over_http(own, key, "project", "list"), 1, "too many requests; try again in ")


def test_what_answers_is_not_tacit(server):
    import http.server
    import threading

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *_):
            pass
    other = http.server.HTTPServer(("127.0.0.1", 0), Other)
    thread = threading.Thread(target=other.serve_forever)
    thread.start()
    try:
        url = "http://127.0.0.1:%d" % other.server_port
        bad(over_http(server, server.admin, "project", "list", url=url), 1,
            "is that a tacit server?")
    finally:
        other.shutdown()
        thread.join()
        other.server_close()


# --- no server, no permission ---

def test_no_server():
    bad(wrong("project", "list"), 1, "there is no /none/store/api.sock", "tacit serve --data /none")
    for command in (["run", "--", "true"], ["env", "--format", "json"]):
        command[1:1] = ["--project", "p", "--wait", "0"]
        bad(wrong(*command), 1, "unavailable: cannot reach the keeper", "--data DIR")


def test_a_server_that_was_killed():
    with Server() as own:
        own.kill()
        bad(own.cli("project", "list"), 1, "nobody answers at", "tacit serve --data")
        bad(own.cli("env", "--project", "p", "--format", "json", "--wait", "0"), 1, "unavailable")


@pytest.mark.skipif(not ROOT, reason="changes its user")
def test_another_user(server, shop):
    binary = for_everybody(TACIT)

    def as_other(*arguments):
        return subprocess.run(as_user("12345") + [binary, *arguments], capture_output=True,
                              timeout=60, env=clean_environment(TACIT_DATA_DIR=server.data))
    bad(as_other("project", "list"), 1, "run the command as the user that started tacit or as root")
    text = bad(as_other("run", "--project", "shop", "--", "true"), 1,
               "refused: uid 12345 may not read project shop", "[[delivery.allow]]")
    assert text.replace("shop", "none") == bad(
        as_other("run", "--project", "none", "--", "true"), 1)


# --- wrong usage ---

WRONG = [
    ([], "a command is missing", "tacit --help"),
    (["nonsense"], "unknown command nonsense", "tacit --help"),
    (["project"], "a command is missing", "tacit project --help"),
    (["project", "nonsense"], "unknown command nonsense", "tacit project --help"),
    (["key"], "a command is missing", "tacit key --help"),
    (["secret"], "a command is missing", "tacit secret --help"),
    (["completion"], "a command is missing", "tacit completion --help"),
    (["completion", "zsh"], "unknown command", "tacit completion --help"),
    (["project", "create"], "NAME is required", "tacit project create --help"),
    (["project", "show"], "ID is required", "tacit project show --help"),
    (["project", "list", "extra"], "too many arguments", "tacit project list --help"),
    (["project", "list", "--bogus"], "unknown flag --bogus", "tacit project list --help"),
    (["project", "create", "x", "--limit", "x"], "--limit", "tacit project create --help"),
    (["project", "create", "x", "--limit", "-1"], "--limit", "tacit project create --help"),
    (["key", "create"], "NAME is required", "tacit key create --help"),
    (["key", "create", "x", "--admin", "--project", "p"], "excludes", "tacit key create --help"),
    (["key", "create", "x", "--admin", "--read-only"], "excludes", "tacit key create --help"),
    (["key", "create", "x", "--expires", "soon"], "--expires takes a date", "2027-01-31"),
    (["key", "create", "x", "--project", "-bad"], "a project id is", "tacit project list"),
    (["key", "revoke"], "ID is required", "tacit key revoke --help"),
    (["secret", "set"], "KEY is required", "tacit secret set --help"),
    (["secret", "set", "A"], "--project is required", "tacit secret set --help"),
    (["secret", "set", "A", "--project", "p", "--from-file", "f", "--from-env", "E"], "excludes",
     "tacit secret set --help"),
    (["secret", "rm", "A"], "--project is required", "tacit secret rm --help"),
    (["secret", "list"], "--project is required", "tacit secret list --help"),
    (["secret", "get", "A", "--project", "p"], "unknown command get: values come out with tacit "
     "run and tacit env", "tacit secret --help"),
    (["secret", "remove", "A", "--project", "p"], "unknown command remove; see",
     "tacit secret --help"),
    (["secret", "set", "A=hunter2", "--project", "p"], "a value is never an argument",
     "--from-file"),
    (["run"], "--project is required", "tacit run --help"),
    (["run", "--project", "p"], "goes behind --", "tacit run --project ID -- CMD"),
    (["run", "--project", "p", "--"], "goes behind --", "tacit run --project ID -- CMD"),
    (["run", "--project", "p", "true"], "goes behind --", "tacit run --project ID -- CMD"),
    (["run", "--", "true"], "--project is required", "tacit run --help"),
    (["env", "--project", "p"], "--format is required", "tacit env --help"),
    (["env", "--project", "p", "--format", "xml"], "json,null,shell", "tacit env --help"),
    (["env", "--project", "a.b", "--format", "json"], "a project id is", "tacit project list"),
    (["serve", "extra"], "too many arguments", "tacit serve --help"),
    (["serve", "--port", "1"], "unknown flag --port", "tacit serve --help"),
    (["check", "file"], "too many arguments", "tacit check --help"),
]


def test_wrong_usage():
    for arguments, *parts in WRONG:
        bad(wrong(*arguments), 2, *parts)


def test_help_teaches():
    top = good(wrong("--help"))
    for group in GROUPS:
        assert group in top
    assert good(wrong("help")) == good(wrong("-h")) == top
    for command in (["serve"], ["project"], ["project", "create"], ["project", "list"],
                    ["project", "show"], ["project", "delete"], ["key"], ["key", "create"],
                    ["key", "list"], ["key", "revoke"], ["secret"], ["secret", "set"],
                    ["secret", "list"], ["secret", "rm"], ["run"], ["env"], ["deliveries"],
                    ["check"], ["recover"], ["completion"], ["completion", "bash"]):
        text = good(wrong(*command, "--help"))
        assert "Usage: tacit " + " ".join(command) in text
        assert "Example:" in text, command
        assert all(len(line) <= 100 for line in text.splitlines()), command
    assert re.fullmatch(r"tacit \d+\.\d+\.\d+\n", good(wrong("--version")))


def test_output_that_cannot_be_written(server, shop):
    with open("/dev/full", "w") as full:
        done = subprocess.run([TACIT, "project", "list"], stdout=full, stderr=subprocess.PIPE,
                              env=clean_environment(TACIT_DATA_DIR=server.data), timeout=60)
    assert done.returncode == 1 and b"cannot write to stdout: No space left" in done.stderr


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_change_whose_outcome_cannot_be_written_is_said_to_be_made(server, shop, more):
    def changed(*arguments, stdin=None):
        with open("/dev/full", "w") as full:
            done = subprocess.run([TACIT, *arguments, *more], input=stdin, stdout=full,
                                  stderr=subprocess.PIPE, timeout=60,
                                  env=clean_environment(TACIT_DATA_DIR=server.data))
        assert done.returncode == 1 and b"cannot write to stdout" in done.stderr
        return done.stderr.decode()
    stored = changed("secret", "set", "A", "--project", shop, stdin=b"value")
    assert stored.startswith("tacit: stored A in project %s, but cannot" % shop)
    assert server.values(shop) == {"A": "value"}
    assert "removed A in project" in changed("secret", "rm", "A", "--project", shop)
    assert server.values(shop) == {}
    assert "made project full" in changed("project", "create", "Full", "--id", "full")
    made = re.search(r"made API key (\S+?)[,;]", changed("key", "create", "lost"))
    assert made
    assert "revoked API key " + made[1] + ", but" in changed("key", "revoke", made[1])
    assert "deleted project full, but" in changed("project", "delete", "full")
    assert server.owner("GET", "/projects/full").status == 404


def test_names_that_would_play_with_a_terminal(server):
    server.make_project("esc")
    for name in ("\x9b31mred", "\u0085next", "\u202eflipped"):
        key = server.owner("POST", "/api-keys", {"name": name})
        assert key.status == 201, name
        table = good(server.cli("key", "list"))
        assert "\x9b" not in table and "\x85" not in table
        server.owner("DELETE", "/api-keys/" + key.data()["id"])
    server.owner("DELETE", "/projects/esc")


# --- run ---

def run(server, *command, **more):
    return server.cli("run", "--project", "shop", "--", *command, **more)


def test_run_gives_the_status_of_its_command(server, shop):
    for status in (0, 1, 2, 3, 7, 125, 126, 127, 128, 255):
        done = run(server, "sh", "-c", "exit %d" % status)
        assert (done.returncode, done.stdout, done.stderr) == (status, b"", b"")


def test_run_ends_by_the_signal_of_its_command(server, shop):
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGSEGV, signal.SIGHUP):
        done = run(server, "sh", "-c", "kill -%d $$" % number)
        assert done.returncode in (-number, 128 + number)


def test_signals_reach_the_command(server, shop):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
        script = ("import os,signal,time\n"
                  "def got(n, f): os.write(1, b'got %%d\\n' %% n); os._exit(40)\n"
                  "signal.signal(%d, got)\nprint('ready', flush=True)\ntime.sleep(60)" % number)
        child = subprocess.Popen([TACIT, "run", "--project", "shop", "--", sys.executable, "-c",
                                  script], stdout=subprocess.PIPE,
                                 env=clean_environment(TACIT_DATA_DIR=server.data))
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(number)
        assert child.stdout.read() == b"got %d\n" % number
        assert child.wait(60) == 40
        child.stdout.close()


def test_run_passes_everything_else_on(server, shop, tmp_path):
    server.put("shop", "A", "from tacit")
    server.put("shop", "GIVEN", "overrides")
    done = run(server, sys.executable, "-c",
               "import os,sys; print(os.environ['A'], os.environ['GIVEN'], os.environ['KEPT'],"
               "sys.argv[1:], sys.stdin.read())", "-x", "--project", "--", "--help", "a b", "",
               stdin=b"input", GIVEN="mine", KEPT="kept")
    assert done.stdout.decode() == ("from tacit overrides kept "
                                    "['-x', '--project', '--', '--help', 'a b', ''] input\n")
    done = run(server, "sh", "-c", "echo err >&2; pwd")
    assert done.stderr == b"err\n" and done.stdout.decode().strip() == os.getcwd()


def test_run_does_not_pass_the_api_key_on(server, shop):
    done = run(server, "env", TACIT_TOKEN=server.admin, TACIT_URL=server.url)
    assert b"TACIT_TOKEN" not in done.stdout and server.admin.encode() not in done.stdout


def test_run_leaves_no_descriptor_open(server, shop):
    done = run(server, sys.executable, "-S", "-c",
               "import os; print([os.readlink('/proc/self/fd/'+f) for f in "
               "os.listdir('/proc/self/fd') if int(f) > 2])")
    assert b"socket" not in done.stdout and b"keeper" not in done.stdout


def test_run_is_replaced_by_its_command(server, shop):
    child = subprocess.Popen([TACIT, "run", "--project", "shop", "--", "sleep", "60"],
                             env=clean_environment(TACIT_DATA_DIR=server.data))

    def name():
        with open("/proc/%d/comm" % child.pid) as comm:
            return comm.read().strip()
    try:
        wait_until(lambda: name() == "sleep", 10)
    finally:
        child.kill()
        child.wait()


def test_commands_that_cannot_be_run(server, shop, tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("not a program")
    plain.chmod(stat.S_IRUSR)
    path = "/usr/bin:/bin"  # a folder that we may not search would make it 126
    bad(run(server, "no-such-command-here", PATH=path), 127,
        "cannot run no-such-command-here", "No such file")
    bad(run(server, str(tmp_path / "none")), 127, "No such file")
    bad(run(server, str(plain)), 126, "Permission denied")
    bad(run(server, str(tmp_path)), 126, "Permission denied")


def test_withheld_names_are_said(server, shop):
    server.put("shop", "LD_PRELOAD", "canary.so")
    server.put("shop", "PATH", "/canary")
    server.put("shop", "FINE", "v")
    done = run(server, "sh", "-c", 'echo "$FINE|$LD_PRELOAD|$PATH"', PATH=os.environ["PATH"])
    assert done.stdout.decode() == "v||%s\n" % os.environ["PATH"]
    assert done.stderr.decode() == (
        "tacit: withheld, as they change how programs load code: LD_PRELOAD, PATH "
        "(delivery.deliver_names in the server's settings allows them)\n")
    for form in ("json", "null", "shell"):
        done = server.cli("env", "--project", "shop", "--format", form)
        assert b"canary" not in done.stdout + done.stderr and b"LD_PRELOAD" in done.stderr


def test_run_finds_the_socket(server, shop):
    command = ["run", "--project", "shop", "--", "echo", "found"]
    for more in ({"TACIT_DATA_DIR": server.data}, {"TACIT_RUN_DIR": server.data + "/run"}):
        assert good(subprocess.run([TACIT, *command], capture_output=True, timeout=60,
                                   env=clean_environment(**more))) == "found\n"
    for flags in (["--data", server.data], ["--run-dir", server.data + "/run"]):
        done = subprocess.run([TACIT, *command[:1], *flags, *command[1:]], capture_output=True,
                              timeout=60, env=clean_environment(TACIT_DATA_DIR="/none"))
        assert good(done) == "found\n"
    bad(server.cli("run", "--project", "shop", "--wait", "0", "--", "true", TACIT_RUN_DIR="/none"),
        1, "/none/keeper.sock")


# --- env ---

NASTY = {
    "QUOTES": "a'b\"c`d'''", "DOLLAR": "$HOME $(id) ${x} `id` $$", "NEWLINES": "a\nb\n\n",
    "TABS": "\t\t",
    "BACKSLASH": "\\n\\\\", "SPACES": "  a  ", "CRLF": "a\r\n", "UNICODE": "\u00e9\u4e2d\U0001f511",
    "CONTROLS": "".join(map(chr, range(1, 32))) + "\x7f", "SEMICOLON": "; rm -rf /; #",
    "QUOTE": "'", "QUOTE_END": "a'", "LONG": "'" * 4096, "DASH": "-n", "BANG": "!!", "STAR": "*",
}


@pytest.fixture
def nasty(server, shop):
    for name, value in NASTY.items():
        server.put("shop", name, value)
    return NASTY


def test_env_as_json(server, nasty):
    text = good(server.cli("env", "--project", "shop", "--format", "json"))
    assert json.loads(text) == nasty and text.endswith("}\n")
    assert list(json.loads(text)) == sorted(nasty)


def test_env_with_nul_bytes(server, nasty):
    text = good(server.cli("env", "--project", "shop", "--format", "null"))
    assert text == "".join("%s=%s\0" % (k, nasty[k]) for k in sorted(nasty))


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
def test_env_for_a_shell(server, nasty, shell, tmp_path):
    text = server.cli("env", "--project", "shop", "--format", "shell").stdout
    (tmp_path / "env.sh").write_bytes(text)
    dump = "%s -c 'import os,json; print(json.dumps(dict(os.environ)))'" % sys.executable
    for script in ('eval "$(cat env.sh)"; ' + dump, ". ./env.sh; " + dump, "set -eu; . ./env.sh; "
                   + dump):
        done = subprocess.run([shell, "-c", script], capture_output=True, cwd=tmp_path, timeout=60)
        got = json.loads(done.stdout)
        assert {name: got[name] for name in nasty} == nasty


def test_env_of_an_empty_project(server, shop):
    for form, text in (("json", "{}\n"), ("null", ""), ("shell", "")):
        assert good(server.cli("env", "--project", "shop", "--format", form)) == text


def test_env_refusals(server):
    bad(server.cli("env", "--project", "none", "--format", "json"), 1, "no such project: none",
        "tacit project list")


# --- completion ---

def completions(line):
    """What bash offers behind this line."""
    words = line.split(" ")
    script = ('source <("$TACIT" completion bash)\nCOMP_WORDS=(%s)\nCOMP_CWORD=%d\n_tacit\n'
              'printf "%%s\\n" "${COMPREPLY[@]}"' % (" ".join("'%s'" % w for w in words),
                                                   len(words) - 1))
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=60,
                          env=clean_environment(TACIT=os.path.abspath(TACIT)))
    return done.stdout.decode().split(), done.stderr.decode()


def test_completion():
    done = subprocess.run(["bash", "-ec", 'source <("$TACIT" completion bash); complete -p tacit'],
                          capture_output=True, timeout=60,
                          env=clean_environment(TACIT=os.path.abspath(TACIT)))
    assert good(done) == "complete -F _tacit tacit\n"
    assert set(completions("tacit ")[0]) == set(GROUPS) | {"--help", "--version"}
    assert completions("tacit pro")[0] == ["project"]
    assert set(completions("tacit project ")[0]) == {"create", "list", "show", "delete", "--help"}
    assert completions("tacit secret set A --from-f")[0] == ["--from-file"]
    assert completions("tacit env --format ")[0] == [
        "json", "null", "shell", "dotenv", "docker", "podman", "systemd", "raw"]
    assert "--read-only" in completions("tacit key create x --")[0]
    assert "echo" in completions("tacit run --project p -- ech")[0]


def test_completion_offers_every_flag_that_there_is():
    for command in (["serve"], ["project", "create"], ["project", "list"], ["project", "show"],
                    ["project", "delete"], ["key", "create"], ["key", "list"], ["key", "revoke"],
                    ["secret", "set"], ["secret", "list"], ["secret", "rm"], ["run"], ["env"],
                    ["deliveries"], ["check"], ["recover"], ["runtime", "keygen"],
                    ["runtime", "enrol"], ["runtime", "pin"], ["runtime", "list"],
                    ["runtime", "revoke"], ["runtime", "reset"]):
        flags = set(re.findall(r"^ +(?:-\w,)?(--[a-z-]+)", good(wrong(*command, "--help")), re.M))
        words, stderr = completions("tacit %s --" % " ".join(command))
        assert flags <= set(words), (command, flags - set(words), stderr)


# --- check ---

CHECKS = [
    ("", None),
    ('data_dir = "/x"\n[limits]\nreads_per_minute = 0\n', None),
    ('listen = ["127.0.0.1:1", "[::1]:2"]\n', None),
    ('[[delivery.allow]]\nproject = "p"\nuid = 0\n', None),
    ("nonsense = 1\n", ["line 1", "nonsense"]),
    ("[limits]\n\nread_per_minute = 5\n", ["line 3", "limits.read_per_minute"]),
    ("[limits]\nreads_per_minute = -1\n", ["line 2", "limits.reads_per_minute", "from 0 to"]),
    ("[limits]\nlast_four_min_length = 4\n", ["line 2", "limits.last_four_min_length", "from 5"]),
    ('[limits]\nreads_per_minute = "5"\n', ["line 2", "limits.reads_per_minute"]),
    ('sandbox = "maybe"\n', ["line 1", "sandbox"]),
    ('listen = "localhost:80"\n', ["line 1", "listen"]),
    ('listen = []\n', ["line 1", "listen"]),
    ("a = \n", ["line 1"]),
    ("[limits\n", ["line 1"]),
    ("threads = 0\n", ["line 1", "threads"]),
    ("threads = 1.5\n", ["line 1", "threads"]),
    ("threads = true\n", ["line 1", "threads"]),
    ("threads = 1\nthreads = 2\n", ["line 2", "threads"]),
    ('[log]\nlevel = "loud"\n', ["line 2", "log.level"]),
    ('[[delivery.allow]]\nproject = "p"\n', ["line 1", "uid, gid and unit"]),
    ("[[delivery.allow]]\nuid = 1\n", ["line 1", "project"]),
    ('[[delivery.allow]]\nproject = "p"\nuid = "no-such-user-here"\n', ["line 3", "no-such-user"]),
    ('[[delivery.allow]]\nproject = "p"\nuid = -1\n', ["line 3", "uid"]),
    ('[[delivery.allow]]\nproject = "p"\nuid = 1\nnonsense = 2\n', ["line 4", "nonsense"]),
    ('[[delivery.allow]]\nproject = "p"\nunit = "%s.service"\n' % ("u" * 74), None),
    ('[[delivery.allow]]\nproject = "p"\nunit = "%s.service"\n' % ("u" * 75),
     ["line 3", "has 83 characters", "credential"]),
    ('[delivery]\ndeliver_names = ["lower"]\n', ["line 2", "delivery.deliver_names"]),
]


def test_check(tmp_path):
    file = tmp_path / "tacit.toml"
    for text, parts in CHECKS:
        file.write_text(text)
        done = wrong("check", "--config", str(file))
        if parts is None:
            assert good(done) == "ok\n", text
        else:
            bad(done, 1, str(file), *parts)
    bad(wrong("check", "--config", str(tmp_path / "none")), 1, "cannot read the settings file")
    bad(wrong("check", TACIT_LIMITS_READS_PER_MINUTE="x"), 1, "TACIT_LIMITS_READS_PER_MINUTE")
    bad(wrong("check", TACIT_LIMITS_READ="x"), 1, "TACIT_LIMITS_READ")


def test_serve_refuses_what_check_refuses(tmp_path):
    file = tmp_path / "tacit.toml"
    file.write_text("[limits]\nnonsense = 1\n")
    own = Server(arguments=["--config", str(file)])
    with pytest.raises(RuntimeError, match="line 2: unknown setting limits.nonsense"):
        with own:
            pass


def test_the_order_of_settings(tmp_path):
    """Default < file < environment."""
    file = tmp_path / "tacit.toml"
    file.write_text("[limits]\nreads_per_minute = 11\nwrites_per_minute = 22\n")
    own = Server(arguments=["--config", str(file)])
    del own.settings["limits_reads_per_minute"]
    own.settings["limits_writes_per_minute"] = "33"
    with own as server:
        key = server.make_key()
        read = server.call("GET", "/user/me", key=key)
        write = server.call("DELETE", "/projects/none", key=key)
        assert (read.headers["X-RateLimit-Limit"], write.headers["X-RateLimit-Limit"]) == (
            "11", "33")


def test_the_first_line_is_the_only_one(server):
    own = Server()
    with own:
        time.sleep(0.05)
        own.process.send_signal(signal.SIGTERM)
        assert own.process.stdout.read() == b""

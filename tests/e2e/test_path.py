"""A value goes in over the API and comes out in a process's environment, byte for byte."""
import json
import shutil
import signal
import subprocess

import pytest

from harness import ORDINARY, ROOT, Server, as_user, clean_environment, for_everybody

# One value a line; what each is there for is said by its name.
VALUES = {
    "PLAIN": "your-exchange-key",
    "SHORTEST": "x",
    "SPACES": "  two before, one after ",
    "ONLY_SPACE": " ",
    "FINAL_NEWLINE": "line\n",
    "ONLY_NEWLINES": "\n\n",
    "LINES": "-----BEGIN KEY-----\nMIIB\r\nIjAN\n-----END KEY-----\n",
    "TABS": "\ta\tb\t",
    "CONTROLS": "".join(map(chr, range(1, 32))) + "\x7f",
    "QUOTES": "'single' \"double\" `back` \\slash\\ \\n",
    "SHELL": "$HOME ${HOME} $(id) !! * ~ ; | & # %s %n",
    "EQUALS": "=a=b==",
    "JSON": '{"data":{"env":{"A":"\\u0041"}}}',
    "COMPOSED": "\u00e9",
    "DECOMPOSED": "e\u0301",
    "BYTE_ORDER_MARK": "\ufeffvalue\ufeff",
    "EMOJI": "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "EDGES": "\x7f\x80\u07ff\u0800\ud7ff\ue000\ufffd\ufffe\uffff\U00010000\U0010ffff",
    "LONGEST_ASCII": "k" * 4095 + "!",
    "LONGEST_EMOJI": "\U0001f600" * 4096,
}
PROJECT = "proj_path"

USERS = [pytest.param(None, id="as-started")]
USERS.append(pytest.param(ORDINARY, id="ordinary-user", marks=pytest.mark.skipif(
    not ROOT, reason="only root can start a server as another user")))


def post_as_curl_does(server, key, body):
    """The bytes that curl 7.88 sends for -d, on a connection of their own."""
    head = ("POST /api/v1/projects/%s/secrets HTTP/1.1\r\n"
            "Host: 127.0.0.1:%d\r\n"
            "User-Agent: curl/7.88.1\r\n"
            "Accept: */*\r\n"
            "Authorization: Bearer %s\r\n"
            "Content-Type: application/json\r\n"
            "Content-Length: %d\r\n\r\n" % (PROJECT, server.port, key, len(body)))
    with server.connect_raw() as raw:
        raw.sendall(head.encode() + body)
        raw.shutdown(1)
        answer = b""
        while chunk := raw.recv(65536):
            answer += chunk
    return answer


def put_all(server, key, escaped):
    for name, value in VALUES.items():
        body = json.dumps({"key": name, "value": value}, ensure_ascii=escaped)
        answer = post_as_curl_does(server, key, body.encode())
        assert answer.startswith(b"HTTP/1.1 200 "), (name, answer)


def run_as_owner(server, *arguments):
    """`tacit …` as the user that started the server."""
    command = [server.binary, *arguments]
    if server.user is not None:
        command = as_user(server.user) + [for_everybody(server.binary), *arguments]
    done = subprocess.run(command, capture_output=True, timeout=60,
                          env=clean_environment(TACIT_DATA_DIR=server.data))
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_all_out(server):
    listed = server.owner("GET", "/projects/%s/secrets" % PROJECT).data()["secrets"]
    assert [one["key"] for one in listed] == sorted(VALUES)
    for name, value in VALUES.items():
        printed = run_as_owner(server, "run", "--project", PROJECT, "--", "printenv", name)
        assert printed == value.encode() + b"\n", name
    entries = run_as_owner(server, "env", "--project", PROJECT, "--format", "null")
    assert entries.endswith(b"\0")
    given = dict(entry.split(b"=", 1) for entry in entries[:-1].split(b"\0"))
    assert given == {name.encode(): value.encode() for name, value in VALUES.items()}
    text = run_as_owner(server, "env", "--project", PROJECT, "--format", "json")
    assert json.loads(text.decode()) == VALUES
    assert server.values(PROJECT) == VALUES


def end_softly(server):
    assert server.stop() == 0


def kill_keeper(server):
    server.kill()


def kill_api(server):
    assert server.kill_api() == 4


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("escaped", [False, True], ids=["utf-8", "escapes"])
def test_in_with_curl_out_with_printenv(user, escaped):
    with Server(user=user) as server:
        server.make_project(PROJECT)
        put_all(server, server.make_key(), escaped)
        check_all_out(server)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("end", [end_softly, kill_keeper, kill_api])
def test_the_same_after_a_restart(user, end):
    with Server(user=user) as server:
        server.make_project(PROJECT)
        key = server.make_key()
        put_all(server, key, False)
        end(server)
        server.start()
        check_all_out(server)
        # And it goes on: an update with the key of before.
        body = json.dumps({"key": "PLAIN", "value": "after"}).encode()
        assert post_as_curl_does(server, key, body).startswith(b"HTTP/1.1 200 ")
        assert server.values(PROJECT) == {**VALUES, "PLAIN": "after"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_with_curl_itself():
    with Server() as server:
        server.make_project(PROJECT)
        body = json.dumps({"key": "LONGEST_EMOJI", "value": VALUES["LONGEST_EMOJI"]}).encode()
        done = subprocess.run(
            ["curl", "-sS", "--fail-with-body", "-H", "Authorization: Bearer " + server.make_key(),
             "-H", "Content-Type: application/json", "--data-binary", "@-",
             server.url + "/api/v1/projects/%s/secrets" % PROJECT],
            input=body, capture_output=True, timeout=60)
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert server.values(PROJECT) == {"LONGEST_EMOJI": VALUES["LONGEST_EMOJI"]}


def test_run_gives_back_the_status_and_signal_of_its_command():
    with Server() as server:
        server.make_project(PROJECT)
        server.put(PROJECT, "STATUS", "7")
        ended = server.cli("run", "--project", PROJECT, "--", "sh", "-c", "exit $STATUS")
        assert ended.returncode == 7
        ended = server.cli("run", "--project", PROJECT, "--", "sh", "-c", "kill -TERM $$")
        assert ended.returncode == -signal.SIGTERM

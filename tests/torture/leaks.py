#!/usr/bin/env python3
"""Canary values through every path into and out of tacit, then a search of all that is left.

    ./dev torture leaks [--rounds N] [--seed N]    as root: it reads the memory of other processes

Each path has a canary of its own: a text, drawn by the seed, that is (part of) a value. Afterwards
every answer, the log at its finest level, every data file, the limiter's shared memory, arguments
and environments, the folder of core files and the whole memory of both processes are searched for
each, whole and in pieces, in the spellings that tacit or a client uses. Each search has a control
that must find.
"""
import base64
import contextlib
import glob
import json
import os
import random
import re
import signal
import string
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))

import harness  # noqa: E402
from harness import SUBKEY_INSTANCE, Server, clean_environment, derive, wait_until  # noqa: E402
from pki import Authority  # noqa: E402
from remote import Runtime  # noqa: E402
from test_memory import open_connections, read_answers, read_texts, request, search  # noqa: E402
from test_tls import tls_server  # noqa: E402
from verdict import parser_of  # noqa: E402

PROJECT = "leaks-project"
REMOTE = "leaks-remote"
PIECE = 8  # bytes
RANDOM = random.Random()
PLACES = ("answers", "log", "files", "proc", "api memory", "keeper memory")


class Canary:
    def __init__(self):
        self.text = "".join(RANDOM.choices(string.ascii_letters, k=3 * PIECE))
        self.escaped = "".join("\\u%04x" % ord(one) for one in self.text)
        raw = self.text.encode()
        self.needles = [raw[at:at + PIECE] for at in range(0, len(raw), PIECE)]
        self.needles += [self.escaped[at:at + 4 * PIECE].encode()
                         for at in range(0, len(self.escaped), 4 * PIECE)]
        self.needles += [raw.hex().encode(), raw.hex().upper().encode(),
                         self.text.encode("utf-16-le")]
        for shift in range(3):  # base64 in each position, without what depends on the neighbours
            coded = base64.b64encode(b"x" * shift + raw)
            self.needles.append(coded[4 if shift else 0:-4])


class Label(Canary):
    """A value whose last four characters, which lists show, can be told from everything else."""

    def __init__(self):
        self.text = "".join(chr(RANDOM.randrange(0x20000, 0x2a6d0)) for _ in range(4))
        self.escaped = json.dumps(self.text)[1:-1]
        self.needles = [self.text.encode(), self.escaped.encode()]


class Campaign:
    def __init__(self, server, ca_file=""):
        self.server = server
        self.key = server.make_key()
        self.ca_file = ca_file
        self.canaries = {}
        self.hits = {}     # path -> {place: number}
        self.searched = dict.fromkeys(PLACES, 0)
        self.controls = []

    def canary(self, path, kind=Canary):
        self.canaries[path] = kind()
        return self.canaries[path]

    def control(self, what, found):
        self.controls.append((what, bool(found)))
        assert found, "the search finds nothing where it must: " + what

    def look(self, place, text):
        """No canary may be in what was answered, written or logged."""
        self.searched[place] += 1
        for path, canary in self.canaries.items():
            count = sum(text.count(needle) for needle in canary.needles)
            if count:
                where = self.hits.setdefault(path, {})
                where[place] = where.get(place, 0) + count

    def hear(self, answer):
        """An answer that shows no value, nor a piece of one that is looked for."""
        self.look("answers", str(answer.headers).encode() + answer.body)
        return answer

    # --- ways in ---

    def put(self, project, name, value):
        answer = self.server.owner("POST", "/projects/%s/secrets" % project,
                                   {"key": name, "value": value})
        assert self.hear(answer).status == 200, answer.body

    def send(self, data, count=1):
        with self.server.connect_raw() as raw:
            raw.sendall(data)
            got = b"".join(read_texts(raw, count)) if self.server.tls else b""
            with contextlib.suppress(ConnectionError):
                raw.shutdown(1)
                while not self.server.tls and (chunk := raw.recv(65536)):
                    got += chunk
        assert got.count(b"HTTP/1.1 ") >= count, got[:200]
        self.look("answers", got)
        return got

    def post(self, body, key=None, target="/api/v1/projects/%s/secrets" % PROJECT, **more):
        return self.send(request(self.server, key or self.key, body, target=target, **more))

    def values_over_http(self):
        body = b'{"key":"%s","value":"%s"}'
        c = self.canary("POST")
        assert b" 200 " in self.post(body % (b"PLAIN", c.text.encode()))
        c = self.canary("POST, written as escapes")
        assert b" 200 " in self.post(body % (b"ESCAPED", c.escaped.encode()))
        c = self.canary("POST over api.sock")
        self.put(PROJECT, "LOCAL", c.text)
        c = self.canary("POST, overwritten")
        self.post(body % (b"OVERWRITTEN", c.text.encode()))
        self.post(body % (b"OVERWRITTEN", b"another"))
        c = self.canary("POST, deleted")
        self.post(body % (b"DELETED", c.text.encode()))
        assert self.hear(self.server.call("DELETE", "/projects/%s/secrets/DELETED" % PROJECT,
                                          key=self.key)).status == 200
        c = self.canary("POST, 60 pipelined")
        pipelined = b"".join(request(self.server, self.key, body % (b"PIPED", c.text.encode() * 9))
                             for _ in range(60))
        self.send(pipelined, 60)
        c = self.canary("POST, withheld from delivery")
        self.post(body % (b"LD_PRELOAD", c.text.encode()))

    def refused(self):
        server, key = self.server, self.key
        reader = server.make_key(permissions=["read"], projects=[PROJECT])
        body = '{"key":"REFUSED","value":"%s"}'
        target = "/api/v1/projects/%s" % PROJECT
        ways = {
            "400 cut off": lambda t: self.post((body % t)[:-2].encode()),
            "400 too long": lambda t: self.post((body % (t * 200)).encode()),
            "400 as a key": lambda t: self.post(('{"key":"%s","value":"v"}' % t).encode()),
            "400 as a member": lambda t: self.post(('{"%s":"v"}' % t).encode()),
            "400 plain text": lambda t: self.post(t.encode() * 50),
            "401": lambda t: self.post((body % t).encode(), key="tac_" + "0" * 36),
            "401, as the API key": lambda t: self.post(b"{}", key=t),
            "403": lambda t: self.post((body % t).encode(), key=reader),
            "404 project": lambda t: self.post((body % t).encode(),
                                               target="/api/v1/projects/none/secrets"),
            "404, as the path": lambda t: self.post(b"{}", target="/api/v1/" + t),
            "405": lambda t: self.post((body % t).encode(), method="PUT"),
            "411": lambda t: self.post((body % t).encode(), more="Transfer-Encoding: chunked\r\n"),
            "413": lambda t: self.post((body % (t * 4000)).encode()),
            "415, as the type": lambda t: self.post((body % t).encode(),
                                                    more="Content-Type: text/%s\r\n" % t),
            "431, as a header": lambda t: self.post(b"", more="A: %s\r\n" % (t * 400)),
            "a query": lambda t: self.send(request(server, key, b"", method="GET",
                                                   target=target + "?value=" + t)),
            "other headers": lambda t: self.send(request(
                server, key, b"", method="GET", target=target,
                more="X-Request-Id: %s!\r\nIf-None-Match: \"%s\"\r\nCookie: %s\r\n" % (t, t, t))),
            "no HTTP": lambda t: self.send(t.encode() + b"\r\n\r\n"),
            "409": lambda t: self.post((body % t).encode(),
                                       target="/api/v1/projects/leaks-full/secrets"),
        }
        for name, way in ways.items():
            way(self.canary(name).text)

    def broken_off(self):
        c = self.canary("a request broken off")
        body = b'{"key":"HALF","value":"%s"}' % (c.text.encode() * 30)
        data = request(self.server, self.key, body)
        with self.server.connect_raw() as raw:
            raw.sendall(data[:-1])
            wait_until(lambda: any(search(self.server.api_pid(), c.needles[:3]).values()))
            self.controls.append(("half a request is in the api's memory", True))

    def api_keys(self):
        c = self.canary("a new API key")
        answer = self.server.call("POST", "/api-keys", {"name": "one"}, key=self.key)
        raw = answer.data()["rawKey"]
        c.needles = [raw[8:].encode(), raw[8:20].encode(), raw[20:].encode()]
        for _ in range(20):
            assert self.hear(self.server.call("GET", "/user/me", key=raw)).status == 200
        self.control("an API key is in the answer that makes it", raw[8:].encode() in answer.body)
        self.hear(self.server.call("GET", "/api-keys", key=self.key))

    def lists(self):
        """Longer than any buffer that is kept: 26 KB each, many in one send."""
        labels = [self.canary("label %d" % number, Label) for number in range(25)]
        for number, label in enumerate(labels):
            self.server.put("leaks-labels", "L%d" % number, "12345678" + label.text)
        target = "/api/v1/projects/leaks-labels/secrets"
        one = request(self.server, self.key, b"", method="GET", target=target)
        got = b""
        for _ in range(8):  # each core
            with self.server.connect_raw() as raw:
                raw.sendall(one * 40)
                assert read_answers(raw, 40) == [200] * 40
        with self.server.connect_raw() as raw:
            raw.sendall(one)
            got = raw.recv(65536)
        self.control("a list shows its labels", labels[0].text.encode() in got)
        held = search(self.server.api_pid(), [labels[0].needles[0]])
        self.control("a list that is kept is in the api's memory", any(held.values()))
        # Other labels; lists that are kept are made anew, or are of a project that is gone.
        for number in range(25):
            self.server.put("leaks-labels", "L%d" % number, "short")
        for _ in range(16):
            with self.server.connect_raw() as raw:
                raw.sendall(one * 40)
                assert read_answers(raw, 40) == [200] * 40

    # --- the command line ---

    def cli(self, *arguments, stdin=None, **environment):
        done = self.server.cli(*arguments, stdin=stdin, **environment)
        self.look("answers", done.stdout + done.stderr)
        return done

    def command_line(self):
        folder = self.server.own_folder
        c = self.canary("secret set, stdin")
        running = subprocess.Popen(
            [self.server.binary, "secret", "set", "STDIN", "--project", PROJECT],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=clean_environment(TACIT_DATA_DIR=self.server.data))
        running.stdin.write(c.text.encode())
        running.stdin.flush()
        wait_until(lambda: PROJECT.encode() in self.look_at_process(running.pid))
        cmdline = self.look_at_process(running.pid)
        self.control("the project is in the arguments of `tacit secret set`",
                     PROJECT.encode() in cmdline)
        self.look("answers", running.communicate(timeout=60)[0])
        c = self.canary("secret set --from-file")
        path = os.path.join(folder, "from-file")
        with open(path, "w") as file:
            file.write(c.text)
        assert self.cli("secret", "set", "FILE", "--project", PROJECT, "--from-file",
                        path).returncode == 0
        os.unlink(path)
        c = self.canary("secret set --from-env")
        assert self.cli("secret", "set", "ENV", "--project", PROJECT, "--from-env", "GIVEN",
                        GIVEN=c.text).returncode == 0
        for name, arguments in {
                "secret set, no such project": ["secret", "set", "A", "--project", "none"],
                "secret set, a full project": ["secret", "set", "NEW", "--project", "leaks-full"],
                "secret set, a bad name": ["secret", "set", "no name", "--project", PROJECT],
        }.items():
            assert self.cli(*arguments, stdin=self.canary(name).text.encode()).returncode != 0
        c = self.canary("secret set, as an argument")
        assert self.cli("secret", "set", "A", c.text, "--project", PROJECT).returncode == 2
        c = self.canary("secret set, too long")
        assert self.cli("secret", "set", "A", "--project", PROJECT,
                        stdin=c.text.encode() * 300).returncode == 1
        c = self.canary("TACIT_TOKEN that is none")
        assert self.cli("secret", "list", "--project", PROJECT, TACIT_TOKEN=c.text,
                        TACIT_URL=self.server.url).returncode == 1

    def delivery(self):
        delivered = self.canary("delivered in every way")
        self.put(PROJECT, "DELIVERED", delivered.text)
        text = self.server.deliver(PROJECT).body
        self.control("delivery gives the value", delivered.text.encode() in text)
        for way in ("json", "null", "shell"):
            done = self.server.cli("env", "--project", PROJECT, "--format", way)
            self.control("env --format " + way, delivered.text.encode() in done.stdout)
            self.look("answers", done.stderr)
        running = subprocess.Popen(
            [self.server.binary, "run", "--project", PROJECT, "--",
             "sh", "-c", "echo ready; read x"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=clean_environment(TACIT_DATA_DIR=self.server.data))
        assert running.stdout.readline() == b"ready\n"
        with open("/proc/%d/cmdline" % running.pid, "rb") as file:
            self.look("proc", file.read())
        with open("/proc/%d/environ" % running.pid, "rb") as file:
            self.control("the program that was given its secrets has them in its environment",
                         delivered.text.encode() in file.read())
        self.look("answers", running.communicate(b"\n", timeout=60)[1])
        self.cli("run", "--project", PROJECT, "--", "/none")
        self.cli("run", "--project", "none", "--", "true")
        asked = b"GET /v1/projects/%s/env HTTP/1.1\r\nHost: x\r\n\r\n" % PROJECT.encode()
        for taken in (0, 1, 500):
            with harness.socket.socket(harness.socket.AF_UNIX) as peer:
                peer.connect(self.server.keeper_socket)
                peer.sendall(asked)
                for _ in range(taken):
                    assert peer.recv(1)
        self.server.deliver(PROJECT)  # what came before it has been dealt with
        c = self.canary("id asked for at keeper.sock")
        self.hear(self.server.deliver(c.text))

    def another_machine(self, number):
        """An identity is made, enrolled, used and revoked: its key is nobody else's."""
        delivered = self.canary("delivered to a runtime")
        self.put(REMOTE, "REMOTE", delivered.text)
        runtime = Runtime(self.server.own_folder, "web-%d" % number)
        runtime.enrol(self.server, REMOTE, name="web-%d" % number)
        with open(runtime.file) as file:
            text = file.read().split()[4]
        own = self.canary("a runtime's private key")
        raw = base64.urlsafe_b64decode(text + "=")
        own.needles = [raw[:16], raw[16:], text[:16].encode(), text[-16:].encode(),
                       raw.hex().encode()]
        asked = ["--project", REMOTE, *runtime.options(self.server.url)]
        for arguments in (["env", *asked, "--format", "json"],
                          ["run", *asked, "--", "printenv", "REMOTE"]):
            done = runtime.tacit(*arguments, TACIT_CA_FILE=self.ca_file)
            self.control(arguments[0] + " --server", delivered.text.encode() in done.stdout)
            self.look("answers", done.stderr)
            self.look("answers", done.stdout.replace(delivered.text.encode(), b""))
        running = subprocess.Popen(
            [self.server.binary, "run", *asked, "--", "sh", "-c", "echo ready; read x"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=clean_environment(TACIT_CA_FILE=self.ca_file))
        assert running.stdout.readline() == b"ready\n"
        with open("/proc/%d/cmdline" % running.pid, "rb") as file:
            self.look("proc", file.read())
        self.look("answers", running.communicate(b"\n", timeout=60)[1])
        for arguments in (["runtime", "list"], ["runtime", "revoke", "web-%d" % number]):
            assert self.cli(*arguments).returncode == 0
        refused = runtime.tacit("env", *asked, "--format", "json", TACIT_CA_FILE=self.ca_file)
        self.control("a revoked runtime is unauthorized", b"unauthorized" in refused.stderr)
        self.look("answers", refused.stdout + refused.stderr)

    # --- what is left ---

    def look_at_process(self, pid):
        seen = b""
        for name in ("cmdline", "environ"):
            with open("/proc/%d/%s" % (pid, name), "rb") as file:
                text = file.read()
            self.look("proc", text)
            seen += text
        for comm in glob.glob("/proc/%d/task/*/comm" % pid):
            with open(comm, "rb") as file:
                self.look("proc", file.read())
        return seen

    def look_at_files(self):
        seen = b""
        segment = "/dev/shm/tacit-" + derive(self.server.root_key(), SUBKEY_INSTANCE, 16).hex()
        paths = [segment, *glob.glob(os.path.join(self.server.data, "**"), recursive=True)]
        kinds = set()
        for path in paths:
            with contextlib.suppress(FileNotFoundError, OSError):
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        text = file.read()
                    kinds.add(re.sub(r"[0-9-]+", "", os.path.basename(path)))
                    self.look("files", text)
                    seen += text
        self.control("the project's id is in a file", PROJECT.encode() in seen)
        self.control("the write-ahead log and the manifest were searched",
                     {"MANIFEST", ".log"} <= kinds)

    def look_at_log(self):
        text = self.server.log().encode()
        self.control("requests are in the log", b'"event":"request"' in text)
        self.look("log", text)

    def look_at_memory(self):
        wait_until(lambda: open_connections(self.server) == 0)
        needles = {needle: path for path, one in self.canaries.items() for needle in one.needles}
        for place, pid in (("api memory", self.server.api_pid()),
                           ("keeper memory", self.server.pid)):
            self.searched[place] += 1
            found = search(pid, [*needles, b"tacit"])
            self.control("the program's own name is in its memory: " + place, found.pop(b"tacit"))
            for needle, places in found.items():
                if places:
                    where = self.hits.setdefault(needles[needle], {})
                    where[place] = where.get(place, 0) + len(places)

    def faults(self):
        """What must not be. A project's id, which is no value, is only counted in memory."""
        return {path: where for path, where in self.hits.items()
                if not path.startswith("id ") or not set(where) <= set(PLACES[-2:])}

    def run(self, rounds):
        for number in range(rounds):
            self.values_over_http()
            self.refused()
            self.broken_off()
            self.api_keys()
            self.command_line()
            self.delivery()
            self.another_machine(number)
            self.lists()
            self.look_at_everything()

    def look_at_everything(self):
        self.look_at_memory()
        self.look_at_log()
        self.look_at_files()
        self.look_at_process(self.server.pid)
        self.look_at_process(self.server.api_pid())


class Dumping(Server):
    """One that may leave core files, in a folder where they can be seen."""

    def command(self):
        return ["prlimit", "--core=unlimited", "sh", "-c", 'cd "$0" && exec "$@"',
                self.own_folder, os.path.abspath(self.binary), *super().command()[1:]]


def core_files(folder):
    return [os.path.join(folder, name) for name in os.listdir(folder) if "core" in name]


def crash(binary, which, how):
    """A process is killed in the middle of a value. Returns (hits, what the control left): "a core
    file", or where the kernel puts them when that is not the folder that is searched."""
    with open("/proc/sys/kernel/core_pattern") as file:
        pattern = file.read().strip()
    with Dumping(binary=binary, log_level="debug") as server:
        server.make_project(PROJECT, secretLimit=300)
        key = server.make_key()
        canary = Canary()
        value = canary.text * 150
        for number in range(200):  # more than a socket holds: the rest waits in the keeper
            server.put(PROJECT, "KEY_%d" % number, value)
        subprocess.run(["prlimit", "--core=unlimited", "sh", "-c", "kill -%d $$" % how],
                       cwd=server.own_folder, check=False)
        seen = core_files(server.own_folder)
        assert seen or pattern.startswith(("|", "/")), "a process that may leaves no core file"
        for path in seen:
            os.unlink(path)
        half = request(server, key, b'{"key":"K","value":"%s"}' % canary.text.encode())[:-1]
        asked = b"GET /v1/projects/%s/env HTTP/1.1\r\nHost: x\r\n\r\n" % PROJECT.encode()
        api = server.api_pid()
        with server.connect_raw() as raw, \
                harness.socket.socket(harness.socket.AF_UNIX) as peer:
            raw.sendall(half)
            peer.connect(server.keeper_socket)
            peer.sendall(asked)
            assert peer.recv(1)
            pid = server.pid if which == "keeper" else api
            wait_until(lambda: any(search(pid, canary.needles[:3]).values()))  # the control
            os.kill(pid, how)
            server.process.wait(60)
        wait_until(lambda: not harness.is_alive(api))
        hits = [path for path in core_files(server.own_folder)]
        for path in [server.log_path, *glob.glob(os.path.join(server.data, "**"), recursive=True)]:
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    text = file.read()
                hits += [path for needle in canary.needles if needle in text]
        return hits, "a core file" if seen else "none here: cores go to " + pattern


def main():
    asked = parser_of("leaks", rounds=20).parse_args()
    print("leaks: --seed %d" % asked.seed, flush=True)
    RANDOM.seed(asked.seed)
    rounds = asked.rounds
    more = {"log_level": "debug", "threads": 2, "limits_head_seconds": 5, "limits_body_seconds": 5}
    with Server(limits_failed_auth_per_minute=0, **more) as server:
        failed = report(started(server), "HTTP", rounds)
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(folder)
        with tls_server(authority, authority.issue("server"), **more) as server:
            campaign = started(server, authority.certificate)
            failed = report(campaign, "HTTPS", max(1, rounds // 4)) or failed
    for which in ("api", "keeper"):
        for how in (signal.SIGSEGV, signal.SIGABRT):
            hits, seen = crash(harness.TACIT, which, how)
            failed = failed or bool(hits)
            print("%s of the %s in the middle of a value: %d hits (the control leaves %s)"
                  % (how.name, which, len(hits), seen))
    return 1 if failed else 0


def report(campaign, what, rounds):
    """Runs it; whether there was a fault."""
    campaign.run(rounds)
    print("%s: %d paths x %d rounds, %d needles in the last; %d controls found what they must"
          % (what, len(campaign.canaries), rounds,
             sum(len(one.needles) for one in campaign.canaries.values()), len(campaign.controls)))
    for place in PLACES:
        hits = sum(one.get(place, 0) for one in campaign.hits.values())
        print("%-14s searched %6d times, %d hits" % (place, campaign.searched[place], hits))
    for path, where in campaign.hits.items():
        print("  %s: %s" % (path, where))
    return bool(campaign.faults())


def started(server, ca_file=""):
    server.make_project(PROJECT, secretLimit=100)
    server.make_project("leaks-labels")
    server.make_project(REMOTE)
    server.make_project("leaks-full", secretLimit=1)
    server.put("leaks-full", "A", "x")
    return Campaign(server, ca_file)


if __name__ == "__main__":
    if not harness.ROOT:
        sys.exit("leaks: run it as root: it reads the memory of other processes")
    sys.exit(main())

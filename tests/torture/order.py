#!/usr/bin/env python3
"""Whether concurrent changes and lists, with kills in between, take effect one after the other.

  ./dev torture order [--histories N] [--seed N]

In a history 8 clients upsert, delete, list over HTTP and ask for delivery, in two projects with a
cap of 4 and 6 names; every few dozen answers the server is killed and started again. Each value
ends with a mark of its own, which a list shows as its last four characters. Each project's history
is then searched for an order that explains every answer (linear.py).

Before, the controls: servers with a fault planted must be found wanting.
"""
import contextlib
import http.client
import os
import random
import signal
import string
import threading
import time

import kill
from harness import Server, TACIT, UnixConnection, exchange, is_alive, wait_until
from linear import Op, refuted
from verdict import first_faults, must_be_right, must_find, parser_of

CLIENTS, PROJECTS, NAMES, CAP, LIVES = 8, ["left", "right"], "ABCDEF", 4, 8
PLANTED = ["cap", "stale", "early_answer"]
CONTROL_HISTORIES = 5
DIGITS = string.digits + string.ascii_letters


def mark_of(number):
    text = ""
    for _ in range(4):
        number, digit = divmod(number, len(DIGITS))
        text = DIGITS[digit] + text
    return text


class Client(threading.Thread):
    def __init__(self, history, number, draw):
        super().__init__(daemon=True)
        self.history, self.number, self.draw = history, number, draw
        self.failure = None
        self.under_way = None

    def run(self):
        server = self.history.server
        try:
            with contextlib.closing(server.connect()) as api, \
                    contextlib.closing(UnixConnection(server.keeper_socket)) as keeper:
                while True:
                    self.ask(api, keeper)
        except (OSError, http.client.HTTPException):
            pass  # the kill
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure

    def ask(self, api, keeper):
        project, name = self.draw.choice(PROJECTS), self.draw.choice(NAMES)
        what = self.draw.choice(["upsert"] * 5 + ["delete"] * 3 + ["list"] * 3 + ["deliver"])
        target = "/api/v1/projects/%s/secrets" % project
        headers = {"Authorization": "Bearer " + self.history.key}
        mark = self.history.next_mark() if what == "upsert" else None
        call = time.monotonic_ns()
        self.under_way = (project, Op(call, 0, what, name, mark, None))
        if what == "upsert":
            answer = exchange(api, "POST", target, {"key": name, "value": "value-" + mark}, headers)
        elif what == "delete":
            answer = exchange(api, "DELETE", target + "/" + name, None, headers)
        elif what == "list":
            answer = exchange(api, "GET", target, None, headers)
        else:
            answer = exchange(keeper, "GET", "/v1/projects/%s/env" % project)
        end = time.monotonic_ns()
        if answer.status == 503 and what == "deliver":
            return  # the keeper outlives the api by a moment
        came_of = outcome(what, answer)
        if what in ("list", "deliver"):
            what, name = "list", None
        self.under_way = None
        self.history.ops[project].append(Op(call, end, what, name, mark, came_of))
        self.history.answered()


def outcome(what, answer):
    if what == "upsert" and answer.status == 409:
        return "full"
    assert answer.status == 200, (what, answer.status, answer.body)
    if what == "upsert":
        return int(answer.headers["ETag"].strip('"'))
    if what == "delete":
        return answer.data()["existed"]
    if what == "list":
        rows = {row["key"]: row["lastFour"] for row in answer.data()["secrets"]}
        return rows, int(answer.headers["ETag"].strip('"'))
    env = answer.data()["env"]
    return {name: value[-4:] for name, value in env.items()}, answer.data()["revision"]


class History:
    def __init__(self, server, seed):
        self.server, self.seed = server, seed
        self.draw = random.Random(seed)
        self.ops = {project: [] for project in PROJECTS}
        self.unknown = 0
        self.marks = 0
        self.lock = threading.Lock()

    def next_mark(self):
        with self.lock:
            self.marks += 1
            return mark_of(self.marks)

    def answered(self):
        with self.lock:
            self.left -= 1
            if self.left <= 0:
                self.enough.set()

    def run(self):
        """What the clients found wrong while it was made, in words."""
        server = self.server.start()
        for project in PROJECTS:
            server.make_project(project, secretLimit=CAP)
        self.key = server.make_key()
        faults = []
        for life in range(LIVES):
            faults += self.live(life)
            server.start()
        server.stop()
        return faults

    def live(self, life):
        self.left, self.enough = self.draw.randint(10, 250), threading.Event()
        clients = [Client(self, number, random.Random("%s/%d/%d" % (self.seed, life, number)))
                   for number in range(CLIENTS)]
        for one in clients:
            one.start()
        wait_until(lambda: self.enough.is_set() or any(one.failure for one in clients))
        self.kill(self.draw.choice(["api", "keeper", "both"]))
        dead = time.monotonic_ns()
        for one in clients:
            one.join(60)
            if one.under_way is not None:
                project, op = one.under_way
                if op.what in ("upsert", "delete") and op.call < dead:
                    self.ops[project].append(op._replace(end=dead))
                    self.unknown += 1
        return [repr(one.failure) for one in clients if one.failure]

    def kill(self, whom):
        api = self.server.api_pid()
        both = {"api": api, "keeper": self.server.pid}
        for pid in both.values() if whom == "both" else [both[whom]]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.server.process.wait(60)
        self.server.process.stdout.close()
        wait_until(lambda: not is_alive(api))

    def judge(self):
        faults = []
        for project, ops in self.ops.items():
            wrong = refuted(ops, CAP)
            if wrong is not None:
                near = [op for op in ops if op.end >= wrong.call and op.call <= wrong.end]
                faults.append("%s: no order explains %s beside %s" % (project, wrong, near))
        return faults


def history(seed, binary=TACIT):
    """(the history, what is wrong with it)"""
    server = Server(binary=binary)
    try:
        one = History(server, seed)
        return one, one.run() + one.judge()
    finally:
        server.__exit__()


def control(name, seed):
    def play(number):
        return history("%d/%d" % (seed, number), kill.planted(name))[1]
    return first_faults(CONTROL_HISTORIES, play)[0]


def main():
    asked = parser_of("order", histories=100).parse_args()
    print("seed %d" % asked.seed, flush=True)
    for name in PLANTED:
        must_find(name, control(name, asked.seed))
    ops = unknown = overlapping = 0
    for number in range(asked.histories):
        one, faults = history("%d/%d" % (asked.seed, number))
        must_be_right(faults, "seed %d history %d:" % (asked.seed, number))
        ops += sum(len(every) for every in one.ops.values())
        unknown += one.unknown
        overlapping += sum(overlaps(every) for every in one.ops.values())
    print("%d histories with %d kills: %d operations (%d overlap another, %d of unknown outcome), "
          "each project's in an order" % (asked.histories, asked.histories * LIVES, ops,
                                          overlapping, unknown))


def overlaps(ops):
    """How many began before another that began earlier had ended."""
    count, latest = 0, 0
    for op in sorted(ops, key=lambda one: one.call):
        count += op.call < latest
        latest = max(latest, op.end)
    return count


if __name__ == "__main__":
    main()

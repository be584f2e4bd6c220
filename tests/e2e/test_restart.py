"""kill -9 at random moments under concurrent writes, thirty times: nothing acknowledged is lost,
nothing goes back."""
import contextlib
import http.client
import os
import random
import signal
import threading

from harness import Server, exchange, is_alive, wait_until

KILLS = 30
WRITERS = 8
PROJECTS = ["proj_a", "proj_b", "proj_c"]
NAMES = 6  # of each writer, so that the cap is never reached: 8 * 6 over three projects


class Gone:
    """The state of a secret that is not there."""

    def __repr__(self):
        return "gone"


GONE = Gone()


class Writer(threading.Thread):
    """Writes its own names, over one connection, until that breaks. What it knows outlives a kill:
    `known` is the state of every name, `pending` the one change whose answer did not come."""

    def __init__(self, number, seed):
        super().__init__()
        self.number = number
        self.rng = random.Random(seed * 1000 + number)
        self.known = {}      # (project, name) -> value or GONE
        self.pending = None  # ((project, name), value or GONE)
        self.version = 0     # the newest ETag that was acknowledged
        self.updated = {}    # (project, name) -> the newest updatedAt
        self.turn = 0
        self.failure = None

    def again(self):
        """A new thread with the same knowledge."""
        fresh = Writer(self.number, 0)
        for name in ("rng", "known", "pending", "version", "updated", "turn"):
            setattr(fresh, name, getattr(self, name))
        return fresh

    def begin(self, server, key, gate):
        self.server, self.key, self.gate = server, key, gate
        self.start()

    def run(self):
        try:
            with contextlib.closing(self.server.connect()) as connection:
                while True:
                    self.change(connection)
        except (OSError, http.client.HTTPException):
            pass  # the kill
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure
        finally:
            self.gate.count(end=True)

    def change(self, connection):
        self.turn += 1
        number = self.rng.randrange(NAMES)
        project = PROJECTS[number % len(PROJECTS)]
        at = (project, "KEY_%d_%d" % (self.number, number))
        target = "/api/v1/projects/%s/secrets" % project
        headers = {"Authorization": "Bearer " + self.key}
        if self.rng.random() < 0.25:
            self.pending = (at, GONE)
            answer = exchange(connection, "DELETE", target + "/" + at[1], None, headers)
            assert answer.status == 200, answer.body
            assert answer.data()["existed"] == (self.known.get(at, GONE) is not GONE), at
            self.updated.pop(at, None)
        else:
            value = "%d/%d/" % (self.number, self.turn) + "x" * self.rng.randrange(3000)
            self.pending = (at, value)
            answer = exchange(connection, "POST", target, {"key": at[1], "value": value}, headers)
            assert answer.status == 200, answer.body
            version = int(answer.headers["ETag"].strip('"'))
            assert version > self.version, (at, version, self.version)
            self.version = version
            secret = answer.data()["secret"]
            assert secret["updatedAt"] >= self.updated.get(at, "")
            self.updated[at] = secret["updatedAt"]
        self.known[at] = self.pending[1]
        self.pending = None
        self.gate.count()

    def settle(self, there, listed):
        """Compares with what a restarted server has, and takes over what came of `pending`."""
        asked = {self.pending[0]: GONE} if self.pending else {}
        for at, wanted in {**asked, **self.known}.items():
            found = there[at[0]].get(at[1], GONE)
            allowed = [wanted]
            if self.pending and self.pending[0] == at:
                allowed.append(self.pending[1])
            assert any(found is one or found == one for one in allowed), \
                (at, str(found)[:40], [str(one)[:40] for one in allowed])
            self.known[at] = found
            row = listed[at[0]].get(at[1])
            assert (row is None) == (found is GONE)
            if row is None:
                self.updated.pop(at, None)
            elif at in self.updated:
                # A delete and an add of the same name cannot both be pending: it never goes back.
                assert row["updatedAt"] >= self.updated[at], at
                self.updated[at] = row["updatedAt"]
            if row is not None:
                assert row["lastFour"] == (found[-4:] if len(found) >= 8 else "")
        self.pending = None


class Gate:
    def __init__(self, after):
        self.left = after
        self.lock = threading.Lock()
        self.reached = threading.Event()

    def count(self, end=False):
        with self.lock:
            self.left -= 1
            if self.left <= 0 or end:
                self.reached.set()


def look(server, key):
    """(values, rows, revisions) of each project; counters and rows agree."""
    values, rows, revisions = {}, {}, {}
    for project in PROJECTS:
        listed = server.call("GET", "/projects/%s/secrets" % project, key=key)
        assert listed.status == 200
        rows[project] = {one["key"]: one for one in listed.data()["secrets"]}
        revisions[project] = int(listed.headers["ETag"].strip('"'))
        delivered = server.deliver(project)
        values[project] = delivered.data()["env"]
        assert sorted(values[project]) == sorted(rows[project])  # no half secret
        assert delivered.data()["revision"] == revisions[project]
        shown = server.call("GET", "/projects/" + project, key=key).data()["project"]
        assert shown["secretCount"] == len(rows[project])
    return values, rows, revisions


def kill(server, whom):
    api = server.api_pid()
    if whom in ("api", "both"):
        os.kill(api, signal.SIGKILL)
    if whom in ("keeper", "both"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGKILL)
    server.process.wait(60)
    server.process.stdout.close()
    wait_until(lambda: not is_alive(api))


def test_thirty_kills_under_writes():
    seed = int(os.environ.get("TACIT_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print("TACIT_TEST_SEED=%d" % seed)
    rng = random.Random(seed)
    with Server() as server:
        for project in PROJECTS:
            server.make_project(project)
        key = server.make_key()
        writers = [Writer(number, seed) for number in range(WRITERS)]
        revisions = dict.fromkeys(PROJECTS, 0)
        broken_off = 0
        for turn in range(KILLS):
            gate = Gate(rng.randint(1, 400))
            writers = [one.again() for one in writers]
            for one in writers:
                one.begin(server, key, gate)
            assert gate.reached.wait(60)
            kill(server, rng.choice(["keeper", "api", "both"]))
            for one in writers:
                one.join(60)
                assert not one.is_alive()
                assert one.failure is None, (seed, turn, one.failure)
            broken_off += sum(one.pending is not None for one in writers)
            server.start()
            values, rows, after = look(server, key)
            for one in writers:
                one.settle(values, rows)
            known = {at for one in writers for at, state in one.known.items() if state is not GONE}
            there = {(project, name) for project in PROJECTS for name in rows[project]}
            assert there == known, (seed, turn)  # nothing that nobody wrote
            for project in PROJECTS:
                assert after[project] >= revisions[project], (seed, turn, project)
            revisions = after
        assert broken_off > KILLS  # the kills came while writes were under way
        assert server.stop() == 0


def test_versions_of_what_is_made_again_are_new():
    """A project or key that was deleted and made again cannot answer to an old tag."""
    with Server() as server:
        key = server.make_key()
        tags = []
        for turn in range(6):
            server.make_project("proj_again")
            for _ in range(2):
                answer = server.call("POST", "/projects/proj_again/secrets",
                                     {"key": "SAME", "value": "the same value"}, key)
                tags.append(int(answer.headers["ETag"].strip('"')))
                listed = server.call("GET", "/projects/proj_again/secrets", key=key)
                tags.append(int(listed.headers["ETag"].strip('"')))
                assert server.call("DELETE", "/projects/proj_again/secrets/SAME", key=key).status \
                    == 200
            assert server.call("DELETE", "/projects/proj_again", key=key).status == 200
            server.restart(signal.SIGKILL if turn % 2 else signal.SIGTERM)
        own, lists = tags[::2], tags[1::2]
        assert own == sorted(set(own)) and lists == sorted(set(lists))

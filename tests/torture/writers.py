"""Clients that change secrets and projects at the same time and note in a Ledger what they were
promised, until the server is gone or a number of changes is acknowledged."""
import contextlib
import http.client
import random
import threading

from checks import GONE
from harness import exchange

SHARED = ["shared-0", "shared-1"]  # the writers' names together are more than the cap
SHARED_NAMES, OWN_NAMES, OWN_CAP = 5, 3, 2
CHANGES_OF_PROJECTS, DELETES = 0.08, 0.25
EMOJI = "\U0001f511"


def own_project(number):
    return "own-%d" % number


def prepare(server, ledger, writers):
    """The projects, in the ledger too."""
    for project in SHARED + [own_project(number) for number in range(writers)]:
        more = {} if project in SHARED else {"secretLimit": OWN_CAP}
        server.make_project(project, **more)
        ledger.acknowledged_project(project, True)
        ledger.caps.update({project: OWN_CAP} if more else {})


class Goal:
    """Over when so many changes were acknowledged, or a writer has lost its connection."""

    def __init__(self, changes):
        self.left, self.lock, self.over = changes, threading.Lock(), threading.Event()

    def count(self):
        with self.lock:
            self.left -= 1
            if self.left <= 0:
                self.over.set()


class Writer(threading.Thread):
    def __init__(self, server, ledger, number, seed, goal, big=False):
        super().__init__(daemon=True)
        self.port, self.key, self.ledger, self.number = server.port, server.key, ledger, number
        self.connect, self.goal, self.big = server.connect, goal, big
        self.rng = random.Random("%s/%d" % (seed, number))
        self.tag = "%s/%d" % (seed, number)
        self.turn = 0
        self.failure = None

    def run(self):
        try:
            with contextlib.closing(self.connect()) as connection:
                while not self.goal.over.is_set():
                    self.change(connection)
        except (OSError, http.client.HTTPException):
            pass  # the server is gone
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure
        finally:
            self.goal.over.set()

    def ask(self, connection, method, target, body=None):
        return exchange(connection, method, "/api/v1" + target, body,
                        {"Authorization": "Bearer " + self.key})

    def change(self, connection):
        self.turn += 1
        if self.rng.random() < CHANGES_OF_PROJECTS:
            self.change_project(connection, own_project(self.number))
        elif self.rng.random() < 0.5:
            name = "W%d_%d" % (self.number, self.rng.randrange(SHARED_NAMES))
            self.change_secret(connection, self.rng.choice(SHARED), name)
        elif self.ledger.project(own_project(self.number)).known is True:
            self.change_secret(connection, own_project(self.number),
                               "N%d" % self.rng.randrange(OWN_NAMES))

    def change_project(self, connection, project):
        slot = self.ledger.project(project)
        wanted = GONE if slot.known is True else True
        self.ledger.begin(slot, wanted)
        if wanted is GONE:
            answer = self.ask(connection, "DELETE", "/projects/" + project)
        else:
            answer = self.ask(connection, "POST", "/projects",
                              {"name": project, "id": project, "secretLimit": OWN_CAP})
        if answer.status >= 500:
            self.goal.over.set()  # what came of it is unknown until the next look
            return
        assert answer.status == (200 if wanted is GONE else 201), answer.body
        self.ledger.acknowledged_project(project, wanted)
        self.goal.count()

    def change_secret(self, connection, project, name):
        slot = self.ledger.slot(project, name)
        target = "/projects/%s/secrets" % project
        wanted = GONE
        if self.rng.random() >= DELETES:
            wanted = "%s/%d/" % (self.tag, self.turn) + (
                EMOJI * 4000 if self.big else "x" * self.rng.choice([0, 20, 300, 3000]))
        self.ledger.begin(slot, wanted)
        if wanted is GONE:
            answer = self.ask(connection, "DELETE", target + "/" + name)
        else:
            answer = self.ask(connection, "POST", target, {"key": name, "value": wanted})
        if answer.status == 409:
            assert slot.known is GONE, "the cap refused an update"
            self.ledger.refused(slot, wanted)
        elif answer.status >= 500:
            self.goal.over.set()
        elif wanted is GONE:
            assert answer.data()["existed"] == (slot.known is not GONE), (project, name)
            self.ledger.acknowledged_secret(project, slot, GONE)
            self.goal.count()
        else:
            assert answer.status == 200, answer.body
            self.ledger.acknowledged_secret(project, slot, wanted, answer.data()["secret"],
                                            int(answer.headers["ETag"].strip('"')))
            self.goal.count()


def start(server, ledger, count, seed, changes, big=False):
    """(writers that are under way, their goal)"""
    goal = Goal(changes)
    writers = [Writer(server, ledger, number, seed, goal, big) for number in range(count)]
    for one in writers:
        one.start()
    return writers, goal


def end(writers):
    """Once the server is gone or the goal reached. What they found wrong, in words."""
    for one in writers:
        one.join(60)
    return ["writer %d: %r" % (one.number, one.failure or "does not end") for one in writers
            if one.failure or one.is_alive()]

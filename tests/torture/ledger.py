"""What a store may hold after a run in which anything may have failed, and whether it does."""
import json
import random

GONE = None


class Ledger:
    """Per project and name the values that may be there: one after a 2xx, two after an answer that
    leaves it open (a 5xx or none)."""

    def __init__(self, limit=3):
        self.limit = limit
        self.projects = {}  # id -> set of True/False
        self.values = {}    # (id, name) -> set of values or GONE
        self.acknowledged = 0
        self.unknown = 0

    def may_be(self, project, name):
        return self.values.setdefault((project, name), {GONE})

    def made(self, project, status):
        there = self.projects.setdefault(project, {False})
        if status == 201:
            self.projects[project] = {True}
            self.acknowledged += 1
        elif status is None or status >= 500:
            there.add(True)
            self.unknown += 1

    def deleted(self, project, status):
        there = self.projects.setdefault(project, {False})
        if status == 200:
            self.projects[project] = {False}
            self.acknowledged += 1
        elif status is None or status >= 500:
            there.add(False)
            self.unknown += 1
        else:
            return
        for at, possible in self.values.items():
            if at[0] == project:
                self.values[at] = {GONE} if status == 200 else possible | {GONE}

    def put(self, project, name, value, status):
        """`value` is GONE for a delete."""
        possible = self.may_be(project, name)
        if status == 200:
            self.values[(project, name)] = {value}
            self.acknowledged += 1
        elif status is None or status >= 500:
            possible.add(value)
            self.unknown += 1

    def faults(self, server):
        """Reads everything back through the list, the project and the keeper; what is wrong."""
        wrong = []
        shown = server.owner("GET", "/projects")
        if shown.status != 200:
            return ["the list of projects is %d" % shown.status]
        there = {one["id"]: one for one in shown.data()}
        for project in there:
            if project not in self.projects:
                wrong.append("%s is there, and nobody made it" % project)
        for project, possible in self.projects.items():
            if (project in there) not in possible:
                wrong.append("%s: there is %s, may be %s" % (project, project in there, possible))
            if project in there:
                wrong += self.faults_of(server, project, there[project])
            elif server.deliver(project).status == 200:
                wrong.append("%s is gone, and delivered" % project)
        return wrong

    def faults_of(self, server, project, shown=None):
        """Of one project; `shown` is its entry in the list of projects."""
        listed = server.owner("GET", "/projects/%s/secrets" % project)
        delivered = server.deliver(project)
        if listed.status != 200 or delivered.status != 200:
            return ["%s: list %d, delivery %d" % (project, listed.status, delivered.status)]
        wrong = []
        rows = {one["key"]: one["lastFour"] for one in listed.data()["secrets"]}
        values = delivered.data()["env"]
        if shown and shown["secretCount"] != len(rows):
            wrong.append("%s: counts %d, lists %d" % (project, shown["secretCount"], len(rows)))
        if shown and len(rows) > shown["secretLimit"]:
            wrong.append("%s: %d secrets over the cap" % (project, len(rows)))
        if set(values) != set(rows):
            wrong.append("%s: delivers %s, lists %s" % (project, sorted(values), sorted(rows)))
        for name, value in values.items():
            if rows.get(name) != (value[-4:] if len(value) >= 8 else ""):
                wrong.append("%s/%s: label and value differ" % (project, name))
        for name in set(values) | {n for p, n in self.values if p == project}:
            possible = self.values.get((project, name), {GONE})
            if values.get(name, GONE) not in possible:
                wrong.append("%s/%s: not what was acknowledged" % (project, name))
        return wrong


class Script:
    """The same changes every time, over one ask(method, target, body) that gives a status or None.
    Small projects with a cap of three, overwritten, emptied, deleted and made again."""

    def __init__(self, seed, changes=24):
        self.rng = random.Random(seed)
        self.changes = changes

    def run(self, ask, ledger):
        turn = 0
        for project in ("shop", "bot"):
            self.make(ask, ledger, project)
        while turn < self.changes:
            turn += 1
            project = self.rng.choice(("shop", "bot"))
            name = "KEY_%d" % self.rng.randrange(4)
            kind = self.rng.random()
            target = "/projects/%s/secrets" % project
            if kind < 0.7:
                value = "%d:%s" % (turn, "v" * self.rng.choice((1, 20, 900, 4000)))
                status = ask("POST", target, {"key": name, "value": value})
                ledger.put(project, name, value, status)
            elif kind < 0.92:
                ledger.put(project, name, GONE, ask("DELETE", target + "/" + name, None))
            else:
                ledger.deleted(project, ask("DELETE", "/projects/" + project, None))
                self.make(ask, ledger, project)

    @staticmethod
    def make(ask, ledger, project):
        body = {"name": project, "id": project, "secretLimit": ledger.limit}
        ledger.made(project, ask("POST", "/projects", body))


def message_of(line):
    """The text of a line of the log; the line itself when it is none."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict):
        return line
    return " ".join(str(record[one]) for one in ("message", "msg", "detail") if one in record)

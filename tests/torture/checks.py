"""What a server has promised, and whether it is there after the worst.

A campaign notes each change in a Ledger before it asks for it and what came of it afterwards, does
its worst, starts the server again and calls check(): it looks at everything that shows a secret
and returns what is wrong, in words.

At most one change of a name is under way at a time, and one whose outcome is unknown is decided
before the next: it got an answer (5xx), or the server is dead. Each name may have a thread of its
own; check() wants all of them to be over.
"""
import contextlib

from harness import UnixConnection, exchange

GONE = None  # the state of a secret that is not there
CAP = 25     # limits.secrets_per_project, unless a project has its own


class Slot:
    """What is known of one secret or project: `known` was acknowledged or seen; a change whose
    outcome is not known may have made it one of `pending`."""

    def __init__(self):
        self.known = GONE
        self.row = None  # as the answer that acknowledged it showed it
        self.pending = []

    def allows(self, state):
        return state == self.known or state in self.pending

    def take_over(self, state, row=None):
        self.known, self.row, self.pending = state, row, []


class Ledger:
    def __init__(self):
        self.secrets = {}    # project -> {name -> Slot of a value}
        self.projects = {}   # project -> Slot of True
        self.revisions = {}  # project -> the highest number that any answer told
        self.caps = {}       # project -> its own cap
        self.acknowledged = 0

    def slot(self, project, name):
        return self.secrets.setdefault(project, {}).setdefault(name, Slot())

    def project(self, project):
        self.secrets.setdefault(project, {})
        return self.projects.setdefault(project, Slot())

    # --- one change: begun, then one of the three, or nothing when no answer came ---

    def begin(self, slot, wanted):
        slot.pending.append(wanted)

    def acknowledged_secret(self, project, slot, wanted, row=None, version=0):
        """2xx: row is the secret of the answer and version its ETag, when it has them."""
        slot.take_over(wanted, row)
        self.revisions[project] = max(self.revisions.get(project, 0), version)
        self.acknowledged += 1

    def acknowledged_project(self, project, wanted):
        self.project(project).take_over(wanted)
        for slot in self.secrets[project].values() if wanted is GONE else ():
            slot.take_over(GONE)
        self.acknowledged += 1

    def refused(self, slot, wanted):
        """4xx: it has changed nothing."""
        slot.pending.remove(wanted)


class Shown:
    """A project as each way of looking shows it."""

    def __init__(self, api, keeper, project):
        target = "/api/v1/projects/" + project
        shown = exchange(api, "GET", target)
        listed = exchange(api, "GET", target + "/secrets")
        delivered = exchange(keeper, "GET", "/v1/projects/%s/env" % project)
        self.statuses = shown.status, listed.status, delivered.status
        if self.statuses != (200, 200, 200):
            return
        self.entry = shown.data()["project"]
        self.rows = {row["key"]: row for row in listed.data()["secrets"]}
        self.order = [row["key"] for row in listed.data()["secrets"]]
        self.revision = int(listed.headers["ETag"].strip('"'))
        self.delivered_revision = delivered.data()["revision"]
        self.values = delivered.data()["env"]
        self.withheld = delivered.data()["withheld"]


def check(server, ledger):
    """What is wrong with the server, as a list of sentences; empty when it kept its word. The
    ledger takes over what is there: the next round begins from that."""
    faults = []
    with contextlib.closing(UnixConnection(server.api_socket)) as api, \
            contextlib.closing(UnixConnection(server.keeper_socket)) as keeper:
        listed = exchange(api, "GET", "/api/v1/projects")
        entries = {one["id"]: one for one in listed.data()}
        for project in sorted(set(ledger.projects) | set(entries)):
            faults += ["%s: %s" % (project, fault) for fault in
                       check_project(Shown(api, keeper, project), entries.get(project), ledger,
                                     project)]
    return faults


def check_project(shown, entry, ledger, project):
    slot = ledger.project(project)
    is_there = entry is not None or GONE
    before = slot.known
    if not slot.allows(is_there):
        return ["lost" if is_there is GONE else "there, though it was never asked for or deleted"]
    slot.take_over(is_there)
    if is_there is GONE:
        for one in ledger.secrets[project].values():
            one.take_over(GONE)
        return [] if shown.statuses == (404, 404, 404) else ["half deleted: %s" % (shown.statuses,)]
    if before is GONE:  # made by a change whose outcome was not known
        ledger.revisions.setdefault(project, 0)
    if shown.statuses != (200, 200, 200):
        return ["shown, listed and delivered with %s" % (shown.statuses,)]
    return list(whole(shown, entry, ledger, project)) + list(promised(shown, ledger, project))


def whole(shown, entry, ledger, project):
    """Counter, rows, values and revision fit each other."""
    count = len(shown.rows)
    if shown.order != sorted(set(shown.order)):
        yield "not sorted, or a name twice"
    if sorted(shown.values) != shown.order or shown.withheld:
        yield "half there: rows %s, values %s" % (shown.order, sorted(shown.values))
    if shown.entry["secretCount"] != count or entry["secretCount"] != count:
        yield "counted %d and %d, rows %d" % (shown.entry["secretCount"], entry["secretCount"],
                                              count)
    if count > ledger.caps.get(project, CAP):
        yield "%d secrets are more than its cap" % count
    if shown.revision != shown.delivered_revision:
        yield "listed with revision %d, delivered with %d" % (shown.revision,
                                                              shown.delivered_revision)
    if shown.revision < ledger.revisions.get(project, 0):
        yield "went back from revision %d to %d" % (ledger.revisions[project], shown.revision)
    ledger.revisions[project] = max(shown.revision, ledger.revisions.get(project, 0))


def promised(shown, ledger, project):
    """Each secret is as acknowledged, or as a change of unknown outcome would have it."""
    slots = ledger.secrets[project]
    for name in sorted(set(shown.rows) - set(slots)):
        yield "%s is there, which nobody wrote" % name
    for name, slot in sorted(slots.items()):
        value, row = shown.values.get(name, GONE), shown.rows.get(name)
        if not slot.allows(value):
            yield "%s is %s; acknowledged was %s, under way %s" % (
                name, brief(value), brief(slot.known), [brief(one) for one in slot.pending])
        elif value is not GONE and row is not None:
            yield from ("%s %s" % (name, fault) for fault in row_faults(slot, value, row))
        slot.take_over(value, row)


def row_faults(slot, value, row):
    if row["lastFour"] != (value[-4:] if len(value) >= 8 else ""):
        yield "has another value's last four characters"
    if slot.row is None:
        return
    if not slot.pending and row != slot.row:
        yield "was acknowledged as %s and is %s" % (slot.row, row)
    if row["updatedAt"] < slot.row["updatedAt"] or row["createdAt"] != slot.row["createdAt"]:
        yield "went back in time: %s, then %s" % (slot.row, row)


def brief(value):
    return "gone" if value is GONE else "%r (%d characters)" % (value[:24], len(value))

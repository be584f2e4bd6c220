"""Whether a history of concurrent changes and lists of one project could have come from one after
the other: Wing and Gong's search with Lowe's memory of what was tried.

An operation has a span of time in which it took effect, once. Of one whose answer never came it is
not known whether it did, or did nothing; its span ends when the server was dead. The model is the
contract's: a cap, versions and revisions that only grow, a list that shows one moment.
"""
from typing import Any, NamedTuple, Optional


class Op(NamedTuple):
    call: int             # when it was asked for and when the answer was there; any clock
    end: int
    what: str             # "upsert", "delete", "list"
    name: Optional[str]   # of a list: None
    mark: Optional[str]   # which of all upserts this is; a list shows it
    came_of: Any          # upsert: its version, or "full"; delete: whether it existed
    #                       list: ({name: mark}, revision); None: no answer came


class State(NamedTuple):
    secrets: frozenset    # of (name, mark)
    revision: int         # the project's, or when not `exact` it is higher
    exact: bool


EMPTY = State(frozenset(), 0, False)


def after(state, op, cap):
    """The states that may follow; none when the answer does not fit."""
    known = dict(state.secrets)
    if op.what == "list":
        rows, revision = op.came_of
        fits = revision == state.revision if state.exact else revision > state.revision
        return [State(state.secrets, revision, True)] if rows == known and fits else []
    if op.what == "delete":
        existed = op.name in known
        if op.came_of not in (None, existed):
            return []
        known.pop(op.name, None)
        states = [State(frozenset(known.items()), state.revision, False) if existed else state]
    else:
        full = op.name not in known and len(known) >= cap
        known[op.name] = op.mark
        secrets = frozenset(known.items())
        if op.came_of == "full":
            return [state] if full else []
        if op.came_of is not None:
            fits = not full and op.came_of > state.revision
            return [State(secrets, op.came_of, True)] if fits else []
        states = [state if full else State(secrets, state.revision, False)]
    return states if op.came_of is not None else [state] + states


class Entry:
    """Of the list of calls and ends, by time."""

    def __init__(self, op, number, end=None):
        self.op, self.number, self.end = op, number, end  # end: of a call, its end's entry
        self.before = self.behind = None

    def take_out(self):
        self.before.behind = self.behind
        if self.behind is not None:
            self.behind.before = self.before

    def put_back(self):
        self.before.behind = self
        if self.behind is not None:
            self.behind.before = self


def entries(ops):
    timed = []
    for number, op in enumerate(ops):
        assert op.call <= op.end and (op.came_of is not None or op.what != "list")
        end = Entry(op, number)
        # At the same moment calls come first: whatever may overlap does.
        timed += [(op.call, 0, number, Entry(op, number, end)), (op.end, 1, number, end)]
    head = last = Entry(None, -1)
    for _, _, _, entry in sorted(timed, key=lambda one: one[:3]):
        last.behind, entry.before, last = entry, last, entry
    return head


def refuted(ops, cap, first=EMPTY):
    """None when there is an order that explains every answer. Else the operation at which the
    longest one ended: nothing that could come next fits its answer."""
    head, states, done = entries(ops), frozenset([first]), 0
    tried, taken, furthest = set(), [], (-1, None)
    at = head.behind
    while head.behind is not None:
        if at.end is not None:
            following = frozenset(one for state in states for one in after(state, at.op, cap))
            key = (done | 1 << at.number, following)
            if following and key not in tried:
                tried.add(key)
                taken.append((at, states, done))
                states, done = following, key[0]
                at.take_out()
                at.end.take_out()
                at = head.behind
                continue
            at = at.behind
            continue
        # The end of an operation that has not taken effect: take another way.
        furthest = max(furthest, (len(taken), at.op), key=lambda one: one[0])
        if not taken:
            return furthest[1]
        at, states, done = taken.pop()
        at.end.put_back()
        at.put_back()
        at = at.behind
    return None

"""The short form of ./dev torture order; and its checker, which finds planted faults in histories
and agrees with trying out every order."""
import itertools
import os
import random
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "torture"))

import order  # noqa: E402
from linear import EMPTY, Op, after, refuted  # noqa: E402

CAP = 2


@pytest.fixture(name="seed", scope="module")
def choose_seed():
    seed = int(os.environ.get("TACIT_SEED", time.time_ns() % 1_000_000_000))
    print("TACIT_SEED=%d" % seed)
    return seed


def made_up(draw, count, width):
    """A history that is right: each operation takes effect at its number, inside a span that
    overlaps its neighbours'."""
    known, revision, sequence, ops = {}, 0, 0, []
    for number in range(count):
        what = draw.choice(["upsert", "upsert", "delete", "list"])
        name, mark = draw.choice("ABC"), None
        sequence += draw.randint(1, 3)
        if what == "list":
            name, came_of = None, (dict(known), revision)
        elif what == "delete":
            came_of = known.pop(name, None) is not None
            revision = sequence if came_of else revision
        else:
            mark = str(number)
            came_of = "full" if name not in known and len(known) >= CAP else sequence
            if came_of != "full":
                known[name], revision = mark, sequence
        if what != "list" and draw.random() < 0.1:
            came_of = None
        ops.append(Op(10 * number - draw.randrange(10 * width), 10 * number + draw.randrange(
            10 * width), what, name, mark, came_of))
    # A list shows a revision that some change has made.
    return [op for op in ops if op.what != "list" or op.came_of[1] > 0]


def by_brute_force(ops):
    """Whether any order that keeps to the spans explains all answers."""
    for way in itertools.permutations(ops):
        if any(way[later].end < way[earlier].call
               for earlier in range(len(way)) for later in range(earlier + 1, len(way))):
            continue
        states = {EMPTY}
        for op in way:
            states = {one for state in states for one in after(state, op, CAP)}
        if states:
            return True
    return False


def test_right_histories_are_explained(seed):
    for number in range(100):
        draw = random.Random("%d/%d" % (seed, number))
        ops = made_up(draw, 200, draw.randint(1, 5))
        draw.shuffle(ops)
        assert refuted(ops, CAP) is None, number


def test_the_search_agrees_with_trying_every_order(seed):
    verdicts = {True: 0, False: 0}
    for number in range(1500):
        draw = random.Random("small %d/%d" % (seed, number))
        ops = made_up(draw, 6, draw.randint(1, 4))
        if draw.random() < 0.7 and ops:  # with the answer of another operation of its kind
            at = draw.randrange(len(ops))
            same = [op for op in ops if op.what == ops[at].what]
            ops[at] = ops[at]._replace(came_of=draw.choice(same).came_of or ops[at].came_of)
        verdict = by_brute_force(ops)
        assert (refuted(ops, CAP) is None) == verdict, ops
        verdicts[verdict] += 1
    assert min(verdicts.values()) > 50, verdicts


A1, A2 = Op(0, 1, "upsert", "A", "1", 1), Op(2, 3, "upsert", "A", "2", 2)
B1 = Op(4, 5, "upsert", "B", "3", 3)
GONE = Op(6, 7, "delete", "A", None, True)
LOST = Op(8, 8, "upsert", "C", "9", None)  # no answer came


def shown(call, rows, revision, end=None):
    return Op(call, end or call + 1, "list", None, None, (rows, revision))


PLANTED = {
    "a lost update": [A1, A2, shown(4, {"A": "1"}, 2)],
    "a stale list": [A1, A2, shown(4, {"A": "1"}, 1)],
    "a list of two moments": [A1, A2, B1, shown(6, {"A": "1", "B": "3"}, 3)],
    "a list before what an earlier list has shown": [
        A1, A2._replace(end=20), shown(5, {"A": "2"}, 2), shown(8, {"A": "1"}, 1)],
    "a deleted secret that is back": [A1, B1, GONE, shown(8, {"A": "1", "B": "3"}, 4)],
    "a delete of nothing that existed": [A1, GONE, GONE._replace(call=8, end=9)],
    "a delete of something that did not exist": [A1, GONE._replace(came_of=False)],
    "more than the cap": [A1, B1, Op(6, 7, "upsert", "C", "4", 4)],
    "more than the cap, by a list": [A1, B1, LOST, shown(9, {"A": "1", "B": "3", "C": "9"}, 4)],
    "a refusal with room": [A1, Op(6, 7, "upsert", "C", "4", "full")],
    "a refused update": [A1, B1, Op(6, 7, "upsert", "A", "4", "full")],
    "a version that goes back": [A1._replace(came_of=5), A2],
    "a revision of another state": [A1, shown(4, {"A": "1"}, 7)],
    "a change behind the death of its server": [
        A1, LOST, shown(9, {"A": "1"}, 1), shown(11, {"A": "1", "C": "9"}, 2)],
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name):
    assert refuted(PLANTED[name], CAP) is not None


def test_what_is_not_known_may_be_either():
    assert refuted([A1, LOST, shown(9, {"A": "1"}, 1)], CAP) is None
    assert refuted([A1, LOST, shown(9, {"A": "1", "C": "9"}, 2)], CAP) is None
    # While it is under way, it may come late, and lists that overlap it may show either.
    late = [A1, LOST._replace(end=20), shown(9, {"A": "1"}, 1), shown(11, {"A": "1", "C": "9"}, 2)]
    assert refuted(late, CAP) is None


def test_a_server_takes_changes_one_after_the_other(seed):
    one, faults = order.history("%d" % seed)
    assert faults == []
    ops = one.ops["left"] + one.ops["right"]
    assert order.overlaps(ops) > len(ops) / 4 and one.unknown > order.LIVES


@pytest.mark.parametrize("name", order.PLANTED)
def test_a_server_with_a_planted_fault_is_found_wanting(name, seed):
    assert order.control(name, seed)

"""The short form of ./dev torture damage."""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "torture"))

import damage  # noqa: E402


def test_a_damaged_file_is_refused_an_error_or_without_effect():
    seed = int(os.environ.get("TACIT_SEED", random.randrange(1 << 32)))
    counts, wrong, control = damage.run(seed, 1)
    assert wrong == [], "TACIT_SEED=%d" % seed
    assert control > 0  # a server without the floor is found
    outcomes = {came_of for _, came_of in counts}
    assert outcomes >= {"refused", "right"} and sum(counts.values()) > 30, counts

"""A row of the table, rounds that alternate, and what the groups of rows share."""
import statistics
from dataclasses import dataclass, field

from peers.system import client_core, note, server_core, wait_until_quiet

QUIET = 0.15  # of one core, taken by others
WAIT_SECONDS = 15
ATTEMPTS = 3


@dataclass
class Row:
    figure: str
    measured: str
    target: str = ""
    met: object = None  # True, False, or None: for information, or not measured
    detail: str = ""

    @property
    def verdict(self):
        return {True: "ok", False: "short", None: ""}[self.met]


def at_least(figure, measured, target, detail, form="%.2f"):
    return Row(figure, form % measured, "at least " + form % target, measured >= target, detail)


def at_most(figure, measured, target, detail, form="%.2f", unit=""):
    return Row(figure, form % measured + unit, "at most " + form % target + unit,
               measured <= target, detail)


def not_measured(figure, target, why):
    return Row(figure, "not measured", target, None, why)


@dataclass
class Plan:
    """How long and how often."""
    rounds: int = 3
    seconds: int = 5
    warm_seconds: int = 1
    projects_in_big: int = 200_000
    big_store: str = ""  # folder of the big stores when they are kept from run to run
    settings: list = field(default_factory=list)  # lines for the report
    others_shares: list = field(default_factory=list)  # of the measurements that count

    def state(self, text):
        if text not in self.settings:
            self.settings.append(text)

    def state_cores(self):
        self.state("server on core %d, wrk (1 thread) on core %d, tacit with TACIT_THREADS=1"
                   % (server_core(), client_core()))

    def state_others(self):
        if self.others_shares:
            self.state(
                "CPU that others took meanwhile, of one core: median %.0f %%, most %.0f %%; a "
                "measurement waits up to %d s for a quiet machine, and of up to %d the one with "
                "least of it counts" % (100 * statistics.median(self.others_shares),
                                        100 * max(self.others_shares), WAIT_SECONDS, ATTEMPTS))


def others_share(got):
    """Of one core, that others took during a measurement."""
    return getattr(got, "others_share", 0.0)


def at_quiet(side):
    """A measurement in which nobody else took much of the machine; else the quietest of a few.
    What it gave has no say in it."""
    attempts = []
    for _ in range(ATTEMPTS):
        wait_until_quiet(QUIET, WAIT_SECONDS)
        attempts.append(side())
        if others_share(attempts[-1]) <= QUIET:
            break
    return min(attempts, key=others_share)


def alternate(plan, label, **sides):
    """Runs each side once a round, in turn. Returns what each gave, a list of rounds."""
    given = {name: [] for name in sides}
    for number in range(plan.rounds):
        for name, side in sides.items():
            got = at_quiet(side)
            given[name].append(got)
            if hasattr(got, "others_share"):
                plan.others_shares.append(got.others_share)
            note("  %s, round %d of %d, %s: %s" % (label, number + 1, plan.rounds, name,
                                                    getattr(got, "summary", got)))
    return given


def median(figures, of=None):
    return statistics.median([of(one) for one in figures] if of else figures)


def in_rounds(figures, of, form="%.0f"):
    return "/".join(form % of(one) for one in figures)

"""The row about an open loop, by tacit-bench, since wrk has none: a constant rate, and latency from
the moment a request was due."""
import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass

from peers.load import Meter
from peers.others import NginxBefore, exchange
from peers.reads import CONNECTIONS, start_tacit
from peers.rows import alternate, at_most, at_quiet, in_rounds, median, not_measured
from peers.system import TACIT_BENCH, client_core, note, pinned, server_core
from peers.tacit import SECRETS, Tacit

FIGURE = "open loop at half the best rate: p99 against nginx's at the same rate (list)"


class Failed(Exception):
    pass


@dataclass
class Latency:
    rate: float
    p99: float  # microseconds
    late_p99: float  # of it, from due to sent: the client's own lateness
    others_share: float

    @property
    def summary(self):
        return "p99 %.0f us, due to sent %.0f us" % (self.p99, self.late_p99)


def bench_lists(server, data, per_second, warm_seconds, seconds):
    """One project of its own, whose list it asks for and checks. A closed loop at rate 0."""
    command = [TACIT_BENCH, "list", "--url", server.url, "--data", data, "--projects", "1",
               "--secrets", str(SECRETS), "--connections", str(CONNECTIONS),
               "--warm-up", str(warm_seconds), "--duration", str(seconds), "--json", "-"]
    if per_second:
        command += ["--rate", str(per_second)]
    meter = Meter(server)
    ran = subprocess.run(pinned(command, client_core()), capture_output=True, text=True,
                         check=False)
    if ran.returncode != 0:
        raise Failed("tacit-bench: " + (ran.stderr.strip() or ran.stdout.strip())[-300:])
    got = json.loads(ran.stdout)
    late = got["due_to_sent_ns"] or {"p99": 0}
    return Latency(got["per_second"], got["latency_ns"]["p99"] / 1000, late["p99"] / 1000,
                   meter.stop()["others_share"])


def answer_to_bench(server):
    """What tacit answers to tacit-bench's lists, so that nginx can answer the same."""
    faults = []

    def ask():
        try:
            bench_lists(server, server.data, 100, 1, 2)
        except Failed as why:
            faults.append(why)
    asking = threading.Thread(target=ask)
    asking.start()
    answer = None
    while asking.is_alive() and answer is None:
        for project in server.request(server.owner(), "GET", "/projects"):
            if project["name"].startswith("bench-project"):
                continue
            if project["secretCount"] == SECRETS:
                answer = exchange("%s/api/v1/projects/%s/secrets" % (server.url, project["id"]),
                                  server.headers())
        time.sleep(0.05)
    asking.join()
    if faults:
        raise faults[0]
    if answer is None:
        raise Failed("the project of tacit-bench was not found")
    return answer


def open_loop_rows(plan):
    if not os.path.exists(TACIT_BENCH):
        return [not_measured(FIGURE, "at most 1.5", "wrk has no open loop; build tacit-bench")]
    plan.state("open loop: tacit-bench on the client core; the best rate is its own in a closed "
               "loop; nginx answers the lists, and passes what tacit-bench does before and after "
               "to a tacit behind it")

    def of_tacit(rate=0):
        with start_tacit() as server:
            return bench_lists(server, server.data, rate, plan.warm_seconds, plan.seconds)

    def of_nginx():
        with Tacit(core=client_core(), projects=1) as behind:
            with NginxBefore(answer_to_bench(behind), core=server_core(),
                             behind=behind.url) as server:
                return bench_lists(server, behind.data, half, plan.warm_seconds, plan.seconds)
    try:
        half = int(at_quiet(of_tacit).rate / 2)
        note("  open loop: %d a second" % half)
        got = alternate(plan, "open loop", tacit=lambda: of_tacit(half), nginx=of_nginx)
    except Failed as why:
        return [not_measured(FIGURE, "at most 1.5", str(why).replace("\n", " "))]
    row = at_most(FIGURE, median(got["tacit"], p99) / median(got["nginx"], p99), 1.5,
                  "%d requests/s; p99 tacit %s us, nginx %s us" % (
                      half, in_rounds(got["tacit"], p99), in_rounds(got["nginx"], p99)))
    if median(got["tacit"], late) > median(got["tacit"], p99) / 2:
        row.met = None
        row.detail += "; says little: tacit-bench itself was late by p99 %s us" % (
            in_rounds(got["tacit"], late))
    return [row]


def p99(one):
    return one.p99


def late(one):
    return one.late_p99

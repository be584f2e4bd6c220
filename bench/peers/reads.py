"""Rows about lists: against nginx, against etcd's range, with the limiter, in an open loop."""
import base64
import os
from dataclasses import replace
from functools import partial

from peers.load import PIPELINED, PLAIN, FROM_FILE, Wrk
from peers.others import Etcd, Nginx, exchange
from peers.rows import Row, alternate, at_least, at_most, in_rounds, median
from peers.system import client_core, server_core
from peers.tacit import KEY, PROJECT, SECRETS, Tacit, value_of

CONNECTIONS = 64
DEPTH = 16
TURNS_A_ROUND = 4
PINNED = "one server core, one client core"


def rate(figures):
    return figures.rate


def cost(figures):
    return figures.cpu_microseconds


def start_tacit(settings=None):
    return Tacit(core=server_core(), threads=1, settings=settings)


def loaded(plan, server, **load):
    """Warms up, then measures."""
    plan.state_cores()
    wrk = Wrk(server, core=client_core(), connections=CONNECTIONS, **load)
    wrk.run(plan.warm_seconds)
    return wrk.run(plan.seconds)


def sides(plan, script):
    """The list from tacit and from nginx, which answers with the bytes that tacit just gave."""
    with start_tacit() as server:
        headers = server.headers()
        answer = exchange(server.list_url(), headers)
        path = "/api/v1/projects/%s/secrets" % (PROJECT % 0)
    plan.state("nginx: 1 worker, `return 200` with the body and the headers of a tacit answer "
               "(%d bytes of body), access_log off, keepalive_requests 1000000000, server_tokens "
               "off; its answer is compared with tacit's, equal but for its own Server and "
               "Connection headers. X-Request-Id is constant there, new for every request in tacit"
               % len(answer[2]))

    def of_tacit():
        with start_tacit() as server:
            return loaded(plan, server, url=server.list_url(), headers=server.headers(),
                          script=script)

    def of_nginx():
        with Nginx(answer, core=server_core()) as server:
            differs = server.difference()
            if differs:
                raise SystemExit("bench: nginx answers otherwise than tacit: " + differs)
            return loaded(plan, server, url=server.url + path, headers=headers, script=script)
    return of_tacit, of_nginx


def list_rows(plan):
    of_tacit, of_nginx = sides(plan, PLAIN)
    got = alternate(plan, "list", tacit=of_tacit, nginx=of_nginx)
    rates = [median(got[name], rate) for name in ("tacit", "nginx")]
    costs = [median(got[name], cost) for name in ("tacit", "nginx")]
    return [
        at_least("list of 25, 64 connections, %s: requests/s against nginx" % PINNED,
                 rates[0] / rates[1], 1.0, "tacit %s, nginx %s requests/s" % (
                     in_rounds(got["tacit"], rate), in_rounds(got["nginx"], rate))),
        at_most("the same: server CPU per request against nginx", costs[0] / costs[1], 1.0,
                "tacit %.2f us, nginx %.2f us" % tuple(costs)),
    ]


def pipelined_rows(plan):
    of_tacit, of_nginx = sides(plan, PIPELINED % {"depth": DEPTH})
    got = alternate(plan, "pipelined", tacit=of_tacit, nginx=of_nginx)
    measured = median(got["tacit"], rate) / median(got["nginx"], rate)
    return [at_least("the same list, pipelined 16 deep, against nginx pipelined", measured, 5,
                     "tacit %s, nginx %s requests/s; server CPU per request tacit %.2f us, nginx "
                     "%.2f us; wrk took %.0f %% of its core with tacit" % (
                         in_rounds(got["tacit"], rate), in_rounds(got["nginx"], rate),
                         median(got["tacit"], cost), median(got["nginx"], cost),
                         median(got["tacit"], lambda one: one.client_share * 100)))]


def limiter_rows(plan):
    """Both servers run all the time and take short turns, and each turn is compared with the next
    one only: the machine's own pace changes by more than the limiter costs."""
    turns = replace(plan, rounds=plan.rounds * TURNS_A_ROUND)
    plan.state("the two servers run side by side on one core and are asked in turn, %d turns of "
               "1 s each; the figure is the median of the turns' ratios" % turns.rounds)
    plan.state_cores()
    with start_tacit({"TACIT_LIMITS_READS_PER_MINUTE": "1000000000"}) as on, start_tacit() as off:
        loads = {name: Wrk(server, server.list_url(), CONNECTIONS, core=client_core(),
                           headers=server.headers()) for name, server in (("on", on), ("off", off))}
        for load in loads.values():
            load.run(plan.warm_seconds)
        got = alternate(turns, "limiter", **{
            name: partial(load.run, 1) for name, load in loads.items()})
    rates, costs = ([of(one) / of(other) for one, other in zip(got["on"], got["off"])]
                    for of in (rate, cost))
    return [
        at_least("list with the limiter on against off", median(rates), 0.97,
                 "on (reads_per_minute 1000000000) %s, off (0) %s requests/s" % (
                     in_rounds(got["on"], rate), in_rounds(got["off"], rate)), "%.3f"),
        Row("the same: server CPU per request", "%.3f" % median(costs), "for information", None,
            "on %s, off %s us" % (in_rounds(got["on"], cost, "%.2f"),
                                  in_rounds(got["off"], cost, "%.2f")))]


def as_base64(text):
    return base64.b64encode(text.encode()).decode()


def range_rows(plan):
    def of_tacit():
        with start_tacit() as server:
            return loaded(plan, server, url=server.list_url(), headers=server.headers())

    def of_etcd():
        with Etcd(core=server_core()) as server:
            prefix = PROJECT % 0 + "/"
            lines = ["/v3/kv/put\t" + '{"key":"%s","value":"%s"}' % (
                as_base64(prefix + KEY % key), as_base64(value_of(key))) for key in range(SECRETS)]
            put_once(server, lines)
            asked = '{"key":"%s","range_end":"%s"}' % (as_base64(prefix),
                                                       as_base64(prefix[:-1] + "0"))
            return loaded(plan, server, url=server.url, script=requests_of(
                server, ["/v3/kv/range\t" + asked]))
    got = alternate(plan, "range", tacit=of_tacit, etcd=of_etcd)
    measured = median(got["tacit"], rate) / median(got["etcd"], rate)
    return [Row("list of 25 against etcd `range` of 25, 64 connections, %s" % PINNED,
                "%.1f" % measured, "for information", None, "tacit %s, etcd %s requests/s" % (
                    in_rounds(got["tacit"], rate), in_rounds(got["etcd"], rate)))]


def requests_of(server, lines, verb="POST"):
    """The script that sends these requests (path, tab, body) in turn."""
    path = os.path.join(server.folder, "requests.txt")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return FROM_FILE % {"file": path, "verb": verb}


def put_once(server, lines):
    """Sends each request at least once: one connection takes them in turn."""
    Wrk(server, server.url, 1, script=requests_of(server, lines)).run(2)

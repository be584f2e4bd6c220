"""Rows about how evenly tacit's threads share few and many connections.

Which thread serves a connection is read from the kernel: each has an epoll instance of its own,
whose descriptors /proc lists. What a connection got is counted by the kernel too, in bytes that its
client has acknowledged, so nothing is added to the server or to wrk."""
import os
import re
import statistics
import subprocess

from peers.load import Wrk
from peers.others import exchange
from peers.reads import rate
from peers.rows import Row, alternate, not_measured
from peers.system import note, raise_descriptor_limit
from peers.tacit import Tacit

CONNECTIONS = (8, 64, 1024)
FIGURE = "list of 25, %d connections, default threads: requests of the busiest thread against all"


def sockets_of_threads(pid):
    """A set of socket inodes for each epoll instance that watches TCP connections."""
    inodes, polls = {}, {}
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            target = os.readlink("/proc/%d/fd/%s" % (pid, name))
            if target.startswith("socket:["):
                inodes[int(name)] = int(target[8:-1])
            elif target == "anon_inode:[eventpoll]":
                with open("/proc/%d/fdinfo/%s" % (pid, name)) as info:
                    polls[name] = [int(one) for one in re.findall(r"^tfd:\s*(\d+)", info.read(),
                                                                  re.MULTILINE)]
        except OSError:  # closed meanwhile
            continue
    return [{inodes[one] for one in watched if one in inodes} for watched in polls.values()]


def acknowledged_bytes(port):
    """By socket inode, of the server's side."""
    asked = ["ss", "-tineH", "state", "established", "( sport = :%d )" % port]
    ran = subprocess.run(asked, capture_output=True, text=True, check=True)
    found = re.findall(r"\bino:(\d+).*?\n.*?bytes_acked:(\d+)", ran.stdout)
    return {int(inode): int(count) for inode, count in found}


class Shares:
    """Requests of each thread and of each connection, between two moments of a load."""

    def __init__(self, server, answer_bytes):
        self.server = server
        self.answer_bytes = answer_bytes
        self.pid = server.serving_pids()[-1]
        self.before = None

    def begin(self):
        self.before = acknowledged_bytes(self.server.port)

    def end(self):
        after = acknowledged_bytes(self.server.port)
        requests = {inode: (count - self.before[inode]) / self.answer_bytes
                    for inode, count in after.items() if inode in self.before}
        threads = [[requests[one] for one in sockets if one in requests]
                   for sockets in sockets_of_threads(self.pid)]
        return [thread for thread in threads if thread]


def shared(plan, connections):
    with Tacit(projects=1) as server:
        head_bytes = answer_bytes(server)
        shares = Shares(server, head_bytes)
        wrk = Wrk(server, server.list_url(), connections, headers=server.headers())
        wrk.run(plan.warm_seconds)
        figures = wrk.run(plan.seconds + 1, meanwhile=[(0.5, shares.begin),
                                                       (plan.seconds, shares.end)])
        figures.threads = figures.meanwhile[-1]
        return figures


def answer_bytes(server):
    """Of one answer, head and body: all of them are as long."""
    status, fields, body = exchange(server.list_url(), server.headers())
    return len(status) + 4 + sum(len("%s: %s\r\n" % pair) for pair in fields) + len(body)


def share_of_busiest(figures):
    sums = [sum(thread) for thread in figures.threads]
    return max(sums) / sum(sums)


def slowest_thread(figures):
    """Mean time of a request: of the thread that took longest, against the one that took least."""
    means = [len(thread) / sum(thread) for thread in figures.threads]
    return max(means) / min(means)


def spread(figures):
    """Requests of the connections that got fewest and most, against the median."""
    every = sorted(one for thread in figures.threads for one in thread)
    middle = statistics.median(every)
    return every[0] / middle, every[-1] / middle


def balance_rows(plan):
    raise_descriptor_limit(4096)
    plan.state("server and wrk (1 thread) share all cores, tacit with its default threads; a "
               "thread's connections from its epoll instance in /proc, a connection's requests "
               "from the bytes that its client acknowledged (ss)")
    rows = []
    for connections in CONNECTIONS:
        figure = FIGURE % connections
        try:
            got = alternate(plan, "balance at %d" % connections,
                            tacit=lambda: shared(plan, connections))["tacit"]
        except (OSError, subprocess.CalledProcessError) as why:  # another user's /proc, no ss
            rows.append(not_measured(figure, "", str(why)))
            continue
        for one in got:
            note("    connections %s, requests %s" % (
                "/".join(str(len(thread)) for thread in one.threads),
                "/".join("%.0f" % sum(thread) for thread in one.threads)))
        busiest = statistics.median(share_of_busiest(one) for one in got)
        waits = statistics.median(slowest_thread(one) for one in got)
        least, most = (statistics.median(ends) for ends in zip(*(spread(one) for one in got)))
        rows.append(Row(
            figure, "%.0f %%" % (100 * busiest), "for information", None,
            "of %d threads; connections %s; a request took %.2f times as long on the slower "
            "thread; a connection got %.2f to %.2f of the median's requests; p50 %s us, p99 %s us, "
            "%s requests/s" % (
                len(got[0].threads), "/".join(str(len(thread)) for thread in got[0].threads), waits,
                least, most, "/".join("%.0f" % one.p50 for one in got),
                "/".join("%.0f" % one.p99 for one in got),
                "/".join("%.0f" % rate(one) for one in got))))
    return rows

"""Rows about durable writes: against Redis, etcd and a bare append + fdatasync."""
import glob
import json
import os
import statistics
import time
import urllib.request

from peers.load import Wrk, redis_set
from peers.others import Etcd, Redis
from peers.reads import as_base64, rate, requests_of
from peers.rows import alternate, at_least, at_most, in_rounds, median
from peers.system import temporary_folder
from peers.tacit import KEY, PROJECT, SECRETS, Tacit, value_of

PROJECTS = 8  # times 25 secrets: Redis and etcd get as many keys
DISTINCT = 10_000  # values; the same key gets another one each time
WRK_THREADS = 1
REDIS_THREADS = 1


def p50(figures):
    return figures.p50


def upserts():
    """Path, tab, body, one secret after the other."""
    lines = []
    for number in range(DISTINCT):
        project, key = number % PROJECTS, number // PROJECTS % SECRETS
        body = json.dumps({"key": KEY % key, "value": value_of(number)}, separators=(",", ":"))
        lines.append("/api/v1/projects/%s/secrets\t%s" % (PROJECT % project, body))
    return lines


def puts():
    lines = []
    for number in range(DISTINCT):
        project, key = number % PROJECTS, number // PROJECTS % SECRETS
        lines.append('/v3/kv/put\t{"key":"%s","value":"%s"}' % (
            as_base64(PROJECT % project + "/" + KEY % key), as_base64(value_of(number))))
    return lines


def write(plan, server, lines, connections, headers=None):
    wrk = Wrk(server, server.url, connections, threads=WRK_THREADS,
              script=requests_of(server, lines),
              headers=dict(headers or {}, **{"Content-Type": "application/json"}))
    wrk.run(plan.warm_seconds)
    return wrk.run(plan.seconds)


def write_tacit(plan, connections):
    with Tacit(projects=PROJECTS) as server:
        figures = write(plan, server, upserts(), connections, server.headers())
        if server.count_secrets(PROJECTS - 1) != SECRETS:
            raise SystemExit("bench: tacit does not list what was written")
        return figures


def write_redis(plan, connections):
    with Redis() as server:
        return redis_set(server, PROJECTS * SECRETS, connections, plan.seconds, REDIS_THREADS)


def write_etcd(plan, connections):
    with Etcd() as server:
        return write(plan, server, puts(), connections)


def upsert_rows(plan):
    plan.state("writes: servers and client share both cores; tacit with its default threads (one "
               "a core); 40-byte values, %d keys (%d projects of 25, in turn); wrk with %d thread "
               "for tacit and etcd, redis-benchmark with %d for Redis, no pipelining"
               % (PROJECTS * SECRETS, PROJECTS, WRK_THREADS, REDIS_THREADS))
    plan.state("redis: appendonly yes, appendfsync always, save \"\", "
               "auto-aof-rewrite-percentage 0; etcd: one member, its defaults")
    rows = []
    for connections in (64, 256):
        got = alternate(plan, "upsert at %d" % connections,
                        tacit=lambda: write_tacit(plan, connections),
                        redis=lambda: write_redis(plan, connections),
                        etcd=lambda: write_etcd(plan, connections))
        rates = {name: median(figures, rate) for name, figures in got.items()}
        figure = "durable upsert, %d connections, cores shared with the client: against " \
                 % connections
        detail = "tacit %s, %s %s writes/s"
        rows.append(at_least(
            figure + "Redis SET, appendfsync always", rates["tacit"] / rates["redis"], 0.9,
            detail % (in_rounds(got["tacit"], rate), "redis", in_rounds(got["redis"], rate))))
        rows.append(at_least(
            figure + "etcd put", rates["tacit"] / rates["etcd"], 5,
            detail % (in_rounds(got["tacit"], rate), "etcd", in_rounds(got["etcd"], rate))))
    return rows


def logged_bytes(server):
    return sum(os.path.getsize(path) for path in glob.glob(os.path.join(server.store, "*.log")))


def bytes_of_one_write():
    """What one upsert alone adds to the write-ahead log."""
    with Tacit(projects=1) as server:
        before = logged_bytes(server)
        writes = 200
        for number in range(writes):
            body = json.dumps({"key": KEY % (number % SECRETS), "value": value_of(number)})
            request = urllib.request.Request(server.list_url(), body.encode(), dict(
                server.headers(), **{"Content-Type": "application/json"}))
            urllib.request.urlopen(request).close()
        return (logged_bytes(server) - before) // writes


def bare_appends(seconds, size):
    """The median, in microseconds, of one append + fdatasync."""
    folder = temporary_folder()
    path = os.path.join(folder, "appended")
    record = os.urandom(size)
    took = []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.perf_counter_ns()
            os.write(file, record)
            os.fdatasync(file)
            took.append(time.perf_counter_ns() - began)
    finally:
        os.close(file)
        os.unlink(path)
        os.rmdir(folder)
    return statistics.median(took) / 1000


def single_rows(plan):
    size = bytes_of_one_write()
    plan.state("one connection: the bare append is of %d bytes, what one upsert adds to the "
               "write-ahead log; os.write + os.fdatasync from Python" % size)
    got = alternate(plan, "one connection",
                    tacit=lambda: write_tacit(plan, 1),
                    bare=lambda: bare_appends(plan.seconds, size))
    measured = median(got["tacit"], p50) / median(got["bare"])
    return [at_most("one connection, durable upsert: p50 against one bare append + fdatasync",
                    measured, 1.6, "tacit %s us, bare %s us, %d bytes" % (
                        in_rounds(got["tacit"], p50), in_rounds(got["bare"], float), size))]

"""Rows about a store of 5 million secrets: start, lists, bytes on disk.

A list is measured twice: as it is for a server that has run for a while (each was asked for once
before, and is remembered), and when none is remembered (projects in turn, so that the one asked for
is always the one that was dropped first)."""
import json
import multiprocessing
import os
import select
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass

from peers.footprint import STARTS, milliseconds_to_answer
from peers.load import LISTS_IN_TURN, STRIDE, UNIFORM_LISTS
from peers.reads import cost, loaded, rate
from peers.rows import Row, alternate, at_most, in_rounds, median, not_measured
from peers.system import note, raise_descriptor_limit, server_core, temporary_folder
from peers.tacit import KEY, PROJECT, SECRETS, Tacit, value_of

SMALL_PROJECTS = 1000
FILLERS = 2  # processes
CONNECTIONS = 256  # each
FAMILIES = ("projects", "secrets", "values", "counters", "api_keys", "meta", "deliveries")
SMALLEST_CACHE = {"TACIT_LIMITS_LIST_CACHE_MEGABYTES": "1"}


class Kept(Tacit):
    """In a folder that stays, with the API key that was made for it."""
    keeps_folder = True

    def __init__(self, folder, token=None, **options):
        super().__init__(folder=folder, **options)
        self.token = token

    def prepare(self):
        if self.token is None:
            self.make_token(["admin"])


def post(server, path, body):
    content = json.dumps(body, separators=(",", ":"))
    return ("POST /api/v1%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
            "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (path, server.token, len(content), content))


def making_projects(server, numbers):
    """Batches of pipelined requests."""
    numbers = list(numbers)
    for at in range(0, len(numbers), SECRETS):
        names = [PROJECT % number for number in numbers[at:at + SECRETS]]
        yield [post(server, "/projects", {"name": name, "id": name}) for name in names]


def making_secrets(server, numbers):
    for number in numbers:
        yield [post(server, "/projects/%s/secrets" % (PROJECT % number),
                    {"key": KEY % key, "value": value_of(number * SECRETS + key)})
               for key in range(SECRETS)]


def send_all(port, batches, mark):
    """Sends each batch over one of many connections, and waits for an answer that begins with
    `mark` to each of its requests."""
    poll = select.epoll()
    waiting = {}  # by descriptor: connection, answers missing, the end of what was received

    def send_next(connection):
        batch = next(batches, None)
        if batch is None:
            waiting.pop(connection.fileno(), None)
            return
        connection.sendall("".join(batch).encode())
        waiting[connection.fileno()] = [connection, len(batch), b""]

    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    for connection in connections:
        poll.register(connection.fileno(), select.EPOLLIN)
        send_next(connection)
    while waiting:
        events = poll.poll(60)
        if not events:
            raise SystemExit("bench: tacit stopped answering while it was filled")
        for descriptor, _ in events:
            connection, missing, end = state = waiting[descriptor]
            got = connection.recv(65536)
            seen = end + got
            state[1] = missing - seen.count(mark)
            state[2] = seen[1 - len(mark):]
            if not got:
                raise SystemExit("bench: tacit closed a connection while it was filled")
            if state[1] == 0:
                send_next(connection)
    for connection in connections:
        connection.close()


def in_processes(server, projects, batches, mark):
    workers = [multiprocessing.Process(
        target=send_all, args=(server.port, batches(server, range(one, projects, FILLERS)), mark))
        for one in range(FILLERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        if worker.exitcode != 0:
            raise SystemExit("bench: filling the store failed")


@dataclass
class Filled:
    folder: str
    projects: int
    token: str
    seconds: float  # that filling it took; 0 when it was there

    def serve(self, **options):
        return Kept(self.folder, self.token, **options)


def fill(folder, projects):
    """As it was left there by an earlier run, when that finished."""
    done = os.path.join(folder, "filled.json")
    if os.path.exists(done):
        with open(done) as file:
            filled = Filled(folder, **json.load(file))
        if filled.projects != projects:
            raise SystemExit("bench: %s has %d projects: remove it" % (folder, filled.projects))
        return filled
    os.makedirs(folder, 0o755, exist_ok=True)
    with Kept(folder) as server:
        note("  big: filling %d projects" % projects)
        began = time.monotonic()
        in_processes(server, projects, making_projects, b"HTTP/1.1 201 ")
        note("  big: projects made in %.0f s" % (time.monotonic() - began))
        in_processes(server, projects, making_secrets, b"HTTP/1.1 200 ")
        took = time.monotonic() - began
        note("  big: filled in %.0f s" % took)
        for number in range(0, projects, max(1, projects // 500)):
            if server.count_secrets(number) != SECRETS:
                raise SystemExit("bench: project %d has not 25 secrets" % number)
        began = time.monotonic()
        server.stop()
        note("  big: stopped in %.1f s" % (time.monotonic() - began))
        with open(done, "w", opener=private) as file:
            json.dump({"projects": projects, "token": server.token, "seconds": 0}, file)
        return Filled(folder, projects, server.token, took)


def private(path, flags):
    return os.open(path, flags, 0o600)


def bytes_on_disk(store):
    total = 0
    for folder, _, names in os.walk(store):
        total += sum(os.stat(os.path.join(folder, name)).st_blocks * 512 for name in names)
    return total


def compacted_bytes(store):
    """Of a copy, everything moved to the lowest level with RocksDB's own tool and the store's own
    options."""
    folder = temporary_folder()
    copy = os.path.join(folder, "store")
    try:
        shutil.copytree(store, copy, ignore=shutil.ignore_patterns("*.sock"))
        for family in FAMILIES:
            subprocess.run(["ldb", "--db=" + copy, "--try_load_options",
                            "--column_family=" + family, "compact"],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return bytes_on_disk(copy)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def getting_lists(server, numbers):
    numbers = list(numbers)
    for at in range(0, len(numbers), SECRETS):
        yield ["GET /api/v1/projects/%s/secrets HTTP/1.1\r\nHost: x\r\n"
               "Authorization: Bearer %s\r\n\r\n" % (PROJECT % number, server.token)
               for number in numbers[at:at + SECRETS]]


def remembered(plan, filled):
    def run():
        with filled.serve(core=server_core(), threads=1) as server:
            in_processes(server, filled.projects, getting_lists, b"HTTP/1.1 200 ")
            script = UNIFORM_LISTS % {"form": PROJECT, "projects": filled.projects}
            return loaded(plan, server, url=server.url, headers=server.headers(), script=script)
    return run


def not_remembered(plan, filled):
    def run():
        with filled.serve(core=server_core(), threads=1, settings=SMALLEST_CACHE) as server:
            script = LISTS_IN_TURN % {"form": PROJECT, "projects": filled.projects,
                                      "stride": STRIDE}
            return loaded(plan, server, url=server.url, headers=server.headers(), script=script)
    return run


def big_rows(plan):
    kept = plan.big_store
    folder = kept or temporary_folder()
    if kept:
        os.makedirs(kept, exist_ok=True)
        os.chmod(kept, 0o755)
    try:
        raise_descriptor_limit(FILLERS * CONNECTIONS + 1000)
        filled = [fill(os.path.join(folder, str(projects)), projects)
                  for projects in (plan.projects_in_big, SMALL_PROJECTS)]
        return rows_of(plan, *filled)
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def lists_row(plan, which, side, big, small):
    got = alternate(plan, "lists, " + which, big=side(plan, big), small=side(plan, small))
    p50 = {name: median(figures, lambda one: one.p50) for name, figures in got.items()}
    row = at_most(
        "list p50, 64 connections, %d projects against %d, %s"
        % (big.projects, small.projects, which), p50["big"] / p50["small"], 1.5,
        "p50 %.0f us, %.0f us; %s, %s requests/s; server CPU per request %.1f us, %.1f us" % (
            p50["big"], p50["small"], in_rounds(got["big"], rate), in_rounds(got["small"], rate),
            median(got["big"], cost), median(got["small"], cost)))
    return row, p50


def rows_of(plan, big, small):
    secrets = big.projects * SECRETS
    if big.seconds:
        plan.state("filled over HTTP, %d connections: %d secrets in %d projects in %.0f s"
                   % (FILLERS * CONNECTIONS, secrets, big.projects, big.seconds))
    plan.state("the files are in the page cache at every start and list; block cache 64 MB")
    plan.state("remembered: each list was asked for once before the warm-up, then chosen "
               "uniformly; limits.list_cache_megabytes at its default, an eighth of the memory")
    plan.state("not remembered: limits.list_cache_megabytes 1, projects in turn, %d apart, so that "
               "every list is read from the store" % STRIDE)
    starts = [milliseconds_to_answer(big.serve()) for _ in range(STARTS)]
    rows = [at_most("start to first 200, %d secrets, after a clean stop" % secrets,
                    median(starts), 500, "median of %d, slowest %.0f ms" % (STARTS, max(starts)),
                    "%.0f", " ms")]
    warm, p50_warm = lists_row(plan, "each asked for before", remembered, big, small)
    cold, p50_cold = lists_row(plan, "none remembered", not_remembered, big, small)
    rows += [warm, cold, Row(
        "list p50 of the big store, none remembered, against the small one's remembered lists",
        "%.1f" % (p50_cold["big"] / p50_warm["small"]), "for information", None, "%.0f us, %.0f us"
        % (p50_cold["big"], p50_warm["small"]))]
    store = big.serve().store
    rows.append(Row("bytes on disk per secret as the server left them",
                    "%.0f" % (bytes_on_disk(store) / secrets), "for information", None,
                    "blocks of the whole store folder"))
    figure = "bytes on disk per secret (40-byte value, 20-byte key) after compaction"
    try:
        rows.append(at_most(figure, compacted_bytes(store) / secrets, 350,
                            "all families of a copy compacted with ldb", "%.0f"))
    except (OSError, subprocess.CalledProcessError) as why:
        rows.append(not_measured(figure, "at most 350", "ldb: %s" % why))
    return rows

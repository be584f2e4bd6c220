"""Rows about a store of 5 million secrets: start, lists, bytes on disk."""
import json
import multiprocessing
import os
import select
import shutil
import socket
import subprocess
import time

from peers.footprint import STARTS, milliseconds_to_answer
from peers.load import UNIFORM_LISTS
from peers.reads import loaded, rate
from peers.rows import Row, alternate, at_most, in_rounds, median, not_measured
from peers.system import note, server_core, temporary_folder
from peers.tacit import KEY, PROJECT, SECRETS, Tacit, value_of

SMALL_PROJECTS = 1000
FILLERS = 2  # processes
CONNECTIONS = 128  # each
FAMILIES = ("projects", "secrets", "values", "counters", "api_keys", "meta")


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


def fill(folder, projects):
    """Returns the API key and how long it took."""
    with Kept(folder) as server:
        note("  big: filling %d projects" % projects)
        began = time.monotonic()
        in_processes(server, projects, making_projects, b"HTTP/1.1 201 ")
        made = time.monotonic()
        note("  big: projects made in %.0f s" % (made - began))
        in_processes(server, projects, making_secrets, b"HTTP/1.1 200 ")
        took = time.monotonic() - began
        note("  big: filled in %.0f s" % took)
        for number in range(0, projects, max(1, projects // 500)):
            if server.count_secrets(number) != SECRETS:
                raise SystemExit("bench: project %d has not 25 secrets" % number)
        began = time.monotonic()
        server.stop()
        note("  big: stopped in %.1f s" % (time.monotonic() - began))
        return server.token, took


def bytes_on_disk(server):
    total = 0
    for folder, _, names in os.walk(server.store):
        total += sum(os.stat(os.path.join(folder, name)).st_blocks * 512 for name in names)
    return total


def compact(server):
    """Everything to the lowest level, with RocksDB's own tool and the store's own options."""
    for family in FAMILIES:
        subprocess.run(["ldb", "--db=" + server.store, "--try_load_options",
                        "--column_family=" + family, "compact"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def getting_lists(server, numbers):
    numbers = list(numbers)
    for at in range(0, len(numbers), SECRETS):
        yield ["GET /api/v1/projects/%s/secrets HTTP/1.1\r\nHost: x\r\n"
               "Authorization: Bearer %s\r\n\r\n" % (PROJECT % number, server.token)
               for number in numbers[at:at + SECRETS]]


def lists(plan, folder, token, projects):
    def run():
        with Kept(folder, token, core=server_core(), threads=1) as server:
            in_processes(server, projects, getting_lists, b"HTTP/1.1 200 ")
            script = UNIFORM_LISTS % {"form": PROJECT, "projects": projects}
            return loaded(plan, server, url=server.url, headers=server.headers(), script=script)
    return run


def big_rows(plan):
    folders = [temporary_folder(), temporary_folder()]
    try:
        return rows_of(plan, folders)
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def rows_of(plan, folders):
    projects = plan.projects_in_big
    secrets = projects * SECRETS
    token, took = fill(folders[0], projects)
    small_token, _ = fill(folders[1], min(projects, SMALL_PROJECTS))
    plan.state("filled over HTTP, %d connections: %d secrets in %d projects in %.0f s"
               % (FILLERS * CONNECTIONS, secrets, projects, took))
    plan.state("the files are in the page cache at every start and list")
    plan.state("lists: each was asked for once before the warm-up; limits.list_cache_megabytes at "
               "its default, an eighth of the memory")
    store = Kept(folders[0], token)
    starts = [milliseconds_to_answer(store) for _ in range(STARTS)]
    got = alternate(plan, "lists", big=lists(plan, folders[0], token, projects),
                    small=lists(plan, folders[1], small_token, min(projects, SMALL_PROJECTS)))
    p50 = {name: median(figures, lambda one: one.p50) for name, figures in got.items()}
    before = bytes_on_disk(store) / secrets
    rows = [
        at_most("start to first 200, %d secrets, after a clean stop" % secrets, median(starts),
                500, "median of %d, slowest %.0f ms" % (STARTS, max(starts)), "%.0f", " ms"),
        at_most("list p50, 64 connections, %d projects chosen uniformly, against %d"
                % (projects, SMALL_PROJECTS), p50["big"] / p50["small"], 1.5,
                "p50 %.0f us, %.0f us; %s, %s requests/s" % (
                    p50["big"], p50["small"], in_rounds(got["big"], rate),
                    in_rounds(got["small"], rate))),
        Row("bytes on disk per secret as the server left them", "%.0f" % before,
            "for information", None, "blocks of the whole store folder"),
    ]
    figure = "bytes on disk per secret (40-byte value, 20-byte key) after compaction"
    try:
        compact(store)
        rows.append(at_most(figure, bytes_on_disk(store) / secrets, 350,
                            "all families compacted with ldb", "%.0f"))
    except (OSError, subprocess.CalledProcessError) as why:
        rows.append(not_measured(figure, "at most 350", "ldb: %s" % why))
    return rows

"""A project never holds more secrets than its cap, and its counter equals its rows."""
import contextlib
import http.client
import random
import signal
import threading

import pytest

from harness import Server, exchange

PROJECT = "proj_cap"
CAP = 25
CONNECTIONS = 64
KEYS = 89


@pytest.fixture(name="server")
def make_server():
    with Server() as server:
        server.make_project(PROJECT)
        yield server


def post(connection, project, name, value, key):
    return exchange(connection, "POST", "/api/v1/projects/%s/secrets" % project,
                    {"key": name, "value": value}, {"Authorization": "Bearer " + key})


def delete(connection, project, name, key):
    return exchange(connection, "DELETE", "/api/v1/projects/%s/secrets/%s" % (project, name), None,
                    {"Authorization": "Bearer " + key})


def names_of(server, project):
    listed = server.owner("GET", "/projects/%s/secrets" % project)
    assert listed.status == 200
    return [one["key"] for one in listed.data()["secrets"]]


def counter_of(server, project):
    return server.owner("GET", "/projects/%s" % project).data()["project"]["secretCount"]


def check_counter(server, project):
    """Counter, rows and what is delivered agree; returns the names."""
    names = names_of(server, project)
    assert counter_of(server, project) == len(names) == len(set(names)) <= CAP
    in_projects = {one["id"]: one["secretCount"] for one in server.owner("GET", "/projects").data()}
    assert in_projects[project] == len(names)
    assert sorted(server.values(project)) == names
    return names


def at_once(server, jobs):
    """Each job, a function of a connection, on a thread and a connection of its own, all let go
    together. An exception in one is raised here."""
    gate = threading.Barrier(len(jobs))
    failures = []

    def run(job):
        try:
            with contextlib.closing(server.connect()) as connection:
                connection.connect()
                gate.wait()
                job(connection)
        except BaseException as failure:  # pylint: disable=broad-except
            gate.abort()
            failures.append(failure)
    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if failures:
        raise failures[0]


def shares(names, parts):
    return [names[one::parts] for one in range(parts)]


def test_64_connections_add_89_keys(server):
    key = server.make_key()
    statuses = {}

    def adder(mine):
        def add(connection):
            for name in mine:
                answer = post(connection, PROJECT, name, "value of " + name, key)
                statuses[name] = (answer.status,
                                  answer.code() if answer.status != 200 else None)
        return add
    names = ["KEY_%d" % number for number in range(KEYS)]
    at_once(server, [adder(mine) for mine in shares(names, CONNECTIONS)])
    assert len(statuses) == KEYS
    won = sorted(name for name, (status, _) in statuses.items() if status == 200)
    lost = [one for one in statuses.values() if one[0] != 200]
    assert len(won) == CAP
    assert lost == [(409, "SECRET_LIMIT_EXCEEDED")] * (KEYS - CAP)
    assert check_counter(server, PROJECT) == won
    server.restart(signal.SIGKILL)
    assert check_counter(server, PROJECT) == won
    assert server.values(PROJECT) == {name: "value of " + name for name in won}
    # The cap is not used up by the refused ones, and not given back by the restart.
    with contextlib.closing(server.connect()) as connection:
        assert post(connection, PROJECT, "ONE_MORE", "value", key).status == 409
        assert delete(connection, PROJECT, won[0], key).status == 200
        assert post(connection, PROJECT, "ONE_MORE", "value", key).status == 200
        assert post(connection, PROJECT, "TWO_MORE", "value", key).status == 409
    check_counter(server, PROJECT)


@pytest.mark.parametrize("whom", ["keeper", "api"])
@pytest.mark.parametrize("turn", range(5))
def test_killed_in_the_middle(server, whom, turn):
    """Killed once a random number of adds was acknowledged, while the others are under way."""
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)
    kill_after = random.Random(seed).randint(1, CAP - 1)
    key = server.make_key()
    acknowledged = []
    refused = []
    killed, once = threading.Event(), threading.Lock()

    def kill():
        with once:
            if killed.is_set():
                return
            killed.set()
            server.kill() if whom == "keeper" else server.kill_api()

    def adder(mine):
        def add(connection):
            for name in mine:
                try:
                    answer = post(connection, PROJECT, name, "value of " + name, key)
                except (OSError, http.client.HTTPException):  # unknown, as the contract says
                    assert killed.is_set()
                    return
                if answer.status == 200:
                    acknowledged.append(name)
                else:
                    assert answer.status == 409
                    refused.append(name)
                if len(acknowledged) >= kill_after:
                    kill()
        return add
    names = ["KEY_%d" % number for number in range(KEYS)]
    at_once(server, [adder(mine) for mine in shares(names, CONNECTIONS)])
    assert killed.is_set()
    server.start()
    there = check_counter(server, PROJECT)
    assert set(acknowledged) <= set(there), seed
    assert not refused or len(there) == CAP, seed  # a 409 rests on a project that is full on disk
    # And up to the cap again, no further.
    statuses = []
    with contextlib.closing(server.connect()) as connection:
        for name in names:
            if name not in there:
                statuses.append(post(connection, PROJECT, name, "value", key).status)
    assert statuses.count(200) == CAP - len(there), seed
    assert len(check_counter(server, PROJECT)) == CAP


def test_adds_and_deletes_mixed(server):
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)
    key = server.make_key()
    names = ["KEY_%d" % number for number in range(40)]
    seen = set()
    too_many = []

    def worker(number):
        rng = random.Random(seed + number)

        def work(connection):
            for _ in range(40):
                name = rng.choice(names)
                if rng.random() < 0.6:
                    status = post(connection, PROJECT, name, "value of " + name, key).status
                else:
                    status = delete(connection, PROJECT, name, key).status
                seen.add(status)
                if rng.random() < 0.1:
                    count = len(names_of(server, PROJECT))
                    if count > CAP:
                        too_many.append(count)
        return work
    at_once(server, [worker(number) for number in range(16)])
    assert seen == {200, 409}, seed
    assert too_many == []
    before = check_counter(server, PROJECT)
    server.restart(signal.SIGKILL)
    assert check_counter(server, PROJECT) == before, seed


def test_the_same_key_from_all_sides_counts_once(server):
    key = server.make_key()
    statuses = []
    at_once(server, [lambda connection: statuses.append(
        post(connection, PROJECT, "SAME", "value", key).status)] * 32)
    assert statuses == [200] * 32
    assert check_counter(server, PROJECT) == ["SAME"]
    existed = []
    at_once(server, [lambda connection: existed.append(
        delete(connection, PROJECT, "SAME", key).data()["existed"])] * 32)
    assert sorted(existed) == [False] * 31 + [True]
    assert check_counter(server, PROJECT) == []


def test_updates_at_the_cap_succeed(server):
    key = server.make_key()
    names = ["KEY_%d" % number for number in range(CAP)]
    for name in names:
        server.put(PROJECT, name, "first", key)
    statuses = []

    def update(connection):
        for name in names:
            statuses.append(post(connection, PROJECT, name, "second", key).status)

    def add(connection):
        for number in range(CAP):
            statuses.append(post(connection, PROJECT, "NEW_%d" % number, "new", key).status)
    at_once(server, [update, update, add, update, add])
    assert (statuses.count(200), statuses.count(409)) == (3 * CAP, 2 * CAP)
    assert check_counter(server, PROJECT) == sorted(names)
    assert server.values(PROJECT) == dict.fromkeys(names, "second")


def test_a_cap_of_the_project_itself(server):
    key = server.make_key()
    server.make_project("proj_two", secretLimit=2)
    statuses = []
    at_once(server, [lambda connection, name=name: statuses.append(
        post(connection, "proj_two", name, "value", key).status) for name in "ABCDEFGH"])
    assert (statuses.count(200), statuses.count(409)) == (2, 6)
    assert len(check_counter(server, "proj_two")) == 2
    assert check_counter(server, PROJECT) == []


def test_a_project_deleted_under_adds_leaves_nothing(server):
    """What comes after the delete is 404; a project made again with the id is empty."""
    key = server.make_key()
    seen = set()

    def add(connection, number):
        for turn in range(20):
            seen.add(post(connection, PROJECT, "KEY_%d_%d" % (number, turn), "value", key).status)

    def remove(connection):
        assert exchange(connection, "DELETE", "/api/v1/projects/" + PROJECT, None,
                        {"Authorization": "Bearer " + key}).status == 200
    adders = [lambda connection, number=number: add(connection, number) for number in range(8)]
    at_once(server, adders + [remove])
    assert seen <= {200, 404, 409}
    assert server.owner("GET", "/projects/" + PROJECT).status == 404
    server.make_project(PROJECT)
    assert check_counter(server, PROJECT) == []
    server.restart(signal.SIGKILL)
    assert check_counter(server, PROJECT) == []

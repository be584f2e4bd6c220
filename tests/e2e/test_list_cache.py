"""Lists that are kept ready, more of them than the cache may hold: each is still the project's own,
and shows the last change, whether it was kept or dropped in between."""
import concurrent.futures
import contextlib
import random

from harness import Server, UnixConnection, exchange

PROJECTS = 120
KEYS = 89
CACHE_BYTES = 1 << 20  # the least; each list takes about 11 KB, so that not all of them fit


def list_of(connection, project):
    answer = exchange(connection, "GET", "/api/v1/projects/%s/secrets" % project)
    assert answer.status == 200
    return {one["key"]: one["lastFour"] for one in answer.data()["secrets"]}


def fill(server, expected):
    def make(project):
        with contextlib.closing(UnixConnection(server.api_socket)) as connection:
            made = exchange(connection, "POST", "/api/v1/projects",
                            {"name": project, "id": project, "secretLimit": KEYS})
            assert made.status == 201
            for key, last_four in expected[project].items():
                put(connection, project, key, last_four)
    with concurrent.futures.ThreadPoolExecutor(PROJECTS) as pool:
        list(pool.map(make, expected))


def put(connection, project, key, last_four):
    answer = exchange(connection, "POST", "/api/v1/projects/%s/secrets" % project,
                      {"key": key, "value": "value-that-ends-in-" + last_four})
    assert answer.status == 200


def test_more_lists_than_the_cache_holds():
    settings = {"limits_list_cache_megabytes": 1, "threads": 1}
    chance = random.Random(7)
    expected = {"project-%d" % number: {
        "LONG_NAME_OF_A_SECRET_%d" % key: "%04d" % (number * key % 9999) for key in range(KEYS)}
                for number in range(PROJECTS)}
    with Server(**settings) as server, contextlib.closing(
            UnixConnection(server.api_socket)) as connection:
        fill(server, expected)
        size = 0
        for project in expected:
            answer = exchange(connection, "GET", "/api/v1/projects/%s/secrets" % project)
            size += len(answer.body)
        assert size > CACHE_BYTES
        for step in range(400):
            project = chance.choice(sorted(expected))
            if step % 5 == 0:
                key = chance.choice(sorted(expected[project]))
                expected[project][key] = "%04d" % chance.randrange(9999)
                put(connection, project, key, expected[project][key])
            assert list_of(connection, project) == expected[project]
        for project, secrets in expected.items():
            assert list_of(connection, project) == secrets

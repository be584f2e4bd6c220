"""The rate limits: their arithmetic from outside, and their memory across threads and ends."""
import contextlib
import os
import signal
import socket
import threading
import time

import pytest

from harness import ROOT, SUBKEY_INSTANCE, Server, derive, wait_until
from rawhttp import Wire, ask, over_tcp, over_unix, request

UNLIMITED = 999999999999999
READ = "/api/v1/projects/p/secrets"


def read_of(key):
    return request("GET", READ, key=key)


def write_of(key):
    return request("POST", READ, (), {"key": "A", "value": "v"}, key)


def send(server, data, count):
    """The answers to the same request, pipelined."""
    with over_tcp(server) as wire:
        wire.send(data * count)
        return [wire.answer() for _ in range(count)]


def statuses(answers):
    return [one.status for one in answers]


@contextlib.contextmanager
def start(**settings):
    settings.setdefault("limits_reads_per_minute", 120)
    settings.setdefault("limits_writes_per_minute", 30)
    with Server(**settings) as server:
        server.make_project("p")
        yield server


def segment_of(server):
    return "/dev/shm/tacit-" + derive(server.root_key(), SUBKEY_INSTANCE, 16).hex()


def test_thirty_writes_then_429():
    with start() as server:
        key = server.make_key()
        answers = send(server, write_of(key), 31)
        assert statuses(answers) == [200] * 30 + [429]
        assert [int(one.get("X-RateLimit-Remaining")) for one in answers] == list(
            range(29, -1, -1)) + [0]
        last = answers[-1]
        assert last.body == (b'{"error":{"code":"RATE_LIMITED",'
                             b'"message":"Too many requests: wait, then try again"}}')
        assert last.get("X-RateLimit-Limit") == "30"
        assert last.get("X-RateLimit-Remaining") == "0"
        assert last.get("X-RateLimit-Reset") in ("1", "2")
        assert last.get("Retry-After") == last.get("X-RateLimit-Reset")
        assert last.get("RateLimit-Policy") == '"write";q=30;w=60'
        assert last.get("RateLimit") == '"write";r=0;t=%s' % last.get("Retry-After")
        assert last.get("Connection") is None
        assert answers[0].get("Retry-After") is None
        # A token comes in two seconds, one, and after the time that was said.
        time.sleep(int(last.get("Retry-After")))
        assert statuses(send(server, write_of(key), 2)) == [200, 429]


def test_reads_default_to_120():
    with start() as server:
        answers = send(server, read_of(server.make_key()), 125)
        refused = statuses(answers).count(429)
        assert statuses(answers)[:120] == [200] * 120
        assert 1 <= refused <= 5  # a token comes every half second
        assert {one.get("Retry-After") for one in answers if one.status == 429} == {"1"}


def test_reads_and_writes_have_buckets_of_their_own():
    with start(limits_reads_per_minute=3, limits_writes_per_minute=2) as server:
        key = server.make_key()
        assert statuses(send(server, write_of(key), 3)) == [200, 200, 429]
        assert statuses(send(server, read_of(key), 4)) == [200, 200, 200, 429]
        other = server.make_key()
        assert statuses(send(server, read_of(other), 4)) == [200, 200, 200, 429]
        assert statuses(send(server, write_of(other), 3)) == [200, 200, 429]


def test_every_endpoint_takes_from_one_of_the_two():
    reads = [("GET", one) for one in ("/projects", "/projects/p", "/projects/p/secrets",
                                      "/projects/none", "/api-keys", "/user/me")]
    writes = [("POST", "/projects"), ("DELETE", "/projects/none"), ("POST", "/api-keys"),
              ("POST", "/projects/p/secrets"), ("DELETE", "/projects/p/secrets/A"),
              ("DELETE", "/api-keys/none"), ("POST", "/projects/none/secrets"),
              ("DELETE", "/projects/p/secrets/lower")]
    with start(limits_reads_per_minute=10, limits_writes_per_minute=10) as server:
        for rows, kind in ((reads, "read"), (writes, "write")):
            key = server.make_key()
            for i, (method, target) in enumerate(rows):
                body = b"{" if method == "POST" else None
                answer = ask(server, request(method, "/api/v1" + target, (), body, key))
                assert answer.get("RateLimit-Policy") == '"%s";q=10;w=60' % kind, target
                assert int(answer.get("X-RateLimit-Remaining")) in (9 - i, 10 - i), target


def test_two_keys_are_independent():
    with start(limits_writes_per_minute=5) as server:
        first, second = server.make_key(), server.make_key()
        assert statuses(send(server, write_of(first), 6)) == [200] * 5 + [429]
        assert statuses(send(server, write_of(second), 6)) == [200] * 5 + [429]


def test_a_key_in_the_place_of_a_revoked_one_has_full_buckets():
    with start(limits_writes_per_minute=2) as server:
        for _ in range(4):
            key = server.make_key()
            assert statuses(send(server, write_of(key), 3)) == [200, 200, 429]
            key_id = server.owner("GET", "/api-keys").data()["keys"][0]["id"]
            server.owner("DELETE", "/api-keys/" + key_id)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["restart", "kill"])
def test_buckets_survive(how):
    with start(limits_writes_per_minute=4, limits_reads_per_minute=3,
               limits_failed_auth_per_minute=2) as server:
        key = server.make_key()
        send(server, write_of(key), 4)
        send(server, read_of(key), 3)
        send(server, read_of("wrong"), 2)
        server.restart(how)
        assert statuses(send(server, write_of(key), 1)) == [429]
        assert statuses(send(server, read_of(key), 1)) == [429]
        assert statuses(send(server, read_of("wrong"), 1)) == [429]


def test_all_threads_take_from_one_bucket():
    with start(threads=4, limits_writes_per_minute=10) as server:
        key = server.make_key()
        got = []

        def work():
            got.extend(statuses(send(server, write_of(key), 10)))
        threads = [threading.Thread(target=work) for _ in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert got.count(200) == 10 and got.count(429) == 70


def test_zero_switches_a_limit_off():
    with start(limits_writes_per_minute=0, limits_reads_per_minute=0) as server:
        key = server.make_key()
        for data in (write_of(key), read_of(key)):
            answers = send(server, data, 300)
            assert set(statuses(answers)) == {200}
            for name in ("X-RateLimit-Limit", "X-RateLimit-Remaining"):
                assert {int(one.get(name)) for one in answers} == {UNLIMITED}
            assert {one.get("X-RateLimit-Reset") for one in answers} == {"0"}


def test_one_limit_off_the_other_on():
    with start(limits_writes_per_minute=0, limits_reads_per_minute=1) as server:
        key = server.make_key()
        assert set(statuses(send(server, write_of(key), 50))) == {200}
        answers = send(server, read_of(key), 2)
        assert statuses(answers) == [200, 429]
        # One token a minute: the whole minute is to wait, rounded up.
        assert [one.get("X-RateLimit-Reset") for one in answers] == ["60", "60"]
        assert answers[1].get("Retry-After") == "60"


def test_the_limit_can_be_changed_by_a_restart():
    with start(limits_writes_per_minute=2) as server:
        key = server.make_key()
        assert statuses(send(server, write_of(key), 3)) == [200, 200, 429]
        server.settings["limits_writes_per_minute"] = "0"
        server.restart()
        assert statuses(send(server, write_of(key), 3)) == [200, 200, 200]


def test_a_refused_write_changes_nothing():
    with start(limits_writes_per_minute=1) as server:
        key = server.make_key()
        server.put("p", "A", "before")
        assert statuses(send(server, request("GET", "/livez"), 1)) == [200]
        send(server, request("DELETE", "/api/v1/projects/none", key=key), 1)
        tag = server.owner("GET", "/projects/p/secrets").headers["ETag"]
        assert statuses(send(server, write_of(key), 3)) == [429] * 3
        assert server.values("p") == {"A": "before"}
        assert server.owner("GET", "/projects/p/secrets").headers["ETag"] == tag


# --- failed authentication ---

def test_failed_authentication_is_limited_but_never_for_a_valid_key():
    with start(limits_failed_auth_per_minute=5) as server:
        key = server.make_key()
        wrong = [None, "nonsense", key[:-1] + ("a" if key[-1] != "a" else "b"), "", "tac_"]
        with over_tcp(server) as wire:
            for one in wrong:
                assert wire.send(read_of(one)).answer().status == 401
            refused = wire.send(read_of("nonsense")).answer()
            assert (refused.status, refused.code()) == (429, "RATE_LIMITED")
            assert 9 <= int(refused.get("Retry-After")) <= 12
            assert refused.get("WWW-Authenticate") is None
            assert refused.get("X-RateLimit-Limit") is None
            for _ in range(50):
                assert wire.send(read_of(key)).answer().status == 200
                assert wire.send(read_of("nonsense")).answer().status == 429
        # What needs no key is not refused either; neither is the owner.
        assert ask(server, request("GET", "/livez")).status == 200
        assert ask(server, request("GET", "/none")).status == 404
        assert server.owner("GET", "/user/me").status == 200


def test_failed_authentication_is_limited_per_address():
    with start(limits_failed_auth_per_minute=2, listen="127.0.0.1:0") as server:
        def status_from(address):
            raw = socket.create_connection(("127.0.0.1", server.port), 60, (address, 0))
            with Wire(raw) as wire:
                return wire.send(read_of("nonsense")).answer().status
        assert [status_from("127.0.0.1") for _ in range(3)] == [401, 401, 429]
        assert [status_from("127.0.0.77") for _ in range(3)] == [401, 401, 429]
        assert status_from("127.0.0.1") == 429


def test_the_limit_of_failures_can_be_switched_off():
    with start(limits_failed_auth_per_minute=0) as server:
        assert set(statuses(send(server, read_of("nonsense"), 300))) == {401}


def test_sixty_failures_by_default():
    with start() as server:
        got = statuses(send(server, read_of("nonsense"), 70))
        assert got[:60] == [401] * 60 and 1 <= got.count(429) <= 10


def test_a_wrong_key_over_the_socket_of_the_owner_does_not_lock_the_owner_out():
    with start(limits_failed_auth_per_minute=2) as server:
        with over_unix(server.api_socket) as wire:
            got = [wire.send(read_of("nonsense")).answer().status for _ in range(4)]
            assert got == [401, 401, 429, 429]
            assert wire.send(read_of(None)).answer().status == 200


# --- the shared memory ---

def test_the_memory_is_closed_to_others():
    with start() as server:
        about = os.stat(segment_of(server))
        assert about.st_mode & 0o7777 == 0o600
        assert about.st_uid == (os.stat(server.api_socket).st_uid if ROOT else os.geteuid())


def refused_start(server):
    """The one line that a start ends with. It must name the memory and say what to do."""
    status, stdout, stderr = server.run_to_end()
    lines = [line for line in stderr.splitlines() if line.startswith("tacit: ")]
    assert (status, stdout, len(lines)) == (1, "", 1), stderr
    assert segment_of(server) in lines[0], stderr
    assert "remove the file, then start again" in lines[0]
    return lines[0]


def test_a_squatted_memory_is_refused():
    with start() as server:
        server.stop()
        name = segment_of(server)
        good = os.stat(name)

        def put_there(mode=0o600, size=None, owner=None):
            os.unlink(name)
            with open(name, "wb") as file:
                file.truncate(good.st_size if size is None else size)
            os.chown(name, good.st_uid if owner is None else owner, -1)
            os.chmod(name, mode)

        for mode in (0o666, 0o660, 0o604, 0o777, 0o400 | 0o040):
            put_there(mode=mode)
            if mode & 0o600 == 0o600:
                assert "is open to other users" in refused_start(server)
            else:
                refused_start(server)
        for size in (1, good.st_size - 1, good.st_size + 1, good.st_size * 100):
            put_there(size=size)
            assert "has another size" in refused_start(server)
        if ROOT:
            for owner, mode in ((0, 0o600), (0, 0o666), (1, 0o600), (1, 0o666)):
                put_there(owner=owner, mode=mode)
                refused_start(server)
        os.unlink(name)
        os.symlink("/dev/null", name)
        refused_start(server)
        os.unlink(name)
        os.mkfifo(name, 0o600)
        os.chown(name, good.st_uid, -1)
        refused_start(server)
        os.unlink(name)
        os.mkdir(name)
        refused_start(server)
        os.rmdir(name)
        server.start()
        assert ask(server, request("GET", "/livez")).status == 200


def test_foreign_contents_of_the_memory_are_not_taken_over():
    """Another layout, instance or boot: it starts, and every bucket is full."""
    with start(limits_writes_per_minute=2) as server:
        key = server.make_key()
        for at in (0, 8, 24):  # magic, instance, boot id
            send(server, write_of(key), 3)
            server.stop()
            with open(segment_of(server), "r+b") as file:
                file.seek(at)
                file.write(b"\xff" * 8)
            server.start()
            assert statuses(send(server, write_of(key), 3)) == [200, 200, 429]


def test_garbage_in_the_buckets_locks_nobody_out_for_more_than_a_minute():
    with start(limits_writes_per_minute=60) as server:
        key = server.make_key()
        server.stop()
        with open(segment_of(server), "r+b") as file:
            file.seek(64)
            file.write(b"\xff" * (os.stat(segment_of(server)).st_size - 64))
        server.start()
        answer = ask(server, write_of(key))
        assert (answer.status, answer.get("Retry-After")) == (429, "1")
        wait_until(lambda: ask(server, write_of(key)).status == 200, 3)


def test_it_starts_without_the_memory_of_before():
    with start(limits_writes_per_minute=1) as server:
        key = server.make_key()
        send(server, write_of(key), 1)
        server.stop()
        os.unlink(segment_of(server))
        server.start()
        assert ask(server, write_of(key)).status == 200

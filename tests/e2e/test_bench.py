"""tacit-bench: every scenario against a real server, and that it notices a wrong one."""
import json
import os
import signal
import subprocess

import pytest

from bench_stub import Stall, Stub, free_port
from harness import START_SECONDS_MAX, TACIT, Server, clean_environment
from pki import Authority
from test_tls import tls_server

BENCH = os.path.join(os.path.dirname(TACIT), "tacit-bench")
SMALL = ("--projects", "8", "--secrets", "5", "--connections", "8", "--duration", "1",
         "--warm-up", "0.2")
SCENARIOS = ["list", "upsert", "insert-delete", "mixed", "auth-fail", "delivery"]
LATENCIES = {"p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"}

pytestmark = pytest.mark.skipif(not os.path.exists(BENCH), reason="tacit-bench is not built")


@pytest.fixture(scope="module")
def server():
    with Server(limits_failed_auth_per_minute=0) as one:
        yield one


def bench(*arguments, token=None, seconds=START_SECONDS_MAX):
    environment = clean_environment()
    if token is not None:
        environment["TACIT_TOKEN"] = token
    return subprocess.run([BENCH, *arguments], capture_output=True, text=True, timeout=seconds,
                          env=environment)


def bench_server(server, scenario, *arguments):
    return bench(scenario, "--url", server.url, "--data", server.data, *SMALL, "--json", "-",
                 *arguments)


@pytest.fixture(scope="module", name="secure")
def make_secure(tmp_path_factory):
    pki = Authority(str(tmp_path_factory.mktemp("pki")))
    pki.server = pki.issue("server")
    with tls_server(pki) as one:
        one.pki = pki
        yield one


def bench_stub(stub, scenario, *arguments):
    return bench(scenario, "--url", stub.url, *SMALL, "--json", "-", *arguments, token="tac_admin")


def results(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_nothing_left(server):
    assert server.owner("GET", "/projects").data() == []
    kept = [key for key in server.owner("GET", "/api-keys").data()["keys"]
            if key["name"].startswith("bench-")]
    assert kept == []


# --- a server that is right ---

@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario_runs_and_leaves_nothing(server, scenario):
    found = results(bench_server(server, scenario, "--server-pid",
                                 "%d,%d" % (server.pid, server.api_pid())))
    assert found["scenario"] == scenario
    assert found["errors"] == 0 and found["first_error"] is None
    assert found["requests"] > 0 and found["per_second"] > 0 and found["rate_limited"] == 0
    assert set(found["latency_ns"]) == LATENCIES
    assert sum(kind["requests"] for kind in found["by_request"].values()) == found["requests"]
    assert sum(found["over_time"]["answered"]) == found["answered"]
    assert found["sent_bytes"] > 0 and found["received_bytes"] > 0
    assert found["server"]["resident_bytes"] > 0
    assert found["machine"]["kernel"].startswith("Linux")
    assert found["settings"]["projects"] == "8"
    assert found["checked"]["projects"] == 8 and found["checked"]["last_four"]
    assert_nothing_left(server)


def test_mixed_asks_both_kinds(server):
    found = results(bench_server(server, "mixed", "--writes", "50", "--choice", "zipf"))
    assert set(found["by_request"]) == {"list", "upsert"}


@pytest.mark.parametrize("scenario", ["list", "upsert", "insert-delete", "mixed"])
def test_pipelined_threads_are_checked_too(server, scenario):
    results(bench_server(server, scenario, "--pipeline", "4", "--threads", "2", "--projects", "2"))
    assert_nothing_left(server)


@pytest.mark.parametrize("scenario", ["list", "insert-delete"])
def test_open_loop_keeps_the_rate(server, scenario):
    found = results(bench_server(server, scenario, "--rate", "100", "--threads", "2"))
    assert found["requests"] == 100 and found["overdue"] == 0
    assert set(found["due_to_sent_ns"]) == LATENCIES
    assert_nothing_left(server)


def test_admin_key_from_the_environment_and_from_a_file(server, tmp_path):
    key = server.make_key()
    results(bench("list", "--url", server.url, *SMALL, "--json", "-", token=key))
    file = tmp_path / "key"
    file.write_text(key + "\n")
    results(bench("list", "--url", server.url, *SMALL, "--json", "-", "--key-file", str(file)))
    assert_nothing_left(server)


def test_files_are_written_beside_the_table(server, tmp_path):
    page, file = tmp_path / "a.html", tmp_path / "a.json"
    done = bench("mixed", "--url", server.url, "--data", server.data, *SMALL, "--html", str(page),
                 "--json", str(file))
    assert done.returncode == 0, done.stderr
    assert "p99.99" in done.stdout and "upsert" in done.stdout
    assert json.loads(file.read_text())["errors"] == 0
    text = page.read_text()
    assert text.count("<svg") == 2 and "p99.99" in text
    assert "<script" not in text and "http://" not in text.replace(server.url, "")


def test_short_values_show_no_last_four(server):
    results(bench_server(server, "mixed", "--value-bytes", "5"))
    assert_nothing_left(server)


def test_interrupt_removes_all(server):
    with subprocess.Popen([BENCH, "mixed", "--url", server.url, "--data", server.data, *SMALL,
                           "--duration", "600", "--progress"], stderr=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE, env=clean_environment()) as run:
        while "measuring" not in run.stderr.readline():
            assert run.poll() is None
        assert len(server.owner("GET", "/projects").data()) == 8
        run.send_signal(signal.SIGINT)
        stderr = run.communicate(timeout=START_SECONDS_MAX)[1]
    assert run.returncode == 130, stderr
    assert_nothing_left(server)


# --- limits ---

def test_refused_requests_are_counted_apart_and_explained():
    with Server(limits_reads_per_minute=50) as server:
        found = results(bench_server(server, "list"))
        assert found["rate_limited"] > 0
        assert any("TACIT_LIMITS_READS_PER_MINUTE=0" in remark for remark in found["remarks"])
        assert_nothing_left(server)


def test_limited_admin_is_told_at_once():
    with Server(limits_writes_per_minute=200) as server:
        done = bench("list", "--url", server.url, *SMALL, "--projects", "100",
                     token=server.make_key())
        assert done.returncode == 1
        assert "TACIT_LIMITS_WRITES_PER_MINUTE=0" in done.stderr
        assert_nothing_left(server)


def test_projects_are_removed_as_the_limiter_allows():
    with Server(limits_writes_per_minute=30) as server:
        # Key, project and 28 secrets take all 30: what removes them must wait.
        done = bench("list", "--url", server.url, *SMALL, "--projects", "1", "--secrets", "28",
                     token=server.make_key())
        assert done.returncode == 0, done.stderr
        assert_nothing_left(server)


# --- a server that is wrong ---

def drop_one(request, status, document):
    if request == ("GET", "secrets"):
        document["data"]["secrets"] = document["data"]["secrets"][1:]
    return status, document


def rename_one(request, status, document):
    if request == ("GET", "secrets"):
        document["data"]["secrets"][2]["key"] = "ANOTHER"
    return status, document


def add_a_member(request, status, document):
    if request == ("GET", "secrets"):
        document["data"]["secrets"][0]["value"] = "oops"
    return status, document


def wrong_last_four(request, status, document):
    if request == ("GET", "secrets"):
        document["data"]["secrets"][0]["lastFour"] = "zzzz"
    return status, document


def fail_writes(request, status, document):
    if request == ("POST", "secret"):
        return 503, {"error": {"code": "SERVICE_UNAVAILABLE", "message": "later"}}
    return status, document


def name_another_key(request, status, document):
    if request == ("POST", "secret"):
        document["data"]["secret"]["key"] = "ANOTHER"
    return status, document


def forget_deletes(request, status, document):
    if request == ("DELETE", "secret"):
        document["data"]["existed"] = False
    return status, document


@pytest.mark.parametrize("scenario, lie, said", [
    ("list", drop_one, "where SECRET_00000 belongs"),
    ("list", rename_one, "'ANOTHER'"),
    ("list", add_a_member, "shape"),
    ("list", wrong_last_four, "lastFour"),
    ("mixed", drop_one, "where SECRET_00000 belongs"),
    ("upsert", wrong_last_four, "lastFour"),  # seen at the end
    ("upsert", fail_writes, "answered 503 SERVICE_UNAVAILABLE instead of 200"),
    ("upsert", name_another_key, "'ANOTHER'"),
    ("insert-delete", forget_deletes, "did not exist"),
    ("auth-fail", None, "answered 200 instead of 401"),
], ids=lambda part: getattr(part, "__name__", None))
def test_wrong_answer_fails_the_run(scenario, lie, said):
    with Stub(lie) as stub:
        done = bench_stub(stub, scenario, "--connections", "2")
        assert done.returncode == 1, done.stdout
        assert said in done.stderr
        assert stub.projects == {} and stub.keys == set()
        if done.stdout:
            found = json.loads(done.stdout)
            assert found["errors"] == 1 and said in found["first_error"]


def test_honest_stub_passes():
    with Stub() as stub:
        for scenario in ("list", "upsert", "insert-delete", "mixed"):
            results(bench_stub(stub, scenario, "--connections", "2"))
        assert stub.projects == {} and stub.keys == set()


def test_lost_write_is_noticed_at_the_end():
    with Stub() as stub:
        real = stub.answer

        def lossy(method, path, body):
            if method == "POST" and stub.version > 100 and body.get("key") == "SECRET_00003":
                stub.projects, kept = json.loads(json.dumps(stub.projects)), stub.projects
                answered = real(method, path, body)
                stub.projects = kept  # acknowledged, and gone
                return answered
            return real(method, path, body)

        stub.answer = lossy
        done = bench_stub(stub, "upsert", "--connections", "2")
        assert done.returncode == 1
        assert "SECRET_00003 the lastFour of another write" in done.stderr


def test_silence_fails_the_run():
    with Stub(Stall(after=20, seconds=3)) as stub:
        done = bench_stub(stub, "list", "--connections", "1", "--timeout", "0.5")
        assert done.returncode == 1
        assert "no answer" in done.stderr


def test_open_loop_shows_a_stall_that_closed_loop_hides():
    arguments = ("--connections", "1", "--warm-up", "0", "--duration", "2", "--projects", "1")
    with Stub(Stall(after=50, seconds=0.8)) as stub:
        opened = results(bench_stub(stub, "list", "--rate", "100", *arguments))
    with Stub(Stall(after=50, seconds=0.8)) as stub:
        closed = results(bench_stub(stub, "list", *arguments))
    assert opened["requests"] == 200
    assert opened["latency_ns"]["p90"] > 200e6  # 80 of 200 requests were due in the stall
    assert closed["latency_ns"]["p50"] < 200e6 < closed["latency_ns"]["max"]


def test_open_loop_is_on_time_with_a_single_connection(server):
    found = results(bench_server(server, "list", "--rate", "100", "--connections", "1"))
    assert found["due_to_sent_ns"]["p50"] < 25e6


def test_open_loop_counts_what_was_never_sent():
    with Stub(lambda r, s, d: (Stall(1, 0.2)(r, s, d))) as stub:  # 5 a second
        found = results(bench_stub(stub, "list", "--connections", "1", "--rate", "200",
                                   "--projects", "1", "--warm-up", "0"))
    assert found["requests"] == 200 and found["overdue"] > 0
    assert found["latency_ns"]["p50"] > 1e9


# --- the command line ---

@pytest.mark.parametrize("arguments, said", [
    ((), "scenario is missing"),
    (("nonsense",), "unknown scenario"),
    (("list", "--rate", "0"), "--rate"),
    (("list", "--threads", "9", "--connections", "8"), "--threads"),
    (("list", "tac_secret"), "too many arguments"),
    (("list", "--url", "ftp://localhost"), "http://"),
])
def test_wrong_usage_is_2(arguments, said):
    done = bench(*arguments, token="x")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr and "tac_secret" not in done.stderr


def test_without_a_key_it_says_how_to_give_one(server):
    done = bench("list", "--url", server.url)
    assert done.returncode == 1
    assert "TACIT_TOKEN" in done.stderr and "--data" in done.stderr


def test_wrong_key_and_no_server_are_one_line(server):
    refused = bench("list", "--url", server.url, token="tac_nobody")
    assert refused.returncode == 1 and "refuses the API key" in refused.stderr
    absent = bench("list", "--url", "http://127.0.0.1:%d" % free_port(), token="x")
    assert absent.returncode == 1 and "cannot reach the server" in absent.stderr
    assert len(refused.stderr.splitlines()) == len(absent.stderr.splitlines()) == 1


def test_help_names_every_scenario():
    done = bench("--help")
    assert done.returncode == 0
    assert all(scenario in done.stdout for scenario in SCENARIOS)


@pytest.mark.parametrize("scenario", ["list", "mixed", "upsert"])
@pytest.mark.parametrize("more", [(), ("--rate", "500"), ("--pipeline", "8")],
                         ids=["closed", "open", "pipelined"])
def test_over_tls(secure, scenario, more):
    ran = bench_server(secure, scenario, "--ca", secure.pki.certificate, *more)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["errors"] == 0 and told["requests"] > 100, told


def test_over_tls_without_api_sock(secure):
    ran = bench("list", "--url", secure.url, *SMALL, "--json", "-", "--ca", secure.pki.certificate,
                token=secure.make_key())
    assert ran.returncode == 0, ran.stderr


def test_a_server_that_is_not_trusted_gets_no_load_unless_that_is_asked_for(secure):
    key = secure.make_key()
    for arguments in ((), ("--data", secure.data)):
        ran = bench("list", "--url", secure.url, *SMALL, *arguments, token=key)
        assert ran.returncode == 1 and "--ca" in ran.stderr, ran.stderr
    ran = bench("list", "--url", secure.url, *SMALL, "--insecure", "--json", "-", token=key)
    assert ran.returncode == 0, ran.stderr
    ran = bench("list", "--url", secure.url, *SMALL, "--ca", secure.pki.server.key, token=key)
    assert ran.returncode == 1 and "--ca" in ran.stderr, ran.stderr

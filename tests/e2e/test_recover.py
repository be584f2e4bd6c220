"""`tacit recover`: a store that serve refuses, what it has lost, and what is left of it."""
import contextlib
import glob
import os
import shutil
import signal
import subprocess
import time

import pytest

from harness import (BUILD, PROBE, ROOT, SUBKEY_RECORD, SUBKEY_ROW, Server, clean_environment,
                     derive, is_alive, wait_until)
from test_memory import search, store_pair
from test_processes import check_is_confined, open_files, status_of

VALUES = {"KEY_%d" % number: "%d" % number + "v" * 300 for number in range(12)}


def filled():
    server = Server().start()
    server.make_project("shop")
    for name, value in VALUES.items():
        server.put("shop", name, value)
    return server


def recover(server, *flags):
    return server.cli("recover", "--data", server.data, *flags)


def text_of(done):
    text = (done.stdout + done.stderr).decode()
    assert "vvvv" not in text  # never a value
    return text


def change_byte(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x21]))


def fails_to_start(server):
    status, out, err = server.run_to_end()
    assert (status, out) == (1, "")
    assert len([line for line in err.splitlines() if "tacit recover" in line]) == 1, err
    return err


def test_a_damaged_log_is_refused_shown_and_cut():
    server = filled()
    try:
        server.kill()
        log = max(glob.glob(server.data + "/store/*.log"), key=os.path.getsize)
        change_byte(log, os.path.getsize(log) * 2 // 3)
        fails_to_start(server)
        before = {name: os.stat(name).st_mtime_ns for name in glob.glob(server.data + "/store/*")}
        shown = recover(server)
        assert shown.returncode == 1
        assert "of the log " + os.path.basename(log) in text_of(shown)
        assert "lost: the last changes of shop/KEY_11\n" in text_of(shown)
        assert {name: os.stat(name).st_mtime_ns for name in before} == before  # nothing was changed
        fails_to_start(server)

        done = recover(server, "--drop")
        assert done.returncode == 0, text_of(done)
        aside = glob.glob(server.data + "/store.damaged-*")
        assert len(aside) == 1 and aside[0] in text_of(done)
        assert os.path.basename(log) in os.listdir(aside[0])
        server.start()
        values = server.values("shop")
        assert 0 < len(values) < len(VALUES)
        assert all(VALUES[name] == value for name, value in values.items())
        server.put("shop", "KEY_11", "again")
        assert server.values("shop")["KEY_11"] == "again"
        assert server.stop() == 0
        assert recover(server).returncode == 0
    finally:
        server.__exit__()


def test_a_name_that_is_taken_leaves_the_store_as_it_was():
    server = filled()
    try:
        server.kill()
        log = max(glob.glob(server.data + "/store/*.log"), key=os.path.getsize)
        change_byte(log, os.path.getsize(log) * 2 // 3)
        for second in range(120):
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + second))
            os.makedirs(server.data + "/store.damaged-" + stamp + "/in-the-way", exist_ok=True)
        done = recover(server, "--drop")
        assert done.returncode == 1
        assert "the store stays as it was" in text_of(done)
        assert os.path.basename(log) in os.listdir(server.data + "/store")
        assert not os.path.exists(server.data + "/store.new")
        fails_to_start(server)
    finally:
        server.__exit__()


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_an_end_in_the_middle_of_the_change_of_places_loses_no_store():
    """Killed at each of the two renames: one store is served afterwards, and the old one is kept,
    also by the next recovery."""
    for number in (1, 2):
        server = filled()
        try:
            server.kill()
            log = max(glob.glob(server.data + "/store/*.log"), key=os.path.getsize)
            change_byte(log, os.path.getsize(log) * 2 // 3)
            damaged = os.stat(log).st_ino
            killed = subprocess.run(
                ["strace", "-qq", "-o", "/dev/null", "-e", "trace=renameat2", "-e",
                 "inject=renameat2:signal=KILL:when=%d" % number,
                 server.binary, "recover", "--data", server.data, "--drop"],
                capture_output=True, env=clean_environment(), timeout=60, check=False)
            assert killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
            assert os.stat(log).st_ino == damaged
            when = int(time.time())
            wait_until(lambda: int(time.time()) > when)  # a name has the second in it
            done = recover(server, "--drop")
            assert done.returncode == 0, text_of(done)
            server.start()
            assert server.values("shop").items() < VALUES.items()
            kept = [one for one in glob.glob(server.data + "/store*/*.log")
                    if os.stat(one).st_ino == damaged]
            assert len(kept) == 1 and "/store.damaged-" in kept[0]
        finally:
            server.__exit__()


def test_of_a_damaged_table_the_secrets_in_it_are_named():
    server = filled()
    try:
        assert server.stop() == 0
        for table in glob.glob(server.data + "/store/*.sst"):
            if os.path.getsize(table) > 3000:  # the one with the values
                change_byte(table, 100)
        shown = recover(server)
        assert shown.returncode == 1
        lost = {line.split("/")[1] for line in text_of(shown).splitlines()
                if line.startswith("lost: the secret shop/")}
        assert 0 < len(lost) <= len(VALUES)
        assert recover(server, "--drop").returncode == 0
        server.start()
        assert server.values("shop") == {name: value for name, value in VALUES.items()
                                         if name not in lost}
        listed = server.owner("GET", "/projects/shop/secrets").data()["secrets"]
        assert {one["key"] for one in listed} == set(VALUES) - lost
        assert server.owner("GET", "/projects/shop").data()["project"]["secretCount"] == len(listed)
    finally:
        server.__exit__()


def test_a_whole_store_is_said_to_be_whole_and_stays():
    server = filled()
    try:
        in_use = recover(server)
        assert in_use.returncode == 1 and "another tacit serves the folder" in text_of(in_use)
        for end in (signal.SIGKILL, signal.SIGTERM):
            server.kill() if end == signal.SIGKILL else server.stop()
            for flags in ((), ("--drop",)):
                done = recover(server, *flags)
                assert done.returncode == 0
                assert "left: projects: 1, secrets: 12, API keys: 0\n" in text_of(done)
                assert "the store is whole" in text_of(done)
            assert not glob.glob(server.data + "/store.*")
            server.start()
            assert server.values("shop") == VALUES
    finally:
        server.__exit__()


def test_what_it_cannot_do_is_one_line():
    server = filled()
    try:
        assert server.stop() == 0
        nothing = server.cli("recover", "--data", server.data + "/other")
        assert nothing.returncode == 1 and "there is no store" in text_of(nothing)
        assert not os.path.exists(server.data + "/other")
        key = server.data + "/root.key"
        os.rename(key, key + ".kept")
        assert "is missing" in text_of(recover(server))
        with open(key, "wb") as other:
            other.write(os.urandom(32))
        os.chmod(key, 0o400)
        wrong = recover(server, "--drop")
        assert wrong.returncode == 1 and "root key is not the one" in text_of(wrong)
        os.rename(key + ".kept", key)
        manifest, = glob.glob(server.data + "/store/MANIFEST-*")
        os.truncate(manifest, os.path.getsize(manifest) - 1)
        cut = recover(server, "--drop")
        assert cut.returncode == 1 and "restore it from a copy" in text_of(cut)
        assert "tacit recover" not in text_of(cut)  # it has been run
        assert not glob.glob(server.data + "/store.*")
    finally:
        server.__exit__()


def test_a_damaged_mark_is_no_dead_end():
    server = filled()
    try:
        assert server.stop() == 0
        with open(server.data + "/store/STORE", "r+b") as mark:
            mark.write(b"x")
        fails_to_start(server)
        shown = recover(server)
        assert shown.returncode == 1
        assert "lost: the mark of the store, its file STORE\n" in text_of(shown)
        assert recover(server, "--drop").returncode == 0
        server.start()
        assert server.values("shop") == VALUES
    finally:
        server.__exit__()


@pytest.mark.skipif(not ROOT, reason="needs root: the store is another user's")
def test_the_new_store_is_the_users_that_the_old_one_was():
    server = filled()
    try:
        server.kill()
        owner = os.stat(server.data + "/store").st_uid
        assert owner != 0
        log = max(glob.glob(server.data + "/store/*.log"), key=os.path.getsize)
        change_byte(log, os.path.getsize(log) // 2)
        assert recover(server, "--drop").returncode == 0
        for path in [server.data + "/store", *glob.glob(server.data + "/store/*")]:
            assert os.stat(path).st_uid == owner, path
    finally:
        server.__exit__()


def stops_at(server):
    return server.data + "/store/900000.log"


def waits_there(server, pid):
    """As root sees it: the one system call of a stopped reader is on that file."""
    with open("/proc/%d/syscall" % pid) as call:
        fields = call.read().split()
    return len(fields) > 2 and open_file(pid, int(fields[1], 16)) == stops_at(server)


def open_file(pid, number):
    with contextlib.suppress(OSError):
        return os.readlink("/proc/%d/fd/%d" % (pid, number))
    return None


@contextlib.contextmanager
def stopped_recover(server, *flags):
    """In the middle of reading: (the opener, the reader's pid)."""
    log = stops_at(server)
    os.mkfifo(log)
    os.chmod(log, 0o666)
    opener = subprocess.Popen([server.binary, "recover", "--data", server.data, *flags],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=server.environment())
    ends = []

    def is_read():
        with contextlib.suppress(OSError):
            ends.append(os.open(log, os.O_WRONLY | os.O_NONBLOCK))
        return ends
    try:
        wait_until(is_read)
        with open("/proc/%d/task/%d/children" % (opener.pid, opener.pid)) as children:
            reader, = [int(one) for one in children.read().split()]
        yield opener, reader
    finally:
        for end in ends:
            os.close(end)
        os.unlink(log)
        opener.kill()
        opener.communicate()


def files_beside_the_store(server, pid):
    return {name for name in open_files(pid).values() if name.startswith("/")
            and not name.startswith(server.data + "/store")}


@pytest.mark.skipif(not ROOT, reason="needs root: looks into processes of others")
@pytest.mark.parametrize("flags", [(), ("--drop",)])
def test_who_reads_the_store_is_confined_and_holds_no_key_that_opens_a_value(flags):
    server = filled()
    try:
        assert server.stop() == 0
        with stopped_recover(server, *flags) as (opener, reader):
            wait_until(lambda: waits_there(server, reader))
            check_is_confined(reader, every_set=True)
            owner = os.stat(server.data + "/store").st_uid
            assert owner != 0 and set(status_of(reader)["Uid"].split()) == {str(owner)}
            assert files_beside_the_store(server, reader) == {"/dev/null", server.data + "/lock"}
            streams = [open_files(reader)[number] for number in (0, 1, 2)]
            assert streams[0] == "/dev/null"
            assert streams[1].startswith("pipe:") and streams[2].startswith("pipe:")
            own = [name for name in open_files(opener.pid).values() if name.startswith("/")]
            assert server.data + "/lock" in own
            assert not [name for name in own if name.startswith(server.data + "/store")]
            if BUILD not in ("asan", "tsan"):  # which keep copies of their own
                root = server.root_key()
                private, row = store_pair(root)[1], derive(root, SUBKEY_ROW)
                kept_from_it = [private, root, derive(root, SUBKEY_RECORD)]
                assert not any(search(reader, kept_from_it).values())
                assert all(search(reader, [row]).values())  # the controls
                assert all(search(opener.pid, [private]).values())
                assert not any(search(opener.pid, [root]).values())
            os.kill(reader, signal.SIGKILL)
            out, err = opener.communicate(timeout=60)
            assert (opener.returncode, out) == (1, b"")
            assert b"died (signal 9): the store stays as it was" in err
        assert not glob.glob(server.data + "/store.*")
        assert recover(server).returncode == 0
    finally:
        server.__exit__()


@pytest.mark.parametrize("flags", [(), ("--drop",)])
def test_no_reader_outlives_the_command(flags):
    server = filled()
    try:
        assert server.stop() == 0
        with stopped_recover(server, *flags) as (opener, reader):
            opener.kill()
            opener.communicate()
            assert is_alive(reader)
            in_use = recover(server, "--drop")  # it may be writing still
            assert in_use.returncode == 1 and "another tacit" in text_of(in_use)
        wait_until(lambda: not is_alive(reader))
        assert recover(server, *flags).returncode == 0
        assert not glob.glob(server.data + "/store.*")
    finally:
        server.__exit__()


@pytest.mark.skipif(not os.path.exists(PROBE), reason="tacit-probe was not built")
@pytest.mark.parametrize("flags", [(), ("--drop",)])
@pytest.mark.parametrize("lie", ["junk", "hangs_up"])
def test_a_captured_reader_ends_it_in_one_line(lie, flags):
    server = filled()
    try:
        assert server.stop() == 0
        server.binary = PROBE
        done = server.cli("recover", *flags, PROBE_CHANNEL=lie)
        assert done.returncode == 1
        assert text_of(done).splitlines() == [text_of(done).rstrip()]
        assert "broke the rules" in text_of(done)
        assert not glob.glob(server.data + "/store.*")
        assert recover(server).returncode == 0
    finally:
        server.__exit__()


def test_without_a_sandbox_it_says_so():
    server = filled()
    try:
        assert server.stop() == 0
        done = server.cli("recover", TACIT_SANDBOX="off")
        assert done.returncode == 0
        assert done.stderr.decode() == (
            "tacit: sandbox = \"off\": the process that reads the store is not confined\n")
        assert recover(server).stderr == b""
    finally:
        server.__exit__()

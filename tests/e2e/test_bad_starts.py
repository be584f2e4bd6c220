"""Starts that must not succeed: one clear line, status 1, and nothing is harmed by it."""
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile

import pytest

from harness import ORDINARY, ROOT, SUBKEY_INSTANCE, Server, derive, wait_until

NEEDS_ROOT = pytest.mark.skipif(not ROOT, reason="needs root: sets up folders of other users")
PROJECT = "proj_start"
END_SECONDS_MAX = 20  # a start that must fail takes 1 s at most, where it waits for a lock
VALUES = {"ONE": "first value", "TWO": "second value"}


FORMAT = 2  # of the store


def picture(folder):
    """All there is below a folder: mode, owner, contents. Sockets are left out: they are made
    anew at every start, and a start that fails after that leaves them without a listener."""
    taken = {}
    for at, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(at, name)
            about = os.lstat(path)
            if stat.S_ISSOCK(about.st_mode):
                continue
            digest = None
            if stat.S_ISREG(about.st_mode):
                with open(path, "rb") as file:
                    digest = hashlib.sha256(file.read()).hexdigest()
            taken[os.path.relpath(path, folder)] = (oct(about.st_mode), about.st_uid,
                                                    about.st_gid, digest)
    return taken


def refused(server, *words):
    """The start fails as it should; returns its one line."""
    status, out, err = server.run_to_end(timeout=END_SECONDS_MAX)
    lines = [line for line in err.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, err
    assert lines[0].startswith("tacit: ")
    assert err.endswith("\n")
    for word in words:
        assert word in lines[0], lines[0]
    assert (status, out) == (1, ""), err
    return lines[0]


def fill(server):
    server.make_project(PROJECT)
    for name, value in VALUES.items():
        server.put(PROJECT, name, value)


def check_serves(server):
    """Serves, with all that was there, and takes more."""
    assert server.values(PROJECT) == VALUES
    server.put(PROJECT, "TWO", "changed")
    server.put(PROJECT, "TWO", VALUES["TWO"])
    assert server.values(PROJECT) == VALUES


def test_the_root_of_the_file_system_is_no_data_folder():
    """As a user that could make nothing there."""
    with tempfile.TemporaryDirectory() as parent:
        os.chmod(parent, 0o755)
        link = os.path.join(parent, "link")
        os.symlink("/", link)
        for data in ("/", "//", "/tmp/..", link):
            refused(Server(data=data, user=ORDINARY if ROOT else None), "the data folder /",
                    "is the whole file system's: give tacit a folder of its own with --data")


@contextlib.contextmanager
def stopped_server(**more):
    """A folder with two values in it, nobody serving it."""
    with Server(**more) as server:
        fill(server)
        assert server.stop() == 0
        yield server


def key_path(server):
    return os.path.join(server.data, "root.key")


# --- Taken by another ----------------------------------------------------------------------------


def test_port_taken():
    with socket.socket() as taken, stopped_server() as server:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        before = picture(server.data)
        server.settings["listen"] = "127.0.0.1:%d" % taken.getsockname()[1]
        refused(server, "cannot listen on " + server.settings["listen"], "--listen")
        assert picture(server.data) == before
        server.settings["listen"] = "127.0.0.1:0"
        server.start()
        check_serves(server)


def test_port_taken_on_the_first_start_makes_no_key():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = Server(listen="127.0.0.1:%d" % taken.getsockname()[1])
        with contextlib.closing(contextlib.ExitStack()) as stack:
            stack.push(server.__exit__)
            refused(server, "cannot listen on")
            assert not os.path.exists(key_path(server))
            assert not os.path.exists(os.path.join(server.data, "store", "CURRENT"))


def test_a_second_server_on_the_folder():
    with Server() as first:
        fill(first)
        wait_until(lambda: first.owner("GET", "/projects").status == 200)
        before = picture(first.data)
        sockets = {path: os.stat(path).st_ino for path in (first.api_socket, first.keeper_socket)}
        with first.connect_raw() as open_connection:
            second = Server(data=first.data)
            refused(second, "another tacit serves the folder", first.data, "--data")
            # The same with another key and another name for the folder.
            second = Server(data=first.data + "/../data", arguments=["--key-file", "/nowhere"])
            refused(second, "another tacit serves the folder")
            assert picture(first.data) == before
            assert {path: os.stat(path).st_ino for path in sockets} == sockets
            open_connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert open_connection.recv(12) == b"HTTP/1.1 200"
        check_serves(first)
        assert first.process.poll() is None
        assert first.stop() == 0


def test_many_at_once_on_a_new_folder_are_one_server():
    with Server() as first:
        data = first.data + "-new"
        servers = [Server(data=data) for _ in range(6)]
        try:
            for one in servers:
                one.process = subprocess.Popen(
                    one.command(), stdout=subprocess.PIPE, env=one.environment(),
                    stderr=subprocess.PIPE)
            wait_until(lambda: sum(one.process.poll() is None for one in servers) == 1)
            serving = next(one for one in servers if one.process.poll() is None)
            assert serving.process.stdout.readline().startswith(b"listening on http://")
            assert [one.process.returncode for one in servers if one is not serving] == [1] * 5
            fill(serving)
            check_serves(serving)
            assert serving.stop() == 0
        finally:
            for one in servers:
                if one.process.poll() is None:
                    one.kill()
                one.process.stdout.close()
                one.process.stderr.close()
            servers[0].forget_limiter()


# --- The root key --------------------------------------------------------------------------------


def key_missing(path):
    os.rename(path, path + ".away")
    return ["is missing", "restore"]


def key_truncated(path):
    rewrite(path, lambda key: key[:31])
    return ["31 bytes, not 32"]


def key_empty(path):
    rewrite(path, lambda key: b"")
    return ["0 bytes, not 32"]


def key_too_long(path):
    rewrite(path, lambda key: key + b"\n")
    return ["33 bytes, not 32"]


def key_wrong(path):
    rewrite(path, lambda key: bytes(32))
    return ["the root key is not the one"]


def key_wrong_by_a_bit(path):
    rewrite(path, lambda key: key[:31] + bytes([key[31] ^ 1]))
    return ["the root key is not the one"]


def key_open_to_group(path):
    os.chmod(path, 0o440)
    return ["others can read the root key", "chmod 0400"]


def key_open_to_all(path):
    os.chmod(path, 0o404)
    return ["others can read the root key", "chmod 0400"]


def key_is_a_folder(path):
    os.unlink(path)
    os.mkdir(path, 0o700)
    return ["is not a file"]


def key_is_a_pipe(path):
    os.unlink(path)
    os.mkfifo(path, 0o400)
    return ["is not a file"]


def key_is_a_dangling_link(path):
    os.unlink(path)
    os.symlink("/nowhere/root.key", path)
    return ["is missing"]


def rewrite(path, change):
    with open(path, "rb") as file:
        key = file.read()
    os.chmod(path, 0o600)
    with open(path, "wb") as file:
        file.write(change(key))
    os.chmod(path, 0o400)


KEY_FAULTS = [key_missing, key_truncated, key_empty, key_too_long, key_wrong, key_wrong_by_a_bit,
              key_open_to_group, key_open_to_all, key_is_a_folder, key_is_a_pipe,
              key_is_a_dangling_link]


@pytest.mark.parametrize("damage", KEY_FAULTS)
def test_root_key(damage):
    with stopped_server() as server:
        path = key_path(server)
        with open(path, "rb") as file:
            key = file.read()
        words = damage(path)
        before = picture(server.data)
        line = refused(server, *words)
        assert key.hex() not in line
        assert picture(server.data) == before
        refused(server, *words)  # it stays so: nothing was made that lets a second try through
        server.forget_limiter()  # a wrong key has one of its own
        # With the right key it goes on as before.
        if os.path.isdir(path):
            os.rmdir(path)
        elif os.path.lexists(path):
            os.unlink(path)
        with open(path, "wb") as file:
            file.write(key)
        os.chmod(path, 0o400)
        server.start()
        check_serves(server)


def test_a_root_key_that_cannot_be_made(tmp_path):
    with stopped_server() as server:
        shutil.rmtree(server.data)
        server.arguments += ["--key-file", str(tmp_path / "none" / "root.key")]
        refused(server, "cannot make the root key", "make its folder first")


def instance_of(key):
    return derive(key, SUBKEY_INSTANCE, 16).hex()


@NEEDS_ROOT
def test_root_key_of_another_user():
    with stopped_server(user=ORDINARY) as server:
        os.chown(key_path(server), 12345, 12345)
        before = picture(server.data)
        refused(server, "cannot open the root key")  # 0400, and not ours
        assert picture(server.data) == before
        os.chown(key_path(server), int(ORDINARY), int(ORDINARY))
        server.start()
        check_serves(server)


@NEEDS_ROOT
def test_root_key_that_a_root_server_finds_to_be_of_another_user():
    with stopped_server() as server:
        os.chown(key_path(server), 12345, 12345)
        before = picture(server.data)
        refused(server, "belongs to another user")
        assert picture(server.data) == before


# --- The disk and the folders --------------------------------------------------------------------


def in_own_mounts(server, script):
    """The command of a server's start behind a script that runs in mounts of its own."""
    return ["unshare", "-m", "--propagation", "private", "sh", "-ec", script + ' exec "$@"', "sh",
            *server.command()]


def can_unshare():
    return ROOT and shutil.which("unshare") is not None and subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True
    ).returncode == 0


@pytest.mark.parametrize("with_store", [False, True], ids=["first-start", "with-a-store"])
def test_read_only_disk(with_store):
    if not can_unshare():
        pytest.skip("needs root that may mount")
    with stopped_server() as server:
        before = picture(server.data)
        copy = "cp -a %s.away/. %s;" % (server.data, server.data) if with_store else ""
        script = ("mkdir {0}.away; mount --bind {0} {0}.away; mount -t tmpfs -o mode=755 none {0};"
                  "{1} mount -o remount,ro {0};".format(server.data, copy))
        command = in_own_mounts(server, script)
        server.command = lambda: command
        refused(server, "the disk is read-only", server.data)
        del server.command
        os.rmdir(server.data + ".away")
        assert picture(server.data) == before
        server.start()
        check_serves(server)


@pytest.mark.parametrize("with_key", [False, True], ids=["all", "store-only"])
def test_read_only_store(with_key):
    """Only the store lies on a read-only disk."""
    if not can_unshare():
        pytest.skip("needs root that may mount")
    with stopped_server() as server:
        before = picture(server.data)
        store = os.path.join(server.data, "store")
        script = "mount --bind {0} {0}; mount -o remount,ro,bind {0};".format(
            store if with_key else server.data)
        command = in_own_mounts(server, script)
        server.command = lambda: command
        refused(server, "read-only")
        del server.command
        assert picture(server.data) == before
        server.start()
        check_serves(server)


@NEEDS_ROOT
@pytest.mark.parametrize("exists", [False, True], ids=["to-be-made", "exists"])
def test_folder_that_the_user_cannot_write(exists):
    with tempfile.TemporaryDirectory(prefix="tacit-e2e-") as parent:
        os.chmod(parent, 0o755)
        server = Server(data=os.path.join(parent, "data"), user=ORDINARY)
        if exists:
            os.mkdir(server.data, 0o755)
        before = picture(parent)
        refused(server, server.data, "Permission denied")
        assert picture(parent) == before


def test_a_file_where_the_folder_should_be():
    with tempfile.TemporaryDirectory(prefix="tacit-e2e-") as parent:
        server = Server(data=os.path.join(parent, "data"))
        with open(server.data, "w") as file:
            file.write("mine")
        before = picture(parent)
        refused(server, server.data)
        assert picture(parent) == before


@NEEDS_ROOT
@pytest.mark.parametrize("mode", [0o700, 0o710])
def test_a_folder_that_api_user_cannot_reach(mode):
    with tempfile.TemporaryDirectory(prefix="tacit-e2e-") as parent:
        os.chmod(parent, 0o755)
        above = os.path.join(parent, "closed")
        os.mkdir(above, mode)
        server = Server(data=os.path.join(above, "data"), api_user="nobody")
        refused(server, "user 65534", "cannot reach the folder", server.data)
        assert not os.path.exists(os.path.join(server.data, "store", "CURRENT"))
        before = picture(server.data)
        refused(server, "cannot reach the folder", server.data)
        assert picture(server.data) == before
        # Opened, it starts.
        os.chmod(above, 0o711)
        with server:
            fill(server)
            check_serves(server)


@NEEDS_ROOT
def test_a_store_of_another_api_user():
    with stopped_server(api_user="nobody") as server:
        before = picture(server.data)
        server.settings["api_user"] = "daemon"
        refused(server, "cannot reach the folder", "store")
        assert picture(server.data) == before
        server.settings["api_user"] = "nobody"
        server.start()
        check_serves(server)


@NEEDS_ROOT
def test_a_run_folder_of_another_user():
    with stopped_server() as server:
        run = os.path.join(server.data, "run")
        os.chown(run, 65534, 65534)
        refused(server, run, "belongs to another user")
        os.chown(run, 0, 0)
        os.chmod(run, 0o777)
        refused(server, run, "others can write", "chmod 0755")
        os.chmod(run, 0o755)
        server.start()
        check_serves(server)


@pytest.mark.parametrize("longest", [-1, 0, 1, 30])
def test_socket_paths(longest):
    """107 bytes are the most that Linux takes; one more is told by one line, from either side."""
    with tempfile.TemporaryDirectory(prefix="tacit-e2e-") as parent:
        os.chmod(parent, 0o755)
        fitting = 107 - len("/run/credentials.sock")  # the others' are shorter
        data = (parent + "/").ljust(fitting + longest, "d")
        server = Server(data=data)
        if longest <= 0:
            with server:
                fill(server)
                check_serves(server)
            return
        refused(server, "/credentials.sock" if longest == 1 else ".sock", "longer than 107 bytes")
        assert not os.path.exists(os.path.join(data, "store", "CURRENT"))
        server.forget_limiter()


# --- Settings ------------------------------------------------------------------------------------


@pytest.fixture(name="server")
def make_server():
    with stopped_server() as server:
        yield server


def refused_untouched(server, *words):
    before = picture(server.data)
    refused(server, *words)
    assert picture(server.data) == before


def write_settings(server, text):
    path = os.path.join(server.own_folder, "settings.toml")
    with open(path, "w") as file:
        file.write(text)
    server.arguments = ["--config", path]
    return path


def test_unknown_setting_in_the_environment(server):
    server.settings["limits_reeds_per_minute"] = "1"
    refused_untouched(server, "unknown setting", "TACIT_LIMITS_REEDS_PER_MINUTE")


def test_unknown_setting_in_a_file(server):
    path = write_settings(server, '# a comment\nlisten = "127.0.0.1:0"\n\nlissen = "x"\n')
    refused_untouched(server, "unknown setting lissen", path + ", line 4")


def test_unknown_setting_in_a_table_of_a_file(server):
    path = write_settings(server, "[limits]\nreads_per_minute = 1\nreeds_per_minute = 1\n")
    refused_untouched(server, "unknown setting limits.reeds_per_minute", path + ", line 3")


@pytest.mark.parametrize("text,words", [
    ("listen = \n", ["line 1"]),
    ('\n\nthreads = "many"\n', ["line 3", "threads"]),
    ("\nthreads = 0\n", ["line 2", "threads"]),
    ("[limits]\nlast_four_min_length = 4\n", ["line 2", "last_four_min_length"]),
    ("sandbox = false\n", ["line 1", "sandbox"]),
    ('[[delivery.allow]]\nproject = "p"\n', ["line 1", "delivery.allow"]),
    ('[[delivery.allow]]\nproject = "p"\nuid = 1\nuit = 2\n', ["line 4", "uit"]),
    ('listen = ["127.0.0.1:0"\n', ["settings.toml"]),
])
def test_bad_values_in_a_file(server, text, words):
    path = write_settings(server, text)
    refused_untouched(server, path, *words)


@pytest.mark.parametrize("name,value", [
    ("threads", "0"), ("threads", "x"), ("sandbox", "maybe"), ("sandbox", "OFF"),
    ("listen", "8787"), ("listen", "127.0.0.1:99999"), ("listen", "localhost:8787"),
    ("limits_last_four_min_length", "4"), ("limits_secrets_per_project", "-1"),
    ("limits_reads_per_minute", "1.5"), ("log_level", "loud"), ("data_dir", "")])
def test_bad_values_in_the_environment(server, name, value):
    server.settings[name] = value
    refused_untouched(server, "TACIT_" + name.upper())


def test_settings_file_that_is_not_there(server):
    server.arguments = ["--config", "/nowhere/tacit.toml"]
    refused_untouched(server, "/nowhere/tacit.toml", "No such file")


@NEEDS_ROOT
def test_unknown_api_user(server):
    server.settings["api_user"] = "no-such-user-here"
    refused_untouched(server, "api_user", "no-such-user-here")


def test_an_address_that_is_not_ours(server):
    server.settings.update(listen="192.0.2.1:8787", plain_http="anywhere")
    refused_untouched(server, "cannot listen on 192.0.2.1:8787")


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "127.0.0.1:0,0.0.0.0:0"])
def test_plain_http_that_other_machines_reach(server, listen):
    server.settings["listen"] = listen
    refused_untouched(server, "other machines", "plain_http")
    server.settings["plain_http"] = "anywhere"
    server.start()
    check_serves(server)


@NEEDS_ROOT
def test_a_port_below_1024_as_an_ordinary_user():
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as start:
        if int(start.read()) <= 1:
            pytest.skip("this machine gives all ports to everybody")
    with stopped_server(user=ORDINARY) as server:
        server.settings["listen"] = "127.0.0.1:1"
        refused_untouched(server, "cannot listen on 127.0.0.1:1", "root")


@NEEDS_ROOT
def test_a_limiter_of_another_user():
    """Somebody who knew its name made the shared memory first: it is not trusted."""
    with stopped_server() as server:
        server.forget_limiter()
        path = "/dev/shm/tacit-" + instance_of(server.root_key())
        with open(path, "wb"):
            os.chmod(path, 0o666)
        os.chown(path, 12345, 12345)
        refused_untouched(server, path)
        os.unlink(path)
        server.start()
        check_serves(server)


# --- What is in the store ------------------------------------------------------------------------

# RocksDB's log: blocks of 32 KiB with records crc(4) length(2) type(1) payload.
LOG_BLOCK, LOG_HEAD = 32768, 7


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def masked_crc(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


def change_in_log(path, old, new):
    """Replaces bytes of one record, and makes its checksum right again."""
    with open(path, "rb") as file:
        log = bytearray(file.read())
    changed = 0
    at = 0
    while at + LOG_HEAD <= len(log):
        left = LOG_BLOCK - at % LOG_BLOCK
        if left < LOG_HEAD:
            at += left
            continue
        crc, length, kind = struct.unpack_from("<IHB", log, at)
        if kind == 0:
            at += left
            continue
        start = at + LOG_HEAD
        payload = bytes(log[start:start + length])
        assert masked_crc(bytes([kind]) + payload) == crc
        if old in payload:
            payload = payload.replace(old, new)
            log[start:start + length] = payload
            struct.pack_into("<I", log, at, masked_crc(bytes([kind]) + payload))
            changed += 1
        at = start + length
    assert changed == 1
    with open(path, "wb") as file:
        file.write(log)


def newest_log(server):
    store = os.path.join(server.data, "store")
    logs = sorted(name for name in os.listdir(store) if name.endswith(".log"))
    return os.path.join(store, logs[-1])


def test_a_folder_of_a_newer_format():
    """Its number in the database, as in stores without a mark: a kill before the first flush
    leaves all in the log, where it can be changed."""
    with Server() as server:
        fill(server)
        server.kill()
        entry = b"\x06format\x04" + struct.pack("<I", FORMAT)  # key and value with their lengths
        newer = b"\x06format\x04" + struct.pack("<I", FORMAT + 1)
        change_in_log(newest_log(server), entry, newer)
        refused(server, "has format %d" % (FORMAT + 1), "reads format %d" % FORMAT)
        refused(server, "has format %d" % (FORMAT + 1), "reads format %d" % FORMAT)
        # As it is flushed now, the number cannot be put back; that all is there is said by the
        # next test, which does the same but for the number.


def test_the_same_change_of_the_log_without_a_change():
    with Server() as server:
        fill(server)
        server.kill()
        same = b"\x06format\x04" + struct.pack("<I", FORMAT)
        change_in_log(newest_log(server), same, same)
        server.start()
        check_serves(server)


def change_mark(server, change):
    """The file STORE: magic(8) format(4) check(16) made(1); its bytes of before."""
    path = os.path.join(server.data, "store", "STORE")
    with open(path, "rb") as file:
        mark = file.read()
    with open(path, "r+b") as file:
        file.truncate()
        file.write(change(mark))
    return mark


@pytest.mark.parametrize("change,words", [
    (lambda mark: mark[:8] + struct.pack("<I", FORMAT + 1) + b"what a later one says",
     ["has format %d" % (FORMAT + 1), "use the tacit that wrote it"]),
    (lambda mark: b"", []),
    (lambda mark: mark[:-1], []),
    (lambda mark: mark + b"x", []),
    (lambda mark: b"X" + mark[1:], []),
], ids=["newer", "empty", "cut", "longer", "not-ours"])
def test_a_mark_of_the_store_that_is_not_understood(change, words):
    with stopped_server() as server:
        mark = change_mark(server, change)
        before = picture(server.data)
        refused(server, server.data + "/store", *words)
        refused(server, server.data + "/store", *words)
        assert picture(server.data) == before
        change_mark(server, lambda _: mark)
        server.start()
        check_serves(server)


def flipped(whole):
    middle = len(whole) // 2
    return whole[:middle] + bytes([whole[middle] ^ 0xff]) + whole[middle + 1:]


DAMAGES = {
    "flipped": flipped,
    "empty": lambda whole: b"",
    "a-byte": lambda whole: whole[:1],
    "a-quarter": lambda whole: whole[:len(whole) // 4],
    "half": lambda whole: whole[:len(whole) // 2],
    "most": lambda whole: whole[:len(whole) * 3 // 4],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_manifest_is_not_an_empty_store(damage):
    """RocksDB takes some damages of it for its end: an older, here an empty, store."""
    with stopped_server() as server:
        store = os.path.join(server.data, "store")
        manifest = next(name for name in sorted(os.listdir(store)) if name.startswith("MANIFEST-"))
        path = os.path.join(store, manifest)
        with open(path, "rb") as file:
            whole = file.read()
        with open(path, "r+b") as file:
            file.truncate()
            file.write(DAMAGES[damage](whole))
        before = picture(server.data)
        refused(server, store)
        refused(server, store)
        assert picture(server.data) == before
        with open(path, "wb") as file:
            file.write(whole)
        server.start()
        check_serves(server)


def test_a_start_after_a_failed_start_after_a_kill():
    """A killed server's sockets and lock do not stop the next one, nor does a bad start between."""
    with Server() as server:
        fill(server)
        server.kill()
        good = server.settings["listen"]
        server.settings.update(listen="192.0.2.1:1", plain_http="anywhere")
        refused(server, "cannot listen")
        server.settings["listen"] = good
        server.start()
        check_serves(server)
        server.restart(signal.SIGKILL)
        check_serves(server)

"""The API over TLS: what is spoken, who is let in, and that every limit holds behind it."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from framing_rows import CODES, ROWS
from harness import ORDINARY, ROOT, Server, for_everybody, wait_until
from pki import Authority, openssl
from rawhttp import Wire, over_tcp, request

LIVEZ = request("GET", "/livez")
HANDSHAKE_SECONDS = 60


@pytest.fixture(scope="module", name="pki")
def make_pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    authority = Authority(str(folder))
    authority.server = authority.issue("server")
    return authority


def tls_server(pki, pair=None, folder=None, **settings):
    """A server that speaks TLS, with copies of the files in a folder of its own: not started."""
    server = Server(limits_failed_auth_per_minute=0, **settings)
    server.files = folder or os.path.join(server.own_folder, "tls")
    os.makedirs(server.files, exist_ok=True)
    os.chmod(server.files, 0o755)
    put_files(server, pair or pki.server)
    server.settings["tls_certificate"] = os.path.join(server.files, "cert.pem")
    server.settings["tls_key"] = os.path.join(server.files, "key.pem")
    server.tls = pki.client()
    return server


def put_files(server, pair):
    """As certbot's hooks do: new files, moved over the old ones."""
    for source, name in ((pair.certificate, "cert.pem"), (pair.key, "key.pem")):
        new = os.path.join(server.files, name + ".new")
        shutil.copyfile(source, new)
        os.chmod(new, 0o600)
        os.rename(new, os.path.join(server.files, name))


@pytest.fixture(scope="module", name="server")
def make_server(pki):
    with tls_server(pki) as server:
        server.make_project("p")
        server.key = server.make_key()
        yield server


def s_client(port, *arguments, data=b"", ca=None):
    """What openssl says of a connection: (exit status, all that it printed)."""
    trust = ["-CAfile", ca] if ca else []
    done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, *trust,
                           *arguments], input=data, capture_output=True, timeout=HANDSHAKE_SECONDS)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


@contextlib.contextmanager
def easy_going_server(folder, pair, *more):
    """openssl's own server, which takes anything, on a port that it chooses: the port."""
    told = os.path.join(folder, "easy-going.log")
    with open(told, "wb") as out:
        process = subprocess.Popen(
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", pair.certificate,
             "-key", pair.key, "-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0",
             "-legacy_renegotiation", "-client_renegotiation", *more],
            stdin=subprocess.PIPE, stdout=out, stderr=out)

    def port():
        with open(told, errors="replace") as file:
            found = re.search(r"^ACCEPT 127\.0\.0\.1:(\d+)$", file.read(), re.MULTILINE)
        return found and int(found.group(1))
    try:
        wait_until(port)
        yield port()
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


@pytest.fixture(scope="module", name="easy_going")
def make_easy_going(pki):
    """The control of what is refused."""
    weak = pki.issue("easy-rsa", kind="rsa")
    with easy_going_server(pki.folder, pki.server, "-dcert", weak.certificate,
                           "-dkey", weak.key) as port:
        yield port


# --- What is spoken ---

@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_versions_that_are_spoken(server, pki, version):
    status, said = s_client(server.port, version, ca=pki.certificate)
    assert status == 0 and "Verify return code: 0 (ok)" in said, said


OLD = ["-tls1", "-tls1_1"]
WEAK = ["AES128-SHA", "AES128-GCM-SHA256", "AES256-SHA256", "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA384", "DHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-NULL-SHA", "AECDH-AES128-SHA"]


@pytest.mark.parametrize("offer", [[one, "-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
                                   for one in OLD]
                         + [["-tls1_2", "-cipher", one + ":@SECLEVEL=0"] for one in WEAK]
                         + [["-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_8_SHA256"]],
                         ids=lambda offer: offer[0] + "-" + offer[-1].split(":")[0])
def test_what_is_old_or_weak_is_refused(server, easy_going, offer):
    if "CCM_8" not in offer[-1]:  # which s_server has not by default either
        status, said = s_client(easy_going, *offer)
        assert status == 0, said  # the client could have spoken it
    status, said = s_client(server.port, *offer)
    assert status != 0 and "alert" in said, said


def test_a_connection_is_never_resumed(server, pki, easy_going):
    def resumed(port, version):
        path = os.path.join(pki.folder, "session-%d-%s" % (port, version))
        s_client(port, version, "-sess_out", path, data=LIVEZ)
        if not os.path.exists(path):
            return False
        _, said = s_client(port, version, "-sess_in", path)
        return "Reused, TLS" in said
    assert resumed(easy_going, "-tls1_2")
    assert not resumed(server.port, "-tls1_2")
    assert not resumed(server.port, "-tls1_3")


def test_renegotiation_is_refused(server, easy_going):
    def renegotiates(port):
        """s_client takes a line R as the wish to; the connection goes on if the server agrees."""
        process = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port,
                                    "-tls1_2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        process.stdin.write(b"R\n")
        process.stdin.flush()
        said, more = b"", b""
        while b"verify return" not in more and b"no renegotiation" not in more:
            piece = process.stdout.read1(4096)
            if not piece:
                break
            said += piece
            more = said.partition(b"RENEGOTIATING")[2]
        assert b"RENEGOTIATING" in said, said
        process.kill()
        process.communicate()
        return b"verify return" in more
    assert renegotiates(easy_going)
    assert not renegotiates(server.port)


@pytest.mark.parametrize("offered,chosen", [((), None), (("http/1.1",), "http/1.1"),
                                            (("h2", "http/1.1"), "http/1.1")])
def test_alpn(server, pki, offered, chosen):
    server.tls = pki.client(alpn=offered)
    with over_tcp(server) as wire:
        assert wire.raw.selected_alpn_protocol() == chosen
        assert wire.send(LIVEZ).answer().status == 200
    server.tls = pki.client()


def test_alpn_of_other_protocols_is_refused(server, pki):
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        pki.client(alpn=("h2",)).wrap_socket(server.connect_plain(), server_hostname="127.0.0.1")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "X"])
def test_http_without_tls_is_told_so(server, method):
    with Wire(server.connect_plain()) as wire:
        answer = wire.send(request(method, "/livez")).answer()
        assert answer.status == 400 and answer.get("Connection") == "close"
        assert answer.code() == "VALIDATION_ERROR" and "https://" in answer.json["error"]["message"]
        assert wire.is_closed()


@pytest.mark.parametrize("noise", [b"\0" * 600, b"\x80\x2e\x01\x03\x01", b"\xff" * 70000,
                                   b"\x17\x03\x03\x00\x10" + b"x" * 16],
                         ids=["zeros", "ssl2", "much", "record"])
def test_noise_is_not_answered(server, noise):
    with Wire(server.connect_plain()) as wire:
        assert wire.send(noise).answer() is None


def test_a_broken_record_ends_the_connection(server, pki):
    with over_tcp(server) as wire:
        assert wire.send(LIVEZ).answer().status == 200
        plain = socket.socket(fileno=os.dup(wire.raw.fileno()))
        plain.sendall(b"\x17\x03\x03\x00\x20" + b"\0" * 32)
        with pytest.raises(ssl.SSLError, match="(?i)bad.record.mac"):
            wire.raw.recv(1)
        plain.close()


def test_curl_sees_a_server_like_any_other(server, pki):
    done = subprocess.run(["curl", "-sS", "--cacert", pki.certificate, "-H",
                           "Authorization: Bearer " + server.key, "--json",
                           json.dumps({"key": "CURL", "value": "by curl over tls"}),
                           "https://localhost:%d/api/v1/projects/p/secrets" % server.port],
                          capture_output=True, timeout=HANDSHAKE_SECONDS)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"]["secret"]["lastFour"] == " tls"
    assert server.values("p")["CURL"] == "by curl over tls"


# --- Requests ---

@pytest.mark.parametrize("how", ["whole", "cuts"])
def test_framing_rows_are_answered_as_without_tls(server, how):
    wrong = []
    for number, (clause, name, data, statuses, closes) in enumerate(ROWS):
        if how == "cuts" and number % 4 != 0:
            continue
        with over_tcp(server) as wire:
            with contextlib.suppress(ssl.SSLError, OSError):
                wire.send(data, how, number)
            got = []
            for _ in statuses:
                answer = wire.answer(data.startswith(b"HEAD"))
                got.append(None if answer is None else
                           (answer.status, answer.code() if answer.status >= 400 else None))
            with contextlib.suppress(ssl.SSLError):
                closed = wire.is_closed()
            if (got, closed) != ([(one, CODES.get(one)) for one in statuses], closes):
                wrong.append((clause, name, got, closed))
    assert wrong == []


def upsert(server, name, value, escaped=False):
    body = json.dumps({"key": name, "value": value}, ensure_ascii=escaped)
    return request("POST", "/api/v1/projects/p/secrets",
                   [("Content-Type", "application/json")], body, server.key)


class Sealed:
    """A connection whose records are made and opened here, apart from how they are sent: also the
    raw socket of a Wire that reads what they hold."""

    def __init__(self, server, context):
        self.inward, self.outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self.inward, self.outward, server_hostname="127.0.0.1")
        self.raw = server.connect_plain()
        while True:
            try:
                self.session.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.raw.sendall(self.outward.read())
                self.inward.write(self.raw.recv(65536))
        self.raw.sendall(self.outward.read())

    def seal(self, data, record=16384):
        for at in range(0, len(data), record):
            self.session.write(data[at:at + record])
        return self.outward.read()

    def recv(self, most):
        while True:
            try:
                return self.session.read(most)
            except ssl.SSLWantReadError:
                piece = self.raw.recv(65536)
                self.inward.write(piece) if piece else self.inward.write_eof()
            except ssl.SSLEOFError:
                return b""

    def close(self):
        self.raw.close()


@contextlib.contextmanager
def sent_beside(sealed, data):
    """A Wire for the answers to records that are sent while they are read."""
    sender = threading.Thread(target=lambda: sealed.raw.sendall(data))
    sender.start()
    with Wire(sealed) as wire:
        yield wire
        sender.join()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("record", [1, 700, 16384])
def test_large_values_and_pipelines(server, pki, version, record):
    """In records of that size, many requests behind one another, every answer its own."""
    context = pki.client()
    context.minimum_version = context.maximum_version = version
    largest = "\U0001F600" * (4096 if record > 1 else 50)
    asked = [upsert(server, "LARGE", largest), upsert(server, "LARGE", largest, escaped=True),
             LIVEZ] * 4
    sealed = Sealed(server, context)
    with sent_beside(sealed, sealed.seal(b"".join(asked), record)) as wire:
        for one in asked:
            answer = wire.answer()
            assert answer.status == 200
            assert ("secret" in answer.json["data"]) == one.startswith(b"POST")
    assert server.values("p")["LARGE"] == largest


def test_a_client_that_reads_slowly_gets_all_answers(server, pki):
    """More than all buffers on the way hold: the server stops in the middle of a record."""
    count = 40000
    sealed = Sealed(server, pki.client())
    with sent_beside(sealed, sealed.seal(LIVEZ * count)) as wire:
        for _ in range(count):
            assert wire.answer().status == 200


def test_the_end_is_announced(server, pki):
    """Without close_notify a client cannot tell the end from a connection that was cut."""
    context = pki.client()
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)  # or nothing is raised
    with Wire(context.wrap_socket(server.connect_plain(), server_hostname="127.0.0.1",
                                  suppress_ragged_eofs=False)) as wire:
        wire.send(request("GET", "/livez", [("Connection", "close")]))
        assert wire.answer().status == 200
        assert wire.raw.recv(1) == b""  # ssl raises when it was not announced


def test_api_sock_stays_without_tls(server):
    assert server.owner("GET", "/projects").status == 200


# --- Limits ---

def connections_of(server):
    """Descriptors of the api process that are TCP connections."""
    with open("/proc/net/tcp") as table:
        local = "0100007F:%04X" % server.port
        return sum(1 for line in table if line.split()[1] == local and line.split()[3] != "0A")


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def client_hello(server):
    context = ssl.create_default_context()
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(inward, outward, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outward.read()


def test_half_handshakes_end_in_time_and_give_their_places_back(pki):
    with tls_server(pki, limits_head_seconds=1, limits_idle_seconds=3600,
                    limits_connections=40) as server:
        hello = client_hello(server)
        halves = [b"", hello[:1], hello[:200], hello, hello[:5], b"\x16\x03\x01\x3f\xff" + b"x"] * 6
        wires = [Wire(server.connect_plain()) for _ in halves]
        for wire, half in zip(wires, halves):
            wire.send(half)
        with over_tcp(server) as wire:  # beside them
            assert wire.send(LIVEZ).answer().status == 200
        for wire in wires:
            while wire.more():
                pass  # until the server closes, which idle_seconds would not do in this test
            wire.raw.close()
        full = [over_tcp(server) for _ in range(39)]
        for wire in full:
            assert wire.send(LIVEZ).answer().status == 200
            wire.raw.close()


@pytest.mark.parametrize("first", [b"\x16\x03\x01\x3f\xffx", b"\0" * 600, LIVEZ],
                         ids=["broken", "noise", "plain"])
def test_a_client_that_stays_behind_its_failed_handshake_is_cut_off(pki, first):
    with tls_server(pki, limits_head_seconds=1, limits_idle_seconds=3600) as server:
        before = descriptors(server.api_pid())
        with Wire(server.connect_plain()) as wire:
            wire.send(first)
            while wire.more():
                pass  # until the server has closed its half
            wait_until(lambda: descriptors(server.api_pid()) <= before)


def test_a_piece_of_a_record_begins_a_requests_time(pki):
    with tls_server(pki, limits_head_seconds=1, limits_idle_seconds=3600) as server:
        sealed = Sealed(server, server.tls)
        sealed.raw.sendall(sealed.seal(LIVEZ)[:-1])
        with Wire(sealed) as wire:
            assert wire.answer().status == 408


def test_a_slow_head_and_a_slow_body_end_in_time(pki):
    with tls_server(pki, limits_head_seconds=1, limits_body_seconds=1,
                    limits_idle_seconds=3600) as server:
        for part in (LIVEZ[:10], upsert_without_key()[:-5]):
            with over_tcp(server) as wire:
                answer = wire.send(part).answer()
                assert answer.status == 408 and wire.raw.recv(1) == b""


def upsert_without_key():
    return request("POST", "/api/v1/projects/p/secrets", (), {"key": "A", "value": "b"})


def test_an_idle_connection_ends_in_time(pki):
    with tls_server(pki, limits_idle_seconds=1) as server:
        with over_tcp(server) as wire:
            assert wire.send(LIVEZ).answer().status == 200
            with contextlib.suppress(ssl.SSLError):
                assert wire.raw.recv(1) == b""


def test_one_connection_too_many_is_closed(pki):
    with tls_server(pki, limits_connections=2) as server:
        with over_tcp(server) as one, over_tcp(server) as two:
            assert [wire.send(LIVEZ).answer().status for wire in (one, two)] == [200, 200]
            with Wire(server.connect_plain()) as three:
                assert three.answer() is None


def test_a_drain_ends_idle_connections_and_half_handshakes(pki):
    with tls_server(pki) as server:
        with over_tcp(server) as idle, Wire(server.connect_plain()) as half:
            assert idle.send(LIVEZ).answer().status == 200
            half.send(client_hello(server)[:50])
            wait_until(lambda: connections_of(server) >= 2)
            assert server.stop() == 0
            assert idle.raw.recv(1) == b"" and half.answer() is None


# --- Client certificates ---

@pytest.fixture(scope="module", name="mutual")
def make_mutual(pki, tmp_path_factory):
    clients = Authority(str(tmp_path_factory.mktemp("clients")), "clients")
    with contextlib.ExitStack() as stack:
        server = tls_server(pki)
        ca = shutil.copy(clients.certificate, server.files)
        server.settings["tls_client_ca"] = ca
        stack.enter_context(server)
        server.clients = clients
        yield server


def first_answer(server, context):
    """The status of the first answer, or how the connection failed. TLS 1.3 says it late."""
    try:
        with Wire(context.wrap_socket(server.connect_plain(), server_hostname="127.0.0.1")) as wire:
            wire.raw.sendall(LIVEZ)
            answer = wire.answer()
            return answer.status if answer else "closed"
    except ssl.SSLError as fault:
        return fault.reason


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_clients_need_a_certificate_of_the_authority(mutual, pki, version, tmp_path):
    others = Authority(str(tmp_path), "clients")  # of the same name
    good = mutual.clients
    cases = {
        "right": (good.issue("right"), 200),
        "none": (None, "ALERT_HANDSHAKE_FAILURE|ALERT_CERTIFICATE_REQUIRED"),
        "of another authority": (others.issue("other"), "UNKNOWN_CA|DECRYPT_ERROR"),
        "of the server's": (pki.server, "UNKNOWN_CA"),
        "expired": (good.issue("expired", ends=-60), "CERTIFICATE_EXPIRED"),
        "not yet": (good.issue("early", begins=1800), "BAD_CERTIFICATE"),
        "for servers only": (good.issue("use", use="serverAuth"), "UNSUPPORTED_CERTIFICATE"),
    }
    for name, (pair, expected) in cases.items():
        context = pki.client(pair)
        context.minimum_version = context.maximum_version = version
        got = first_answer(mutual, context)
        fits = got == expected if expected == 200 else re.search(expected, str(got))
        assert fits, (name, got)


# --- Reading anew ---

def subject_of(server):
    with over_tcp(server) as wire:
        wire.send(LIVEZ)
        assert wire.answer().status == 200
        return dict(one[0] for one in wire.raw.getpeercert()["subject"])["commonName"]


def read_anew(server, event):
    before = server.log().count(event)
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: server.log().count(event) > before)
    return [json.loads(line) for line in server.log().splitlines() if event in line][-1]


ANEW, STAYS = "serving with the certificate as read anew", "the certificate stays as it was"


def test_a_new_pair_is_served_and_nothing_is_dropped(pki):
    """Under load: connections that are open go on, new ones see the new pair."""
    with tls_server(pki) as server:
        done, faults, count = threading.Event(), [], [0, 0]

        def load(fresh):
            try:
                wire = over_tcp(server)
                while not done.is_set():
                    if fresh:
                        wire.raw.close()
                        wire = over_tcp(server)
                    assert wire.send(LIVEZ).answer().status == 200
                    count[fresh] += 1
            except BaseException as fault:
                faults.append(fault)
                raise
        threads = [threading.Thread(target=load, args=(fresh,)) for fresh in (False, True) * 3]
        with over_tcp(server) as before:
            for one in threads:
                one.start()
            assert subject_of(server) == "server"
            for number in range(4):
                put_files(server, pki.issue("renewed-%d" % number))
                said = read_anew(server, ANEW)
                assert said["level"] == "info" and said["ends"]
                assert subject_of(server) == "renewed-%d" % number
            assert before.send(LIVEZ).answer().status == 200
            assert before.raw.getpeercert()["subject"][0][0][1] == "server"
        enough = list(count)
        wait_until(lambda: faults or all(now > then + 5 for now, then in zip(count, enough)))
        done.set()
        for one in threads:
            one.join()
        assert faults == []


def test_a_bad_new_pair_is_refused_in_one_line_and_the_old_one_stays(pki):
    with tls_server(pki) as server:
        good, other = pki.server, pki.issue("other")
        key, certificate = (os.path.join(server.files, one) for one in ("key.pem", "cert.pem"))

        def text(path, what):
            with open(path, "w") as file:
                file.write(what)

        faults = [
            (lambda: shutil.copy(other.key, key), "not that of the certificate"),
            (lambda: text(key, "junk"), "no private key"),
            (lambda: text(key, ""), "is empty"),
            (lambda: text(key, "x" * 40000), "too large"),
            (lambda: openssl("pkey", "-in", good.key, "-aes128", "-passout", "pass:x", "-out", key),
             "passphrase"),
            (lambda: os.chmod(key, 0o604), "chmod"),
            (lambda: os.unlink(key), "No such file"),
            (lambda: (os.unlink(key), os.mkfifo(key)), "is not a file"),
            (lambda: text(certificate, "junk"), "does not begin with a certificate"),
            (lambda: text(certificate, good.read()[0].decode() + good.read()[1].decode()
                          .replace("PRIVATE KEY", "CERTIFICATE")), "is none"),
            (lambda: shutil.copy(pki.issue("weak", kind="weak").certificate, certificate), "weak"),
        ]
        for make, words in faults:
            put_files(server, good)
            make()
            said = read_anew(server, STAYS)
            assert said["level"] == "error" and words in said["fault"], said
            assert subject_of(server) == "server"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(key)
        put_files(server, other)
        read_anew(server, ANEW)
        assert subject_of(server) == "other"


def test_links_into_an_archive_as_certbot_makes_them(pki):
    with tls_server(pki) as server:
        server.stop()
        live, archive = (os.path.join(server.own_folder, one, "host")
                         for one in ("live", "archive"))
        os.makedirs(live)
        os.makedirs(archive)

        def renew(pair, number):
            for source, name in ((pair.certificate, "cert"), (pair.key, "key")):
                path = os.path.join(archive, "%s%d.pem" % (name, number))
                shutil.copy(source, path)
                os.chmod(path, 0o600)
                link = os.path.join(live, name + ".pem")
                os.symlink("../../archive/host/" + os.path.basename(path), link + ".new")
                os.rename(link + ".new", link)
        renew(pki.server, 1)
        server.settings.update(tls_certificate=live + "/cert.pem", tls_key=live + "/key.pem")
        server.start()
        assert subject_of(server) == "server"
        renew(pki.issue("second"), 2)
        read_anew(server, ANEW)
        assert subject_of(server) == "second"


def test_a_client_authority_may_be_replaced(mutual, pki):
    # Last of those that use `mutual`: it changes whom it trusts.
    pair = mutual.clients.issue("for-now")
    assert first_answer(mutual, pki.client(pair)) == 200
    shutil.copy(pki.certificate, mutual.settings["tls_client_ca"])
    read_anew(mutual, ANEW)
    assert first_answer(mutual, pki.client(pair)) == "TLSV1_ALERT_UNKNOWN_CA"
    assert first_answer(mutual, pki.client(pki.server)) == 200


def has_heard_the_hangup(pid):
    with open("/proc/%d/status" % pid) as status:
        pending = [int(line.split()[1], 16) for line in status
                   if line.startswith(("SigPnd:", "ShdPnd:"))]
    return len(pending) == 2 and not any(mask >> (signal.SIGHUP - 1) & 1 for mask in pending)


def test_sighup_during_the_drain_changes_nothing(pki):
    """What was begun is answered with the pair that it began with, and the end is as asked for."""
    with tls_server(pki) as server:
        with over_tcp(server) as unfinished, over_tcp(server) as idle:
            unfinished.send(LIVEZ[:-10])
            for _ in range(8):  # others were served: ours was read
                assert subject_of(server) == "server"
            server.process.send_signal(signal.SIGTERM)
            assert idle.raw.recv(1) == b""  # the drain has begun
            put_files(server, pki.issue("renewed"))
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: has_heard_the_hangup(server.pid))
            with pytest.raises(OSError):
                subject_of(server)
            unfinished.send(LIVEZ[-10:])
            assert unfinished.answer().status == 200
        assert server.process.wait(60) == 0
        assert ANEW not in server.log() and STAYS not in server.log()
        server.start()
        assert subject_of(server) == "renewed"


def test_sighup_without_tls_changes_nothing():
    with Server() as server:
        said = read_anew(server, "nothing to read anew")
        assert said["level"] == "info"
        assert server.call("GET", "/projects").status == 401


# --- Starts ---

def refused(server, *words):
    status, out, err = server.run_to_end()
    lines = [line for line in err.splitlines() if not line.startswith("{")]
    assert (status, out, len(lines)) == (1, "", 1), err
    assert all(word in lines[0] for word in words), lines[0]
    assert not os.path.exists(os.path.join(server.data, "store", "CURRENT"))


@pytest.fixture(name="unstarted")
def make_unstarted(pki):
    server = tls_server(pki)
    yield server
    server.__exit__()


def test_half_of_the_settings(unstarted):
    whole = dict(unstarted.settings)
    for left_out, words in (("tls_key", "tls.key is not"),
                            ("tls_certificate", "tls.certificate is not")):
        unstarted.settings = {key: value for key, value in whole.items() if key != left_out}
        refused(unstarted, words)
    unstarted.settings = dict(whole, tls_client_ca=whole["tls_certificate"])
    del unstarted.settings["tls_certificate"], unstarted.settings["tls_key"]
    refused(unstarted, "tls.client_ca is set")


def test_files_that_are_no_pair(unstarted, pki):
    shutil.copy(pki.issue("stranger").key, os.path.join(unstarted.files, "key.pem"))
    refused(unstarted, "tls.key", "not that of the certificate")
    unstarted.settings["tls_key"] += ".not-there"
    refused(unstarted, "tls.key", "No such file")


def test_a_key_that_others_can_read(unstarted):
    os.chmod(unstarted.settings["tls_key"], 0o644)
    refused(unstarted, "tls.key", "chmod o=")


@pytest.mark.skipif(not ROOT, reason="needs root: another user")
def test_a_key_that_the_user_cannot_read(unstarted):
    unstarted.user = ORDINARY
    for_everybody(unstarted.binary)
    refused(unstarted, "tls.certificate", "Permission denied", "user " + ORDINARY)


def test_files_beside_the_data(unstarted):
    """The keeper would be able to read the root key again."""
    os.makedirs(unstarted.data)
    for name in ("cert.pem", "key.pem"):
        shutil.copy(os.path.join(unstarted.files, name), unstarted.data)
    unstarted.settings["tls_certificate"] = os.path.join(unstarted.data, "cert.pem")
    refused(unstarted, "a folder of their own")


def test_an_expired_certificate_is_served_and_said(pki):
    with tls_server(pki, pki.issue("past", ends=-60)) as server:
        assert "has expired" in server.log()
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            over_tcp(server)


def test_an_address_that_is_not_loopback_needs_no_more(unstarted):
    unstarted.settings["listen"] = "0.0.0.0:0"
    unstarted.start()
    assert unstarted.url.startswith("https://0.0.0.0:")
    with over_tcp(unstarted) as wire:
        assert wire.send(LIVEZ).answer().status == 200

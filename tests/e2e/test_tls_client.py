"""The command line over https: what it trusts, what it says when it does not."""
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from harness import Server
from pki import Authority, Pair, openssl
from remote import Runtime
from test_tls import tls_server


@pytest.fixture(scope="module", name="pki")
def make_pki(tmp_path_factory):
    authority = Authority(str(tmp_path_factory.mktemp("pki")))
    authority.server = authority.issue("server")
    return authority


@pytest.fixture(scope="module", name="server")
def make_server(pki):
    with tls_server(pki) as server:
        server.make_project("p")
        server.key = server.make_key()
        yield server


# Without this machine's TACIT_ settings, but with those of sanitizers.
SURROUNDINGS = {name: text for name, text in os.environ.items()
                if name == "PATH" or name.endswith("SAN_OPTIONS")}


def cli(server, *arguments, url=None, stdin=None, **environment):
    url = url or "https://127.0.0.1:%d" % server.port
    return subprocess.run([server.binary, *arguments], input=stdin, capture_output=True, timeout=60,
                          env={**SURROUNDINGS, "TACIT_URL": url, "TACIT_TOKEN": server.key,
                               **environment})


def refused(done, *words):
    """Failed with one line that has these words."""
    said = done.stderr.decode()
    assert done.returncode == 1 and said.count("\n") == 1 and done.stdout == b"", (done, said)
    assert all(word in said for word in words), said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_commands_work_over_https(server, pki, host):
    url = "https://%s:%d/api/v1/" % (host, server.port)
    trust = {"TACIT_CA_FILE": pki.certificate}
    value = "over tls " * 400
    done = cli(server, "secret", "set", "K", "--project", "p", url=url, stdin=value.encode(),
               **trust)
    assert done.returncode == 0, done.stderr
    assert server.values("p")["K"] == value
    done = cli(server, "secret", "list", "--project", "p", "--json", url=url, **trust)
    assert done.returncode == 0 and b'"K"' in done.stdout, done.stderr


def test_large_lists_come_whole(server, pki):
    server.make_project("many", secretLimit=2000)
    for number in range(1000):
        server.put("many", "S%04d" % number, "x" * 10)
    done = cli(server, "secret", "list", "--project", "many", "--json",
               TACIT_CA_FILE=pki.certificate)
    assert done.stdout.count(b'"key"') == 1000


def test_the_systems_authorities_are_trusted_unless_others_are_named(server, pki):
    refused(cli(server, "project", "list"), "does not know", "TACIT_CA_FILE", "nothing was sent")
    done = cli(server, "project", "list", SSL_CERT_FILE=pki.certificate)  # OpenSSL's own name
    assert done.returncode == 0, done.stderr
    other = Authority(pki.folder, "other")
    refused(cli(server, "project", "list", TACIT_CA_FILE=other.certificate,
                SSL_CERT_FILE=pki.certificate), other.certificate, "does not know")


@pytest.mark.parametrize("host,names,dates,words", [
    ("127.0.0.1", ["127.0.0.2", "localhost"], {}, "is for another host"),
    ("127.0.0.1", ["*.0.0.1"], {}, "is for another host"),
    ("127.0.0.1", [], {}, "is for another host"),
    ("localhost", ["127.0.0.1", "localhost.example"], {}, "is for another host"),
    ("localhost", ["*"], {}, "is for another host"),
    ("localhost", [], {}, "is for another host"),
    ("127.0.0.1", ["127.0.0.1"], {"ends": -60}, "has expired"),
    ("127.0.0.1", ["127.0.0.1"], {"begins": 1800}, "is not valid yet"),
    ("127.0.0.1", ["127.0.0.1"], {"use": "clientAuth"}, "is not good"),
])
def test_certificates_that_are_not_taken(pki, host, names, dates, words):
    with tls_server(pki, pki.issue("bad", names=names, **dates)) as server:
        server.key = server.make_key()
        refused(cli(server, "project", "list", TACIT_CA_FILE=pki.certificate,
                    url="https://%s:%d" % (host, server.port)), words, "nothing was sent")


def test_nothing_is_sent_to_a_server_that_is_not_trusted(server, pki, tmp_path):
    """What a false server gets to see: no more than a handshake."""
    false = Authority(str(tmp_path)).issue("false")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(false.certificate, false.key)
    got = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        def serve():
            raw, _ = listening.accept()
            with contextlib.suppress(ssl.SSLError, OSError):
                with context.wrap_socket(raw, server_side=True) as session:
                    got.append(session.recv(4096))
        thread = threading.Thread(target=serve)
        thread.start()
        refused(cli(server, "project", "list", TACIT_CA_FILE=pki.certificate,
                    url="https://127.0.0.1:%d" % listening.getsockname()[1]), "does not know")
        thread.join()
    assert b"".join(got) == b""


def test_an_answer_that_is_cut_off_is_not_taken(server, pki):
    """Without length, its end is the connection's: anybody on the way can end that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server.certificate, pki.server.key)
    body = b'{"data":[]}'
    with socket.create_server(("127.0.0.1", 0)) as listening:
        def serve(announced):
            raw, _ = listening.accept()
            session = context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False)
            session.recv(4096)
            session.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)
            if announced:
                with contextlib.suppress(ssl.SSLError, OSError):
                    session.unwrap()
            session.close()
        for announced in (True, False):
            thread = threading.Thread(target=serve, args=(announced,))
            thread.start()
            done = cli(server, "project", "list", "--json", TACIT_CA_FILE=pki.certificate,
                       url="https://127.0.0.1:%d" % listening.getsockname()[1])
            thread.join()
            assert (done.returncode == 0) == announced, done
    refused(done, "broke")


def test_http_and_https_taken_for_one_another(server, pki, tmp_path):
    port = server.port
    refused(cli(server, "project", "list", url="http://127.0.0.1:%d" % port), "https://")
    said = Runtime(tmp_path).enrol(server).env("http://127.0.0.1:%d" % port)[2]
    assert said.startswith("tacit: unavailable: ") and "want https://" in said, said
    with Server() as plain:
        refused(cli(server, "project", "list", url=plain.url.replace("http", "https"),
                    TACIT_CA_FILE=pki.certificate), "does not speak TLS", "http://")


def test_files_that_are_no_good(server, pki, tmp_path):
    junk = str(tmp_path / "junk.pem")
    with open(junk, "w") as file:
        file.write("junk")
    locked = Pair(str(tmp_path), "locked")
    shutil.copy(pki.server.certificate, locked.certificate)
    openssl("pkey", "-in", pki.server.key, "-aes128", "-passout", "pass:x", "-out", locked.key)
    good = {"TACIT_CA_FILE": pki.certificate}
    for bad in (junk, junk + ".not-there", str(tmp_path)):
        refused(cli(server, "project", "list", TACIT_CA_FILE=bad), "TACIT_CA_FILE: " + bad)
        refused(cli(server, "project", "list", TACIT_CLIENT_CERTIFICATE=bad, **good),
                "TACIT_CLIENT_CERTIFICATE: " + bad)
    for bad in (junk, locked.key, pki.own.key):
        refused(cli(server, "project", "list", TACIT_CLIENT_CERTIFICATE=pki.server.certificate,
                    TACIT_CLIENT_KEY=bad, **good), "TACIT_CLIENT_KEY: " + bad)


def test_a_certificate_of_its_own(pki):
    server = tls_server(pki)
    server.settings["tls_client_ca"] = shutil.copy(pki.certificate, server.files + "/ca.pem")
    both = os.path.join(pki.folder, "both.pem")
    with open(both, "wb") as file:
        file.write(b"".join(pki.server.read()))
    with server:
        server.key = server.make_key()
        trust = {"TACIT_CA_FILE": pki.certificate}
        refused(cli(server, "project", "list", **trust), "refused the TLS connection",
                "TACIT_CLIENT_CERTIFICATE")
        late = pki.issue("late", ends=-60)
        refused(cli(server, "project", "list", TACIT_CLIENT_CERTIFICATE=late.certificate,
                    TACIT_CLIENT_KEY=late.key, **trust), "refused the TLS connection", "expired")
        for own in ({"TACIT_CLIENT_CERTIFICATE": pki.server.certificate,
                     "TACIT_CLIENT_KEY": pki.server.key}, {"TACIT_CLIENT_CERTIFICATE": both}):
            done = cli(server, "project", "list", **own, **trust)
            assert done.returncode == 0, done.stderr


def test_the_servers_settings_do_not_know_the_clients_variables(pki):
    with Server(environment={"TACIT_CA_FILE": "/x", "TACIT_CLIENT_CERTIFICATE": "/x",
                             "TACIT_CLIENT_KEY": "/x"}) as server:
        assert server.call("GET", "/projects").status == 401

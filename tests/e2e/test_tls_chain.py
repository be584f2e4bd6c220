"""Certificates of an authority that another one vouches for, on both sides."""
import shutil
import ssl
import subprocess

import pytest

from pki import Authority
from rawhttp import over_tcp, request
from test_tls import tls_server
from test_tls_client import SURROUNDINGS, refused

LIVEZ = request("GET", "/livez")


@pytest.fixture(scope="module", name="pki")
def make_pki(tmp_path_factory):
    authority = Authority(str(tmp_path_factory.mktemp("pki")))
    authority.between = authority.authority("between")
    authority.server = authority.issue("server")
    return authority


def is_served(server, context):
    """False when either side does not take the other's certificate."""
    server.tls = context
    try:
        with over_tcp(server) as wire:
            return wire.send(LIVEZ).answer().status == 200
    except (ssl.SSLError, ConnectionError):
        return False


def listed(server, trust, **environment):
    return subprocess.run([server.binary, "project", "list"], capture_output=True, timeout=60,
                          env={**SURROUNDINGS, "TACIT_URL": "https://127.0.0.1:%d" % server.port,
                               "TACIT_TOKEN": server.key, "TACIT_CA_FILE": trust, **environment})


def test_the_server_sends_what_its_certificate_rests_on(pki):
    leaf = pki.between.issue("leaf")
    with tls_server(pki, leaf.followed_by(pki.between)) as server:
        server.key = server.make_key()
        assert is_served(server, pki.client())
        done = listed(server, pki.certificate)
        assert done.returncode == 0, done.stderr
    with tls_server(pki, leaf) as server:  # the control
        server.key = server.make_key()
        assert not is_served(server, pki.client())
        refused(listed(server, pki.certificate), "does not know", "nothing was sent")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_authority_that_is_listed_is_the_one_whose_clients_are_taken(pki, version):
    """Also when it is none at the root: those of the root are not taken then."""
    def context(pair):
        made = pki.client(pair)
        made.minimum_version = made.maximum_version = version
        return made
    below, of_root = pki.between.issue("below"), pki.issue("of-root")
    server = tls_server(pki)
    server.settings["tls_client_ca"] = shutil.copy(pki.between.certificate,
                                                   server.files + "/ca.pem")
    with server:
        assert is_served(server, context(below))
        assert not is_served(server, context(of_root))
    server = tls_server(pki)
    server.settings["tls_client_ca"] = shutil.copy(pki.certificate, server.files + "/ca.pem")
    with server:
        assert is_served(server, context(of_root))
        assert is_served(server, context(below.followed_by(pki.between)))
        assert not is_served(server, context(below))


def test_the_command_line_sends_what_its_certificate_rests_on(pki):
    below = pki.between.issue("below")
    server = tls_server(pki)
    server.settings["tls_client_ca"] = shutil.copy(pki.certificate, server.files + "/ca.pem")
    with server:
        server.key = server.make_key()
        whole = below.followed_by(pki.between)
        done = listed(server, pki.certificate, TACIT_CLIENT_CERTIFICATE=whole.certificate,
                      TACIT_CLIENT_KEY=whole.key)
        assert done.returncode == 0, done.stderr
        refused(listed(server, pki.certificate, TACIT_CLIENT_CERTIFICATE=below.certificate,
                       TACIT_CLIENT_KEY=below.key), "refused the TLS connection")

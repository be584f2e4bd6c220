"""Many connections over TLS at the same time."""
import os
import resource

import pytest

from harness import Server
from pki import Authority
from rawhttp import request

CONNECTIONS = 2300  # each keeps the key of its handshake in locked memory: 64 KB is not enough


@pytest.fixture(name="descriptors")
def raise_descriptor_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, CONNECTIONS + 1000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_each_of_many_connections_at_once_gets_its_handshake_and_its_answer(tmp_path, descriptors):
    authority = Authority(str(tmp_path))
    pair = authority.issue("server")
    os.chmod(pair.key, 0o600)
    server = Server(tls_certificate=pair.certificate, tls_key=pair.key)
    server.tls = authority.client()
    opened = []
    with server:
        for _ in range(CONNECTIONS):
            opened.append(server.connect_raw())
        for connection in opened[::100] + opened[-1:]:
            connection.sendall(request("GET", "/livez"))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        for connection in opened:
            connection.close()

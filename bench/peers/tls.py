"""Rows about TLS: lists and handshakes against nginx with the same certificate and cipher, what the
same list costs without TLS, and the memory of a connection. For information: no target is set."""
import os
import shutil
import subprocess
import time

from peers.footprint import open_connections, resident
from peers.load import PLAIN
from peers.others import Nginx, exchange
from peers.reads import CONNECTIONS, PINNED, cost, loaded, rate
from peers.rows import Row, alternate, in_rounds, median
from peers.system import connect, raise_descriptor_limit, server_core, temporary_folder
from peers.tacit import PROJECT, Tacit

IDLE_CONNECTIONS = 2000
PATH = "/api/v1/projects/%s/secrets" % (PROJECT % 0)


class TlsTacit(Tacit):
    tls = True

    def __init__(self, identity, **options):
        certificate, key = identity
        super().__init__(settings={"TACIT_TLS_CERTIFICATE": certificate, "TACIT_TLS_KEY": key,
                                   "TACIT_LIMITS_IDLE_SECONDS": "3600"}, **options)


def make_identity(folder):
    """A certificate on P-256, signed by itself."""
    certificate, key = (os.path.join(folder, name) for name in ("certificate.pem", "key.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", key, "-out", certificate],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.chmod(key, 0o600)
    return certificate, key


def agreed(server):
    with connect(server.port, True) as connection:
        return "%s, %s" % (connection.version(), connection.cipher()[0])


class Sides:
    """tacit and nginx as servers of the same bytes, each pinned, each fresh."""

    def __init__(self, plan, identity):
        self.plan = plan
        self.identity = identity
        self.suites = {}
        with self.tacit() as server:
            self.answer = exchange(server.list_url(), server.headers())

    def tacit(self):
        return TlsTacit(self.identity, core=server_core(), threads=1)

    def measure(self, server, headers):
        if server.tls:
            self.suites[server.name] = agreed(server)
        return loaded(self.plan, server, url=server.url + PATH, headers=headers, script=PLAIN)

    def of_tacit(self, **more):
        def run():
            with self.tacit() as server:
                return self.measure(server, dict(server.headers(), **more))
        return run

    def of_nginx(self, **more):
        def run():
            with Nginx(self.answer, core=server_core(), identity=self.identity) as server:
                return self.measure(server, dict(Authorization="Bearer x" * 5, **more))
        return run

    def without_tls(self):
        with Tacit(core=server_core(), threads=1) as server:
            return self.measure(server, server.headers())


def against(got, of):
    return median(got["tacit"], of) / median(got["nginx"], of)


def rates_and_costs(got):
    return "; ".join("%s %s requests/s, %.1f us of CPU" % (
        name, in_rounds(figures, rate), median(figures, cost)) for name, figures in got.items())


def information(figure, measured, detail):
    return Row(figure, measured, "for information", None, detail)


def compared(figure, got):
    return [information(figure + ": per second against nginx", "%.2f" % against(got, rate),
                        rates_and_costs(got)),
            information("the same: server CPU each against nginx", "%.2f" % against(got, cost), "")]


def idle_memory(identity):
    raise_descriptor_limit(IDLE_CONNECTIONS + 4000)
    with TlsTacit(identity, projects=1) as server:
        opened = open_connections(server, 64)
        time.sleep(1)
        before = resident(server)
        opened += open_connections(server, IDLE_CONNECTIONS)
        time.sleep(1)
        grown = resident(server) - before
        for connection in opened:
            connection.close()
    return information("resident memory of each of %d open keep-alive connections with TLS"
                       % IDLE_CONNECTIONS, "%.1f KB" % (grown / IDLE_CONNECTIONS),
                       "each has had one list; %.1f MB more" % (grown / 1024))


def tls_rows(plan):
    folder = temporary_folder()
    try:
        identity = make_identity(folder)
        sides = Sides(plan, identity)
        lists = alternate(plan, "tls list", tacit=sides.of_tacit(), nginx=sides.of_nginx(),
                          plain=sides.without_tls)
        new = {"Connection": "close"}
        shaken = alternate(plan, "tls handshakes", tacit=sides.of_tacit(**new),
                           nginx=sides.of_nginx(**new))
        if len(set(sides.suites.values())) != 1:
            raise SystemExit("bench: the servers speak differently: %s" % sides.suites)
        plan.state("certificate on P-256; %s; no resumption; nginx as in `list`, with "
                   "ssl_session_cache off and ssl_session_tickets off" % sides.suites["tacit"])
        return compared("list of 25 over TLS, %d connections, %s" % (CONNECTIONS, PINNED), lists) \
            + [information("the same over TLS against without", "%.2f" % (
                median(lists["tacit"], rate) / median(lists["plain"], rate)), "")] \
            + compared("a new connection with its handshake for each list, %d at once"
                       % CONNECTIONS, shaken) + [idle_memory(identity)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)

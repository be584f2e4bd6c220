"""The peers: nginx, Redis, etcd, each at its best for what it is compared in."""
import os
import urllib.parse

from peers.system import Server, children, connect, free_port


def exchange(url, headers):
    """One GET, as (status line, [(header name, value)], body)."""
    parts = urllib.parse.urlsplit(url)
    head = "GET %s HTTP/1.1\r\nHost: %s\r\n" % (parts.path, parts.netloc)
    head += "".join("%s: %s\r\n" % pair for pair in headers.items()) + "\r\n"
    with connect(parts.port, parts.scheme == "https", 10) as connection:
        connection.sendall(head.encode())
        got = b""
        while b"\r\n\r\n" not in got:
            got += connection.recv(65536) or b"\r\n\r\n"
        raw, body = got.split(b"\r\n\r\n", 1)
        lines = raw.decode().split("\r\n")
        fields = [tuple(line.split(": ", 1)) for line in lines[1:]]
        length = next(int(text) for name, text in fields if name.lower() == "content-length")
        while len(body) < length:
            body += connection.recv(65536)
    return lines[0], fields, body


class Nginx(Server):
    """One worker that answers every request with the bytes and headers of `answer`.

    It sends Server and Connection of its own besides, which it cannot be told to leave out.
    """
    name = "nginx"
    OWN = {"server", "connection"}
    MADE = {"date", "content-length", "content-type"}  # it writes these itself
    CONFIGURATION = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid %(folder)s/nginx.pid;
error_log %(folder)s/error.log crit;
events { worker_connections 16384; }
http {
  access_log off;
  server_tokens off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_body_temp_path %(folder)s/body;
  proxy_temp_path %(folder)s/proxy;
  fastcgi_temp_path %(folder)s/fastcgi;
  uwsgi_temp_path %(folder)s/uwsgi;
  scgi_temp_path %(folder)s/scgi;
  default_type %(type)s;
  server {
    listen 127.0.0.1:%(port)d%(tls)s;
%(locations)s
  }
}
"""
    LOCATIONS = """
    location / {
%(headers)s
      return 200 '%(body)s';
    }
"""

    TLS = """ ssl backlog=4096;
    ssl_certificate %s;
    ssl_certificate_key %s;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache off;
    ssl_session_tickets off"""

    def __init__(self, answer, core=None, behind="", identity=None):
        """`identity`: paths of a certificate and its key, for TLS without resumption."""
        super().__init__(core)
        self.answer = answer
        self.behind = behind
        self.identity = identity
        self.tls = identity is not None

    def command(self):
        _, fields, body = self.answer
        kinds = {name.lower(): text for name, text in fields}
        added = ["      add_header %s '%s';" % pair for pair in fields
                 if pair[0].lower() not in self.MADE | self.OWN]
        path = os.path.join(self.folder, "nginx.conf")
        with open(path, "w") as file:
            file.write(self.CONFIGURATION % {
                "folder": self.folder, "port": self.port, "type": kinds["content-type"],
                "tls": self.TLS % self.identity if self.tls else " backlog=4096",
                "locations": self.LOCATIONS % {
                    "headers": "\n".join(added), "body": body.decode(), "behind": self.behind}})
        return ["nginx", "-c", path, "-e", os.path.join(self.folder, "error.log")]

    def serving_pids(self):
        return [self.process.pid] + children(self.process.pid)

    def difference(self):
        """What its answer differs in from the one it was given, or nothing."""
        status, fields, body = exchange(self.url + "/", {})
        wanted_status, wanted_fields, wanted_body = self.answer
        if status != wanted_status:
            return "status %r" % status
        if body != wanted_body:
            return "the body"
        names = {name.lower() for name, _ in fields} - self.OWN
        wanted = {name.lower() for name, _ in wanted_fields} - self.OWN
        if names != wanted:
            return "the headers " + " ".join(sorted(names ^ wanted))
        given = {name.lower(): text for name, text in wanted_fields}
        wrong = [name for name, text in fields if name.lower() in given
                 and name.lower() != "date" and given[name.lower()] != text]
        return "the values of " + " ".join(wrong) if wrong else None


class NginxBefore(Nginx):
    """Answers lists itself and passes everything else to the server behind it: so a client that
    makes its own projects and checks their lists can be sent to it."""
    LOCATIONS = """
    proxy_http_version 1.1;
    location ~ /secrets$ {
      if ($request_method = GET) {
%(headers)s
        return 200 '%(body)s';
      }
      proxy_pass %(behind)s;
    }
    location / { proxy_pass %(behind)s; }
"""


class Redis(Server):
    """Synced before every answer; no snapshots, no rewriting of the log while it is measured."""
    name = "redis"

    def command(self):
        return ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port),
                "--dir", self.folder, "--daemonize", "no", "--save", "",
                "--appendonly", "yes", "--appendfsync", "always",
                "--auto-aof-rewrite-percentage", "0", "--loglevel", "warning"]


class Etcd(Server):
    """One member, its defaults."""
    name = "etcd"

    def command(self):
        peer = "http://127.0.0.1:%d" % free_port()
        return ["etcd", "--name", "bench", "--data-dir", os.path.join(self.folder, "data"),
                "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", "bench=" + peer, "--logger", "zap",
                "--log-level", "error"]

    def is_ready(self):
        return self.answers("/health")

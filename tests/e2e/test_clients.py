"""The clients of the service that tacit stands in for: only their base URL and key changed.

A stand-in in Python for the published Node SDK and its command line: the same calls, and the same
things read of each answer.
"""
import http.client
import json
import time
import urllib.parse

import pytest

from harness import Server


class ServiceError(Exception):
    def __init__(self, status, code, message, request_id, retry_after):
        super().__init__(message)
        self.status, self.code, self.request_id = status, code, request_id
        self.retry_after = retry_after


class Client:
    """As the SDK: one keep-alive connection, `data` unwrapped, errors by their code."""

    RETRIES_MAX = 3

    def __init__(self, base_url, api_key):
        self.base = urllib.parse.urlparse(base_url)
        self.api_key = api_key
        self.connection = http.client.HTTPConnection(self.base.hostname, self.base.port, timeout=60)
        self.waited = []

    def once(self, method, path, body=None):
        headers = {"Authorization": "Bearer " + self.api_key, "Accept": "application/json",
                   "User-Agent": "sdk-stand-in/1.0"}
        text = None
        if body is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
            text = json.dumps(body)
        self.connection.request(method, self.base.path + "/api/v1" + path, text, headers)
        answer = self.connection.getresponse()
        parsed = json.loads(answer.read() or b"null")
        if 200 <= answer.status < 300:
            return parsed["data"]
        error = parsed["error"]
        retry_after = answer.headers.get("retry-after")
        raise ServiceError(answer.status, error["code"], error["message"],
                           answer.headers["x-request-id"],
                           None if retry_after is None else int(retry_after))

    def call(self, method, path, body=None):
        for _ in range(self.RETRIES_MAX):
            try:
                return self.once(method, path, body)
            except ServiceError as error:
                if error.status != 429:
                    raise
                self.waited.append(error.retry_after)
                time.sleep(error.retry_after)
        return self.once(method, path, body)

    # What the SDK offers.
    def list(self, project):
        path = "/projects/%s/secrets" % urllib.parse.quote(project, safe="")
        return self.call("GET", path)["secrets"]

    def set(self, project, key, value):
        path = "/projects/%s/secrets" % urllib.parse.quote(project, safe="")
        return self.call("POST", path, {"key": key, "value": value})["secret"]

    def delete(self, project, key):
        path = "/projects/%s/secrets/%s" % (urllib.parse.quote(project, safe=""),
                                            urllib.parse.quote(key, safe=""))
        return self.call("DELETE", path)["existed"]

    # What its command line does besides.
    def who(self):
        me = self.call("GET", "/user/me")
        return me.get("user") or me

    def project_by_name(self, name):
        projects = self.call("GET", "/projects")
        assert isinstance(projects, list)
        return next((one["id"] for one in projects if name in (one["id"], one["name"])), None)

    def create_key(self, name):
        return self.call("POST", "/api-keys", {"name": name})

    def list_keys(self):
        return self.call("GET", "/api-keys")["keys"]

    def revoke_key(self, key_id):
        return self.call("DELETE", "/api-keys/" + key_id)["success"]


@pytest.fixture(scope="module")
def server():
    with Server(limits_reads_per_minute=120, limits_writes_per_minute=1000) as one:
        made = one.owner("POST", "/projects", {"name": "Trading bot"})
        one.project = made.data()["project"]["id"]
        yield one


@pytest.fixture
def client(server):
    return Client(server.url, server.make_key())


def test_the_whole_session_of_a_user(server, client):
    assert client.who()["role"] == "admin"
    project = client.project_by_name("Trading bot")
    assert project == server.project == client.project_by_name(server.project)
    assert client.project_by_name("none") is None
    assert client.list(project) == []
    first = client.set(project, "BINANCE_API_KEY", "your-exchange-kaB3x")
    assert (first["key"], first["lastFour"]) == ("BINANCE_API_KEY", "aB3x")
    second = client.set(project, "BINANCE_API_KEY", "another-exchange-key")
    assert second["createdAt"] == first["createdAt"]
    assert second["updatedAt"] >= first["updatedAt"]
    assert client.list(project) == [second]
    assert client.delete(project, "BINANCE_API_KEY") is True
    assert client.delete(project, "BINANCE_API_KEY") is False


def test_a_key_made_with_a_name_alone_is_of_use(server, client):
    made = client.create_key("from the CLI")
    assert made["rawKey"].startswith(made["keyPrefix"])
    own = Client(server.url, made["rawKey"])
    assert own.who() == {"id": made["id"], "name": "from the CLI", "email": None, "role": "member"}
    own.set(server.project, "FROM_CLI", "value")
    assert [one["key"] for one in own.list(server.project)] == ["FROM_CLI"]
    assert own.delete(server.project, "FROM_CLI") is True
    listed = next(one for one in client.list_keys() if one["id"] == made["id"])
    assert listed["keyPrefix"] == made["keyPrefix"] and "rawKey" not in listed
    assert client.revoke_key(made["id"]) is True
    with pytest.raises(ServiceError) as caught:
        own.list(server.project)
    assert (caught.value.status, caught.value.code) == (401, "UNAUTHORIZED")


ERRORS = [
    (lambda c, p: c.list("none"), 404, "NOT_FOUND"),
    (lambda c, p: c.list("../../livez"), 404, "NOT_FOUND"),
    (lambda c, p: c.set("none", "A", "v"), 404, "NOT_FOUND"),
    (lambda c, p: c.set(p, "lower", "v"), 400, "VALIDATION_ERROR"),
    (lambda c, p: c.set(p, "A", ""), 400, "VALIDATION_ERROR"),
    (lambda c, p: c.set(p, "A", "x" * 4097), 400, "VALIDATION_ERROR"),
    (lambda c, p: c.set(p, "A", None), 400, "VALIDATION_ERROR"),
    (lambda c, p: c.set(p, "A", 5), 400, "VALIDATION_ERROR"),
    (lambda c, p: c.set(p, "A", "\ud800"), 400, "VALIDATION_ERROR"),
    (lambda c, p: c.delete(p, "lower/../A"), 400, "VALIDATION_ERROR"),
    (lambda c, p: c.call("POST", "/projects", {"name": "x", "id": p}), 409, "CONFLICT"),
    (lambda c, p: c.call("PATCH", "/projects/" + p, {"name": "x"}), 405, "METHOD_NOT_ALLOWED"),
    (lambda c, p: c.call("GET", "/nothing"), 404, "NOT_FOUND"),
]


def test_errors_by_their_code(server, client):
    for act, status, code in ERRORS:
        with pytest.raises(ServiceError) as caught:
            act(client, server.project)
        assert (caught.value.status, caught.value.code) == (status, code)
        assert caught.value.request_id and str(caught.value)
        assert caught.value.retry_after is None
    client.list(server.project)  # the connection is in step after all of them


def test_the_cap_by_its_code(server, client):
    client.call("POST", "/projects", {"name": "Full", "id": "full", "secretLimit": 2})
    client.set("full", "A", "1")
    client.set("full", "B", "2")
    with pytest.raises(ServiceError) as caught:
        client.set("full", "C", "3")
    assert (caught.value.status, caught.value.code) == (409, "SECRET_LIMIT_EXCEEDED")
    client.set("full", "A", "again")
    client.delete("full", "B")
    client.set("full", "C", "3")


def test_a_client_that_waits_as_told_gets_through():
    with Server(limits_writes_per_minute=60) as server:
        server.make_project("p")
        client = Client(server.url, server.make_key())
        for i in range(62):
            client.set("p", "A", str(i))
        assert client.waited and set(client.waited) == {1}
        assert server.values("p") == {"A": "61"}


def test_values_of_any_kind_go_through_json(server, client):
    for value in ("x", "\u00e9\u4e2d\U0001f511" * 100, "a\nb\r\n\t", '"\\$`', "\U0001f511" * 4096):
        client.set(server.project, "KIND", value)
        assert server.values(server.project)["KIND"] == value
    client.delete(server.project, "KIND")


def test_a_base_url_with_a_slash_at_its_end(server):
    key = server.make_key()
    assert Client(server.url, key).who()["role"] == "admin"
    with pytest.raises(ServiceError) as caught:
        Client(server.url + "/", key).who()  # //api/v1: a client that does not tidy up
    assert caught.value.code == "NOT_FOUND"

"""What every answer looks like, to the byte: heads, errors, the order of checks, tags."""
import json
import re
import time

import pytest

from harness import Server
from rawhttp import CHARS_OF_DATE, ask, over_tcp, over_unix, request, without_changing_parts

ALWAYS = ["cache-control", "content-length", "content-type", "date", "x-content-type-options",
          "x-request-id"]
RATE = ["ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-remaining",
        "x-ratelimit-reset"]
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
UNLIMITED = "999999999999999"


@pytest.fixture(scope="module")
def server():
    with Server(limits_failed_auth_per_minute=0) as one:
        one.make_project("p")
        one.make_project("other")
        one.put("p", "KEPT", "kept-value")
        one.admin = one.make_key()
        one.member = one.make_key(projects=["p"], permissions=["read", "write"])
        one.reader = one.make_key(projects=["p"], permissions=["read"])
        one.writer = one.make_key(projects=["p"], permissions=["write"])
        yield one


def api(server, method, target, key=None, body=None, fields=()):
    if method == "POST" and body is None:
        body = b""
    return ask(server, request(method, "/api/v1" + target, fields, body, key))


def error(code, message, details=None):
    body = {"code": code, "message": message}
    if details:
        body["details"] = [{"field": details[0], "issue": details[1]}]
    return json.dumps({"error": body}, separators=(",", ":")).encode()


def check_head(answer, names):
    assert answer.names() == sorted(names)
    assert answer.get("Cache-Control") == "no-store"
    assert answer.get("X-Content-Type-Options") == "nosniff"
    assert re.fullmatch(CHARS_OF_DATE, answer.get("Date"))
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", answer.get("X-Request-Id"))
    if answer.status != 304:
        assert answer.get("Content-Type") == "application/json"
        assert answer.get("Content-Length") == str(len(answer.body))


# --- errors ---

MESSAGES = {
    "UNAUTHORIZED": "Missing or invalid API key",
    "NOT_FOUND": "Not found",
    "FORBIDDEN": "The API key does not have this permission",
    "METHOD_NOT_ALLOWED": "This method is not allowed here",
    "UNSUPPORTED_MEDIA_TYPE": "Send the body as application/json",
    "SECRET_LIMIT_EXCEEDED": "The project has reached its limit of secrets",
    "CONFLICT": "It conflicts with what exists",
}
NEW = {"key": "NEW", "value": "v"}
TEXT = [("Content-Type", "text/plain")]

# name, method, target, key, body, fields, status, code, more headers
ERRORS = [
    ("unknown route", "GET", "/nothing", "admin", None, (), 404, "NOT_FOUND", []),
    ("unknown route, no key", "GET", "/nothing", None, None, (), 404, "NOT_FOUND", []),
    ("no such project", "GET", "/projects/none/secrets", "admin", None, (), 404, "NOT_FOUND", RATE),
    ("foreign project", "GET", "/projects/other/secrets", "member", None, (), 404, "NOT_FOUND",
     RATE),
    ("no such API key", "DELETE", "/api-keys/none", "admin", None, (), 404, "NOT_FOUND", RATE),
    ("malformed id of an API key", "DELETE", "/api-keys/a.b", "admin", None, (), 404, "NOT_FOUND",
     RATE),
    ("no key", "GET", "/projects", None, None, (), 401, "UNAUTHORIZED", ["www-authenticate"]),
    ("malformed key", "GET", "/projects", "nonsense", None, (), 401, "UNAUTHORIZED",
     ["www-authenticate"]),
    ("no permission", "POST", "/projects/p/secrets", "reader", NEW, (), 403, "FORBIDDEN", RATE),
    ("no permission to read", "GET", "/projects/p/secrets", "writer", None, (), 403, "FORBIDDEN",
     RATE),
    ("not an admin", "POST", "/projects", "member", {"name": "x"}, (), 403, "FORBIDDEN", RATE),
    ("another type", "POST", "/projects/p/secrets", "member", NEW, TEXT, 415,
     "UNSUPPORTED_MEDIA_TYPE", RATE),
    ("taken id", "POST", "/projects", "admin", {"name": "x", "id": "p"}, (), 409, "CONFLICT", RATE),
    ("wrong method", "PUT", "/projects", "admin", b"", (), 405, "METHOD_NOT_ALLOWED", ["allow"]),
]


def key_of(server, name):
    return getattr(server, name, name) if name else None


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: row[0].replace(" ", "-"))
def test_error(server, row):
    _, method, target, key, body, fields, status, code, more = row
    answer = api(server, method, target, key_of(server, key), body, fields)
    details = ("id", "is taken") if code == "CONFLICT" else None
    assert (answer.status, answer.body) == (status, error(code, MESSAGES[code], details))
    check_head(answer, ALWAYS + more)
    if status == 401:
        assert answer.get("WWW-Authenticate") == "Bearer"


def test_full_project():
    with Server(limits_secrets_per_project=2) as server:
        server.make_project("p")
        key = server.make_key()
        server.put("p", "A", "1")
        server.put("p", "B", "2")
        answer = api(server, "POST", "/projects/p/secrets", key, {"key": "C", "value": "3"})
        assert answer.status == 409
        assert answer.body == error("SECRET_LIMIT_EXCEEDED", MESSAGES["SECRET_LIMIT_EXCEEDED"])
        check_head(answer, ALWAYS + RATE)
        assert api(server, "POST", "/projects/p/secrets", key,
                   {"key": "B", "value": "9"}).status == 200


def test_one_answer_for_every_key_that_is_not_taken(server):
    good = server.admin
    revoked = server.make_key()
    for one in server.owner("GET", "/api-keys").data()["keys"]:
        if one["id"] == server.call("GET", "/user/me", key=revoked).data()["id"]:
            server.owner("DELETE", "/api-keys/" + one["id"])
    last = "0" if good[-1] != "0" else "1"
    unknown = "tac_" + "0" * 30 + "2aPJnu"
    fields = [
        [], [("Authorization", "")], [("Authorization", "Bearer")], [("Authorization", good)],
        [("Authorization", "Bearer " + good[:-1])], [("Authorization", "Bearer " + good + "x")],
        [("Authorization", "Bearer " + good[:-1] + last)], [("Authorization", "Bearer  " + good)],
        [("Authorization", "Basic " + good)], [("Authorization", "Bearer " + good + " x")],
        [("Authorization", "Bearer " + revoked)], [("Authorization", "Bearer " + unknown)],
        [("Authorization", "Bearer " + good.upper())], [("X-Api-Key", good)],
        [("Authorization", "Bearer \u00e9" + good[1:])],
    ]
    seen = set()
    for one in fields:
        answer = api(server, "GET", "/user/me", fields=one)
        assert answer.status == 401, one
        check_head(answer, ALWAYS + ["www-authenticate"])
        seen.add(without_changing_parts(answer))
    assert len(seen) == 1


def test_a_key_in_the_url_is_not_taken(server):
    for query in ("?key=", "?token=", "?api_key=", "?access_token=", "?Authorization=Bearer%20"):
        assert api(server, "GET", "/user/me" + query + server.admin).status == 401


def test_the_scheme_is_taken_in_any_case(server):
    for scheme in ("Bearer", "bearer", "BEARER", "bEaReR"):
        for name in ("Authorization", "authorization", "AUTHORIZATION"):
            answer = api(server, "GET", "/user/me",
                         fields=[(name, scheme + " " + server.admin)])
            assert answer.status == 200


def test_a_foreign_and_a_missing_project_look_the_same(server):
    """Raw bytes but for request id, date and rate counters."""
    requests = [("GET", "/projects/%s"), ("GET", "/projects/%s/secrets"),
                ("POST", "/projects/%s/secrets"), ("DELETE", "/projects/%s/secrets/A"),
                ("DELETE", "/projects/%s/secrets/lower")]
    for key in (server.member, server.reader, server.writer):
        for method, target in requests:
            for body in (NEW, b"{", b"x" * 65536) if method == "POST" else (None,):
                seen = {without_changing_parts(api(server, method, target % project, key, body,
                                                   TEXT if body == b"{" else ()))
                        for project in ("other", "none", "0", "a" * 64, "a" * 65, "..", "%41")}
                assert len(seen) == 1, (method, target)
                assert seen.pop().startswith("HTTP/1.1 404 ")


def test_deleting_a_foreign_project_is_404_before_403(server):
    assert [api(server, "DELETE", "/projects/" + one, server.member).status
            for one in ("other", "none", "p")] == [404, 404, 403]


def test_a_malformed_project_id_is_not_found(server):
    for one in ("-a", "_a", "a.b", "a%2Fb", "a b".replace(" ", "%20"), "a" * 65, "%00", "\u00e9"):
        answer = api(server, "GET", "/projects/%s/secrets" % one, server.admin)
        assert (answer.status, answer.code()) == (404, "NOT_FOUND"), one


def test_project_ids_of_64_characters(server):
    longest = "a" * 64
    assert api(server, "GET", "/projects/%s/secrets" % longest, server.admin).status == 404
    server.make_project(longest)
    assert api(server, "GET", "/projects/%s/secrets" % longest, server.admin).status == 200


# --- routes and methods ---

ROUTES = [
    ("/api/v1/projects", "GET, POST"), ("/api/v1/projects/p", "GET, DELETE"),
    ("/api/v1/projects/p/secrets", "GET, POST"), ("/api/v1/projects/p/secrets/A", "DELETE"),
    ("/api/v1/projects/p/secrets/lower", "DELETE"), ("/api/v1/api-keys", "GET, POST"),
    ("/api/v1/api-keys/x", "DELETE"), ("/api/v1/user/me", "GET"), ("/livez", "GET"),
    ("/readyz", "GET"), ("/healthz", "GET"),
]
METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW"]


def test_other_methods_are_405_with_allow(server):
    for target, allowed in ROUTES:
        for method in METHODS:
            if method in allowed.split(", "):
                continue
            for key in (None, server.admin):  # the route comes before the key
                answer = ask(server, request(method, target, (), b"", key))
                assert (answer.status, answer.code()) == (405, "METHOD_NOT_ALLOWED"), (method,
                                                                                        target)
                assert answer.get("Allow") == allowed
                check_head(answer, ALWAYS + ["allow"])


def test_head_is_405_with_allow(server):
    for target, allowed in ROUTES:
        answer = ask(server, request("HEAD", target, [("Connection", "close")]), to_head=True)
        assert (answer.status, answer.get("Allow")) == (405, allowed)


UNKNOWN = [
    "/", "/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/projects", "/api/v1/projects/",
    "/api/v1/projects//secrets", "/api/v1/projects/p/", "/api/v1/projects/p/secrets/",
    "/api/v1/projects/p/secrets/A/", "/api/v1/projects/p/secrets/A/B", "/api/v1/projects/p/other",
    "/api/v1/user", "/api/v1/user/me/", "/api/v1/user/you", "/api/v1/Projects",
    "/API/v1/projects", "//api/v1/projects", "/api/v1//projects", "/api/v1/api-keys/",
    "/api/v1/./projects", "/api/v1/x/../projects", "/api/v1/project%73", "/livez/", "/Livez",
    "/livez%20", "/favicon.ico", "/robots.txt", "/api/v1/projects#x", "/api/v1/projects;x",
    "/api/v1/projectsx", "/api/v1/projects/p/secretsx", "/metrics", "/\\", "/api/v1/livez",
]


def test_unknown_routes(server):
    for target in UNKNOWN:
        for method in ("GET", "POST", "DELETE", "PUT"):
            for key in (None, server.admin):
                answer = ask(server, request(method, target, (), b"", key))
                assert (answer.status, answer.body) == (404, error("NOT_FOUND", "Not found")), (
                    method, target)
                check_head(answer, ALWAYS)


def test_a_query_changes_nothing(server):
    plain = api(server, "GET", "/projects", server.admin)
    for query in ("?", "?a=b", "?a=b&c=/projects/p", "??", "?/", "?limit=1&page=2"):
        answer = api(server, "GET", "/projects" + query, server.admin)
        assert (answer.status, answer.body) == (200, plain.body)
        assert ask(server, request("GET", "/livez" + query)).status == 200


def test_percent_encoding_in_a_path_is_not_decoded(server):
    assert api(server, "GET", "/projects/%70/secrets", server.admin).status == 404
    answer = api(server, "DELETE", "/projects/p/secrets/KEP%54", server.admin)
    assert (answer.status, answer.code()) == (400, "VALIDATION_ERROR")
    assert "KEPT" in server.values("p")


def test_keys_in_a_path(server):
    def remove(name):
        answer = api(server, "DELETE", "/projects/p/secrets/" + name, server.admin)
        return answer.status, answer.body
    wrong = 400, error("VALIDATION_ERROR", "The request is not valid",
                       ("key", "must match ^[A-Z][A-Z0-9_]{0,63}$"))
    right = 200, b'{"data":{"success":true,"existed":false}}'
    for name in ("lower", "A-B", "1A", "_A", "A" * 65, "A.B", "A%20B", "AB%00", "\u00c4", "Ab"):
        assert remove(name) == wrong, name
    for name in ("A", "A" * 64, "A_", "A9", "Z" + "_" * 63):
        assert remove(name) == right, name


def test_health(server):
    for target in ("/livez", "/readyz", "/healthz"):
        for key in (None, "nonsense", server.admin):
            answer = ask(server, request("GET", target, key=key))
            assert (answer.status, answer.body) == (200, b'{"data":{"status":"ok"}}')
            check_head(answer, ALWAYS)


# --- the order of checks ---

def test_order_of_checks():
    """Each row breaks one check and all that come after it; the earlier one answers."""
    with Server(limits_failed_auth_per_minute=2, limits_writes_per_minute=3,
                limits_secrets_per_project=1) as server:
        server.make_project("full")
        server.make_project("other")
        server.put("full", "A", "value")

        def key(**more):
            return server.make_key(projects=["full"], **more)

        def send(project, who, content_type, body, method="POST", length=None):
            fields = [("Content-Type", content_type)]
            if length is not None:
                fields.append(("Content-Length", length))
            data = request(method, "/api/v1/projects/%s/secrets" % project, fields,
                           body if length is None else None, who)
            answer = ask(server, data)
            return answer.status, answer.code()

        empty = key(permissions=["read"])
        for _ in range(3):
            send("full", empty, "application/json", b"{")
        reader, writer = key(permissions=["read"]), key(permissions=["write"])
        bad = "text/plain", b"{"
        new = json.dumps({"key": "NEW", "value": "v"}).encode()
        # framing, then method, then key, ...
        assert send("other", "bad", *bad, method="PUT", length="x") == (400, "VALIDATION_ERROR")
        assert send("other", "bad", *bad, method="PUT", length="65537") == (413,
                                                                           "PAYLOAD_TOO_LARGE")
        assert send("other", "bad", *bad, method="PUT") == (405, "METHOD_NOT_ALLOWED")
        assert send("other", "bad", *bad) == (401, "UNAUTHORIZED")
        assert send("other", "bad", *bad) == (401, "UNAUTHORIZED")
        assert send("other", "bad", *bad) == (429, "RATE_LIMITED")  # failed authentication
        assert send("other", empty, *bad) == (429, "RATE_LIMITED")
        assert send("other", reader, *bad) == (404, "NOT_FOUND")
        assert send("full", reader, *bad) == (403, "FORBIDDEN")
        assert send("full", writer, *bad) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert send("full", writer, "application/json", b"{") == (400, "VALIDATION_ERROR")
        writer = key(permissions=["write"])
        assert send("full", writer, "application/json", new) == (409, "SECRET_LIMIT_EXCEEDED")
        # and each pair of neighbours alone
        writer, reader = key(permissions=["write"]), key(permissions=["read"])
        assert send("full", writer, "text/plain", new) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert send("full", reader, "application/json", new) == (403, "FORBIDDEN")
        assert send("other", writer, "application/json", new) == (404, "NOT_FOUND")
        assert send("full", empty, "application/json", new) == (429, "RATE_LIMITED")


def test_permission_comes_before_the_key_of_the_path(server):
    for who, status in ((server.reader, 403), (server.member, 400)):
        assert api(server, "DELETE", "/projects/p/secrets/lower", who).status == status


def test_admin_endpoints_check_permission_before_body(server):
    for target in ("/projects", "/api-keys"):
        assert api(server, "POST", target, server.member, b"{", TEXT).status == 403
        assert api(server, "POST", target, server.admin, b"{", TEXT).status == 415
        assert api(server, "POST", target, server.admin, b"{").status == 400


def test_content_types(server):
    def status(*types):
        return api(server, "POST", "/projects/p/secrets", server.member,
                   {"key": "TYPED", "value": "v"}, [("Content-Type", t) for t in types]).status
    taken = ["application/json", "Application/JSON", "application/json; charset=utf-8",
             "application/json;charset=latin1", "application/json ; a=b; c=d", "application/json;"]
    refused = ["text/plain", "application/jsonp", "application/json-patch+json", "json", "*/*",
               "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
               "text/plain; application/json", "application/json, text/plain"]
    assert status() == 200
    for one in taken:
        assert status(one) == 200, one
    for one in refused:
        assert status(one) == 415, one


# --- headers of every answer ---

def test_own_request_id_is_taken_over(server):
    for own in ("a", "A" * 128, "0.9_x-Y", "--", "...", "9"):
        for target, status in (("/livez", 200), ("/api/v1/user/me", 401), ("/none", 404)):
            answer = ask(server, request("GET", target, [("X-Request-Id", own)]))
            assert (answer.status, answer.get("X-Request-Id")) == (status, own)
        answer = ask(server, request("GET", "/livez", [("x-REQUEST-id", " \t" + own + "\t ")]))
        assert answer.get("X-Request-Id") == own


def test_another_request_id_is_replaced(server):
    for own in ("", "A" * 129, "a b", "a/b", "a,b", "\u00e9", 'a"b', "<script>", "a:b", "a\tb"):
        answer = ask(server, request("GET", "/livez", [("X-Request-Id", own)]))
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", answer.get("X-Request-Id"))
        assert answer.get("X-Request-Id") != own


def test_request_ids_of_its_own_are_all_different(server):
    with over_tcp(server) as wire:
        wire.send(request("GET", "/livez") * 1000)
        assert len({wire.answer().get("X-Request-Id") for _ in range(1000)}) == 1000


def test_writes_take_the_request_id_over_too(server):
    answer = api(server, "POST", "/projects/p/secrets", server.member, NEW,
                 [("X-Request-Id", "own-write")])
    assert (answer.status, answer.get("X-Request-Id")) == (200, "own-write")


def test_a_refused_request_keeps_its_request_id(server):
    mine = ("X-Request-Id", "mine")
    too_large = ask(server, request("POST", "/x", [mine, ("Content-Length", "65537")]))
    no_length = ask(server, request("POST", "/x", [mine]))
    assert (too_large.status, too_large.get("X-Request-Id")) == (413, "mine")
    assert (no_length.status, no_length.get("X-Request-Id")) == (411, "mine")


def test_the_date_is_now(server):
    from email.utils import parsedate_to_datetime
    date = ask(server, request("GET", "/livez")).get("Date")
    assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 5


def test_nothing_names_the_server_or_its_version(server):
    answer = ask(server, request("GET", "/livez"))
    assert answer.get("Server") is None and answer.get("X-Powered-By") is None


def test_cors_is_off(server):
    for method in ("OPTIONS", "GET"):
        answer = ask(server, request(method, "/api/v1/projects",
                                     [("Origin", "http://evil.example"),
                                      ("Access-Control-Request-Method", "GET")], key=server.admin))
        assert not [n for n in answer.names() if n.startswith("access-control")]


# --- rate headers ---

def rate_of(answer):
    return [answer.get(name) for name in (
        "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit-Policy",
        "RateLimit")]


def test_rate_headers_of_a_fresh_key():
    """Exact: three requests pipelined take well under half a second."""
    with Server(limits_reads_per_minute=120, limits_writes_per_minute=30) as server:
        server.make_project("p")
        key = server.make_key(permissions=["read", "write"])
        read = request("GET", "/api/v1/projects/p/secrets", key=key)
        write = request("POST", "/api/v1/projects/p/secrets", (), {"key": "A", "value": "v"}, key)
        with over_tcp(server) as wire:
            wire.send(read + read + read + write + write)
            got = [wire.answer() for _ in range(5)]
        assert [rate_of(one) for one in got] == [
            ["120", "119", "1", '"read";q=120;w=60', '"read";r=119;t=1'],
            ["120", "118", "1", '"read";q=120;w=60', '"read";r=118;t=1'],
            ["120", "117", "2", '"read";q=120;w=60', '"read";r=117;t=2'],
            ["30", "29", "2", '"write";q=30;w=60', '"write";r=29;t=2'],
            ["30", "28", "4", '"write";q=30;w=60', '"write";r=28;t=4'],
        ]


def test_rate_headers_without_a_limit(server):
    answer = api(server, "GET", "/user/me", server.admin)
    assert rate_of(answer) == [UNLIMITED, UNLIMITED, "0", '"read";q=%s;w=60' % UNLIMITED,
                               '"read";r=%s;t=0' % UNLIMITED]
    check_head(answer, ALWAYS + RATE)


def test_the_local_owner_is_not_limited_and_has_no_rate_headers():
    with Server(limits_reads_per_minute=1, limits_writes_per_minute=1) as server:
        with over_unix(server.api_socket) as wire:
            for _ in range(10):
                wire.send(request("GET", "/api/v1/user/me"))
                answer = wire.answer()
                assert answer.status == 200
                check_head(answer, ALWAYS)


# --- tags ---

def listed(server, project, *tags):
    return api(server, "GET", "/projects/%s/secrets" % project, server.admin,
               fields=[("If-None-Match", tag) for tag in tags])


def test_tags_of_lists_and_secrets(server):
    server.make_project("tags")
    empty = listed(server, "tags")
    assert re.fullmatch(r'"\d+"', empty.get("ETag"))
    assert empty.names() == sorted(ALWAYS + RATE + ["etag"])
    post = {"key": "A", "value": "one"}
    first = api(server, "POST", "/projects/tags/secrets", server.admin, post)
    assert listed(server, "tags").get("ETag") == first.get("ETag")  # one counter
    second = api(server, "POST", "/projects/tags/secrets", server.admin, post)
    tags = [int(one.get("ETag").strip('"')) for one in (empty, first, second)]
    assert tags == sorted(set(tags))
    removed = api(server, "DELETE", "/projects/tags/secrets/A", server.admin)
    assert removed.get("ETag") is None
    assert int(listed(server, "tags").get("ETag").strip('"')) > tags[-1]
    before = listed(server, "tags").get("ETag")
    assert api(server, "DELETE", "/projects/tags/secrets/A", server.admin).status == 200
    assert listed(server, "tags").get("ETag") == before  # nothing changed


def test_if_none_match(server):
    server.make_project("cond")
    server.put("cond", "A", "value")
    tag = listed(server, "cond").get("ETag")
    number = tag.strip('"')
    for same in (tag, "W/" + tag, "*", '"x", ' + tag, '"x",W/%s ,"y"' % tag, "  %s  " % tag,
                 ", ," + tag):
        answer = listed(server, "cond", same)
        assert (answer.status, answer.body) == (304, b""), same
        assert answer.names() == sorted(
            set(ALWAYS + RATE + ["etag"]) - {"content-type", "content-length"})
        assert answer.get("ETag") == tag
    for other in ('"x"', number, '"%s0"' % number, '"0%s"' % number, "w/" + tag, '""', "",
                  '"%d"' % (int(number) - 1), tag[:-1], "**"):
        answer = listed(server, "cond", other)
        assert (answer.status, answer.get("ETag")) == (200, tag), other


def test_304_keeps_the_connection_in_step(server):
    server.make_project("step")
    tag = listed(server, "step").get("ETag")
    data = request("GET", "/api/v1/projects/step/secrets", [("If-None-Match", tag)],
                   key=server.admin)
    with over_tcp(server) as wire:
        wire.send(data * 3 + request("GET", "/livez"))
        assert [wire.answer().status for _ in range(4)] == [304, 304, 304, 200]


def test_if_none_match_only_where_there_is_a_tag(server):
    every = [("If-None-Match", "*")]
    for target in ("/projects", "/projects/p", "/user/me", "/api-keys"):
        assert api(server, "GET", target, server.admin, fields=every).status == 200
    assert api(server, "GET", "/projects/none/secrets", server.admin, fields=every).status == 404
    assert api(server, "GET", "/projects/p/secrets", server.writer, fields=every).status == 403
    assert api(server, "POST", "/projects/p/secrets", server.admin, NEW, every).status == 200


def test_what_was_deleted_and_made_again_has_a_new_tag(server):
    def tag_of_secret():
        return api(server, "POST", "/projects/again/secrets", server.admin,
                   {"key": "A", "value": "same"}).get("ETag")
    seen = set()
    for _ in range(5):
        server.make_project("again")
        empty = listed(server, "again").get("ETag")
        secret = tag_of_secret()
        assert not {empty, secret} & seen
        for old in seen:
            assert listed(server, "again", old).status == 200
        seen |= {empty, secret}
        server.owner("DELETE", "/projects/again/secrets/A")
        again = tag_of_secret()
        assert again not in seen
        seen.add(again)
        server.owner("DELETE", "/projects/again")


def test_tags_do_not_start_again_after_a_restart():
    with Server() as server:
        server.make_project("p")
        server.put("p", "A", "v")
        before = server.owner("GET", "/projects/p/secrets").headers["ETag"]
        server.owner("DELETE", "/projects/p")
        for how in (15, 9):
            server.restart(how)
            server.make_project("p")
            after = server.owner("GET", "/projects/p/secrets").headers["ETag"]
            assert int(after.strip('"')) > int(before.strip('"'))
            server.owner("DELETE", "/projects/p")
            before = after


# --- times ---

def test_times_have_three_digits_and_do_not_go_back(server):
    server.make_project("times")
    before = ""
    for _ in range(50):
        secret = server.put("times", "A", "v")
        assert re.fullmatch(TIME, secret["createdAt"]) and re.fullmatch(TIME, secret["updatedAt"])
        assert secret["updatedAt"] >= before and secret["updatedAt"] >= secret["createdAt"]
        before = secret["updatedAt"]

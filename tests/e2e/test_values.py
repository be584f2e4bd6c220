"""Values: what is taken comes out of `tacit run` byte for byte; what is refused changes nothing."""
import json
import sys

import pytest

from harness import Server
from rawhttp import ask, over_tcp, request

EMOJI = "\U0001f511"
# Reads the whole environment block, as the kernel has it, and writes it out.
DUMP = [sys.executable, "-S", "-c",
        "import sys; sys.stdout.buffer.write(open('/proc/self/environ','rb').read())"]


@pytest.fixture(scope="module")
def server():
    with Server(limits_secrets_per_project=1000) as one:
        one.make_project("p")
        one.key = one.make_key()
        yield one


def post(server, body, project="p"):
    return ask(server, request("POST", "/api/v1/projects/%s/secrets" % project, (), body,
                               server.key))


def body_of(literal, name="V"):
    """A body with this text, as bytes, between the quotes of the value."""
    return b'{"key":"%s","value":"%s"}' % (name.encode(), literal)


def delivered(server, project="p"):
    """The environment as a program that `tacit run` starts has it, as bytes."""
    done = server.cli("run", "--project", project, "--", *DUMP)
    assert done.returncode == 0, done.stderr
    return dict(entry.split(b"=", 1) for entry in done.stdout.split(b"\0") if b"=" in entry)


def as_escapes(text):
    units = text.encode("utf-16-be")
    return b"".join(b"\\u%02x%02x" % (units[i], units[i + 1]) for i in range(0, len(units), 2))


CONTROLS = "".join(map(chr, range(1, 0x20))) + "\x7f\x80\x85\x9f"

# name, the value's text
TAKEN = [
    ("one character", "x"),
    ("one space", " "),
    ("one newline", "\n"),
    ("one emoji", EMOJI),
    ("4096 letters", "a" * 4096),
    ("4096 emoji", EMOJI * 4096),
    ("4096 of two bytes", "\u00e9" * 4096),
    ("4096 of three bytes", "\u4e2d" * 4096),
    ("4096 mixed", ("a\u00e9\u4e2d" + EMOJI) * 1024),
    ("4096 newlines", "\n" * 4096),
    ("4096 quotes", '"' * 4096),
    ("4096 backslashes", "\\" * 4096),
    ("4096 control characters", "\x01" * 4096),
    ("quotes", "a\"b'c`d"),
    ("dollar", "$HOME ${HOME} $(id) $$ `id` !x %s %n"),
    ("backslashes", "\\n\\t\\\\ \\u0041 \\x41 \\"),
    ("newlines", "-----BEGIN KEY-----\nabc\n\ndef\n-----END KEY-----"),
    ("a final newline", "abc\n"),
    ("final newlines", "abc\n\n\n"),
    ("CRLF", "a\r\nb\r\n"),
    ("CR", "a\rb\r"),
    ("tabs", "\ta\tb\t"),
    ("spaces around", "  abc  "),
    ("all control characters", CONTROLS),
    ("terminal escapes", "\x1b[31mred\x1b[0m\x07"),
    ("equals", "a=b=c="),
    ("comma and hash", "a,b#c;d"),
    ("json in it", '{"a":[1,null,"x"]}'),
    ("not normalised, composed", "\u00e9"),
    ("not normalised, apart", "e\u0301"),
    ("zero width and direction", "\u200b\u202e\ufeff\u2028\u2029"),
    ("private and unassigned", "\ue000\U000f0000\U0010fffd\u0378"),
    ("noncharacters", "\ufffe\uffff\U0001ffff\U0010ffff\ufdd0"),
    ("edges", "\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"),
    ("replacement character", "\ufffd"),
    ("slashes", "https://user:pw@host/path?a=b&c=%20"),
    ("numbers", "0"),
    ("null", "null"),
]


def test_what_is_taken_comes_out_byte_for_byte(server):
    """Each value twice: as it is, and wholly as escapes."""
    server.make_project("taken", secretLimit=1000)
    expected = {}
    for i, (name, text) in enumerate(TAKEN):
        raw = json.dumps(text, ensure_ascii=False)[1:-1].encode()
        for literal, key in ((raw, "RAW_%d" % i), (as_escapes(text), "ESCAPED_%d" % i)):
            answer = post(server, body_of(literal, key), "taken")
            assert answer.status == 200, (name, key, answer)
            expected[key.encode()] = text.encode()
    # One environment string holds at most 128 KiB, all of them as much as the stack allows.
    got = {name: value for name, value in delivered(server, "taken").items()
           if name.startswith((b"RAW_", b"ESCAPED_"))}
    assert sorted(got) == sorted(expected)
    for name, value in expected.items():
        assert got[name] == value, name
    over_socket = server.values("taken")
    assert {k.encode(): v.encode() for k, v in over_socket.items()} == expected


def test_escapes_of_json(server):
    literal = rb'\"\\\/\b\f\n\r\t\u0001\u001f\u00e9\uD83D\uDD11\ud83d\udd11'
    assert post(server, body_of(literal, "JSON")).status == 200
    assert delivered(server)[b"JSON"] == (
        '"\\/\b\f\n\r\t\x01\x1f\u00e9' + EMOJI * 2).encode()


def test_values_survive_a_restart():
    with Server() as server:
        server.make_project("p")
        server.put("p", "LONG", EMOJI * 4096)
        server.put("p", "CONTROLS", CONTROLS)
        for how in (15, 9):
            server.restart(how)
            assert server.values("p") == {"LONG": EMOJI * 4096, "CONTROLS": CONTROLS}


# name, the literal between the quotes
REFUSED_LITERALS = [
    ("empty", b""),
    ("4097 letters", b"a" * 4097),
    ("4097 emoji", EMOJI.encode() * 4097),
    ("4097 emoji as escapes", as_escapes(EMOJI) * 4097),
    ("4097 letters as escapes", b"\\u0061" * 4097),
    ("16384 letters", b"a" * 16384),
    ("65000 letters", b"a" * 65000),
    ("NUL as escape", b"canary\\u0000canary"),
    ("NUL alone", b"\\u0000"),
    ("raw NUL", b"canary\0canary"),
    ("raw newline", b"canary\ncanary"),
    ("raw tab", b"canary\tcanary"),
    ("raw unit separator", b"canary\x1fcanary"),
    ("lone high surrogate", b"canary\\ud83d"),
    ("lone high surrogate and text", b"\\ud83dcanary"),
    ("lone low surrogate", b"canary\\udd11"),
    ("two high surrogates", b"canary\\ud83d\\ud83d"),
    ("surrogates in the wrong order", b"canary\\udd11\\ud83d"),
    ("high surrogate and an escape", b"\\ud83d\\u0041canary"),
    ("high surrogate and a newline", b"\\ud83d\\ncanary"),
    ("raw high surrogate", b"canary\xed\xa0\xbd"),
    ("raw low surrogate", b"canary\xed\xb4\x91"),
    ("raw pair of surrogates", b"canary\xed\xa0\xbd\xed\xb4\x91"),
    ("overlong NUL", b"canary\xc0\x80"),
    ("overlong slash", b"canary\xc0\xaf"),
    ("overlong of three", b"canary\xe0\x80\xaf"),
    ("overlong of three, edge", b"canary\xe0\x9f\xbf"),
    ("overlong of four", b"canary\xf0\x80\x80\xaf"),
    ("overlong of four, edge", b"canary\xf0\x8f\xbf\xbf"),
    ("beyond Unicode", b"canary\xf4\x90\x80\x80"),
    ("far beyond Unicode", b"canary\xf7\xbf\xbf\xbf"),
    ("five bytes", b"canary\xf8\x88\x80\x80\x80"),
    ("six bytes", b"canary\xfc\x84\x80\x80\x80\x80"),
    ("0xFF", b"canary\xff"),
    ("0xFE", b"canary\xfe"),
    ("continuation alone", b"canary\x80"),
    ("two of three", b"canary\xe4\xb8"),
    ("three of four", b"canary\xf0\x9f\x94"),
    ("one of two and text", b"\xc3canary"),
    ("latin-1", "canary\u00e9".encode("latin-1")),
    ("bad escape", b"canary\\x41"),
    ("short escape", b"canary\\u12"),
    ("not hexadecimal", b"canary\\u12g4"),
    ("escape in capitals", b"canary\\U00000041"),
    ("backslash at the end", b"canary\\"),
    ("open quote", b'canary"canary'),
]

REFUSED_BODIES = [
    ("no value", b'{"key":"V"}'),
    ("no key", b'{"value":"canary"}'),
    ("nothing", b"{}"),
    ("value twice", b'{"key":"V","value":"canary","value":"canary"}'),
    ("value twice, once escaped", rb'{"key":"V","value":"canary","\u0076alue":"canary"}'),
    ("key twice", b'{"key":"V","key":"W","value":"canary"}'),
    ("unknown member", b'{"key":"V","value":"canary","canary":1}'),
    ("unknown member first", b'{"x":"canary","key":"V","value":"canary"}'),
    ("member in capitals", b'{"key":"V","VALUE":"canary"}'),
    ("empty member", b'{"key":"V","value":"canary","":1}'),
    ("member with NUL", b'{"key":"V","value":"canary","a\\u0000":1}'),
    ("__proto__", b'{"key":"V","value":"canary","__proto__":{}}'),
    ("long member", b'{"key":"V","value":"canary","' + b"canary" * 1000 + b'":1}'),
    ("number", b'{"key":"V","value":123456789}'),
    ("negative", b'{"key":"V","value":-1}'),
    ("fraction", b'{"key":"V","value":1.5}'),
    ("boolean", b'{"key":"V","value":true}'),
    ("null", b'{"key":"V","value":null}'),
    ("list", b'{"key":"V","value":["canary"]}'),
    ("empty list", b'{"key":"V","value":[]}'),
    ("object", b'{"key":"V","value":{"canary":"canary"}}'),
    ("deep list", b'{"key":"V","value":' + b"[" * 1000 + b"]" * 1000 + b"}"),
    ("number as key", b'{"key":1,"value":"canary"}'),
    ("null as key", b'{"key":null,"value":"canary"}'),
    ("list as key", b'{"key":["V"],"value":"canary"}'),
    ("a list around", b'[{"key":"V","value":"canary"}]'),
    ("a text", b'"canary"'),
    ("byte-order mark", b'\xef\xbb\xbf{"key":"V","value":"canary"}'),
    ("UTF-16", '{"key":"V","value":"canary"}'.encode("utf-16-le")),
    ("trailing text", b'{"key":"V","value":"canary"}canary'),
    ("trailing NUL", b'{"key":"V","value":"canary"}\0'),
    ("second object", b'{"key":"V","value":"canary"}{"key":"V","value":"canary"}'),
    ("trailing comma", b'{"key":"V","value":"canary",}'),
    ("comma first", b'{,"key":"V","value":"canary"}'),
    ("no quotes", b'{key:"V",value:"canary"}'),
    ("single quotes", b"{'key':'V','value':'canary'}"),
    ("comment", b'{"key":"V","value":"canary"/*canary*/}'),
    ("NaN", b'{"key":"V","value":NaN}'),
    ("no end", b'{"key":"V","value":"canary"'),
    ("no end of the text", b'{"key":"V","value":"canary'),
    ("form", b"key=V&value=canary"),
    ("empty", b""),
    ("null around", b"null"),
    ("vertical tab", b'\x0b{"key":"V","value":"canary"}'),
    ("no-break space", b'\xc2\xa0{"key":"V","value":"canary"}'),
]


def test_what_is_refused_changes_nothing_and_is_not_echoed(server):
    server.make_project("refused")
    server.put("refused", "V", "before")
    before = server.owner("GET", "/projects/refused/secrets")
    rows = [(name, body_of(literal)) for name, literal in REFUSED_LITERALS] + REFUSED_BODIES
    wrong = []
    with over_tcp(server) as wire:  # one connection: a refused body leaves it in step
        for name, body in rows:
            wire.send(request("POST", "/api/v1/projects/refused/secrets", (), body, server.key))
            answer = wire.answer()
            if (answer.status, answer.code()) != (400, "VALIDATION_ERROR"):
                wrong.append((name, answer.raw[:300]))
            if b"canary" in answer.raw or b"aaaa" in answer.raw or len(answer.raw) > 1024:
                wrong.append((name, "echoed", answer.raw[:300]))
            if answer.json["error"]["details"][0]["field"] not in ("key", "value", "body"):
                wrong.append((name, "field", answer.raw[:300]))
    assert wrong == []
    after = server.owner("GET", "/projects/refused/secrets")
    assert (after.body, after.headers["ETag"]) == (before.body, before.headers["ETag"])
    assert server.values("refused") == {"V": "before"}
    assert "canary" not in server.log()


def test_the_field_that_is_wrong_is_named(server):
    def details(body):
        return post(server, body).json["error"]["details"]
    assert details(body_of(b"")) == [{"field": "value", "issue": "must not be empty"}]
    assert details(body_of(b"a" * 4097)) == [{"field": "value", "issue": "is too long"}]
    assert details(body_of(b"\\u0000")) == [{"field": "value",
                                             "issue": "must not contain U+0000"}]
    assert details(b'{"key":"V"}') == [{"field": "value", "issue": "is required"}]
    assert details(b'{"key":"V","value":1}') == [{"field": "value",
                                                  "issue": "has the wrong type"}]


def test_the_longest_body_that_can_be_needed(server):
    """4096 emoji as escapes, and what is left of 64 KiB as white space."""
    body = body_of(as_escapes(EMOJI) * 4096, "LONGEST")
    assert 49000 < len(body) < 49300
    assert post(server, body + b" " * (65536 - len(body))).status == 200
    assert post(server, body + b" " * (65537 - len(body))).status == 413
    assert delivered(server)[b"LONGEST"] == EMOJI.encode() * 4096


def test_a_value_in_any_cut(server):
    text = 'a\\"\u00e9\u4e2d%s\n' % EMOJI
    data = request("POST", "/api/v1/projects/p/secrets", (), body_of(
        as_escapes(text) + json.dumps(text, ensure_ascii=False)[1:-1].encode(), "CUT"), server.key)
    for at in range(data.index(b"\r\n\r\n"), len(data), 3):
        with over_tcp(server) as wire:
            wire.raw.sendall(data[:at])
            wire.raw.sendall(data[at:])
            assert wire.answer().status == 200, at
    assert server.values("p")["CUT"] == text * 2


def test_two_values_on_one_connection_do_not_mix(server):
    data = b"".join(
        request("POST", "/api/v1/projects/p/secrets", (),
                body_of(chr(97 + i).encode() * n, "MIX_%d" % i), server.key)
        for i, n in enumerate((4096, 1, 100, 7, 4000)))
    for how in ("whole", "split"):
        with over_tcp(server) as wire:
            wire.send(data, how, 5)
            assert [wire.answer().status for _ in range(5)] == [200] * 5
    values = server.values("p")
    for i, n in enumerate((4096, 1, 100, 7, 4000)):
        assert values["MIX_%d" % i] == chr(97 + i) * n


# --- the last four ---

LAST_FOUR = [
    ("1234567", ""), ("12345678", "5678"), ("x", ""), (EMOJI * 7, ""), (EMOJI * 8, EMOJI * 4),
    ("\u00e9" * 7, ""), ("abcd\u00e9\u4e2d" + EMOJI + "z", "\u00e9\u4e2d" + EMOJI + "z"),
    ("12345\n\t\r\n", "\n\t\r\n"), ('123456"\\"\\', '"\\"\\'), ("       1", "   1"),
    ("abcde\u0301\u0301\u0301", "\u0065\u0301\u0301\u0301"), ("1" * 4096, "1111"),
    (EMOJI * 4096, EMOJI * 4), ("1234567\x01", "567\x01"),
]


def test_last_four(server):
    for value, last_four in LAST_FOUR:
        secret = server.put("p", "FOUR", value)
        assert secret["lastFour"] == last_four, value
        listed = server.owner("GET", "/projects/p/secrets").data()["secrets"]
        assert [one["lastFour"] for one in listed if one["key"] == "FOUR"] == [last_four]


def test_last_four_from_five_characters_on():
    with Server(limits_last_four_min_length=5) as server:
        server.make_project("p")
        for value, last_four in (("1234", ""), ("12345", "2345"), (EMOJI * 4, ""),
                                 (EMOJI * 5, EMOJI * 4)):
            assert server.put("p", "A", value)["lastFour"] == last_four
        server.settings["limits_last_four_min_length"] = "4096"
        server.restart()
        assert server.put("p", "A", "1" * 4095)["lastFour"] == ""
        assert server.put("p", "A", "1" * 4096)["lastFour"] == "1111"


def test_last_four_is_never_of_less_than_five():
    for wrong in ("4", "0", "-1", "4097", "x", ""):
        status, _, stderr = Server(limits_last_four_min_length=wrong).run_to_end()
        assert (status, "TACIT_LIMITS_LAST_FOUR_MIN_LENGTH" in stderr) == (1, True), wrong

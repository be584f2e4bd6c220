"""What a restart may not change besides what was acknowledged (test_kill_campaign)."""
import signal

from harness import Server


def test_versions_of_what_is_made_again_are_new():
    """A project or key that was deleted and made again cannot answer to an old tag."""
    with Server() as server:
        key = server.make_key()
        tags = []
        for turn in range(6):
            server.make_project("proj_again")
            for _ in range(2):
                answer = server.call("POST", "/projects/proj_again/secrets",
                                     {"key": "SAME", "value": "the same value"}, key)
                tags.append(int(answer.headers["ETag"].strip('"')))
                listed = server.call("GET", "/projects/proj_again/secrets", key=key)
                tags.append(int(listed.headers["ETag"].strip('"')))
                assert server.call("DELETE", "/projects/proj_again/secrets/SAME", key=key).status \
                    == 200
            assert server.call("DELETE", "/projects/proj_again", key=key).status == 200
            server.restart(signal.SIGKILL if turn % 2 else signal.SIGTERM)
        own, lists = tags[::2], tags[1::2]
        assert own == sorted(set(own)) and lists == sorted(set(lists))

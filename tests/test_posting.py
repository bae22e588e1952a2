"""The body of a POST, however it is cut, and what the WebSocket library sees of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.posting import MOST_BODY_BYTES, MOST_HEAD_BYTES, Post

HEAD = b"POST /tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nX: Content-Length: 9\r\n\r\n"
BODY = b'{"a": "b\r\n"}'
SEEN = b"POST /tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nX: Content-Length: 9\r\n\r\n"


@given(st.sets(st.integers(1, len(HEAD + BODY) - 1)))
def test_it_is_the_same_however_it_arrives(cuts):
    post, whole, seen, begin = Post(), HEAD + BODY, [], 0
    for cut in [*sorted(cuts), len(whole)]:
        seen.append(post.feed(whole[begin:cut]))
        begin = cut

    assert seen[-1] == SEEN
    assert not any(seen[:-1])
    assert post.body == BODY


def test_without_a_length_there_is_no_body():
    post = Post()

    assert post.feed(b"POST / HTTP/1.1\r\n\r\nrest") == b"POST / HTTP/1.1\r\n\r\n"
    assert (post.body, post.too_large) == (b"", False)


@pytest.mark.parametrize("length", [MOST_BODY_BYTES + 1, 10**11])
def test_a_body_beyond_the_bound_is_not_kept(length):
    post = Post()
    head = f"POST / HTTP/1.1\r\ncontent-length:{length}\r\n\r\n".encode()

    assert post.feed(head + b"begin") == b"POST / HTTP/1.1\r\ncontent-length:0\r\n\r\n"
    assert (post.too_large, post.body, post.feed(b"more")) == (True, b"", b"")


def test_a_head_without_an_end_is_left_to_the_library():
    post = Post()
    data = b"POST /" + b"x" * MOST_HEAD_BYTES

    assert post.feed(data[:100]) == b""
    assert post.feed(data[100:]) == data
    assert post.feed(b"more") == b"more"


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_nothing_that_arrives_breaks_it(pieces):
    post = Post()
    for piece in (b"POST ", *pieces):
        post.feed(piece)

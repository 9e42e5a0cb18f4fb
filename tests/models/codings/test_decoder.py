"""Content codings: each body whole, byte by byte, cut everywhere, with something behind it; and bombs."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from http3_models import URL, DecodedSizeExceeded, DecodingError, Headers, Limits
from http3_models._codings import optional
from http3_models._codings.decoder import PIECE_SIZE, Decoder, SizeGuard, accept_encoding, make_decoder

brotli = pytest.importorskip("brotli")
zstd = pytest.importorskip("backports.zstd")

LIMITS = Limits()
SKIPPABLE_FRAME = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return engine.compress(data) + engine.flush()


def stored_deflate(data: bytes) -> bytes:
    """Raw deflate whose first two bytes are those of a zlib header: a stored block with odd padding."""
    size = 0x9C | 0x01 << 8
    assert len(data) == size
    return b"\x78" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + data + b"\x03\x00"


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
    "brotli": ("br", brotli.compress),
    "zstd": ("zstd", zstd.compress),
}
BODIES = {
    "empty": b"",
    "one byte": b"a",
    "text": b"the quick brown fox " * 20,
    "noise": random.Random(1).randbytes(300),
}

encodings = pytest.mark.parametrize(("coding", "encode"), ENCODERS.values(), ids=ENCODERS.keys())
bodies = pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())


def pull(decoder: Decoder) -> bytes:
    """The next decoded bytes, in as many steps as needed; b"" if all input is used."""
    while (piece := decoder.step()) == b"":
        pass
    return piece or b""


def decode(decoder: Decoder, data: bytes) -> Iterator[bytes]:
    """Feed ``data``; returns an iterator over what it is decoded to."""
    decoder.feed(data)
    return iter(partial(pull, decoder), b"")


def decoded(coding: str, data: bytes, step: int | None = None, limits: Limits = LIMITS) -> bytes:
    """Decode ``data`` fed in steps; each piece is within its bound."""
    decoder = make_decoder(Headers({"Content-Encoding": coding}), limits)
    assert decoder is not None
    out = []
    for chunk in split(data, step):
        for piece in decode(decoder, chunk):
            assert 0 < len(piece) <= PIECE_SIZE
            out.append(piece)
        assert pull(decoder) == b""
    decoder.finish()
    return b"".join(out)


def split(data: bytes, step: int | None) -> Iterator[bytes]:
    step = step or max(1, len(data))
    return (data[start : start + step] for start in range(0, len(data), step))


@encodings
@bodies
@pytest.mark.parametrize("step", [None, 1, 7])
def test_round_trip(coding: str, encode: Callable[[bytes], bytes], body: bytes, step: int | None) -> None:
    assert decoded(coding, encode(body), step) == body


@encodings
@bodies
def test_every_cut_is_an_error(coding: str, encode: Callable[[bytes], bytes], body: bytes) -> None:
    data = encode(body)
    for end in range(1, len(data)):
        for step in (None, 1):
            with pytest.raises(DecodingError):
                decoded(coding, data[:end], step)


@encodings
@bodies
@pytest.mark.parametrize("step", [None, 1])
@pytest.mark.parametrize("behind", [b"junk", b"x", b"\0\0x", b"\r\n<!-- cached -->", b"\n" * 1000 + b"x"])
def test_something_behind_the_end_is_told_as_that(
    coding: str, encode: Callable[[bytes], bytes], body: bytes, step: int | None, behind: bytes
) -> None:
    with pytest.raises(DecodingError) as caught:
        decoded(coding, encode(body) + behind, step)
    name = coding.lower().removeprefix("x-")
    assert f"has data after the end of the {name} stream" in str(caught.value)
    assert "cut" not in str(caught.value)
    # brotli raises the same error for both.
    assert ("broken" in str(caught.value)) == (name == "br" and step is None)


@encodings
@bodies
@pytest.mark.parametrize("step", [None, 1, 7])
@pytest.mark.parametrize("behind", [b"\n", b"\r\n", b"\0", b" \t\0\n", b"\0" * 2000, b"\n" * 70_000])
def test_padding_behind_the_end(
    coding: str, encode: Callable[[bytes], bytes], body: bytes, step: int | None, behind: bytes
) -> None:
    if step is None or len(behind) < 100:
        assert decoded(coding, encode(body) + behind, step) == body


@pytest.mark.parametrize(("coding", "encode"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
@pytest.mark.parametrize("step", [None, 1, 5])
def test_streams_in_a_row_and_padding_between_them(
    coding: str, encode: Callable[[bytes], bytes], step: int | None
) -> None:
    data = encode(b"one") + b"\0\0" + encode(b"") + b"\n" + encode(b"two") + b"\0"
    assert decoded(coding, data, step) == b"onetwo"


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("step", [None, 1])
def test_the_beginning_of_another_stream_is_not_enough(coding: str, step: int | None) -> None:
    encode = ENCODERS[coding][1]
    for size in range(1, 4):
        with pytest.raises(DecodingError, match="cut"):
            decoded(coding, encode(b"one") + encode(b"two")[:size], step)


@encodings
def test_no_bytes_at_all_are_an_empty_body(coding: str, encode: Callable[[bytes], bytes]) -> None:
    assert decoded(coding, b"") == b""


@encodings
def test_a_large_body_in_one_chunk(coding: str, encode: Callable[[bytes], bytes]) -> None:
    body = bytes(random.Random(2).choices(b"abcdefgh", k=600_000))
    assert decoded(coding, encode(body)) == body
    assert decoded(coding, encode(body), 10_000) == body


@encodings
@settings(deadline=None)  # other work on the machine must not fail a test
@given(body=st.binary(max_size=3000), step=st.integers(1, 500))
def test_any_body(coding: str, encode: Callable[[bytes], bytes], body: bytes, step: int) -> None:
    assert decoded(coding, encode(body), step) == body


@encodings
@settings(deadline=None)  # other work on the machine must not fail a test
@given(data=st.binary(min_size=1, max_size=200), step=st.integers(1, 50))
def test_any_bytes_decode_or_raise_our_error(
    coding: str, encode: Callable[[bytes], bytes], data: bytes, step: int
) -> None:
    try:
        decoded(coding, data, step)
    except DecodingError:
        pass


@encodings
@settings(deadline=None)  # other work on the machine must not fail a test
@given(position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_byte_gives_the_same_or_our_error_where_there_is_a_checksum(
    coding: str, encode: Callable[[bytes], bytes], position: int, flip: int
) -> None:
    body = BODIES["text"]
    data = bytearray(encode(body))
    data[position % len(data)] ^= flip
    try:
        out = decoded(coding, bytes(data))
    except DecodingError:
        return
    if encode in (gzip.compress, zlib.compress):  # gzip: a field of the header that means nothing here
        assert out == body


# gzip


@pytest.mark.parametrize("step", [None, 1])
def test_gzip_cut_in_the_second_member(step: int | None) -> None:
    first, second = gzip.compress(b"one"), gzip.compress(b"two")
    for end in range(1, len(second)):
        with pytest.raises(DecodingError, match="was cut"):
            decoded("gzip", first + second[:end], step)


def test_gzip_of_padding_alone_is_an_error() -> None:
    with pytest.raises(DecodingError) as caught:
        decoded("gzip", b"\0\0\0\0")
    assert isinstance(caught.value.__cause__, zlib.error)


# deflate


@pytest.mark.parametrize("step", [None, 1, 2, 5, 6])
def test_deflate_that_looks_like_zlib_and_is_raw(step: int | None) -> None:
    body = random.Random(3).randbytes(0x19C)
    assert decoded("deflate", stored_deflate(body), step) == body


def test_deflate_is_not_guessed_again_after_output() -> None:
    data = zlib.compress(b"hello" * 10)
    with pytest.raises(DecodingError, match="incorrect data check"):
        decoded("deflate", data[:-4] + b"\0\0\0\0")


def test_deflate_guess_keeps_little_input() -> None:
    data = b"\x78\x9c" + b"\x00\x00\x00\xff\xff" * 1000 + zlib.compress(b"")[2:]
    assert decoded("deflate", data, 100) == b""


# zstd


@pytest.mark.parametrize("step", [None, 1])
def test_zstd_frames(step: int | None) -> None:
    data = zstd.compress(b"one") + SKIPPABLE_FRAME + zstd.compress(b"two")
    assert decoded("zstd", data, step) == b"onetwo"


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("step", [None, 1, 50, 200])
def test_streams_in_a_row_of_several_pieces_each(coding: str, step: int | None) -> None:
    """The library has the next stream's beginning long before it comes to the end of its own."""
    body = b"All work and no play makes Jack a dull boy. " * 4000
    data = ENCODERS[coding][1](body)
    assert len(body) > 2 * PIECE_SIZE
    assert decoded(coding, data * 3 + b"\n", step) == body * 3
    for place in range(0, len(data) * 2, 17):  # fed while the library has output left
        decoder = make_decoder(Headers({"Content-Encoding": coding}), LIMITS)
        assert decoder is not None
        decoder.feed(data[:place] if place < len(data) else data + data[: place - len(data)])
        first = decoder.step() or b""
        decoder.feed((data * 3)[place:])
        assert first + b"".join(decode(decoder, b"")) == body * 3
        decoder.finish()


@pytest.mark.parametrize("step", [None, 1, 4])
def test_zstd_frames_of_another_size_than_announced(step: int | None) -> None:
    """The library misses it where the last block is empty, and the frame came in pieces."""
    empty = b"\x28\xb5\x2f\xfd\x20\xdc" + b"\x01\x00\x00"
    short = b"\x28\xb5\x2f\xfd\x20\x06" + b"\x18\x00\x00abc" + b"\x01\x00\x00"
    for data in (empty, short, zstd.compress(b"x") + short):
        with pytest.raises(DecodingError, match="is broken"):
            decoded("zstd", data, step)
    assert decoded("zstd", short.replace(b"\x06", b"\x03"), step) == b"abc"
    assert decoded("zstd", zstd.compress(b""), step) == b""


def test_zstd_window_above_8_mib_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 24, zstd.CompressionParameter.content_size_flag: 0}
    engine = zstd.ZstdCompressor(options=options)
    data = engine.compress(bytes(100_000)) + engine.flush()
    assert zstd.decompress(data) == bytes(100_000)
    with pytest.raises(DecodingError):
        decoded("zstd", data)


# several codings, and which


@pytest.mark.parametrize("step", [None, 1, 3])
def test_codings_in_a_row(step: int | None) -> None:
    body = BODIES["text"]
    data = zstd.compress(brotli.compress(raw_deflate(gzip.compress(body))))
    assert decoded("gzip, deflate,, identity , br,zstd", data, step) == body


def test_cut_in_an_inner_coding() -> None:
    with pytest.raises(DecodingError, match="deflate"):
        decoded("deflate, gzip", gzip.compress(zlib.compress(b"abc")[:-1]))


@pytest.mark.parametrize(
    "coding", [None, "", "identity", "identity, identity", "compress", "gzip, rot13", "foo, gzip"]
)
def test_nothing_to_decode(coding: str | None) -> None:
    assert make_decoder(Headers({} if coding is None else {"Content-Encoding": coding}), LIMITS) is None


def test_too_many_codings() -> None:
    data = b"x"
    for _ in range(5):
        data = gzip.compress(data)
    assert decoded(", ".join(["gzip"] * 5), data) == b"x"
    with pytest.raises(DecodingError, match="6 content codings in a row, max_codings=5"):
        make_decoder(Headers({"Content-Encoding": ", ".join(["gzip"] * 6)}), LIMITS)
    with pytest.raises(DecodingError, match="max_codings=1"):
        make_decoder(Headers({"Content-Encoding": "gzip, gzip"}), Limits(max_codings=1))


@pytest.mark.parametrize(("library", "coding"), [("brotli_library", "br"), ("zstd_library", "zstd")])
def test_without_its_library_a_coding_is_unknown(
    monkeypatch: pytest.MonkeyPatch, library: str, coding: str
) -> None:
    monkeypatch.setattr(optional, library, lambda: None)
    assert make_decoder(Headers({"Content-Encoding": coding}), LIMITS) is None


def test_accept_encoding_of_all_extras() -> None:
    assert accept_encoding() == "gzip, deflate, br, zstd"


@pytest.mark.parametrize(
    ("absent", "value"),
    [
        (["brotli", "brotlicffi"], "gzip, deflate, zstd"),
        (["backports.zstd", "_zstd", "compression.zstd"], "gzip, deflate, br"),
        (["brotli", "brotlicffi", "backports", "_zstd", "compression.zstd"], "gzip, deflate"),
    ],
)
def test_accept_encoding_without_extras(absent: list[str], value: str) -> None:
    """In an interpreter in which the libraries can't be found, or can't be imported."""
    program = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in {absent!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
from http3_models._codings.decoder import accept_encoding
print(accept_encoding())
assert not {{"zstd", "backports.zstd", "compression.zstd"}} & set(sys.modules) or sys.version_info >= (3, 14)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (run.stdout.strip(), run.stderr) == (value, "")


def test_an_old_brotli_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class OldDecompressor:
        pass

    monkeypatch.setattr(brotli, "Decompressor", OldDecompressor)
    assert optional.brotli_library.__wrapped__() is None


def test_brotlicffi_in_place_of_brotli(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    monkeypatch.setitem(sys.modules, "brotlicffi", brotli)
    assert optional.brotli_library.__wrapped__() is brotli
    monkeypatch.setitem(sys.modules, "brotlicffi", None)
    assert optional.brotli_library.__wrapped__() is None


def test_no_zstd_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("backports", "backports.zstd", "compression", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    assert optional.zstd_library.__wrapped__() is None


# bounds


@encodings
def test_a_bomb_needs_no_memory(coding: str, encode: Callable[[bytes], bytes]) -> None:
    size = 30_000_000
    data = encode(bytes(size))
    decoder = make_decoder(Headers({"Content-Encoding": coding}), LIMITS)
    assert decoder is not None
    tracemalloc.start()
    try:
        total = sum(map(len, decode(decoder, data)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == size
    assert peak < 1_000_000


def test_pieces_are_made_on_demand_and_none_is_lost() -> None:
    body = random.Random(4).randbytes(100_000) + bytes(400_000)
    data = gzip.compress(body)
    decoder = make_decoder(Headers({"Content-Encoding": "gzip"}), LIMITS)
    assert decoder is not None
    start, rest = data[:50_000], data[50_000:]
    out = [next(decode(decoder, start))]  # this iterator is left unfinished
    out += decode(decoder, rest)
    decoder.finish()
    assert b"".join(out) == body


@pytest.mark.parametrize("url", [None, URL("https://user:secret@example.org/x")])
def test_messages(url: URL | None) -> None:
    decoder = make_decoder(Headers({"Content-Encoding": "gzip"}), LIMITS, url=url)
    assert decoder is not None
    with pytest.raises(DecodingError) as caught:
        list(decode(decoder, b"no gzip at all"))
    text = str(caught.value)
    assert "secret" not in text
    assert ("example.org/x" in text) == (url is not None)
    assert "is broken (" in text
    assert "14 bytes were received that are no complete gzip data" in text
    assert isinstance(caught.value.__cause__, zlib.error)


def test_max_decoded_always_holds() -> None:
    guard = SizeGuard(Limits(max_decoded=100), bounded_ratio=False)
    guard.received(1000)
    guard.decoded(100)
    with pytest.raises(DecodedSizeExceeded, match="101 decoded bytes.*max_decoded=100"):
        guard.decoded(1)


def test_ratio_holds_where_asked_for() -> None:
    limits = Limits(max_ratio=10, ratio_free_size=1000)
    free, bound = SizeGuard(limits, bounded_ratio=False), SizeGuard(limits, bounded_ratio=True)
    for guard in (free, bound):
        guard.received(10)
        guard.decoded(1000)  # not looked at yet
    free.decoded(10**9)
    with pytest.raises(DecodedSizeExceeded, match=r"max_ratio=10 \(only 10 bytes"):
        bound.decoded(1)


def test_ratio_counts_all_that_was_received() -> None:
    guard = SizeGuard(Limits(max_ratio=10, ratio_free_size=0), bounded_ratio=True, url=URL("http://a/"))
    for _ in range(3):
        guard.received(10)
        guard.decoded(100)
    with pytest.raises(DecodedSizeExceeded, match="http://a/"):
        guard.decoded(1)

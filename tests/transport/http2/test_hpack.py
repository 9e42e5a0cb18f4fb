"""Header compression of ours against hpack's: the same fields, the same tables, the same refusals."""

from __future__ import annotations

import pytest
from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple, OversizedHeaderListError
from hpack.table import HeaderTable
from hypothesis import given, settings
from hypothesis import strategies as st

from http3_transport._http2 import fast_h2, hpack
from http3_transport._http2.hpack import MAX_PLACES, MAX_UNPACKED, FieldDecoder, FieldEncoder, integer

Field = tuple[bytes, bytes]

NAMES = st.sampled_from(
    [b":path", b":method", b"server", b"date", b"content-length", b"authorization", b"x", b"x-" + b"y" * 130]
)
VALUES = st.one_of(
    st.sampled_from([b"", b"GET", b"nginx/1.22.1", b"0", b"a" * 200, b"z" * 2500]), st.binary(max_size=40)
)
FIELD = st.tuples(NAMES, VALUES)
FIELDS = st.lists(FIELD, max_size=12)
SIZES = st.sampled_from([0, 40, 100, 1000, 4096])


def decoded(decoder: Decoder, block: bytes) -> list[Field]:
    """What hpack makes of a block."""
    return [(bytes(field[0]), bytes(field[1])) for field in decoder.decode(block, raw=True)]


def same(block: bytes, ours: FieldDecoder, theirs: Decoder) -> bool:
    """Compare the two; False if they refuse the block."""
    expected: list[Field] = []
    refusal = None
    try:
        expected = decoded(theirs, block)
    except HPACKError as exc:
        refusal = exc
    if refusal is not None:
        with pytest.raises(HPACKError) as caught:
            ours.fields(block)
        both = [type(exc) is OversizedHeaderListError for exc in (refusal, caught.value)]
        assert both[0] is both[1]
        return False
    assert ours.fields(block) == expected
    assert ours.header_table.dynamic_entries == theirs.header_table.dynamic_entries
    assert ours.header_table_size == theirs.header_table_size
    return True


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(FIELDS, st.booleans(), st.none() | SIZES, st.booleans()), max_size=6))
def test_blocks_of_hpacks_encoder(blocks: list[tuple[list[Field], bool, int | None, bool]]) -> None:
    encoder, ours, theirs = Encoder(), FieldDecoder(), Decoder()
    for fields, packed, size, secret in blocks:
        if size is not None:
            encoder.header_table_size = size
        kind = NeverIndexedHeaderTuple if secret else lambda name, value: (name, value)
        block = encoder.encode([kind(*field) for field in fields], huffman=packed)
        assert same(block, ours, theirs)


@settings(max_examples=500, deadline=None)
@given(
    FIELDS,
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3),
    st.integers(0, 600),
)
def test_blocks_that_are_mangled_or_cut(
    fields: list[Field], packed: bool, changes: list[tuple[int, int]], cut: int
) -> None:
    encoder, ours, theirs = Encoder(), FieldDecoder(), Decoder()
    assert same(encoder.encode(fields, huffman=packed), ours, theirs)
    block = bytearray(encoder.encode([*fields, (b"new", b"value")], huffman=packed))
    for place, byte in changes:
        block[place % len(block)] = byte
    for piece in (bytes(block[: cut % (len(block) + 1)]), bytes(block)):
        if not same(piece, ours, theirs):
            return


@settings(max_examples=500, deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=4))
def test_blocks_of_any_bytes(blocks: list[bytes]) -> None:
    ours, theirs = FieldDecoder(), Decoder()
    for block in blocks:
        if not same(block, ours, theirs):
            return


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",  # index 0
        b"\xbe",  # an entry that is not there
        b"\xff\x80\x80\x80\x80\x80\x00",  # a number that is too long
        b"\xff\xff\xff\xff\xff\x7f",
        b"\x82\x20",  # a size not at the start
        b"\x3f\xe2\x1f",  # 4097 bytes
        b"\x00\x01a\x82\xff\xff",  # padding of Huffman's code that is too long
        b"\x00\x01a\x7f",  # cut in a length
        b"\x0f\x80\x80",
        b"\x40\x01",
        b"",
    ],
)
def test_broken_blocks(block: bytes) -> None:
    assert same(block, FieldDecoder(), Decoder()) is (not block)


def test_the_table_must_shrink() -> None:
    ours, theirs = FieldDecoder(), Decoder()
    ours.max_allowed_table_size = theirs.max_allowed_table_size = 100
    assert not same(b"\x82", ours, theirs)


@pytest.mark.parametrize("limit", [45, 46])
def test_the_size_of_a_list_is_bounded(limit: int) -> None:
    ours, theirs = FieldDecoder(), Decoder()
    ours.max_header_list_size = theirs.max_header_list_size = limit
    assert same(Encoder().encode([(b"abcd", b"0123456789")]), ours, theirs) is (limit == 46)


def test_what_a_decoder_remembers_is_bounded() -> None:
    encoder, decoder = Encoder(), FieldDecoder()
    for number in range(1000):
        field = (b"x", b"%d" % number if number % 2 else b"%d" % number * 200)
        assert decoder.fields(encoder.encode([field])) == [field]
        assert len(decoder._unpacked) <= MAX_UNPACKED
    assert all(len(packed) <= 128 for packed in decoder._unpacked)


# The encoder.


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(FIELDS, st.none() | SIZES, st.booleans()), max_size=8))
def test_hpack_understands_the_encoder(blocks: list[tuple[list[Field], int | None, bool]]) -> None:
    encoder, decoder = FieldEncoder(), Decoder()
    for fields, size, secret in blocks:
        if size is not None:
            encoder.header_table_size = size
        sent = [NeverIndexedHeaderTuple(*field) for field in fields] if secret else fields
        assert decoded(decoder, encoder.block(sent)) == fields
        assert decoder.header_table.dynamic_entries == encoder.header_table.dynamic_entries


def test_what_repeats_costs_a_byte() -> None:
    encoder, decoder, block = FieldEncoder(), Decoder(), b""
    fields = [
        (b":method", b"GET"),
        (b":authority", b"a.example"),
        (b"x-new", b"value"),
        (b"user-agent", b"u"),
    ]
    for number in range(3):
        block = encoder.block([*fields, (b":path", b"/%d" % number)])
        assert decoded(decoder, block)[-1] == (b":path", b"/%d" % number)
    assert len(block) == len(fields) + 4
    for number in range(80):  # far back in the table an index takes two
        decoded(decoder, encoder.block([(b"x-%d" % number, b"")]))
    block = encoder.block(fields)
    assert decoded(decoder, block) == fields
    assert len(block) == 1 + 3 * 2


def test_secrets_stay_out_of_the_table() -> None:
    encoder, decoder = FieldEncoder(), Decoder()
    secret = NeverIndexedHeaderTuple(b"authorization", b"Basic c2VjcmV0")
    for _ in range(2):
        (field,) = decoder.decode(encoder.block([secret]), raw=True)
        assert isinstance(field, NeverIndexedHeaderTuple)
    assert not encoder.header_table.dynamic_entries


@pytest.mark.parametrize("field", [(b":path", b"/a"), (b"if-none-match", b'"x"'), (b"x", b"y" * 3000)])
def test_what_is_not_kept(field: Field) -> None:
    encoder, decoder = FieldEncoder(), Decoder()
    decoded(decoder, encoder.block([(b"kept", b"1")]))
    assert decoded(decoder, encoder.block([field])) == [field]
    assert list(encoder.header_table.dynamic_entries) == [(b"kept", b"1")]


def test_what_an_encoder_remembers_is_bounded() -> None:
    encoder, decoder = FieldEncoder(), Decoder()
    for number in range(1000):
        fields = [(b"x-request-id", b"%d" % number), (b"user-agent", b"agent")]
        assert decoded(decoder, encoder.block(fields)) == fields
        assert len(encoder._places) <= MAX_PLACES


@given(st.integers(0, 2**35), st.sampled_from([0x0F, 0x1F, 0x3F, 0x7F]))
def test_integers(number: int, mask: int) -> None:
    from hpack.hpack import encode_integer

    assert integer(number, mask, 0) == bytes(encode_integer(number, mask.bit_length()))


# hpack without what we stand on.


@pytest.mark.parametrize("name", ["add", "get_by_index"])
def test_another_hpack_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert fast_h2.can_be_fast()
    monkeypatch.delattr(HeaderTable, name)
    assert not hpack.can_be_used()
    assert not fast_h2.can_be_fast()

"""Which encoding a body has, and decoding it whole and in pieces."""

from __future__ import annotations

import codecs
import json
import re
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from http3_models._text.decoding import (
    LineDecoder,
    TextDecoder,
    apparent_encoding,
    charset_of,
    decode_json,
    decode_text,
    detect_bom,
    stream_encoding,
    text_encoding,
)

BOMS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
boms = pytest.mark.parametrize(("encoding", "mark"), BOMS.items())


@boms
def test_detect_bom(encoding: str, mark: bytes) -> None:
    assert detect_bom(mark) == encoding
    assert detect_bom(mark + "é".encode(encoding)) == encoding


@pytest.mark.parametrize(
    "data", [b"", b"abc", b"\xef\xbb", b"\xff", b"\xfe", b"\x00\x00\xfe", b"a\xef\xbb\xbf", b"\xfffe"]
)
def test_no_bom(data: bytes) -> None:
    assert detect_bom(data) is None


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        (None, None),
        ("", None),
        ("text/html", None),
        ("text/html; charset=utf-8", "utf-8"),
        ("text/html;CHARSET=ISO-8859-1", "ISO-8859-1"),
        ("text/html; charset = utf8 ; x=y", "utf8"),
        ('text/html; charset="windows-1252"', "windows-1252"),
        ('text/html; charset="utf\\-8"', "utf-8"),
        ("text/html; charset='utf-8'", "utf-8"),
        ('text/html; title="a; charset=latin-1"; charset=utf-8', "utf-8"),
        ('text/html; title="a\\"; charset=latin-1; \\\\"; charset=utf-8', "utf-8"),
        ('text/html; title="; charset=utf-8', None),
        ("text/html; charset", None),
        ("text/html; charset=", None),
        ('text/html; charset="', None),
        ("text/html; xcharset=utf-8", None),
        ("text/html; charset=utf-8; charset=latin-1", "utf-8"),
        ("text/html; charset=no-such", None),
        ("charset=utf-8", None),
        ("text/html; charset=" + "x" * 1000, None),
        ("text/html; charset=utf-8\0", None),
        ("text/html; charset=ütf-8", None),
    ],
)
def test_charset(content_type: str | None, encoding: str | None) -> None:
    assert charset_of(content_type) == encoding


# the order


@boms
def test_bom_goes_before_charset(encoding: str, mark: bytes) -> None:
    data = mark + "aé€".encode(encoding)
    found = text_encoding(data, "text/plain; charset=latin-1", "cp1250")
    assert found == encoding
    assert decode_text(data, found) == "aé€"


def test_charset_goes_before_default() -> None:
    assert text_encoding(b"\xe9", "text/plain; charset=cp1251", "latin-1") == "cp1251"
    assert stream_encoding("text/plain; charset=cp1251", "latin-1") == "cp1251"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"abc", "abc"),
        ("aé€".encode(), "aé€"),
        (b"caf\xe9 \x80", "café €"),
        (b"caf\xc3", "cafÃ"),
        (b"\x81", "\ufffd"),
    ],
)
def test_utf8_if_valid_else_windows_1252(data: bytes, text: str) -> None:
    assert decode_text(data, text_encoding(data, "text/html; charset=no-such")) == text


def test_default_encoding_by_name_and_callable() -> None:
    assert text_encoding("é".encode(), None, "latin-1") == "latin-1"
    assert text_encoding(b"\xe9", None, lambda data: "cp1251" if data == b"\xe9" else "ascii") == "cp1251"
    assert stream_encoding(None, "latin-1") == "latin-1"
    assert stream_encoding(None, lambda data: "latin-1") == "utf-8"
    assert stream_encoding(None, "auto") == stream_encoding(None, None) == "utf-8"


@pytest.mark.parametrize("default", ["no-such", "zlib", "utf-7", lambda data: "no-such"])
def test_a_default_encoding_that_is_none(default: str) -> None:
    with pytest.raises(LookupError, match="default_encoding: '(no-such|zlib|utf-7)'"):
        text_encoding(b"abc", None, default)


def test_a_default_encoding_that_is_none_for_a_stream() -> None:
    with pytest.raises(LookupError, match="default_encoding: 'no-such'"):
        stream_encoding(None, "no-such")


def test_auto_asks_charset_normalizer() -> None:
    data = "Это довольно длинный русский текст, по которому кодировку можно узнать.".encode("cp1251")
    assert decode_text(data, text_encoding(data, None, "auto")) == data.decode("cp1251")
    assert apparent_encoding(b"") in ("ascii", "utf_8", "utf-8")


def test_auto_without_charset_normalizer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    with pytest.raises(ImportError, match=re.escape("http3[charset]")):
        text_encoding(b"abc", None, "auto")


def test_auto_finds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import charset_normalizer

    class Nothing:
        def best(self) -> None:
            return None

    monkeypatch.setattr(charset_normalizer, "from_bytes", lambda data, **options: Nothing())
    assert apparent_encoding(b"\xff") == "utf-8"


def test_only_one_mark_is_dropped() -> None:
    assert decode_text(b"\xef\xbb\xbf\xef\xbb\xbfa", "utf-8") == "\ufeffa"


# JSON


@pytest.mark.parametrize("encoding", [*BOMS, "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("value", ["", "a", "é", "中文", {"a": [1, "€"]}, 1, 12, 123, [], None, {}])
def test_json(encoding: str, value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert decode_json(text.encode(encoding)) == text


@settings(deadline=None)  # other work on the machine must not fail a test
@given(st.text(), st.sampled_from(list(BOMS)), st.booleans())
def test_any_json(text: str, encoding: str, marked: bool) -> None:
    document = json.dumps({"": text}, ensure_ascii=False)
    assert decode_json((BOMS[encoding] if marked else b"") + document.encode(encoding)) == document


@settings(deadline=None)  # other work on the machine must not fail a test
@given(st.binary(max_size=8))
def test_json_of_any_bytes(data: bytes) -> None:
    try:
        decode_json(data)
    except ValueError:
        pass


def test_json_is_strict() -> None:
    with pytest.raises(UnicodeDecodeError):
        decode_json(b'"\xe9"')


# text in pieces


def text_of(data: bytes, step: int, encoding: str = "utf-8", sniff: bool = True) -> str:
    decoder = TextDecoder(encoding, sniff=sniff)
    pieces = [decoder.decode(data[start : start + step]) for start in range(0, len(data), step)]
    return "".join([*pieces, decoder.finish()])


@boms
@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 100])
@pytest.mark.parametrize("text", ["", "a", "é€😀 text", "\ufeffx"])
def test_text_in_pieces_by_its_mark(encoding: str, mark: bytes, step: int, text: str) -> None:
    assert text_of(mark + text.encode(encoding), step, "latin-1") == text


@settings(deadline=None)  # other work on the machine must not fail a test
@given(st.text(), st.integers(1, 7), st.sampled_from(["utf-8", "utf-16-le", "utf-32-be", "gb18030"]))
def test_text_in_pieces_is_the_text(text: str, step: int, encoding: str) -> None:
    data = text.encode(encoding, "ignore")
    whole = data.decode(detect_bom(data) or encoding, "replace")
    assert text_of(data, step, encoding) == whole.removeprefix("\ufeff")


@settings(deadline=None)  # other work on the machine must not fail a test
@given(st.binary(max_size=20), st.integers(1, 7))
def test_any_bytes_in_pieces(data: bytes, step: int) -> None:
    assert text_of(data, step) == decode_text(data, detect_bom(data) or "utf-8")


@pytest.mark.parametrize("step", [1, 100])
def test_an_encoding_insisted_on_goes_before_the_mark(step: int) -> None:
    assert text_of(codecs.BOM_UTF16_LE + b"a", step, "latin-1", sniff=False) == "ÿþa"
    assert text_of(codecs.BOM_UTF8 + b"a", step, "utf-8", sniff=False) == "a"


def test_what_is_cut_at_the_end_is_replaced() -> None:
    assert text_of("a€".encode()[:-1], 1) == "a\ufffd"
    assert text_of(b"\xef\xbb", 1) == "\ufffd"
    assert text_of(b"", 1) == ""


# lines


def lines_of(text: str, step: int) -> list[str]:
    decoder = LineDecoder()
    lines = []
    for start in range(0, len(text), step):
        lines += decoder.decode(text[start : start + step])
    return lines + decoder.finish()


@pytest.mark.parametrize("step", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("\n", [""]),
        ("a\nb\r\nc\rd", ["a", "b", "c", "d"]),
        ("\r\n\r\n", ["", ""]),
        ("\n\r", ["", ""]),
        ("\r\r\n\n", ["", "", ""]),
        ("a\x0bb\x0cc\x1cd\x85e\u2028f", ["a\x0bb\x0cc\x1cd\x85e\u2028f"]),
    ],
)
def test_lines(text: str, lines: list[str], step: int) -> None:
    assert lines_of(text, step) == lines


@settings(deadline=None)  # other work on the machine must not fail a test
@given(st.text(st.sampled_from("ab\r\n\u2028"), max_size=40), st.integers(1, 8))
def test_lines_do_not_depend_on_the_pieces(text: str, step: int) -> None:
    expected = re.split("\r\n|\r|\n", text)
    if not expected[-1]:
        expected.pop()
    assert lines_of(text, step) == expected


def test_empty_pieces_change_nothing() -> None:
    decoder = LineDecoder()
    assert decoder.decode("a\r") == ["a"]
    assert decoder.decode("") == []
    assert decoder.decode("\n") == []
    assert decoder.decode("b\n") == ["b"]
    assert decoder.finish() == []


def test_a_line_in_small_pieces_is_kept_in_large_ones() -> None:
    decoder = LineDecoder()
    for number in range(50_000):
        assert decoder.decode(f"{number % 10}") == []
    assert decoder.held == 50_000
    assert len(decoder._parts) <= 50_000 // 1024 + 1
    assert decoder.decode("\nab") == ["0123456789" * 5000]
    assert decoder.held == 2


def test_a_long_line_in_many_pieces_takes_linear_time() -> None:
    decoder = LineDecoder()
    begun = time.process_time()
    for _ in range(200_000):
        decoder.decode("x" * 50)
    assert len(decoder.decode("\n")[0]) == 10_000_000
    assert time.process_time() - begun < 5  # quadratic: minutes

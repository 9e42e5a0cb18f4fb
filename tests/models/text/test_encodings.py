"""The closed list of text encodings: what is known, and that strangers' names leave nothing behind."""

from __future__ import annotations

import codecs
import encodings
import gc
from typing import Any

import pytest

import http3_models
from http3_models._text import decoding
from http3_models._text import encodings as text_encodings
from http3_models._text.decoding import TextDecoder, apparent_encoding, charset_of, decode_text
from http3_models._text.encodings import CODECS
from http3_models.engine import find_text_encoding

UTF7_MARKUP = b"+ADw-script+AD4-"

known_caches: Any = encodings._cache


@pytest.mark.parametrize(
    "name",
    [
        "zlib",
        "zlib_codec",
        "hex",
        "base64",
        "bz2",
        "rot13",
        "rot_13",
        "uu",
        "quopri",
        "idna",
        "punycode",
        "undefined",
        "unicode_escape",
        "raw-unicode-escape",
        "UNICODE_ESCAPE",
        "utf-7",
        "UTF7",
        "u7",
        "unicode-1-1-utf-7",
        "unicode_1_1_utf_7",
        "charmap",
        "mbcs",
        "oem",
        "ansi",
        "dbcs",
        "aliases",
        "os.path",
        "../utf_8",
        "utf-8\0",
        "ütf-8",
        "utf-8ü",
        "encodings.utf_8",
        "",
        " ",
        "-",
    ],
)
def test_names_that_are_none_of_a_text_encoding(name: str) -> None:
    assert find_text_encoding(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "utf-8",
        "UTF8",
        "utf_8",
        " utf-8 ",
        "utf-8,",
        "utf-16",
        "UTF-32",
        "latin-1",
        "ISO_8859-1:1987",
        "L1",
        "iso-8859-15",
        "us-ascii",
        "ansi_x3.4-1968",
        "shift_jis",
        "gb18030",
        "big5-hkscs",
        "koi8-r",
        "cp037",
        "windows-1252",
        "ks_c_5601-1987",
        "iso-2022-jp",
        "utf-8-sig",
        "mac_roman",
        "johab",
        "hz-gb-2312",
    ],
)
def test_names_that_python_knows(name: str) -> None:
    found = find_text_encoding(name)
    assert found is not None
    assert codecs.lookup(found).name == codecs.lookup(name.strip(" ,")).name


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("x-sjis", "cp932"),
        ("windows-31j", "cp932"),
        ("x-gbk", "gbk"),
        ("unicode-1-1-utf-8", "utf-8"),
        ("x-cp1252", "cp1252"),
        ("x-mac-cyrillic", "mac-cyrillic"),
        ("ISO-8859-8-I", "iso8859-8"),
        ("iso885915", "iso8859-15"),
        ("csISOLatin9", "iso8859-15"),
        ("windows-949", "cp949"),
        ("koi8-ru", "koi8-u"),
        ("dos-874", "cp874"),
        ("x-x-big5", "big5hkscs"),
        ("unicodeFFFE", "utf-16-be"),
    ],
)
def test_labels_that_browsers_know(label: str, codec: str) -> None:
    found = find_text_encoding(label)
    assert found is not None
    assert codecs.lookup(found).name == codec


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_every_codec_decodes_text_whole_and_in_pieces(codec: str) -> None:
    info = codecs.lookup(codec)
    assert info._is_text_encoding
    assert find_text_encoding(codec) is not None
    data = "abc 123".encode(codec) + b"\xff\xfe\x80"
    decoder = TextDecoder(codec, sniff=False)
    whole = decode_text(data, codec)
    assert "".join([decoder.decode(data[:5]), decoder.decode(data[5:]), decoder.finish()]) == whole
    assert whole.startswith("abc 123")


def test_names_are_bounded() -> None:
    assert find_text_encoding("utf-8" + " " * 35) == "utf_8"
    assert find_text_encoding("utf-8" + " " * 36) is None


def test_unknown_names_are_not_kept() -> None:
    """Neither in Python's cache of codecs nor in http3's; nor does a known name in a thousand spellings."""
    for name in CODECS:
        codecs.lookup(name)
    before = len(known_caches)
    for number in range(3000):
        spelling = "utf" + "-" * (number % 30) + "8" + "." * (number % 7)
        for charset in (f"x-unknown-{number}", spelling):
            response = http3_models.Response(
                200, headers={"Content-Type": f"text/plain; charset={charset}"}, content=b"caf\xc3\xa9"
            )
            assert response.text == "café"
            assert list(response.iter_text()) == ["café"]
            response.charset_encoding  # noqa: B018 - looked up
            with pytest.raises(LookupError, match="is no text encoding that is known"):
                response.encoding = f"x-unknown-{number}"
    assert len(known_caches) == before
    assert text_encodings._find.cache_info().currsize <= 128
    assert decoding._cached_charset.cache_info().currsize <= 128
    gc.collect()


@pytest.mark.parametrize("name", ["utf-7", "UTF-7", "utf7", "unicode-1-1-utf-7", "u7"])
def test_utf_7_is_unknown_everywhere(name: str) -> None:
    headers = {"Content-Type": f"text/html; charset={name}"}
    response = http3_models.Response(200, headers=headers, content=UTF7_MARKUP)
    assert charset_of(headers["Content-Type"]) is None
    assert (response.text, response.encoding) == (UTF7_MARKUP.decode(), "utf-8")
    assert "".join(response.iter_text()) == UTF7_MARKUP.decode()
    assert list(response.iter_lines()) == [UTF7_MARKUP.decode()]
    with pytest.raises(LookupError, match="is no text encoding that is known"):
        response.encoding = name
    answer = http3_models.Response(200, headers=headers, content=b'"+ADw-"')
    assert answer.json() == "+ADw-"


@pytest.mark.parametrize("data", [b"+/v8-caf+AOk-", b"<meta charset=utf-7>" + UTF7_MARKUP * 20])
def test_utf_7_is_never_guessed(data: bytes) -> None:
    encoding = apparent_encoding(data)
    assert find_text_encoding(encoding) is not None
    assert "<script" not in decode_text(data, encoding)


@pytest.mark.parametrize("name", ["ISO-8859-1", "iso-8859-1", "Latin1", "windows-1252", "x-sjis", "UTF-8"])
def test_names_are_shown_as_they_were_given(name: str) -> None:
    response = http3_models.Response(
        200, headers={"Content-Type": f"text/plain; charset={name}"}, content=b"abc"
    )
    assert response.encoding == response.charset_encoding == name
    response = http3_models.Response(200, content=b"abc")
    response.encoding = name
    assert (response.encoding, response.text) == (name, "abc")

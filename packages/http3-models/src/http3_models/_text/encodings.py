"""The text encodings that a body may have: a closed list.

Names of encodings come from the network, in the charset of Content-Type. `codecs.lookup` must not be called
with them: it keeps every name in `encodings._cache` for ever, known or not, and it has codecs that are no
encodings of text (zlib, rot13), for Python's source code (unicode_escape), or dangerous (UTF-7, in which
harmless ASCII becomes markup). So names are looked up here, and `codecs` is called with those in `CODECS`
only.

The known names are those of Python's standard text encodings, with their aliases, and the labels of the
WHATWG encoding standard.
"""

from __future__ import annotations

from encodings.aliases import aliases
from functools import lru_cache

_NAMES = """
    ascii big5 big5hkscs cp037 cp1006 cp1026 cp1125 cp1140 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256
    cp1257 cp1258 cp273 cp424 cp437 cp500 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858 cp860 cp861
    cp862 cp863 cp864 cp865 cp866 cp869 cp874 cp875 cp932 cp949 cp950 euc_jis_2004 euc_jisx0213 euc_jp euc_kr
    gb18030 gb2312 gbk hp_roman8 hz iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3
    iso2022_jp_ext iso2022_kr iso8859_1 iso8859_10 iso8859_11 iso8859_13 iso8859_14 iso8859_15 iso8859_16
    iso8859_2 iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 johab koi8_r koi8_t koi8_u
    kz1048 latin_1 mac_croatian mac_cyrillic mac_farsi mac_greek mac_iceland mac_latin2 mac_roman mac_romanian
    mac_turkish ptcp154 shift_jis shift_jis_2004 shift_jisx0213 tis_620 utf_16 utf_16_be utf_16_le utf_32
    utf_32_be utf_32_le utf_8 utf_8_sig
"""

CODECS = frozenset(_NAMES.split())
"""Python's names for its standard text encodings, without UTF-7."""

_LABELS = {
    "big5hkscs": "cn_big5 x_x_big5",
    "cp1250": "x_cp1250",
    "cp1251": "x_cp1251",
    "cp1252": "x_cp1252",
    "cp1253": "x_cp1253",
    "cp1254": "x_cp1254",
    "cp1255": "x_cp1255",
    "cp1256": "x_cp1256",
    "cp1257": "x_cp1257",
    "cp1258": "x_cp1258",
    "cp874": "dos_874 windows_874",
    "cp932": "windows_31j x_sjis",
    "cp949": "cseuckr csksc56011987 iso_ir_149 ks_c_5601_1989 ksc_5601 windows_949",
    "euc_jp": "cseucpkdfmtjapanese x_euc_jp",
    "gbk": "csgb2312 gb_2312 gb_2312_80 x_gbk",
    "iso8859_1": "iso88591",
    "iso8859_2": "iso88592",
    "iso8859_3": "iso88593",
    "iso8859_4": "iso88594",
    "iso8859_5": "iso88595",
    "iso8859_6": "csiso88596e csiso88596i iso88596 iso_8859_6_e iso_8859_6_i",
    "iso8859_7": "iso88597 sun_eu_greek",
    "iso8859_8": "csiso88598e csiso88598i iso88598 iso_8859_8_e iso_8859_8_i logical visual",
    "iso8859_9": "iso88599",
    "iso8859_10": "iso885910",
    "iso8859_11": "iso885911",
    "iso8859_13": "iso885913",
    "iso8859_14": "iso885914",
    "iso8859_15": "csisolatin9 iso885915",
    "koi8_r": "koi koi8",
    "koi8_u": "koi8_ru",
    "mac_cyrillic": "x_mac_cyrillic x_mac_ukrainian",
    "mac_roman": "csmacintosh mac x_mac_roman",
    "utf_16_be": "unicodefffe",
    "utf_16_le": "csunicode iso_10646_ucs_2 ucs_2 unicode unicodefeff",
    "utf_8": "unicode11utf8 unicode20utf8 unicode_1_1_utf_8 x_unicode20utf8",
}
"""Labels of the WHATWG encoding standard that Python does not have, by codec."""

_CODEC_OF_LABEL = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}

_PUNCTUATION = str.maketrans(dict.fromkeys(" \t\n\r-_.:,", " "))

_MAX_NAME = 40
"""Longest name that is looked up; the longest known one has 24 characters."""


def find_text_encoding(name: str) -> str | None:
    """Python's name for a text encoding, one of `CODECS`; None for an unknown ``name``.

    Case and punctuation are ignored.
    """
    return _find(name) if len(name) <= _MAX_NAME else None


@lru_cache(maxsize=128)
def _find(name: str) -> str | None:
    label = "_".join(name.lower().translate(_PUNCTUATION).split())
    codec = _CODEC_OF_LABEL.get(label) or aliases.get(label, label)
    return codec if codec in CODECS else None

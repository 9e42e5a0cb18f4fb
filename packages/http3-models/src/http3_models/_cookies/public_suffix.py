"""Public suffixes: domains with subdomains of different owners (``com``, ``co.uk``), which no cookie may
cover.

The Public Suffix List has 10,000 entries and changes weekly. With the extra ``psl`` its copy in
`publicsuffixlist` is used, loaded (35 ms) for the first Domain attribute. Without it a table is used: the
registries of two labels and the best-known hosters (`public_suffix_table`). A domain in neither counts as
that of one owner.
"""

from __future__ import annotations

from collections.abc import Callable

_check: Callable[[str], bool] | None = None


def is_public_suffix(domain: str) -> bool:
    """True for a public suffix. ``domain``: lower case, ASCII, no leading dot."""
    domain = domain.removesuffix(".")
    if "." not in domain:
        return True
    global _check
    if _check is None:
        _check = _load()
    return _check(domain)


def _load() -> Callable[[str], bool]:
    try:
        from publicsuffixlist import PublicSuffixList
    except ImportError:
        return from_table()
    try:
        return PublicSuffixList().is_public
    except OSError as exc:  # a frozen application may have its code without its list
        import warnings

        warnings.warn(
            f"The public suffix list of publicsuffixlist can't be read ({exc}); a shorter one is used. "
            "PyInstaller includes it with --collect-data publicsuffixlist",
            RuntimeWarning,
            stacklevel=2,
        )
        return from_table()


def from_table() -> Callable[[str], bool]:
    """The check without `publicsuffixlist`."""
    from .public_suffix_table import HOSTERS, REGISTRIES

    suffixes = {*HOSTERS.split(), *HOSTERS.replace("*.", "").split()}
    top = ""
    for word in REGISTRIES.split():
        if word.endswith(":"):
            top = word[:-1]
        else:
            suffixes.add(f"{word}.{top}")

    def is_known(domain: str) -> bool:
        return domain in suffixes or "*." + domain.partition(".")[2] in suffixes

    return is_known

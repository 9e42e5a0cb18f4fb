"""Public suffixes: names under which strangers register (``com``, ``co.uk``), so no cookie may cover one.

The Public Suffix List has 10,000 entries and changes weekly. With the extra ``psl`` its copy in
`publicsuffixlist` is used, loaded (35 ms) when a Domain attribute is first looked at. Without it a small rule
stands in: it knows the registries that most names lie under and errs towards refusing, which costs a site
at most a cookie shared between its hosts.
"""

from __future__ import annotations

from collections.abc import Callable

# Second-level registries of country domains: co.uk, com.au, ac.jp, gov.in, gob.mx, or.kr ...
_SECOND_LEVEL = frozenset({
    "ac", "co", "com", "edu", "gob", "gouv", "gov", "go", "gub", "id", "ltd", "me", "mil", "ne", "net", "nhs",
    "nic", "nom", "or", "org", "plc", "sch",
})  # fmt: skip

_check: Callable[[str], bool] | None = None


def is_public_suffix(domain: str) -> bool:
    """True for a name that strangers share. ``domain``: lower case, ASCII, no leading dot."""
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
        return is_known_registry
    return PublicSuffixList().is_public


def is_known_registry(domain: str) -> bool:
    """The rule that stands in for the list: ``<generic>.<country>``, of two labels."""
    second, _, top = domain.partition(".")
    return len(top) == 2 and second in _SECOND_LEVEL

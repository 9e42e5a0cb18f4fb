"""Configuration values: defaults, checks, and that they compare, print, pickle and copy."""

from __future__ import annotations

import asyncio
import copy
import math
import os
import pathlib
import pickle
import ssl
import subprocess
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st

import http3_models
from http3_models import (
    DEFAULT_LIMITS,
    DEFAULT_MAX_REDIRECTS,
    DEFAULT_POOL_LIMITS,
    DEFAULT_SSL_CONFIG,
    DEFAULT_TIMEOUT_CONFIG,
    USER_AGENT,
    CertTypes,
    Limits,
    PoolLimits,
    SSLConfig,
    TimeoutConfig,
    TimeoutTypes,
    VerifyTypes,
)
from http3_models import _config as config
from http3_models._values import UNSET
from http3_models.engine import ImmutableValue, bounded_timeout, effective_pool_timeout

NAN = float("nan")

LIMITS = st.floats(min_value=1e-9, max_value=1e9)


def times(timeout: TimeoutConfig) -> tuple[float | None, ...]:
    return (timeout.connect_timeout, timeout.read_timeout, timeout.write_timeout, timeout.total_timeout)


class TestTimeoutConfig:
    @pytest.mark.parametrize(
        ("timeout", "expected"),
        [
            (TimeoutConfig(), (5, 5, 5, None)),
            (TimeoutConfig(30), (30, 30, 30, None)),
            (TimeoutConfig(timeout=0.5), (0.5, 0.5, 0.5, None)),
            (TimeoutConfig(None), (None, None, None, None)),
            (TimeoutConfig((1, 2, 3)), (1, 2, 3, None)),
            (TimeoutConfig((1, None, 3)), (1, None, 3, None)),
            (TimeoutConfig((3.05, 27)), (3.05, 27, 5, None)),
            (TimeoutConfig((None, 27)), (None, 27, 5, None)),
            (TimeoutConfig((3.05, None), write_timeout=9), (3.05, None, 9, None)),
            (TimeoutConfig(TimeoutConfig((1, 2, 3), total_timeout=4)), (1, 2, 3, 4)),
            (TimeoutConfig(connect_timeout=1), (1, 5, 5, None)),
            (TimeoutConfig(connect_timeout=5.0, read_timeout=30.0), (5, 30, 5, None)),
            (TimeoutConfig(connect_timeout=None), (None, 5, 5, None)),
            (TimeoutConfig(7, read_timeout=None, total_timeout=60), (7, None, 7, 60)),
            (TimeoutConfig(None, write_timeout=2), (None, None, 2, None)),
            (TimeoutConfig(TimeoutConfig(9, total_timeout=8), total_timeout=None), (9, 9, 9, None)),
        ],
    )
    def test_what_is_not_named_takes_the_default(
        self, timeout: TimeoutConfig, expected: tuple[float | None, ...]
    ) -> None:
        assert times(timeout) == expected
        assert all(value is None or isinstance(value, float) for value in times(timeout))

    @pytest.mark.parametrize("value", [0, 0.0, -1, NAN, math.inf, -math.inf, True, False, 10**400])
    @pytest.mark.parametrize(
        "name",
        ["timeout", "connect_timeout", "read_timeout", "write_timeout", "pool_timeout", "total_timeout"],
    )
    def test_impossible_durations_are_refused_by_name(self, name: str, value: float) -> None:
        with pytest.raises(ValueError, match=rf"^{name} "):
            make(TimeoutConfig, {name: value})

    @pytest.mark.parametrize("value", ["5", b"5", [1, 2, 3], object(), UNSET.__class__, {}])
    @pytest.mark.parametrize("name", ["timeout", "connect_timeout", "pool_timeout", "total_timeout"])
    def test_other_types_are_refused_by_name(self, name: str, value: object) -> None:
        with pytest.raises(TypeError, match=rf"^{name} must be"):
            make(TimeoutConfig, {name: value})

    @pytest.mark.parametrize("value", [(1,), (1, 2, 3, 4), (), (0, 1, 2), (1, 2, True), (1, 0)])
    def test_tuples_are_checked(self, value: tuple[float, ...]) -> None:
        with pytest.raises(ValueError, match="timeout"):
            make(TimeoutConfig, {"timeout": value})

    def test_infinity_is_told_apart(self) -> None:
        with pytest.raises(ValueError, match="None means no limit"):
            TimeoutConfig(math.inf)

    def test_reprs(self) -> None:
        assert repr(TimeoutConfig(5)) == "TimeoutConfig(5.0)"
        assert repr(TimeoutConfig(5, total_timeout=9)) == "TimeoutConfig(5.0, total_timeout=9.0)"
        assert repr(TimeoutConfig(5, read_timeout=None)) == (
            "TimeoutConfig(connect_timeout=5.0, read_timeout=None, write_timeout=5.0, total_timeout=None)"
        )

        assert repr(TimeoutConfig(5, pool_timeout=2)) == "TimeoutConfig(5.0, pool_timeout=2.0)"
        assert repr(TimeoutConfig(7, read_timeout=2)) == (
            "TimeoutConfig(7.0, connect_timeout=7.0, read_timeout=2.0, write_timeout=7.0, total_timeout=None)"
        )
        assert repr(TimeoutConfig((3, 3, 3))) == (
            "TimeoutConfig(connect_timeout=3.0, read_timeout=3.0, write_timeout=3.0, total_timeout=None)"
        )

    @given(
        st.tuples(*[st.none() | st.sampled_from([1, 5]) | LIMITS for _ in range(4)]),
        st.dictionaries(st.sampled_from(["timeout", "pool_timeout"]), st.none() | LIMITS),
    )
    def test_reprs_pickles_and_arguments_make_the_same(
        self, values: tuple[float | None, ...], more: dict[str, float | None]
    ) -> None:
        timeout = TimeoutConfig(
            connect_timeout=values[0],
            read_timeout=values[1],
            write_timeout=values[2],
            total_timeout=values[3],
            **more,
        )
        for again in (typed_in(timeout), pickle.loads(pickle.dumps(timeout)), TimeoutConfig(timeout)):
            assert again == timeout
            assert hash(again) == hash(timeout)
            assert again.pool_timeout == timeout.pool_timeout
            for limits in (PoolLimits(), PoolLimits(pool_timeout=3)):
                assert effective_pool_timeout(again, limits) == effective_pool_timeout(timeout, limits)

    @pytest.mark.parametrize(
        ("timeout", "alone", "beside_three"),
        [
            (TimeoutConfig(), 5, 3),
            (TimeoutConfig(60), 60, 3),
            (TimeoutConfig(None), None, 3),
            (TimeoutConfig((3.05, 27)), 5, 3),
            (TimeoutConfig((60, 60, 60)), 5, 3),
            (TimeoutConfig(connect_timeout=60, read_timeout=60, write_timeout=60), 5, 3),
            (TimeoutConfig(60, read_timeout=1), 60, 3),
            (TimeoutConfig(TimeoutConfig(60), read_timeout=1), 60, 3),
            (TimeoutConfig(pool_timeout=7), 7, 7),
            (TimeoutConfig(60, pool_timeout=7), 7, 7),
            (TimeoutConfig(60, pool_timeout=None), None, None),
            (TimeoutConfig((1, 2), pool_timeout=7), 7, 7),
            (TimeoutConfig(TimeoutConfig(60, pool_timeout=7)), 7, 7),
            (TimeoutConfig(TimeoutConfig(60, pool_timeout=7), pool_timeout=8), 8, 8),
        ],
        ids=repr,
    )
    def test_the_time_in_line(
        self, timeout: TimeoutConfig, alone: float | None, beside_three: float | None
    ) -> None:
        assert timeout.pool_timeout == alone
        assert effective_pool_timeout(timeout, PoolLimits()) == alone
        assert effective_pool_timeout(timeout, PoolLimits(hard_limit=1)) == alone
        for limits in (PoolLimits(pool_timeout=3), pickle.loads(pickle.dumps(PoolLimits(pool_timeout=3)))):
            assert effective_pool_timeout(timeout, limits) == beside_three
        given_none = effective_pool_timeout(timeout, PoolLimits(pool_timeout=None))
        assert given_none == (alone if alone == beside_three else None)
        default = pickle.loads(pickle.dumps(PoolLimits()))
        assert effective_pool_timeout(timeout, default) == alone
        assert effective_pool_timeout(timeout, typed_in(PoolLimits())) == alone

    def test_a_named_limit_of_the_pool_is_part_of_the_value(self) -> None:
        assert TimeoutConfig(5) == TimeoutConfig()
        assert TimeoutConfig(pool_timeout=2) == TimeoutConfig(5, pool_timeout=2) != TimeoutConfig()
        assert TimeoutConfig(60) != TimeoutConfig(60, pool_timeout=60)  # it precedes that of PoolLimits
        assert TimeoutConfig((60, 60, 60)) != TimeoutConfig(60)

    def test_cutting_keeps_what_was_named(self) -> None:
        timeout = TimeoutConfig((1, None, 9), total_timeout=20)
        cut = bounded_timeout(timeout, 4)
        assert times(cut) == (1, 4, 4, 4)
        assert effective_pool_timeout(cut, PoolLimits(pool_timeout=3)) == 3
        cut = bounded_timeout(TimeoutConfig(timeout, pool_timeout=7), 4)
        assert effective_pool_timeout(cut, PoolLimits(pool_timeout=3)) == 4


class TestPoolLimits:
    def test_defaults(self) -> None:
        limits = PoolLimits()
        assert limits == DEFAULT_POOL_LIMITS
        assert (limits.soft_limit, limits.hard_limit, limits.pool_timeout) == (10, 100, 5.0)
        assert (limits.keepalive_expiry, limits.total_idle, limits.total) == (30.0, 100, None)

    def test_none_means_no_limit(self) -> None:
        limits = PoolLimits(
            soft_limit=None, hard_limit=None, pool_timeout=None, keepalive_expiry=None, total_idle=None
        )
        assert repr(limits) == (
            "PoolLimits(soft_limit=None, hard_limit=None, pool_timeout=None, keepalive_expiry=None, "
            "total_idle=None, total=None)"
        )

    @pytest.mark.parametrize(("hard", "soft"), [(5, 5), (10, 10), (50, 10), (None, 10), (1, 1)])
    def test_a_soft_limit_not_given_fits_the_hard_one(self, hard: int | None, soft: int) -> None:
        assert PoolLimits(hard_limit=hard).soft_limit == soft

    def test_a_soft_limit_above_the_hard_one_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"soft_limit \(20\) must not be more than hard_limit \(10\)"):
            PoolLimits(soft_limit=20, hard_limit=10)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("soft_limit", -1),
            ("hard_limit", 0),
            ("total", 0),
            ("total_idle", -1),
            ("pool_timeout", 0),
            ("keepalive_expiry", -0.1),
            ("pool_timeout", NAN),
            *[(name, True) for name in PoolLimits._fields],
        ],
    )
    def test_impossible_limits_are_refused_by_name(self, name: str, value: object) -> None:
        with pytest.raises(ValueError, match=rf"^{name} "):
            make(PoolLimits, {name: value})

    @pytest.mark.parametrize(
        "name", ["soft_limit", "hard_limit", "pool_timeout", "keepalive_expiry", "total_idle", "total"]
    )
    def test_other_types_are_refused_by_name(self, name: str) -> None:
        with pytest.raises(TypeError, match=rf"^{name} must be"):
            make(PoolLimits, {name: "5"})

    def test_counts_are_whole(self) -> None:
        with pytest.raises(TypeError, match="hard_limit"):
            make(PoolLimits, {"hard_limit": 5.0})

    def test_zero_where_it_means_something(self) -> None:
        limits = PoolLimits(soft_limit=0, keepalive_expiry=0, total_idle=0)
        assert (limits.soft_limit, limits.keepalive_expiry, limits.total_idle) == (0, 0.0, 0)


class TestLimits:
    def test_defaults(self) -> None:
        limits = DEFAULT_LIMITS
        assert (limits.max_decoded, limits.max_ratio, limits.ratio_free_size) == (None, 250, 16 << 20)
        assert (limits.max_codings, limits.max_head_size, limits.max_head_fields) == (5, 256 << 10, 512)
        assert (limits.max_informational, limits.max_trailer_size) == (32, 64 << 10)
        assert limits.max_drained == 64 << 10

    @pytest.mark.parametrize("name", Limits._fields)
    @pytest.mark.parametrize("value", [-1, True])
    def test_impossible_limits_are_refused_by_name(self, name: str, value: int) -> None:
        with pytest.raises(ValueError, match=rf"^{name} "):
            make(Limits, {name: value})

    @pytest.mark.parametrize("name", [name for name in Limits._fields if name != "max_decoded"])
    def test_only_max_decoded_may_be_none(self, name: str) -> None:
        assert Limits(max_decoded=None).max_decoded is None
        with pytest.raises(TypeError, match=rf"^{name} must be"):
            make(Limits, {name: None})

    @pytest.mark.parametrize("value", [0, NAN])
    def test_a_ratio_is_positive(self, value: float) -> None:
        with pytest.raises(ValueError, match="max_ratio"):
            Limits(max_ratio=value)

    def test_a_ratio_may_be_infinite(self) -> None:
        limits = Limits(max_ratio=math.inf)
        assert typed_in(limits) == limits
        assert limits.max_ratio > 10**20

    def test_the_docstring_names_every_field(self) -> None:
        assert all(f"`{name}`" in (Limits.__doc__ or "") for name in Limits._fields)


class TestSSLConfig:
    def test_defaults(self) -> None:
        assert SSLConfig() == DEFAULT_SSL_CONFIG
        assert (SSLConfig().verify, SSLConfig().cert, SSLConfig().trust_env) == (True, None, True)

    def test_paths_become_str(self) -> None:
        here = pathlib.Path("ca.pem")
        assert SSLConfig(verify=here).verify == "ca.pem"
        assert SSLConfig(cert=here) == SSLConfig(cert="ca.pem")
        assert SSLConfig(cert=(here, here, "secret")).cert == ("ca.pem", "ca.pem", "secret")

    @pytest.mark.parametrize("verify", [None, 1, b"ca.pem", object(), ("a", "b")])
    def test_other_types_of_verify_are_refused(self, verify: object) -> None:
        with pytest.raises(TypeError, match=r"^verify must be"):
            make(SSLConfig, {"verify": verify})

    @pytest.mark.parametrize("cert", [True, 1, b"cert.pem", ["a", "b"], ("a", None), ("a", "b", b"secret")])
    def test_other_types_of_cert_are_refused(self, cert: object) -> None:
        with pytest.raises(TypeError, match=r"cert"):
            make(SSLConfig, {"cert": cert})

    def test_a_path_object_must_give_a_str(self) -> None:
        class BytesPath(os.PathLike[bytes]):
            def __fspath__(self) -> bytes:
                return b"ca.pem"

        with pytest.raises(TypeError, match=r"^verify must be a path"):
            make(SSLConfig, {"verify": BytesPath()})

    @pytest.mark.parametrize("cert", [(), ("a",), ("a", "b", "c", "d")])
    def test_tuples_of_wrong_length_are_refused(self, cert: object) -> None:
        with pytest.raises(ValueError, match=r"cert as a tuple"):
            make(SSLConfig, {"cert": cert})

    def test_trust_env_is_a_bool(self) -> None:
        with pytest.raises(TypeError, match="trust_env"):
            make(SSLConfig, {"trust_env": "no"})

    def test_a_context_stands_alone(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        assert SSLConfig(verify=context).verify is context
        assert SSLConfig(verify=context) == SSLConfig(verify=context) != SSLConfig()
        with pytest.raises(ValueError, match="load_cert_chain"):
            SSLConfig(verify=context, cert="cert.pem")

    def test_a_context_is_told_only_where_ssl_is_loaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        monkeypatch.delitem(sys.modules, "ssl")
        with pytest.raises(TypeError, match=r"not SSLContext"):
            SSLConfig(verify=context)

    def test_with_overrides(self) -> None:
        config = SSLConfig(cert="cert.pem", trust_env=False)
        assert config.with_overrides() is config
        assert config.with_overrides(verify=False) == SSLConfig(
            cert="cert.pem", verify=False, trust_env=False
        )
        assert config.with_overrides(cert=("a", "b")).cert == ("a", "b")
        assert config.with_overrides("ca.pem", "other.pem") == SSLConfig(
            verify="ca.pem", cert="other.pem", trust_env=False
        )

    def test_the_repr_hides_the_password(self) -> None:
        assert repr(SSLConfig(cert=("a", "b", "hunter2"))) == (
            "SSLConfig(cert=('a', 'b', '[secure]'), verify=True)"
        )
        assert repr(SSLConfig(trust_env=False)) == "SSLConfig(cert=None, verify=True, trust_env=False)"

    def test_the_password_is_part_of_the_value(self) -> None:
        assert SSLConfig(cert=("a", "b", "one")) != SSLConfig(cert=("a", "b", "two"))

    def test_contexts(self) -> None:
        config = SSLConfig(verify=False)
        plain = config.create_ssl_context()
        awaited = asyncio.run(config.load_ssl_context())
        assert plain.verify_mode == awaited.verify_mode == ssl.CERT_NONE
        assert plain is not awaited  # the caller's own, to change


VALUES: list[ImmutableValue] = [
    TimeoutConfig(),
    TimeoutConfig((1, 2, 3), total_timeout=4),
    TimeoutConfig(None),
    TimeoutConfig(2, read_timeout=3, pool_timeout=4),
    PoolLimits(),
    PoolLimits(pool_timeout=3),
    PoolLimits(soft_limit=1, hard_limit=2, total=3),
    Limits(),
    Limits(max_decoded=1, max_ratio=math.inf),
    SSLConfig(),
    SSLConfig(cert=("a", "b"), verify=False, trust_env=False),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
class TestEveryValue:
    def test_is_immutable(self, value: ImmutableValue) -> None:
        name = value._fields[0]
        with pytest.raises(AttributeError, match="immutable"):
            setattr(value, name, 1)
        with pytest.raises(AttributeError, match="immutable"):
            delattr(value, name)
        with pytest.raises(AttributeError):
            setattr(value, "anything", 1)  # noqa: B010 - checkers know that there is none
        assert not hasattr(value, "__dict__")

    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_pickles(self, value: ImmutableValue, protocol: int) -> None:
        again = pickle.loads(pickle.dumps(value, protocol))
        assert again == value
        assert hash(again) == hash(value)

    def test_copies(self, value: ImmutableValue) -> None:
        assert copy.copy(value) is value
        assert copy.deepcopy([value])[0] is value

    def test_can_be_typed_in(self, value: ImmutableValue) -> None:
        assert typed_in(value) == value

    def test_compares(self, value: ImmutableValue) -> None:
        assert value == copy.copy(value)
        assert [other for other in VALUES if other == value] == [value]
        assert value != value._values()


def test_default_values() -> None:
    assert times(DEFAULT_TIMEOUT_CONFIG) == (5, 5, 5, None)
    assert (20, certifi.where()) == (DEFAULT_MAX_REDIRECTS, config.DEFAULT_CA_BUNDLE_PATH)
    assert USER_AGENT.partition("/") == ("python-http3", "/", http3_models.__version__)
    with pytest.raises(AttributeError, match="NOTHING"):
        getattr(config, "NOTHING")  # noqa: B009
    assert repr(UNSET) == "UNSET"


@pytest.mark.parametrize("alias", [TimeoutTypes, CertTypes, VerifyTypes])
def test_aliases_are_real_unions(alias: object) -> None:
    assert isinstance(alias, types.UnionType) or typing.get_origin(alias) is typing.Union
    assert len(typing.get_args(alias)) >= 3


def test_a_context_is_part_of_the_alias() -> None:
    def f(verify: VerifyTypes) -> None: ...

    resolved = typing.get_type_hints(f, {"VerifyTypes": VerifyTypes, "ssl": ssl})["verify"]
    assert ssl.SSLContext in typing.get_args(resolved)


def test_making_values_loads_neither_ssl_nor_certifi() -> None:
    program = (
        "import sys, http3_models._config as c\n"
        "c.SSLConfig(verify='ca.pem', cert=('a', 'b', 'c')).with_overrides(verify=False)\n"
        "print([m for m in ('ssl', 'certifi', 'socket', 'dataclasses', 'inspect') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "[]"


def make(kind: Callable[..., object], arguments: dict[str, object]) -> object:
    """Call a constructor with arguments that a type checker would refuse."""
    return kind(**arguments)


def typed_in(value: ImmutableValue) -> Any:
    return eval(repr(value), vars(config).copy())

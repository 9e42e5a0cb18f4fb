"""What forgets its variables when an exception leaves, and what does not: it may still be running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any

import pytest

from http3_models.engine import forget_locals

Wait = Callable[[], Awaitable[object]]

SOURCE = """
async def catches(error, wait):
    secret = "hush"
    try:
        raise error
    except ValueError:
        await wait()
        return secret


async def lets_through(error, wait):
    secret = "hush"
    await wait()
    raise error


async def waits(error, wait):
    secret = "hush"
    await wait()


def yields(error):
    secret = "hush"
    try:
        raise error
    except ValueError:
        yield secret
        yield secret


def ends(error):
    secret = "hush"
    yield secret
    raise error


async def yields_later(error, wait):
    secret = "hush"
    try:
        raise error
    except ValueError:
        yield secret
        await wait()
        yield secret
"""
"""Functions that `forget_locals` takes for those of http3."""


class Functions:
    catches: Callable[[Exception, Wait], Coroutine[Any, Any, str]]
    lets_through: Callable[[Exception, Wait], Coroutine[Any, Any, None]]
    waits: Callable[[Exception, Wait], Coroutine[Any, Any, None]]
    yields: Callable[[Exception], Iterator[str]]
    ends: Callable[[Exception], Iterator[str]]
    yields_later: Callable[[Exception, Wait], AsyncIterator[str]]


@pytest.fixture
def functions() -> Any:
    namespace: dict[str, Any] = {"__name__": "http3_transport._functions"}
    exec(SOURCE, namespace)
    return type(
        "Functions", (Functions,), {name: staticmethod(namespace[name]) for name in Functions.__annotations__}
    )


def secrets(error: BaseException) -> list[str]:
    """The functions whose secret can still be seen in the traceback."""
    found = []
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        if "secret" in traceback.tb_frame.f_locals:
            found.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    return found


@pytest.mark.parametrize("link", ["same", "cause", "context"])
def test_a_coroutine_that_awaits_where_it_caught_the_exception_goes_on(functions: Any, link: str) -> None:
    """Another task meets the same exception, or one that came of it."""

    async def main() -> None:
        error, met = ValueError("shared"), asyncio.Event()
        catching = asyncio.create_task(functions.catches(error, met.wait))
        await asyncio.sleep(0)
        later: Exception = error
        if link != "same":
            later = RuntimeError("later")
            setattr(later, f"__{link}__", error)
        with pytest.raises(type(later)) as caught:
            await functions.lets_through(later, lambda: asyncio.sleep(0))
        forget_locals(caught.value)
        assert "lets_through" not in secrets(caught.value)
        met.set()
        assert await asyncio.wait_for(catching, 10) == "hush"
        forget_locals(error)
        assert not secrets(error)

    asyncio.run(main())


def test_a_generator_that_yields_where_it_caught_the_exception_goes_on(functions: Any) -> None:
    error = ValueError("shared")
    generator = functions.yields(error)
    assert next(generator) == "hush"
    forget_locals(error)
    assert list(generator) == ["hush"]
    forget_locals(error)
    assert not secrets(error)


def test_an_async_generator_goes_on(functions: Any) -> None:
    async def main() -> list[str]:
        error = ValueError("shared")
        found = []
        async for text in functions.yields_later(error, lambda: asyncio.sleep(0)):
            found.append(text)
            forget_locals(error)
        return found

    assert asyncio.run(main()) == ["hush", "hush"]


def test_what_has_come_to_its_end_is_cleared(functions: Any) -> None:
    error = ValueError("once")
    with pytest.raises(ValueError, match="once"):
        list(functions.ends(error))
    assert secrets(error) == ["ends"]
    forget_locals(error)
    assert not secrets(error)


def test_a_coroutine_that_was_cancelled_is_cleared(functions: Any) -> None:
    async def main() -> BaseException:
        task = asyncio.create_task(functions.waits(ValueError(), asyncio.Event().wait))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return caught.value

    error = asyncio.run(main())
    assert secrets(error) == ["waits"]
    forget_locals(error)
    assert not secrets(error)

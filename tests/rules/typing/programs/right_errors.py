"""What an exception carries is used without a cast, in sync and in async code. Never run."""

from __future__ import annotations

from typing import assert_type

import http3


def sync_code() -> dict[str, str]:
    """`Client` and the request functions."""
    try:
        http3.get("https://example.org/").raise_for_status()
    except http3.HttpError as exc:
        problem: dict[str, str] = exc.response.json()
        print(exc.response.json()["error"], exc.response.read()[:10])
        for line in exc.response.iter_lines():
            print(line)
        assert_type(exc.response.status_code, int)
        assert_type(exc.response.text, str)
        assert_type(exc.response.url, http3.URL)
        assert_type(exc.request.method, str)
        log(exc.response, exc.request)
        return problem
    except http3.RedirectError as exc:
        log(exc.response, exc.request)
    except http3.JSONDecodeError as exc:
        assert_type(exc.pos, int)
        log(exc.response, exc.request)
    except http3.exceptions.ConnectTimeout as exc:
        print(exc.delivery, http3.config.TimeoutConfig(3), http3.models.URL(exc.request.url))
    except http3.RequestError as exc:
        print(exc.request.url, exc.request.read())
    return {}


def log(response: http3.Response, request: http3.Request) -> None:
    """A function for sync code."""
    print(response.num_bytes_downloaded, response.content, request.content)


async def async_code() -> dict[str, str]:
    """`AsyncClient`."""
    async with http3.AsyncClient() as client:
        try:
            (await client.get("https://example.org/")).raise_for_status()
        except http3.HttpError as exc:
            problem: dict[str, str] = await exc.response.json()
            print((await exc.response.json())["error"], (await exc.response.read())[:10])
            async for line in exc.response.iter_lines():
                print(line)
            if isinstance(exc.response, http3.AsyncResponse):
                print(exc.response.status_code)
            assert_type(exc.response.text, str)
            await async_log(exc.response, exc.request)
            return problem
        except http3.RequestError as exc:
            print(exc.request.url, await exc.request.read())
    return {}


async def async_log(response: http3.AsyncResponse, request: http3.AsyncRequest) -> None:
    """A function for async code."""
    print(await response.read(), request.content)


def made_by_hand(response: http3.Response, other: http3.AsyncResponse, request: http3.Request) -> None:
    """Tests make exceptions."""
    http3.HttpError("no", response=response)
    http3.HttpError("no", response=other)
    http3.RedirectError("no", response=other, request=request)
    error = http3.ReadTimeout("slow")
    error.request = request

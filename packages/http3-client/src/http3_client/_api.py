"""The request functions `get`, `post` and so on: each makes a client for one request.

They delete their arguments before they raise, for the reason that `_client` gives.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Unpack

from http3_models.engine import hide_arguments, set_next, state_of

from ._arguments import RequestOptions, of_function, of_verb_function, shown_as, wrong_arguments
from ._client import Client
from ._redirects import NextHop

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import (
        AuthTypes,
        CertTypes,
        CookieTypes,
        HeaderTypes,
        ProxyTypes,
        QueryParamTypes,
        RequestData,
        RequestFiles,
        Response,
        TimeoutTypes,
        URLTypes,
        VerifyTypes,
    )


@shown_as(of_function)
def request(
    method: str,
    url: URLTypes,
    *surplus: object,
    data: RequestData | None = None,
    files: RequestFiles | None = None,
    json: object = None,
    params: QueryParamTypes | None = None,
    headers: HeaderTypes | None = None,
    cookies: CookieTypes | None = None,
    stream: bool = False,
    auth: AuthTypes | None = None,
    allow_redirects: bool = True,
    cert: CertTypes | None = None,
    verify: VerifyTypes | None = None,
    timeout: TimeoutTypes | None = None,
    proxy: ProxyTypes | None = None,
    **unknown: object,
) -> Response:
    """Send one request and return its response, after redirects. The arguments are those of `Client.request`.

    Connections and cookies are not kept for the next call: for several requests use a `Client`. With
    ``stream=True`` the connection is open until the response is read or closed.
    """
    try:
        if surplus or unknown:
            raise wrong_arguments(surplus, unknown)
        with Client() as client:
            response = client.request(
                method,
                url,
                data=data,
                files=files,
                json=json,
                params=params,
                headers=headers,
                cookies=cookies,
                stream=stream,
                auth=auth,
                allow_redirects=allow_redirects,
                cert=cert,
                verify=verify,
                timeout=timeout,
                proxy=proxy,
            )
        return _with_next(client, response)
    finally:
        del url, data, files, json, params, headers, cookies, auth, cert, proxy, surplus, unknown


def _with_next(client: Client, response: Response) -> Response:
    """Have ``response.next()`` open the closed client for one more request."""
    send_next = response.next
    if send_next is not None:
        set_next(response, NextHop(state_of(response), partial(_send_next, client, send_next)))
    return response


def _send_next(client: Client, send_next: Callable[[], Response]) -> Response:
    client._engine.reopen()
    with client:
        return _with_next(client, send_next())


@hide_arguments
@shown_as(of_verb_function, request)
def get(url: URLTypes, *surplus: object, **options: Unpack[RequestOptions]) -> Response:
    """Send a GET request; the options are those of `request`."""
    return request("GET", url, *surplus, **options)


@hide_arguments
@shown_as(of_verb_function, request)
def options(url: URLTypes, *surplus: object, **options: Unpack[RequestOptions]) -> Response:
    """Send an OPTIONS request; the options are those of `request`."""
    return request("OPTIONS", url, *surplus, **options)


@hide_arguments
@shown_as(of_verb_function, request, allow_redirects=False)
def head(url: URLTypes, *surplus: object, **options: Unpack[RequestOptions]) -> Response:
    """Send a HEAD request; as `request`, but ``allow_redirects`` is False by default."""
    options.setdefault("allow_redirects", False)
    return request("HEAD", url, *surplus, **options)


@hide_arguments
@shown_as(of_verb_function, request)
def post(url: URLTypes, *surplus: object, **options: Unpack[RequestOptions]) -> Response:
    """Send a POST request; the options are those of `request`."""
    return request("POST", url, *surplus, **options)


@hide_arguments
@shown_as(of_verb_function, request)
def put(url: URLTypes, *surplus: object, **options: Unpack[RequestOptions]) -> Response:
    """Send a PUT request; the options are those of `request`."""
    return request("PUT", url, *surplus, **options)


@hide_arguments
@shown_as(of_verb_function, request)
def patch(url: URLTypes, *surplus: object, **options: Unpack[RequestOptions]) -> Response:
    """Send a PATCH request; the options are those of `request`."""
    return request("PATCH", url, *surplus, **options)


@hide_arguments
@shown_as(of_verb_function, request)
def delete(url: URLTypes, *surplus: object, **options: Unpack[RequestOptions]) -> Response:
    """Send a DELETE request; the options are those of `request`."""
    return request("DELETE", url, *surplus, **options)

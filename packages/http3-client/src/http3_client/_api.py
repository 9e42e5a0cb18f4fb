"""The request functions `get`, `post` and so on: each makes a client for one request.

They delete their arguments before they raise, for the reason that `_client` gives.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Unpack

from http3_models.engine import hide_arguments, set_next

from ._client import Client
from ._options import RequestOptions, with_signature_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import (
        AuthTypes,
        CertTypes,
        CookieTypes,
        HeaderTypes,
        QueryParamTypes,
        RequestData,
        RequestFiles,
        Response,
        TimeoutTypes,
        URLTypes,
        VerifyTypes,
    )


def request(
    method: str,
    url: URLTypes,
    *,
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
) -> Response:
    """Send one request and return its response, after redirects. The arguments are those of `Client.request`.

    Connections and cookies are not kept for the next call: for several requests use a `Client`. With
    ``stream=True`` the connection is open until the response is read or closed.
    """
    try:
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
            )
        return _with_next(client, response)
    finally:
        del url, data, files, json, params, headers, cookies, auth, cert


def _with_next(client: Client, response: Response) -> Response:
    """Have ``response.next()`` open the closed client for one more request."""
    send_next = response.next
    if send_next is not None:
        set_next(response, partial(_send_next, client, send_next))
    return response


def _send_next(client: Client, send_next: Callable[[], Response]) -> Response:
    client._engine.reopen()
    with client:
        return _with_next(client, send_next())


@hide_arguments
@with_signature_of(request)
def get(url: URLTypes, **options: Unpack[RequestOptions]) -> Response:
    """Send a GET request; the options are those of `request`."""
    return request("GET", url, **options)


@hide_arguments
@with_signature_of(request)
def options(url: URLTypes, **options: Unpack[RequestOptions]) -> Response:
    """Send an OPTIONS request; the options are those of `request`."""
    return request("OPTIONS", url, **options)


@hide_arguments
@with_signature_of(request, allow_redirects=False)
def head(url: URLTypes, **options: Unpack[RequestOptions]) -> Response:
    """Send a HEAD request; as `request`, but ``allow_redirects`` is False by default."""
    options.setdefault("allow_redirects", False)
    return request("HEAD", url, **options)


@hide_arguments
@with_signature_of(request)
def post(url: URLTypes, **options: Unpack[RequestOptions]) -> Response:
    """Send a POST request; the options are those of `request`."""
    return request("POST", url, **options)


@hide_arguments
@with_signature_of(request)
def put(url: URLTypes, **options: Unpack[RequestOptions]) -> Response:
    """Send a PUT request; the options are those of `request`."""
    return request("PUT", url, **options)


@hide_arguments
@with_signature_of(request)
def patch(url: URLTypes, **options: Unpack[RequestOptions]) -> Response:
    """Send a PATCH request; the options are those of `request`."""
    return request("PATCH", url, **options)


@hide_arguments
@with_signature_of(request)
def delete(url: URLTypes, **options: Unpack[RequestOptions]) -> Response:
    """Send a DELETE request; the options are those of `request`."""
    return request("DELETE", url, **options)

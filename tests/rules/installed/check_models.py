"""Run by .ci/run where http3-models alone is installed: its values, and a dispatcher of one's own."""

from __future__ import annotations

import importlib.util
import sys

import http3_models

for absent in ("http3", "http3_client", "http3_transport", "h11", "h2", "trio", "pytest"):
    assert importlib.util.find_spec(absent) is None, absent
assert not {"ssl", "socket", "asyncio", "select", "threading"} & set(sys.modules)


class Upper(http3_models.Dispatcher):
    """Sends the text of a request back in capitals."""

    def send(
        self,
        request: http3_models.Request,
        verify: http3_models.VerifyTypes | None = None,
        cert: http3_models.CertTypes | None = None,
        timeout: http3_models.TimeoutTypes | None = None,
    ) -> http3_models.Response:
        """Answer at once."""
        return http3_models.Response(200, text=request.read().decode().upper(), request=request)


answer = Upper().request("POST", "https://example.org/", data="quiet")
assert answer.text == "QUIET", answer
assert answer.request.headers["content-length"] == "5"
context = http3_models.SSLConfig().create_ssl_context()
assert context.check_hostname
print(f"http3-models {http3_models.__version__} works alone")

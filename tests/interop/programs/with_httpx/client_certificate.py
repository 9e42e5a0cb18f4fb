"""A server that asks for a certificate, under an authority of one's own."""

from __future__ import annotations

import ssl
import sys

import httpx

context = ssl.create_default_context(cafile="ca.pem")
context.load_cert_chain("client.pem")
print(httpx.get(f"{sys.argv[3]}/small", verify=context).text)

"""A server that asks for a certificate, under an authority of one's own."""

from __future__ import annotations

import sys

import http3

print(http3.get(f"{sys.argv[3]}/small", verify="ca.pem", cert="client.pem").text)

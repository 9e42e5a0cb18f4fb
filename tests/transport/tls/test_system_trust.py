"""``verify="system"``: the trust store of the operating system, as truststore finds it."""

from __future__ import annotations

import pickle
import sys

import pytest

import http3
from http3_transport.testing import ScriptedConnection, ScriptedServer, response_bytes
from support.servers import Authority
from support.worlds import World, do


def answer(connection: ScriptedConnection) -> None:
    while True:
        connection.read_request()
        connection.write(response_bytes(b"here"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the store is not named by a variable")
def test_the_store_decides(world: World, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("truststore")

    async def main() -> None:
        with ScriptedServer(answer, ssl_context=authority.server_context("http/1.1")) as server:
            monkeypatch.setenv("SSL_CERT_FILE", authority.stranger_ca_file)
            with pytest.raises(http3.TLSError, match="certificate not accepted"):
                await do(world.client(verify="system").get(server.url))
            monkeypatch.setenv("SSL_CERT_FILE", authority.ca_file)
            client = world.client(verify="system")
            for _ in range(2):
                response = await do(client.get(server.url))
                assert response.content == b"here"
                assert response.connection.tls_version is not None
            assert server.connections == 2
            assert (await do(world.client().get(server.url, verify="system"))).status_code == 200

    world.run(main)


def test_a_host_name_is_checked(world: World, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("truststore")

    async def main() -> None:
        context = authority.server_context("http/1.1")
        context.load_cert_chain(authority.wrong_name_cert, authority.wrong_name_key)
        with ScriptedServer(answer, ssl_context=context) as server:
            monkeypatch.setenv("SSL_CERT_FILE", authority.ca_file)
            with pytest.raises(http3.TLSError):
                await do(world.client(verify="system").get(server.url))

    world.run(main)


def test_without_truststore(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "truststore", None)

    async def main() -> None:
        with ScriptedServer(lambda connection: None) as server:
            client = world.client(verify="system", trust_env=False)
            with pytest.raises(ImportError, match=r"http3\[system-trust\]"):
                await do(client.get(server.url.replace("http:", "https:")))

    world.run(main)


def test_it_is_a_value() -> None:
    config = http3.SSLConfig(verify="system")
    assert pickle.loads(pickle.dumps(config)) == config
    assert config != http3.SSLConfig()
    assert config != http3.SSLConfig(verify="./system")
    assert repr(config) == "SSLConfig(cert=None, verify='system')"

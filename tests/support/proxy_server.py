"""A proxy on the loopback interface, for tests: it forwards requests, opens tunnels, or speaks SOCKS5."""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.client
import re
import select
import socket
import ssl
import threading
from contextlib import closing, suppress
from typing import NamedTuple, Self

_FOR_THE_PROXY = ("proxy-authorization", "connection")

HEAD_END = b"\r\n\r\n"


class Asked(NamedTuple):
    """What a client sent to the proxy itself: a request line with its fields, or a SOCKS target."""

    line: str
    fields: dict[str, str]

    @property
    def method(self) -> str:
        """CONNECT, or that of a request to forward."""
        return self.line.split(" ")[0]

    @property
    def target(self) -> str:
        """Host and port, or an absolute URL."""
        return self.line.split(" ")[1]


class ProxyServer:
    """``with ProxyServer() as proxy: ... proxy.url``. What it was asked is in ``proxy.asked``.

    ``kind``: "http" (forwards and tunnels) or "socks5". ``credentials``: "user:password" that it wants, as
    ``scheme`` ("basic" or "digest") or by RFC 1929. ``places``: where names lead, (host, port) -> address.
    ``tls``: a server's context, for https:// proxies. ``keeps``: after a 407 the connection stays open.
    ``stale``: how many right answers to Digest get a new nonce. As a program (``python -m
    support.proxy_server``) it runs until it is killed, outside the process of the tests, whose sockets are
    counted.
    """

    greeting = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n"

    def __init__(
        self,
        kind: str = "http",
        *,
        credentials: str | None = None,
        scheme: str = "basic",
        places: dict[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        keeps: bool = True,
        stale: int = 0,
        port: int = 0,
    ) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self._kind = kind
        self._credentials = credentials
        self._scheme = scheme
        self._places = places or {}
        self._tls = tls
        self._keeps = keeps
        self._stale = stale
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        scheme_of_url = "socks5h" if kind == "socks5" else "https" if tls else "http"
        self.url = f"{scheme_of_url}://127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        self._is_closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._is_closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def url_with(self, userinfo: str, scheme: str | None = None) -> str:
        """The URL with a userinfo, or another scheme."""
        own, _, rest = self.url.partition("://")
        return f"{scheme or own}://{userinfo}{'@' if userinfo else ''}{rest}"

    def cut(self) -> None:
        """Close all connections."""
        for sock in list(self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(10)
        self._open.add(client)
        used = client
        try:
            if self._tls is not None:
                used = self._tls.wrap_socket(client, server_side=True)
                self._open.add(used)
            if self._kind == "socks5":
                self._serve_socks(used)
            else:
                self._serve_http(used)
        except (OSError, ValueError):
            pass
        finally:
            for sock in (used, client):
                self._open.discard(sock)
                sock.close()

    # HTTP.

    def _serve_http(self, client: socket.socket) -> None:
        buffered = b""
        while True:
            while HEAD_END not in buffered:
                data = client.recv(65536)
                if not data:
                    return
                buffered += data
            head, _, buffered = buffered.partition(HEAD_END)
            lines = head.decode("latin-1").split("\r\n")
            fields = {}
            for line in lines[1:]:
                name, _, value = line.partition(":")
                fields[name.lower()] = value.strip()
            asked = Asked(lines[0], fields)
            self.asked.append(asked)
            length = int(fields.get("content-length", "0"))
            while len(buffered) < length:
                buffered += client.recv(65536)
            body, buffered = buffered[:length], buffered[length:]
            refusal = self._refusal(asked)
            if refusal is not None:
                client.sendall(refusal)
                if not self._keeps:
                    return
                continue
            if asked.method == "CONNECT":
                host, _, port = asked.target.rpartition(":")
                server = self._connect(host.strip("[]"), int(port), client)
                client.sendall(self.greeting)
                relay(client, server)
                return
            self._forward(client, asked, body)

    def _connect(self, host: str, port: int, client: socket.socket) -> socket.socket:
        try:
            return socket.create_connection((self._places.get(host, host), port), 5)
        except OSError:
            text = b"no way there"
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
            raise

    def _forward(self, client: socket.socket, asked: Asked, body: bytes) -> None:
        match = re.fullmatch(r"http://([^/:]+|\[[^]]+\])(?::(\d+))?(/.*)?", asked.target)
        if match is None:
            client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return
        kept = {name: value for name, value in asked.fields.items() if name not in _FOR_THE_PROXY}
        host = match[1].strip("[]")
        server = http.client.HTTPConnection(self._places.get(host, host), int(match[2] or 80), timeout=10)
        with closing(server):
            server.request(asked.method, match[3] or "/", body or None, kept)
            answer = server.getresponse()
            content = answer.read()
            fields = [f"{name}: {value}" for name, value in answer.getheaders() if not _frames(name)]
        lines = [
            f"HTTP/1.1 {answer.status} {answer.reason}",
            *fields,
            f"content-length: {len(content)}",
            "",
            "",
        ]
        client.sendall("\r\n".join(lines).encode("latin-1") + content)

    def _refusal(self, asked: Asked) -> bytes | None:
        if self._credentials is None:
            return None
        given = asked.fields.get("proxy-authorization", "")
        challenge = 'Basic realm="test"'
        if self._scheme == "basic":
            wanted = "Basic " + base64.b64encode(self._credentials.encode()).decode()
            if given == wanted:
                return None
        else:
            stale = self._stale > 0
            nonce = f"n{len(self.asked)}" if stale else "nonce"
            if self._answers_digest(asked, given) and not stale:
                return None
            self._stale -= 1 if stale and given.startswith("Digest") else 0
            challenge = f'Digest realm="test", nonce="{nonce}", qop="auth"' + (
                ", stale=true" if stale else ""
            )
        text = b"who are you?"
        ending = "" if self._keeps else "Connection: close\r\n"
        head = (
            f"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: {challenge}\r\n"
            f"{ending}Content-Length: {len(text)}\r\n\r\n"
        )
        return head.encode() + text

    def _answers_digest(self, asked: Asked, given: str) -> bool:
        if not given.startswith("Digest "):
            return False
        said = dict(re.findall(r'(\w+)="?([^",]*)"?', given))
        user, _, password = (self._credentials or "").partition(":")

        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        a1, a2 = md5(f"{user}:test:{password}"), md5(f"{asked.method}:{said['uri']}")
        wanted = md5(f"{a1}:{said['nonce']}:{said['nc']}:{said['cnonce']}:auth:{a2}")
        return bool(said["uri"] == asked.target and said["response"] == wanted)

    # SOCKS5.

    def _serve_socks(self, client: socket.socket) -> None:
        _, count = exactly(client, 2)
        offered = exactly(client, count)
        if self._credentials is None:
            client.sendall(b"\x05\x00")
        elif 2 not in offered:
            client.sendall(b"\x05\xff")
            return
        else:
            client.sendall(b"\x05\x02")
            _, size = exactly(client, 2)
            user = exactly(client, size).decode()
            password = exactly(client, exactly(client, 1)[0]).decode()
            right = f"{user}:{password}" == self._credentials
            client.sendall(b"\x01\x00" if right else b"\x01\x01")
            if not right:
                return
        _, _, _, kind = exactly(client, 4)
        if kind == 3:
            host = exactly(client, exactly(client, 1)[0]).decode()
        else:
            family = socket.AF_INET if kind == 1 else socket.AF_INET6
            host = socket.inet_ntop(family, exactly(client, 4 if kind == 1 else 16))
        port = int.from_bytes(exactly(client, 2), "big")
        self.asked.append(Asked(f"SOCKS {host}:{port}", {"type": str(kind)}))
        try:
            server = socket.create_connection((self._places.get(host, host), port), 5)
        except OSError:
            client.sendall(b"\x05\x05\x00\x01" + bytes(6))
            return
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        relay(client, server)


def _frames(name: str) -> bool:
    return name.lower() in ("content-length", "transfer-encoding", "connection")


def exactly(sock: socket.socket, size: int) -> bytes:
    """So many bytes. Raises OSError at the end of the stream."""
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise ConnectionResetError("the client closed the connection")
        data += piece
    return data


def relay(left: socket.socket, right: socket.socket) -> None:
    """Copy both ways until one side closes."""
    with right:
        right.settimeout(10)
        while True:
            pending = isinstance(left, ssl.SSLSocket) and left.pending()
            ready = [left] if pending else select.select([left, right], [], [], 10)[0]
            if not ready:
                return
            for source in ready:
                data = source.recv(65536)
                if not data:
                    return
                (right if source is left else left).sendall(data)


def main() -> None:
    """Run one, as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["http", "socks5"])
    parser.add_argument("port", type=int)
    parser.add_argument("--credentials")
    parser.add_argument("--scheme", default="basic")
    parser.add_argument("--closes", action="store_true")
    parser.add_argument("--certificate", nargs=2)
    options = parser.parse_args()
    tls = None
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*options.certificate)
    with ProxyServer(
        options.kind,
        port=options.port,
        credentials=options.credentials,
        scheme=options.scheme,
        keeps=not options.closes,
        tls=tls,
    ):
        threading.Event().wait()


if __name__ == "__main__":
    main()

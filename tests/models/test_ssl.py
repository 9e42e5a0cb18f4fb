"""SSL contexts: what they verify, whom they present, when they are shared, and how failures read."""

from __future__ import annotations

import gc
import os
import pathlib
import ssl
import subprocess
import sys
import threading
import typing
import weakref

import certifi
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from http3_models import CertTypes, SSLConfig, _ssl
from http3_models._ssl import create_context
from http3_models.engine import ssl_context_for


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ssl, "_contexts", {})
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)


class Site:
    """A certificate authority, a server's certificate and a client's, with their files."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.ca = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.ca_file))
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert("example.org").configure_cert(self.server)
        self.server.set_alpn_protocols(["h2", "http/1.1"])
        client = self.ca.issue_cert("client@example.org")
        self.cert_file = folder / "cert.pem"
        self.key_file = folder / "key.pem"
        self.both_file = folder / "both.pem"
        client.cert_chain_pems[0].write_to_path(str(self.cert_file))
        client.private_key_pem.write_to_path(str(self.key_file))
        client.private_key_and_cert_chain_pem.write_to_path(str(self.both_file))
        self.encrypted_file = folder / "encrypted.pem"
        key = serialization.load_pem_private_key(client.private_key_pem.bytes(), None)
        self.encrypted_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"hunter2"),
            )
        )
        self.broken_file = folder / "broken.pem"
        self.broken_file.write_text("this is no certificate\n")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("tls"))


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str = "example.org") -> ssl.SSLObject:
    """A handshake in memory; returns the server's end. Raises SSLError where the client refuses."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=host)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(5):
        for end in (near, far):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    far.do_handshake()
    return far


class TestVerification:
    def test_certifi_is_the_default_and_does_not_know_our_authority(self, site: Site) -> None:
        context = ssl_context_for(SSLConfig())
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert len(context.get_ca_certs()) > 50
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(context, site.server)

    def test_a_ca_file(self, site: Site) -> None:
        context = ssl_context_for(SSLConfig(verify=site.ca_file))
        assert len(context.get_ca_certs()) == 1
        shake_hands(context, site.server)

    def test_the_host_name_is_verified(self, site: Site) -> None:
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            shake_hands(ssl_context_for(SSLConfig(verify=site.ca_file)), site.server, "example.com")

    def test_a_ca_folder(self, site: Site, tmp_path: pathlib.Path) -> None:
        hashed = subprocess.run(
            ["openssl", "x509", "-hash", "-noout", "-in", str(site.ca_file)],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout.strip()
        (tmp_path / f"{hashed}.0").write_bytes(site.ca_file.read_bytes())
        shake_hands(ssl_context_for(SSLConfig(verify=str(tmp_path))), site.server)

    def test_no_verification(self, site: Site) -> None:
        context = ssl_context_for(SSLConfig(verify=False))
        assert context.verify_mode == ssl.CERT_NONE
        assert not context.check_hostname
        shake_hands(context, site.server, "anything.test")


class TestClientCertificates:
    @pytest.fixture
    def asking(self, site: Site) -> ssl.SSLContext:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        site.ca.issue_cert("example.org").configure_cert(server)
        server.verify_mode = ssl.CERT_REQUIRED
        site.ca.configure_trust(server)
        return server

    @pytest.mark.parametrize("verifies", [True, False])
    @pytest.mark.parametrize("form", ["file", "pair", "password"])
    def test_it_is_presented(self, site: Site, asking: ssl.SSLContext, form: str, verifies: bool) -> None:
        forms: dict[str, CertTypes] = {
            "file": site.both_file,
            "pair": (site.cert_file, site.key_file),
            "password": (site.cert_file, site.encrypted_file, "hunter2"),
        }
        config = SSLConfig(cert=forms[form], verify=site.ca_file if verifies else False)
        context = ssl_context_for(config)
        assert context.post_handshake_auth
        server = shake_hands(context, asking)
        certificate = typing.cast("dict[str, object]", server.getpeercert())
        assert certificate["subjectAltName"] == (("email", "client@example.org"),)

    def test_without_one_the_server_refuses(self, site: Site, asking: ssl.SSLContext) -> None:
        with pytest.raises(ssl.SSLError):
            shake_hands(ssl_context_for(SSLConfig(verify=site.ca_file)), asking)

    def test_an_encrypted_key_does_not_ask_on_the_terminal(self, site: Site) -> None:
        with pytest.raises(ValueError, match=r"key of cert is encrypted: .*encrypted\.pem.*password"):
            create_context(SSLConfig(cert=(site.cert_file, site.encrypted_file), verify=False))

    def test_a_wrong_password(self, site: Site) -> None:
        with pytest.raises(ValueError, match="password is wrong") as caught:
            create_context(SSLConfig(cert=(site.cert_file, site.encrypted_file, "wrong"), verify=False))
        assert isinstance(caught.value.__cause__, ssl.SSLError)
        assert "wrong'" not in str(caught.value)

    def test_a_broken_file(self, site: Site) -> None:
        with pytest.raises(ValueError, match=r"cert is not a certificate .*broken\.pem"):
            create_context(SSLConfig(cert=site.broken_file, verify=False))

    def test_a_key_of_another_certificate(self, site: Site, tmp_path: pathlib.Path) -> None:
        other = tmp_path / "other.pem"
        site.ca.issue_cert("other@example.org").private_key_pem.write_to_path(str(other))
        with pytest.raises(ValueError, match=r"other\.pem"):
            create_context(SSLConfig(cert=(site.cert_file, other), verify=False))


class TestFailures:
    @pytest.mark.parametrize("make", [create_context, ssl_context_for])
    @pytest.mark.parametrize(
        ("config", "name"),
        [
            (SSLConfig(verify="/nowhere/ca.pem"), "verify"),
            (SSLConfig(cert="/nowhere/cert.pem"), "cert"),
            (SSLConfig(cert=("/nowhere/cert.pem", "/nowhere/key.pem"), verify=False), "cert"),
        ],
    )
    def test_a_missing_path_is_an_oserror_that_names_it(
        self, make: typing.Callable[[SSLConfig], ssl.SSLContext], config: SSLConfig, name: str
    ) -> None:
        with pytest.raises(FileNotFoundError, match=rf"{name} can't be read.*/nowhere/") as caught:
            make(config)
        assert caught.value.filename.startswith("/nowhere/")

    def test_a_missing_key(self, site: Site) -> None:
        with pytest.raises(FileNotFoundError, match="/nowhere/key"):
            create_context(SSLConfig(cert=(site.cert_file, "/nowhere/key.pem")))

    def test_a_broken_ca_file(self, site: Site) -> None:
        with pytest.raises(ValueError, match=r"verify holds no certificates.*broken\.pem") as caught:
            create_context(SSLConfig(verify=site.broken_file))
        assert isinstance(caught.value.__cause__, ssl.SSLError)

    def test_a_path_with_a_nul(self) -> None:
        with pytest.raises(ValueError, match="verify is not a path"):
            create_context(SSLConfig(verify="a\x00b"))

    @pytest.mark.parametrize("which", ["verify", "cert", "key"])
    def test_a_file_that_may_not_be_read(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, which: str
    ) -> None:
        # Root may read everything, so the kernel's answer is played.
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        method = "load_verify_locations" if which == "verify" else "load_cert_chain"
        monkeypatch.setattr(ssl.SSLContext, method, refuse)
        unreadable = site.key_file if which == "key" else site.cert_file
        monkeypatch.setattr(os, "access", lambda path, mode: path != str(unreadable))
        config = SSLConfig(verify=site.ca_file, cert=(site.cert_file, site.key_file))
        name = "verify" if which == "verify" else "cert"
        with pytest.raises(PermissionError, match=f"{name} can't be read") as caught:
            create_context(config)
        assert caught.value.filename == str(site.ca_file if which == "verify" else unreadable)


class TestEnvironment:
    def test_ssl_cert_file(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(site.ca_file))
        shake_hands(ssl_context_for(SSLConfig()), site.server)
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(ssl_context_for(SSLConfig(trust_env=False)), site.server)

    def test_ssl_cert_dir(self, site: Site, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_DIR", f"/nowhere{os.pathsep}{tmp_path}{os.pathsep}")
        assert ssl_context_for(SSLConfig()).get_ca_certs() == []
        monkeypatch.setenv("SSL_CERT_FILE", str(site.ca_file))
        assert len(ssl_context_for(SSLConfig()).get_ca_certs()) == 1

    def test_the_argument_wins(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
        shake_hands(ssl_context_for(SSLConfig(verify=site.ca_file)), site.server)
        ssl_context_for(SSLConfig(verify=False))

    def test_empty_variables_are_as_if_unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", "")
        monkeypatch.setenv("SSLKEYLOGFILE", "")
        assert len(ssl_context_for(SSLConfig()).get_ca_certs()) > 50

    @pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
    def test_a_missing_path_names_the_variable(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, "/nowhere")
        with pytest.raises(FileNotFoundError, match=rf"{name} can't be read.*/nowhere"):
            ssl_context_for(SSLConfig())

    def test_a_missing_folder_beside_a_file(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(site.ca_file))
        monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
        with pytest.raises(FileNotFoundError, match="SSL_CERT_DIR"):
            ssl_context_for(SSLConfig())

    @pytest.mark.parametrize("verifies", [True, False])
    def test_session_keys_are_logged(
        self, site: Site, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, verifies: bool
    ) -> None:
        log = tmp_path / "keys.log"
        monkeypatch.setenv("SSLKEYLOGFILE", str(log))
        verify = site.ca_file if verifies else False
        shake_hands(ssl_context_for(SSLConfig(verify=verify, trust_env=False)), site.server)
        assert not log.exists()
        context = ssl_context_for(SSLConfig(verify=verify))
        shake_hands(context, site.server)
        context.keylog_filename = None  # type: ignore[assignment]
        assert "CLIENT_TRAFFIC_SECRET_0" in log.read_text()

    @pytest.mark.parametrize("name", ["missing/keys.log", "", "file/keys.log"])
    def test_a_key_log_that_cannot_be_written_is_warned_about_once(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, name: str
    ) -> None:
        (tmp_path / "file").touch()
        path = f"{tmp_path}/{name}"
        monkeypatch.setenv("SSLKEYLOGFILE", path)

        def connect() -> None:
            for config in (SSLConfig(verify=False), SSLConfig(verify=site.ca_file)):
                for alpn in ((), ("h2",)):
                    shake_hands(ssl_context_for(config, alpn), site.server)
                shake_hands(create_context(config), site.server)

        with pytest.warns(RuntimeWarning, match="SSLKEYLOGFILE can't be written .*, so no") as caught:
            connect()
        assert len(caught) == 1
        assert path in str(caught[0].message)
        monkeypatch.setenv("SSLKEYLOGFILE", f"{tmp_path}/no/other.log")
        ssl_context_for(SSLConfig(verify=False, trust_env=False))  # a warning would be an error
        with pytest.warns(RuntimeWarning, match="other.log"):
            ssl_context_for(SSLConfig(verify=False))

    def test_as_an_error_the_warning_comes_once_too(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
    ) -> None:
        monkeypatch.setenv("SSLKEYLOGFILE", f"{tmp_path}/missing/keys.log")
        with pytest.raises(RuntimeWarning, match="SSLKEYLOGFILE"):
            create_context(SSLConfig())
        create_context(SSLConfig())

    def test_python_can_be_told_to_ignore_it(self, site: Site) -> None:
        program = (
            "from http3_models._ssl import ssl_context_for\n"
            "from http3_models._config import SSLConfig\n"
            "print(len(ssl_context_for(SSLConfig()).get_ca_certs()))"
        )
        environment = {**os.environ, "SSL_CERT_FILE": str(site.ca_file)}
        done = subprocess.run(
            [sys.executable, "-E", "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        assert int(done.stdout) > 50


class TestSharing:
    def test_one_context_for_one_configuration(self, site: Site) -> None:
        config = SSLConfig(verify=site.ca_file)
        first = ssl_context_for(config, ("h2", "http/1.1"))
        assert ssl_context_for(SSLConfig(verify=str(site.ca_file)), ("h2", "http/1.1")) is first
        assert ssl_context_for(config, ("http/1.1",)) is not first
        assert ssl_context_for(config) is not first
        assert ssl_context_for(config.with_overrides(verify=False), ("h2", "http/1.1")) is not first

    @pytest.mark.parametrize(
        ("alpn", "agreed"), [(("h2", "http/1.1"), "h2"), (("http/1.1",), "http/1.1"), ((), None)]
    )
    def test_alpn(self, site: Site, alpn: tuple[str, ...], agreed: str | None) -> None:
        context = ssl_context_for(SSLConfig(verify=site.ca_file), alpn)
        assert shake_hands(context, site.server).selected_alpn_protocol() == agreed

    def test_a_context_of_the_user_is_used_as_it_is(self, site: Site) -> None:
        own = ssl.create_default_context(cafile=str(site.ca_file))
        own.set_alpn_protocols(["http/1.1"])
        config = SSLConfig(verify=own)
        assert ssl_context_for(config) is own
        assert create_context(config) is own
        assert shake_hands(own, site.server).selected_alpn_protocol() == "http/1.1"
        assert ssl_context_for(config, ("h2",)) is own
        assert shake_hands(own, site.server).selected_alpn_protocol() == "h2"
        own.set_alpn_protocols(["http/1.1"])
        ssl_context_for(config, ("h2",))
        assert shake_hands(own, site.server).selected_alpn_protocol() == "h2"

    def test_a_context_of_the_user_is_not_kept_alive(self) -> None:
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ssl_context_for(SSLConfig(verify=own), ("h2",))
        gone = weakref.ref(own)
        del own
        gc.collect()
        assert gone() is None

    def test_a_created_context_is_not_shared(self) -> None:
        config = SSLConfig(verify=False)
        assert create_context(config) is not create_context(config)
        assert create_context(config) is not ssl_context_for(config)

    def test_a_renewed_file_makes_a_new_context(self, site: Site, tmp_path: pathlib.Path) -> None:
        cert = tmp_path / "cert.pem"
        cert.write_bytes(site.both_file.read_bytes())
        config = SSLConfig(cert=cert, verify=False)
        first = ssl_context_for(config)
        assert ssl_context_for(config) is first
        os.utime(cert, ns=(1, 1))
        assert ssl_context_for(config) is not first
        cert.unlink()
        with pytest.raises(FileNotFoundError):
            ssl_context_for(config)

    def test_a_changed_environment_makes_a_new_context(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = ssl_context_for(SSLConfig())
        monkeypatch.setenv("SSL_CERT_FILE", str(site.ca_file))
        assert ssl_context_for(SSLConfig()) is not first

    def test_the_cache_is_bounded(self) -> None:
        config = SSLConfig(verify=False)
        protocols = [f"protocol-{number}" for number in range(2 * _ssl._MAX_CONTEXTS)]
        made = [ssl_context_for(config, (protocol,)) for protocol in protocols]
        assert len(_ssl._contexts) == _ssl._MAX_CONTEXTS
        assert ssl_context_for(config, (protocols[-1],)) is made[-1]

    def test_threads_get_one_context(self, site: Site) -> None:
        config = SSLConfig(verify=site.ca_file)
        start = threading.Barrier(4)
        found: list[ssl.SSLContext] = []

        def look() -> None:
            start.wait(10)
            found.append(ssl_context_for(config))

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(found) == 4
        assert len(set(map(id, found))) == 1

    def test_the_default_bundle(self) -> None:
        assert _ssl.default_ca_bundle() == certifi.where()

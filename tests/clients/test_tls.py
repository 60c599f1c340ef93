"""A gateway that speaks TLS only: every client of it does, whatever its certificate."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.answering_server import Server, good, serving
from support.load import after, with_load

from rollback_drills.clients.gateway import GatewayClient
from rollback_drills.clients.traffic import Sender, begin
from rollback_drills.core.meter import Meter
from rollback_drills.runtimes.host.readiness import answers
from rollback_drills.target.target import Target


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of somebody else, and its key, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody.example")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "somebody.pem"
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem))
    return file


@pytest.fixture
def secure(certificate: Path) -> Iterator[Server]:
    with serving() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield server


def over_tls(target: Target) -> Target:
    return target.model_copy(update={"gateway": target.gateway.model_copy(update={"scheme": "https"})})


def url(server: Server) -> str:
    return server.url.replace("http://", "https://")


def test_probes_and_deliveries_go_over_tls(secure: Server, reference_target: Target):
    client = GatewayClient(over_tls(reference_target), lambda: url(secure), Meter())
    assert client.healthy()
    assert client.deliver("github").acknowledged
    client.close()


def test_a_delivery_in_two_halves_goes_over_tls(secure: Server, reference_target: Target):
    secure.reply = good
    client = GatewayClient(over_tls(reference_target), lambda: url(secure), Meter())
    assert client.begin_delivery("github").finish().status == 202
    client.close()


def test_the_load_goes_over_tls(sender: Sender, secure: Server, reference_target: Target):
    requests = after(begin(sender, over_tls(with_load(reference_target, rate=50.0)), url(secure)), 10)
    assert {each.outcome for each in requests} == {"good"}


@pytest.mark.parametrize(("scheme", "ready"), [("https", True), ("http", False)])
def test_readiness_is_asked_in_what_the_gateway_speaks(
    secure: Server, reference_target: Target, scheme: str, ready: bool
):
    gateway = reference_target.gateway.model_copy(update={"scheme": scheme})
    target = reference_target.model_copy(update={"gateway": gateway})
    assert answers(target, "127.0.0.1", secure.server_address[1]) is ready

"""Second factors of the tests: an app that shows codes, and a passkey made of software."""

import hashlib
import json
import secrets
import time
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, generate_totp_secret, hotp_value
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

from accounts import factors
from accounts.models import User

ORIGIN = "http://localhost"
PRESENT, WITH_KEY = 0x01, 0x40  # flags: somebody touched it; it tells a public key


def give_app(user: User) -> str:
    """Switch an app on whose codes were not used yet; returns its secret."""
    secret = generate_totp_secret()
    factors.add_app(user, secret, step=0)
    return secret


def code(secret: str, *, later: int = 0) -> str:
    """What the app shows now, or ``later`` half minutes."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + later))


def recovery_codes_of(user: User) -> list[str]:
    row = factors.of(user).codes
    assert row is not None
    return factors.recovery_codes(row)


def secrets_of(user: User) -> list[Authenticator]:
    return list(Authenticator.objects.filter(user=user).exclude(type="webauthn"))


class Passkey:
    """What a browser and its passkey answer to the questions of the site."""

    def __init__(self, origin: str = ORIGIN) -> None:
        self.origin, self.host = origin, origin.partition("://")[2].partition(":")[0]
        self.key, self.id = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(20)

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": f"webauthn.{kind}", "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, client_data: bytes, **parts: bytes) -> dict[str, Any]:
        name = websafe_encode(self.id)
        response = {"clientDataJSON": client_data, **parts}
        encoded = {part: websafe_encode(value) for part, value in response.items()}
        return {"id": name, "rawId": name, "type": "public-key", "response": encoded}

    def make(self, options: dict[str, Any]) -> dict[str, Any]:
        """The answer to the question for a new passkey."""
        client_data = self._client_data("create", options["publicKey"]["challenge"])
        public = ES256.from_cryptography_key(self.key.public_key())
        credential = AttestedCredentialData.create(bytes(16), self.id, public)
        auth_data = AuthenticatorData.create(self._host_hash(), PRESENT | WITH_KEY, 0, credential)
        return self._answer(client_data, attestationObject=bytes(AttestationObject.create("none", auth_data, {})))

    def sign(self, options: dict[str, Any]) -> dict[str, Any]:
        """The answer to the question for this passkey."""
        client_data = self._client_data("get", options["publicKey"]["challenge"])
        auth_data = AuthenticatorData.create(self._host_hash(), PRESENT, 1)
        signature = self.key.sign(bytes(auth_data) + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return self._answer(client_data, authenticatorData=bytes(auth_data), signature=signature)

    def _host_hash(self) -> bytes:
        return hashlib.sha256(self.host.encode()).digest()

"""Keep the keys of other servers so that the database alone does not give them away.

They are sealed with a key of this installation's: derived from MODEL_KEYS_SECRET, or without it from
SECRET_KEY. Who changes that secret names the old one in SECRET_KEY_FALLBACKS or registers the models again.
"""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from inferencecloud.engine import EngineError


class SealBroken(EngineError):
    """A sealed key cannot be read."""

    def __init__(self) -> None:
        super().__init__(
            "The key of this model cannot be read: it was sealed with another MODEL_KEYS_SECRET or "
            "SECRET_KEY. Register the model again with its key."
        )


def seal(text: str) -> bytes:
    """Return the text sealed; nothing for nothing."""
    return _fernet().encrypt(text.encode()) if text else b""


def unseal(sealed: bytes) -> str:
    """Return the text.

    Raises:
        SealBroken: It was sealed with a secret that is not known here.
    """
    if not sealed:
        return ""
    try:
        return _fernet().decrypt(sealed).decode()
    except InvalidToken as error:
        raise SealBroken from error


def _fernet() -> MultiFernet:
    """Return what seals with the secret in force, and opens with the former ones, too."""
    former = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    secrets = [settings.MODEL_KEYS_SECRET or settings.SECRET_KEY, *map(str, former)]
    return MultiFernet([Fernet(_derived(secret)) for secret in secrets])


def _derived(secret: str) -> bytes:
    """Return a key of 32 bytes that serves this purpose alone."""
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"inferencecloud.catalog.keys.1")
    return base64.urlsafe_b64encode(derive.derive(secret.encode()))

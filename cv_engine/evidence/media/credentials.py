"""Content credentials (C2PA) of pictures that are handed out.

They say who made a picture, from what, and whether it was changed since. Only copies carry them;
originals stay as the camera gave them. Nothing is asked of the network: neither an authority for
timestamps nor a server for revoked certificates.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cv_engine.evidence.errors import EvidenceError

if TYPE_CHECKING:
    from c2pa import Context

_JPEG = "image/jpeg"
ASSERTION = "cv-engine.evidence"
_GENERATOR = "cv-engine"
_CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
_SOUND = ("Valid", "Trusted")
_UNTRUSTED = "signingCredential.untrusted"
_ALGORITHMS = {"ed25519": "ED25519", "es256": "ES256", "es384": "ES384", "es512": "ES512"}


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs content credentials.

    Attributes:
        algorithm: ``ed25519``, ``es256``, ``es384`` or ``es512``, as the key demands.
        chain: Certificate of the key and those above it, PEM.
        key: The private key, PEM.
        version: Version of this program.
    """

    algorithm: str
    chain: bytes
    key: bytes = field(repr=False)
    version: str = ""

    def sign(self, picture: bytes, title: str, facts: Mapping[str, Any]) -> bytes:
        """Writes content credentials into a copy of a picture.

        Args:
            picture: A JPEG file.
            title: The picture's name.
            facts: JSON values that are signed with the picture, as the assertion `ASSERTION`.

        Returns:
            The JPEG file with its credentials; the picture itself is unchanged.

        Raises:
            EvidenceError: The library refuses the certificate, the key or the picture.
        """
        import c2pa

        claim = {
            "claim_generator_info": [{"name": _GENERATOR, "version": self.version}],
            "title": title,
            "format": _JPEG,
            "assertions": [
                {"label": "c2pa.actions", "data": {"actions": _actions()}},
                {"label": ASSERTION, "data": dict(facts)},
            ],
        }
        algorithm = getattr(c2pa.C2paSigningAlg, _ALGORITHMS[self.algorithm])
        signed = io.BytesIO()
        try:
            info = c2pa.C2paSignerInfo(algorithm, self.chain, self.key, None)
            with (
                c2pa.Signer.from_info(info) as signer,
                c2pa.Builder(claim, context=_offline(None)) as builder,
            ):
                builder.sign(signer, _JPEG, io.BytesIO(picture), signed)
        except c2pa.C2paError as error:
            raise EvidenceError(
                f"content credentials cannot be signed: {error}; check the certificate and the key "
                "of evidence.credentials"
            ) from error
        return signed.getvalue()


@dataclass(frozen=True, slots=True)
class Credentials:
    """The content credentials of a picture.

    Attributes:
        signer: Name in the certificate; empty where it cannot be read.
        is_trusted: Whether the certificate comes from a trusted one.
        facts: What was signed with the picture, see `Signer.sign`.
        problems: What is wrong: codes of C2PA with their explanations; empty where the picture is
            the one that was signed.
    """

    signer: str = ""
    is_trusted: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_credentials(picture: bytes, trusted: bytes | None = None) -> Credentials | None:
    """Reads and verifies the content credentials of a picture, without the network.

    Args:
        picture: A JPEG file, of any origin.
        trusted: Certificates to trust, PEM; without them no signer is trusted.

    Returns:
        The credentials; ``None`` where the picture has none.
    """
    import c2pa

    try:
        with c2pa.Reader(_JPEG, io.BytesIO(picture), context=_offline(trusted)) as reader:
            state = str(reader.get_validation_state())
            return _credentials(json.loads(reader.json()), state)
    except c2pa.C2paError.ManifestNotFound:
        return None
    except (c2pa.C2paError, ValueError) as error:
        return Credentials(problems=(f"cannot be read: {error}",))


def _actions() -> list[dict[str, str]]:
    return [
        {"action": "c2pa.created", "digitalSourceType": _CAPTURE},
        {"action": "c2pa.edited", "description": "box, zone and caption are drawn"},
    ]


def _offline(trusted: bytes | None) -> Context:
    import c2pa

    verify: dict[str, Any] = {"remote_manifest_fetch": False, "ocsp_fetch": False}
    settings: dict[str, Any] = {
        "verify": verify,
        "builder": {"thumbnail": {"enabled": False}},  # it would show what a copy hides
    }
    if trusted is not None:
        settings["trust"] = {"trust_anchors": trusted.decode("ascii", "replace")}
    return c2pa.Context.from_dict(settings)


def _credentials(content: Mapping[str, Any], state: str) -> Credentials:
    manifest = content["manifests"][content["active_manifest"]]
    facts: Mapping[str, Any] = next(
        (each["data"] for each in manifest["assertions"] if each["label"] == ASSERTION), {}
    )
    signature = manifest.get("signature_info") or {}
    found = content.get("validation_results", {}).get("activeManifest", {}).get("failure", [])
    wrong = tuple(
        f"{each['code']}: {each.get('explanation', '')}"
        for each in found
        if each["code"] != _UNTRUSTED
    )
    if state not in _SOUND and not wrong:
        wrong = (f"is {state.lower()}",)
    name = signature.get("common_name") or signature.get("issuer") or ""
    return Credentials(str(name), state == "Trusted", facts, wrong)

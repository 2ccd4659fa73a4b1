"""Ask a model hub about models, and fetch their files, in the language of Hugging Face's.

Which hub that is, the settings say alone (MODEL_HUB_URL); nothing that a person types leads elsewhere.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2
from django.conf import settings
from django.utils.translation import gettext as _
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import ModelInfo
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, but exported lazily
    build_hf_headers,
    hf_raise_for_status,
    http_stream_backoff,
)

from apps.catalog import outlook
from apps.catalog.models import ModelImport
from apps.catalog.outlook import ModelRefused, Outlook, WantedFile

LOOK_S = 10.0  # a person waits
SILENCE_S = 30.0  # a hub that says nothing for so long has gone
PIECE_BYTES = 1 << 20
SETTINGS_LIMIT_BYTES = (
    16 << 20
)  # of a JSON file that is read whole; a tokenizer's settings may be long


class HubUnreachable(ModelRefused):
    """The hub does not answer: it may tomorrow."""


def host() -> str:
    """Return the name of the hub; empty where none is used."""
    return urlsplit(settings.MODEL_HUB_URL).netloc


def look(repository: str, revision: str = "") -> Outlook:
    """Return what the hub says of the model.

    Raises:
        HubUnreachable: There is no hub, or it does not answer.
        ModelRefused: It has no such model, gives it only to some, or it is none that can be used here.
    """
    if not settings.MODEL_HUB_URL:
        raise HubUnreachable(
            _("This installation uses no model hub (MODEL_HUB_URL is empty). Use a folder instead.")
        )
    with _in_words(repository):
        api = HfApi(endpoint=settings.MODEL_HUB_URL, token=_token())
        info = api.model_info(
            repository, revision=revision or None, files_metadata=True, timeout=LOOK_S
        )
        files = _files(info)
        commit = str(info.sha)
        found = Outlook(
            source=ModelImport.Source.HUB,
            origin=info.id,
            revision=commit,
            name=info.id.rpartition("/")[2][:80],
            licence=_licence(info),
            config=_settings(info.id, commit, "config.json"),
            files=files,
            parameters=info.safetensors.total if info.safetensors else None,
        )
        others = [one.name for one in files if one.name == "tokenizer_config.json"]
        about = [_settings(info.id, commit, name) for name in others]
    outlook.refuse_code(found.config, *about)
    return found


@contextmanager
def opened(
    repository: str, revision: str, name: str, *, begin: int
) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Yield a file's bytes from `begin` on, and where they really begin (0: the hub gives only the whole)."""
    url = hf_hub_url(repository, name, revision=revision, endpoint=settings.MODEL_HUB_URL)
    headers = build_hf_headers(token=_token(), library_name="inferencecloud")
    headers["Accept-Encoding"] = "identity"  # or ranges would count bytes of something else
    if begin:
        headers["Range"] = f"bytes={begin}-"
    with (
        _in_words(repository),
        http_stream_backoff(
            "GET",
            url,
            headers=headers,
            timeout=SILENCE_S,
            max_retries=2,
            retry_on_exceptions=(),  # it would ask anew in the middle of a file; we go on from there
        ) as answer,
    ):
        hf_raise_for_status(answer)
        is_rest = answer.status_code == httpx2.codes.PARTIAL_CONTENT
        yield (begin if is_rest else 0), answer.iter_bytes(PIECE_BYTES)


def _token() -> str | bool:
    return settings.MODEL_HUB_TOKEN or False  # False: none, whatever lies about on the machine


def _files(info: ModelInfo) -> tuple[WantedFile, ...]:
    known = {one.rfilename: one for one in info.siblings or []}
    files = []
    for name in outlook.chosen(known):
        one = known[name]
        sha256 = one.lfs.sha256 if one.lfs else ""
        if one.size is None or not (sha256 or one.blob_id):
            raise ModelRefused(
                _("The hub tells no size or checksum of %(name)s, so nothing is fetched.")
                % {"name": name}
            )
        files.append(
            WantedFile(
                name=name,
                size_bytes=one.size,
                sha256=sha256,
                blob_sha1="" if sha256 else str(one.blob_id),
            )
        )
    return tuple(files)


def _licence(info: ModelInfo) -> str:
    card: Any = info.card_data  # a bag of whatever the card says
    said = card.get("license") if card else None
    if said == "other":
        said = card.get("license_name") or said
    if not said:
        marks = [tag for tag in info.tags or [] if tag.startswith("license:")]
        said = marks[0].partition(":")[2] if marks else ""
    return str(said[0] if isinstance(said, list) and said else said)[:60]


def _settings(repository: str, revision: str, name: str) -> dict[str, Any]:
    content = bytearray()
    with opened(repository, revision, name, begin=0) as (_begin, pieces):
        for piece in pieces:
            content += piece
            if len(content) > SETTINGS_LIMIT_BYTES:
                raise ModelRefused(_("%(name)s is too long to be settings.") % {"name": name})
    try:
        values = json.loads(content)
    except ValueError as error:
        raise ModelRefused(_("%(name)s is no JSON.") % {"name": name}) from error
    if not isinstance(values, dict):
        raise ModelRefused(_("%(name)s is no JSON object.") % {"name": name})
    return values


@contextmanager
def _in_words(repository: str) -> Iterator[None]:
    """Turn what the hub's library raises into refusals that a person can act upon."""
    about = {"name": repository, "hub": host()}
    try:
        yield
    except GatedRepoError as error:
        raise ModelRefused(
            _(
                "%(name)s is given only to those who agreed to its terms at %(hub)s. Agree there, then have "
                "MODEL_HUB_TOKEN set on this installation, or download it yourself and use a folder."
            )
            % about
        ) from error
    except RevisionNotFoundError as error:
        raise ModelRefused(_("%(name)s has no such revision at %(hub)s.") % about) from error
    except (RepositoryNotFoundError, DisabledRepoError) as error:
        raise ModelRefused(
            _(
                "There is no model %(name)s at %(hub)s that everybody may see. Check its name: owner/name."
            )
            % about
        ) from error
    except EntryNotFoundError as error:
        raise ModelRefused(_("A file of %(name)s is not at %(hub)s any more.") % about) from error
    except HfHubHTTPError as error:
        about["status"] = str(error.response.status_code)
        raise HubUnreachable(
            _("%(hub)s refused to answer (%(status)s). Try once more in a while, or use a folder.")
            % about
        ) from error
    except (httpx2.HTTPError, OfflineModeIsEnabled) as error:
        about["why"] = str(error) or type(error).__name__
        raise HubUnreachable(
            _(
                "This machine cannot reach the model hub %(hub)s (%(why)s). Use a folder: download the model "
                "elsewhere and put its files where this page says."
            )
            % about
        ) from error

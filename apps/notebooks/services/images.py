"""Take in pictures: looked at by content, freed of their metadata, kept under names nobody guesses."""

import hashlib
import warnings
from dataclasses import dataclass
from io import BytesIO
from uuid import uuid4

import PIL.Image
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from PIL import ImageOps

from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.core.limits import Limit
from apps.notebooks.models import Image, Notebook
from apps.organizations import audit

# Pillow's name of the format: (MIME type, ending). No SVG: it is a program, not a picture.
FORMATS = {
    "PNG": ("image/png", "png"),
    "JPEG": ("image/jpeg", "jpg"),
    "WEBP": ("image/webp", "webp"),
    "GIF": ("image/gif", "gif"),
}
PIXEL_LIMIT = 40_000_000  # of one frame: about 160 MB when unpacked
FRAME_LIMIT = 300  # of an animation
UNPACKED_LIMIT = 200_000_000  # pixels of all frames together
UPLOADS = Limit(name="images", times=120, within_s=600)
QUALITY = 88  # of JPEG and WebP


class ImageRefused(DomainError):
    """A file that is no picture of a kind and size that notebooks hold."""


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """A picture as it will be stored."""

    data: bytes
    mime: str
    ending: str
    width: int
    height: int


def add_image(*, notebook: Notebook, by: User, upload: UploadedFile) -> Image:
    """Store an uploaded picture for the notebook, without its metadata (a photo knows where it was).

    A large picture takes seconds to write anew: before the transaction, for on SQLite nobody else's
    words could be kept meanwhile.
    """
    _refuse_heavy(upload.size or 0)
    UPLOADS.spend(by.pk)
    return _stored(cleaned(upload.read()), notebook=notebook, by=by)


@transaction.atomic
def _stored(picture: Cleaned, *, notebook: Notebook, by: User) -> Image:
    image = Image(
        notebook=notebook,
        sha256=hashlib.sha256(picture.data).hexdigest(),
        mime=picture.mime,
        width=picture.width,
        height=picture.height,
        size_bytes=len(picture.data),
        uploaded_by=by,
    )
    image.file.save(f"{uuid4().hex}.{picture.ending}", ContentFile(picture.data), save=False)
    image.save()
    audit.record(
        verb="image.uploaded",
        actor=by,
        organization=notebook.organization,
        target=notebook,
        data={"image": str(image.pk), "mime": image.mime, "size_bytes": image.size_bytes},
    )
    return image


def cleaned(data: bytes) -> Cleaned:
    """Return the picture written anew: pixels only, turned upright, of a format we serve."""
    kind = _verified(data)
    with PIL.Image.open(BytesIO(data), formats=[kind]) as picture:
        _refuse_bomb(picture)
        try:
            written, size = _written(picture, kind)
        except (OSError, ValueError, SyntaxError) as broken:
            raise ImageRefused(_("The picture is damaged and cannot be read.")) from broken
    mime, ending = FORMATS[kind]
    return Cleaned(data=written, mime=mime, ending=ending, width=size[0], height=size[1])


def _refuse_heavy(size_bytes: int) -> None:
    if size_bytes > settings.UPLOAD_LIMIT_BYTES:
        message = _("Wanted a picture of at most %(limit)s, got %(size)s.")
        limit = filesizeformat(settings.UPLOAD_LIMIT_BYTES)
        raise ImageRefused(message % {"limit": limit, "size": filesizeformat(size_bytes)})


def _verified(data: bytes) -> str:
    """Return the format that the content is, whatever its name and header claim."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(BytesIO(data), formats=list(FORMATS)) as picture:
                kind = "JPEG" if picture.format == "MPO" else str(picture.format)
                _refuse_bomb(picture)
                picture.verify()
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as bomb:
        raise ImageRefused(_too_large()) from bomb
    except (OSError, ValueError, SyntaxError) as broken:
        message = _("Wanted a picture (PNG, JPEG, WebP or GIF), got something else.")
        raise ImageRefused(message) from broken
    return kind


def _refuse_bomb(picture: PIL.Image.Image) -> None:
    frames = _frames(picture)
    pixels = picture.width * picture.height
    if pixels > PIXEL_LIMIT or frames > FRAME_LIMIT or pixels * frames > UNPACKED_LIMIT:
        raise ImageRefused(_too_large())


def _too_large() -> str:
    message = _("Wanted a picture of at most %(limit)s megapixels, got a larger one.")
    return message % {"limit": PIXEL_LIMIT // 1_000_000}


def _written(picture: PIL.Image.Image, kind: str) -> tuple[bytes, tuple[int, int]]:
    """Return the picture encoded anew and its size."""
    out = BytesIO()
    if _is_animated(picture):
        picture.save(out, kind, save_all=True, exif=b"", xmp=b"", comment=b"")
        return out.getvalue(), picture.size
    # Without its colour profile a picture would change its colours; nothing else is kept.
    profile = picture.info.get("icc_profile")
    still = _upright(picture)
    if kind in {"JPEG", "WEBP"}:
        still.save(out, kind, icc_profile=profile, exif=b"", quality=QUALITY)
    else:
        still.save(out, kind, icc_profile=profile, exif=b"")
    return out.getvalue(), still.size


def _is_animated(picture: PIL.Image.Image) -> bool:
    """Say whether there are several frames; a phone's JPEG with a preview inside (MPO) is a still."""
    return picture.format in FORMATS and picture.format != "JPEG" and _frames(picture) > 1


def _frames(picture: PIL.Image.Image) -> int:
    return int(getattr(picture, "n_frames", 1))


def _upright(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Return the pixels turned as the camera was held, and nothing besides."""
    turned = ImageOps.exif_transpose(picture)
    kept = {"transparency", "background"}
    turned.info = {key: value for key, value in turned.info.items() if key in kept}
    return turned

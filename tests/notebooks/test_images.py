"""Pictures: what comes in, what is stored, and who gets them out."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO

import PIL.Image
import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.notebooks.models import Image, Notebook, ShareGrant
from apps.notebooks.services import images as services
from apps.notebooks.services.notebooks import trash_notebook
from apps.organizations.models import AuditEvent
from apps.organizations.policy import Level
from tests import factories
from tests.factories import Company

SignedIn = Callable[[User], Client]
JSON = {"Accept": "application/json"}


@pytest.fixture
def notebook(company: Company) -> Notebook:
    """Return a notebook of an editor."""
    return factories.notebook(company.launches)


def _bytes(kind: str = "PNG", size: tuple[int, int] = (6, 4), **options: object) -> bytes:
    out = BytesIO()
    PIL.Image.new("RGB", size, "teal").save(out, kind, **options)
    return out.getvalue()


def _upload(
    client: Client, notebook: Notebook, data: bytes, name: str = "cup.png"
) -> tuple[int, dict]:
    url = reverse("notebooks:images", args=[notebook.pk])
    answer = client.post(url, {"file": SimpleUploadedFile(name, data)}, headers=JSON)
    return answer.status_code, answer.json()


def _photo() -> bytes:
    """Return a JPEG as a phone takes it: lying on its side, with place and comment."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    exif[0x010F] = "Telephone"
    exif.get_ifd(0x8825)[2] = (47.0, 25.0, 16.0)  # latitude
    return _bytes("JPEG", (6, 4), exif=exif.tobytes(), comment=b"home address", quality=95)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_picture_comes_in_and_goes_out(
    notebook: Notebook, signed_in: SignedIn, kind: str
) -> None:
    client = signed_in(notebook.owner)
    status, answer = _upload(client, notebook, _bytes(kind), name="lies.txt")
    image = Image.objects.get()
    assert status == 201
    assert answer == {
        "id": str(image.pk),
        "url": f"/n/{notebook.pk}/images/{image.pk}/",
        "width": 6,
        "height": 4,
    }
    out = client.get(answer["url"])
    assert out["Content-Type"] == image.mime == f"image/{kind.lower()}"
    assert PIL.Image.open(BytesIO(out.content)).format == kind
    assert AuditEvent.objects.get(verb="image.uploaded").data["image"] == str(image.pk)


def test_pictures_are_served_as_nothing_but_pictures(
    notebook: Notebook, signed_in: SignedIn
) -> None:
    client = signed_in(notebook.owner)
    out = client.get(_upload(client, notebook, _bytes())[1]["url"])
    assert out["X-Content-Type-Options"] == "nosniff"
    assert out["Content-Disposition"] == 'inline; filename="picture.png"'
    assert "sandbox" in out["Content-Security-Policy"]
    assert "default-src 'none'" in out["Content-Security-Policy"]
    assert out["Cross-Origin-Resource-Policy"] == "same-origin"
    assert out["Cache-Control"] == "private, no-cache"


def test_a_browser_that_has_the_picture_is_told_so(notebook: Notebook, signed_in: SignedIn) -> None:
    client = signed_in(notebook.owner)
    url = _upload(client, notebook, _bytes())[1]["url"]
    again = client.get(url, headers={"If-None-Match": client.get(url)["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_only_who_may_open_the_notebook_gets_its_pictures(
    company: Company, notebook: Notebook, signed_in: SignedIn, client: Client
) -> None:
    url = _upload(signed_in(notebook.owner), notebook, _bytes())[1]["url"]
    reader = factories.member(company.shops)
    assert signed_in(reader).get(url).status_code == 404
    grant = ShareGrant.objects.create(notebook=notebook, user=reader, level=Level.VIEW)
    assert signed_in(reader).get(url).status_code == 200
    grant.delete()
    assert signed_in(reader).get(url).status_code == 404
    assert client.get(url).status_code == 302


def test_a_picture_is_found_through_its_own_notebook_only(
    company: Company, notebook: Notebook, signed_in: SignedIn
) -> None:
    image = _upload(signed_in(notebook.owner), notebook, _bytes())[1]["id"]
    other = factories.notebook(company.shops)
    url = reverse("notebooks:image", args=[other.pk, image])
    assert signed_in(other.owner).get(url).status_code == 404


def test_the_storage_name_is_not_guessed_and_not_served(
    notebook: Notebook, signed_in: SignedIn
) -> None:
    client = signed_in(notebook.owner)
    _upload(client, notebook, _bytes(), name="../../etc/secret plan.png")
    name = Image.objects.get().file.name
    assert name.startswith("notebooks/images/")
    assert "secret" not in name
    assert ".." not in name
    assert len(name.rpartition("/")[2]) == 32 + len(".png")
    for prefix in ("/media/", "/static/", "/"):
        assert client.get(prefix + name).status_code == 404


def test_a_photo_forgets_where_it_was_taken_and_stands_upright(
    notebook: Notebook, signed_in: SignedIn
) -> None:
    photo = _photo()
    assert b"Telephone" in photo
    _status, answer = _upload(signed_in(notebook.owner), notebook, photo)
    assert (answer["width"], answer["height"]) == (4, 6)
    with default_storage.open(Image.objects.get().file.name) as file:
        stored = file.read()
    assert not PIL.Image.open(BytesIO(stored)).getexif()
    for trace in (b"Telephone", b"home address", b"Exif"):
        assert trace not in stored


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_keeps_moving_and_forgets_the_rest(kind: str) -> None:
    frames = [PIL.Image.new("RGB", (5, 5), color) for color in ("red", "green", "blue")]
    exif = PIL.Image.Exif()
    exif[0x010F] = "Telephone"
    out = BytesIO()
    options = {"comment": b"home address"} if kind == "GIF" else {"exif": exif.tobytes()}
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=50, **options)
    cleaned = services.cleaned(out.getvalue())
    again = PIL.Image.open(BytesIO(cleaned.data))
    assert (again.n_frames, cleaned.mime) == (3, f"image/{kind.lower()}")
    for trace in (b"Telephone", b"home address"):
        assert trace not in cleaned.data


def test_what_hides_behind_the_end_of_a_picture_is_cut_off() -> None:
    cleaned = services.cleaned(_bytes() + b"<script>alert(1)</script>PK\x03\x04")
    assert b"script" not in cleaned.data
    assert b"PK\x03\x04" not in cleaned.data


def test_texts_inside_a_png_are_left_out() -> None:
    info = PIL.PngImagePlugin.PngInfo()
    info.add_text("Author", "home address")
    info.add_itxt("XML:com.adobe.xmp", "<x>secret place</x>")
    cleaned = services.cleaned(_bytes("PNG", pnginfo=info))
    for trace in (b"home address", b"secret place"):
        assert trace not in cleaned.data


def test_transparency_stays() -> None:
    out = BytesIO()
    PIL.Image.new("RGBA", (4, 4), (10, 20, 30, 128)).save(out, "PNG")
    cleaned = services.cleaned(out.getvalue())
    assert PIL.Image.open(BytesIO(cleaned.data)).convert("RGBA").getpixel((1, 1))[3] == 128


def test_a_phones_picture_with_a_preview_inside_is_a_still() -> None:
    out = BytesIO()
    first, second = PIL.Image.new("RGB", (8, 8), "red"), PIL.Image.new("RGB", (2, 2), "blue")
    first.save(out, "MPO", save_all=True, append_images=[second])
    cleaned = services.cleaned(out.getvalue())
    assert (cleaned.mime, cleaned.width) == ("image/jpeg", 8)
    assert PIL.Image.open(BytesIO(cleaned.data)).format == "JPEG"


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (SVG, "picture.svg"),
        (SVG, "picture.png"),
        (b"", "empty.png"),
        (b"<html>hello</html>", "page.png"),
        (b"\x89PNG\r\n\x1a\n", "cut.png"),
        (_bytes("BMP"), "old.bmp"),
        (_bytes("TIFF"), "scan.png"),
        (b"%PDF-1.7", "paper.pdf"),
    ],
)
def test_what_is_no_picture_of_ours_is_refused_in_words(
    notebook: Notebook, signed_in: SignedIn, data: bytes, name: str
) -> None:
    status, answer = _upload(signed_in(notebook.owner), notebook, data, name)
    assert status == 422
    assert answer["error"] == "Wanted a picture (PNG, JPEG, WebP or GIF), got something else."
    assert not Image.objects.exists()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_damaged_picture_is_refused(kind: str) -> None:
    data = _bytes(kind, (300, 300)) if kind != "GIF" else _noisy_gif()
    with pytest.raises(services.ImageRefused):
        services.cleaned(data[: len(data) // 2])


def _noisy_gif() -> bytes:
    out = BytesIO()
    PIL.Image.effect_noise((300, 300), 90).save(out, "GIF")
    return out.getvalue()


def _png_claiming(width: int, height: int) -> bytes:
    """Return a tiny PNG whose header claims a size: what unpacks to gigabytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(7_000, 7_000), (10_000, 10_000), (60_000, 60_000)])
def test_a_picture_that_unpacks_too_large_is_refused(
    notebook: Notebook, signed_in: SignedIn, size: tuple[int, int]
) -> None:
    status, answer = _upload(signed_in(notebook.owner), notebook, _png_claiming(*size))
    assert status == 422
    assert answer["error"] == "Wanted a picture of at most 40 megapixels, got a larger one."


def test_an_animation_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "FRAME_LIMIT", 2)
    frames = [PIL.Image.new("RGB", (5, 5), color) for color in ("red", "green", "blue")]
    out = BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(services.ImageRefused, match="megapixels"):
        services.cleaned(out.getvalue())


def test_a_heavy_file_is_refused_with_both_sizes(
    notebook: Notebook, signed_in: SignedIn, settings: object
) -> None:
    settings.UPLOAD_LIMIT_BYTES = 50  # type: ignore[attr-defined]
    status, answer = _upload(signed_in(notebook.owner), notebook, _bytes())
    assert status == 422
    assert answer["error"].startswith("Wanted a picture of at most 50")


def test_an_upload_without_a_file_is_refused(notebook: Notebook, signed_in: SignedIn) -> None:
    url = reverse("notebooks:images", args=[notebook.pk])
    answer = signed_in(notebook.owner).post(url, headers=JSON)
    assert answer.status_code == 422
    assert "required" in answer.json()["error"]


def test_nothing_is_put_into_the_trash(notebook: Notebook, signed_in: SignedIn) -> None:
    trash_notebook(notebook=notebook, by=notebook.owner)
    url = reverse("notebooks:images", args=[notebook.pk])
    answer = signed_in(notebook.owner).post(url, {"file": SimpleUploadedFile("a.png", _bytes())})
    assert answer.status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_picture_is_written_anew_before_the_database_is_held(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, write = [], services.cleaned

    def watched(data: bytes) -> services.Cleaned:
        held.append(connection.in_atomic_block)
        return write(data)

    monkeypatch.setattr(services, "cleaned", watched)
    upload = SimpleUploadedFile("cup.png", _bytes())
    services.add_image(notebook=notebook, by=notebook.owner, upload=upload)
    assert held == [False]


def test_a_picture_whose_file_is_lost_does_not_exist(
    notebook: Notebook, signed_in: SignedIn
) -> None:
    client = signed_in(notebook.owner)
    _status, answer = _upload(client, notebook, _bytes())
    default_storage.delete(str(Image.objects.get().file))
    assert client.get(answer["url"]).status_code == 404


def test_too_many_pictures_are_refused_in_words(notebook: Notebook, signed_in: SignedIn) -> None:
    for _ in range(services.UPLOADS.times):
        services.UPLOADS.spend(notebook.owner.pk)
    status, answer = _upload(signed_in(notebook.owner), notebook, _bytes())
    assert status == 429
    assert "again in" in answer["error"]
    assert not Image.objects.exists()

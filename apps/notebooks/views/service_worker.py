"""The service worker, which must come from the root to care for every page."""

import hashlib
from functools import cache
from pathlib import Path

from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET

SCRIPT = "notebooks/sw.js"


@cache_control(no_cache=True)
@require_GET
def service_worker(_request: HttpRequest) -> HttpResponse:
    """Answer with the built script, preceded by the name of this build."""
    found = finders.find(SCRIPT)
    if found is None:
        raise Http404
    path = Path(str(found))
    script = f'const BUILD = "{_build(path.parent.parent)}";\n{path.read_text()}'
    return HttpResponse(script, content_type="text/javascript; charset=utf-8")


@cache
def _build(folder: Path) -> str:
    """Return a name that changes whenever a built file does."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(folder)} {file.stat().st_size}".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]

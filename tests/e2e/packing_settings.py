"""Settings of a server for which two examples are too many for an answer: a worker packs them."""

from django.apps import AppConfig

from inferencecloud.settings.dev import *  # noqa: F403
from inferencecloud.settings.dev import INSTALLED_APPS as INSTALLED


class FewAtOnce(AppConfig):
    """Sets what is packed while somebody waits to a single output."""

    name = "tests.e2e"
    label = "few_at_once"

    def ready(self) -> None:
        """Set it once models can be imported."""
        from apps.learning.services import downloads

        downloads.AT_ONCE = 1


INSTALLED_APPS = [*INSTALLED, "tests.e2e.packing_settings.FewAtOnce"]

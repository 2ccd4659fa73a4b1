"""Say in words what a browser's long name means."""

from dataclasses import dataclass

from django import template
from django.utils.translation import gettext as _

register = template.Library()

# The first sign found wins: Edge and Opera also call themselves Chrome, Chrome also calls itself Safari.
BROWSERS = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
]
SYSTEMS = [
    ("iPhone", "iPhone", "smartphone"),
    ("iPad", "iPad", "smartphone"),
    ("Android", "Android", "smartphone"),
    ("Windows", "Windows", "laptop"),
    ("Mac OS X", "macOS", "laptop"),
    ("CrOS", "ChromeOS", "laptop"),
    ("Linux", "Linux", "laptop"),
]


@dataclass(frozen=True, kw_only=True)
class Device:
    """A browser on a system, and the symbol of static/core's sprite that stands for it."""

    label: str
    icon: str


@register.filter
def device(user_agent: str) -> Device:
    """Return what a User-Agent header says about the device."""
    browser = next((name for sign, name in BROWSERS if sign in user_agent), "")
    system, icon = next(
        ((name, icon) for sign, name, icon in SYSTEMS if sign in user_agent), ("", "globe")
    )
    if browser and system:
        return Device(
            label=_("%(browser)s on %(system)s") % {"browser": browser, "system": system}, icon=icon
        )
    return Device(label=browser or system or _("Unknown device"), icon=icon)

"""The words of verdicts on results."""

from django.utils.translation import gettext as _

from apps.learning.models import Feedback


def learning_words() -> dict[str, str]:
    """Return all words by key, in the language of the request."""
    reasons = {f"verdict_{value}": str(label) for value, label in Feedback.Reason.choices}
    return {
        "verdict_up": _("Good"),
        "verdict_down": _("Not good"),
        "verdict_up_given": _("You said: good. Press to take it back"),
        "verdict_down_given": _("You said: not good. Press to say why, or to take it back"),
        "verdict_why": _("What is not good?"),
        "verdict_back": _("Take it back"),
        "verdict_kept": _("Thank you. Only you see what you said."),
        **reasons,
    }

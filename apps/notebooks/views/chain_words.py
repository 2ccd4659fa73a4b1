"""The words of cells and of what models write into them; {name} is filled in by the browser."""

from django.utils.translation import gettext as _


def chain_words() -> dict[str, str]:
    """Return all words by key, in the language of the request."""
    return {**_cells(), **_states(), **_results(), **_update()}


def state_words(kind: str, state: str) -> str:
    """Return how a cell stands, in words."""
    return _states()[f"chain_state_{'text' if kind == 'text' else state}"]


def _cells() -> dict[str, str]:
    return {
        "kind_promptCell": _("Prompt cell"),
        "hint_promptCell": _("An instruction that writes its text"),
        "search_promptCell": _("write draft generate variants"),
        "kind_textCell": _("Text cell"),
        "hint_textCell": _("Named text that prompts can refer to"),
        "search_textCell": _("brief named source"),
        "chain_name": _("Name of the cell"),
        "chain_more": _("Settings of the cell"),
        "chain_remove": _("Remove the cell"),
        "chain_run_cell": _("Write this cell (Ctrl+Enter)"),
        "chain_length": _("Length"),
        "chain_length_short": _("Short"),
        "chain_length_medium": _("Medium"),
        "chain_length_long": _("Long"),
        "chain_limit": _("At most"),
        "chain_limit_unit": _("What is counted"),
        "chain_limit_characters": _("characters"),
        "chain_limit_words": _("words"),
        "chain_limit_sentences": _("sentences"),
        "chain_limit_range": _("A whole number from 1 to {high} fits here."),
        "chain_adventurous": _("How adventurous"),
        "chain_adventurous_0": _("Safe"),
        "chain_adventurous_1": _("Careful"),
        "chain_adventurous_2": _("Balanced"),
        "chain_adventurous_3": _("Playful"),
        "chain_adventurous_4": _("Daring"),
        "chain_variants": _("Variants"),
        "chain_required": _("Must say"),
        "chain_required_hint": _("tapered legs, $85.99"),
        "chain_banned": _("Must not say"),
        "chain_banned_hint": _("premium, must-have"),
        "chain_phrases_limit": _(
            "Too much: {phrases} phrases of {characters} characters fit. The rest is left out."
        ),
        "chain_refer": _("Refer to a cell"),
        "chain_refer_none": _("No cell is called “{query}”"),
        "chain_reads": _("Reads {name}"),
        "chain_source_empty": _("Nothing is written there yet"),
        "placeholder_instruction": _("What should be written? Type {{ to refer to another cell"),
        "placeholder_result": _("The text appears here. You can also write it yourself"),
    }


def _states() -> dict[str, str]:
    return {
        "chain_state_text": _("Text"),
        "chain_state_none": _("Not written yet"),
        "chain_state_current": _("Up to date"),
        "chain_state_stale": _("Out of date"),
        "chain_state_broken": _("Cannot be written"),
        "chain_state_next": _("Comes next"),
        "chain_state_writing": _("Writing"),
        "chain_state_failed": _("Not written"),
        "chain_release": _("Release for other divisions"),
        "chain_release_again": _("Release again (now version {number})"),
        "chain_release_current": _("Released as version {number}"),
        "chain_released": _("Released as version {number}. Other divisions can refer to it."),
        "chain_released_short": _("Released {number}"),
        "chain_back": _("Back to the previous result"),
    }


def _results() -> dict[str, str]:
    return {
        "chain_begins": _("About to be written…"),
        "chain_variant": _("Variant {number}"),
        "chain_choose": _("Choose one"),
        "chain_choose_keys": _("Arrow keys, then Enter"),
        "chain_use": _("Use this"),
        "chain_none_of_them": _("None of them"),
        "chain_keep_text": _("Keep the text as it is"),
        "chain_waits_one": _("A new version waits"),
        "chain_waits_other": _("{count} variants to choose from"),
        "chain_proposal_arrives": _("A new version is being written. Your text stays."),
        "chain_proposal": _("A new version waits. Your text has not been changed."),
        "chain_not_said": _("Not said: {phrases}"),
        "chain_says": _("Says: {phrases}"),
        "chain_too_long_characters_one": _("Too long: {length} of {count} character"),
        "chain_too_long_characters_other": _("Too long: {length} of {count} characters"),
        "chain_too_long_words_one": _("Too long: {length} of {count} word"),
        "chain_too_long_words_other": _("Too long: {length} of {count} words"),
        "chain_too_long_sentences_one": _("Too long: {length} of {count} sentence"),
        "chain_too_long_sentences_other": _("Too long: {length} of {count} sentences"),
        "chain_again": _("Try again"),
        "chain_refused": _("That did not work. Nothing was changed; please try again."),
        "chain_unreached": _(
            "The server was not reached. Please try again when you are connected."
        ),
    }


def _update() -> dict[str, str]:
    return {
        "chain_update_one": _("Update {count}"),
        "chain_update_other": _("Update {count}"),
        "chain_estimate": _("It takes this long: {time}."),
        "chain_seconds": _("≈ {seconds} s"),
        "chain_minutes": _("≈ {minutes} min"),
        "chain_began": _("Models have begun to write."),
        "chain_ended": _("The models have finished."),
        "chain_elsewhere_one": _("One of them is in another notebook."),
        "chain_elsewhere_other": _("{count} of them are in other notebooks."),
        "chain_stop": _("Stop"),
        "chain_stopping": _("Stopping…"),
        "chain_stop_hint": _("Stop for everyone. What is finished stays."),
        "chain_in_line": _("Number {position} in line · Stop"),
        "chain_graph_offline": _("The picture needs a connection."),
    }

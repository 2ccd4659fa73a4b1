"""The words of the editor. It is a script, so its words travel with the page; {name} is filled in there."""

# ruff: noqa: RUF001  (dashes and quotation marks as typographers set them)

from django.utils.translation import gettext as _

from apps.notebooks.views.chain_words import chain_words
from apps.notebooks.views.learning_words import learning_words


def editor_words() -> dict[str, str]:
    """Return all words by key, in the language of the request."""
    return {**_page(), **_kinds(), **_tools(), **_pictures(), **chain_words(), **learning_words()}


def _page() -> dict[str, str]:
    return {
        "untitled": _("Untitled"),
        "document": _("Text of the notebook"),
        "placeholder_empty": _("Write, or press / to insert something"),
        "placeholder_line": _("Press / to insert something"),
        "gone_title": _("No longer shared with you · InferenceCloud"),
        "title_refused": _("The title was not changed. Please try again."),
        "state_opening": _("Opening…"),
        "state_saved": _("Saved {time}"),
        "state_saved_hint": _("Every change is stored on the server."),
        "state_saving": _("Saving…"),
        "state_offline_one": _("Offline – {count} change kept on this device"),
        "state_offline_other": _("Offline – {count} changes kept on this device"),
        "state_offline_none": _("Offline – nothing is waiting"),
        "state_readonly": _("Read only"),
        "state_refused": _("Not saved – the server refused the change"),
        "presence_go": _("{name} is here. Go to where they write"),
        "presence_reading": _("{name} is reading."),
        "words_one": _("{count} word"),
        "words_other": _("{count} words"),
        "fork_failed": _("The copy was not made. Nothing is lost; please try again."),
        "try_again": _("Try again"),
    }


def _kinds() -> dict[str, str]:
    return {
        "insert": _("Insert"),
        "insert_none": _("Nothing is called “{query}”. Escape closes."),
        "turn_into": _("Turn into"),
        "kind_text": _("Text"),
        "hint_text": _("Plain paragraph"),
        "search_text": _("paragraph plain"),
        "kind_heading1": _("Heading 1"),
        "hint_heading1": _("A new part"),
        "search_heading1": _("title big"),
        "kind_heading2": _("Heading 2"),
        "hint_heading2": _("A section"),
        "search_heading2": _("section"),
        "kind_heading3": _("Heading 3"),
        "hint_heading3": _("A smaller section"),
        "search_heading3": _("small"),
        "kind_bullets": _("Bulleted list"),
        "hint_bullets": _("Points in no order"),
        "search_bullets": _("points unordered"),
        "kind_numbers": _("Numbered list"),
        "hint_numbers": _("Steps in order"),
        "search_numbers": _("steps ordered"),
        "kind_tasks": _("Task list"),
        "hint_tasks": _("Boxes to tick"),
        "search_tasks": _("check box"),
        "kind_quote": _("Quote"),
        "hint_quote": _("Somebody’s words"),
        "search_quote": _("citation"),
        "kind_code": _("Code"),
        "hint_code": _("Text exactly as it is typed"),
        "search_code": _("monospace preformatted"),
        "kind_table": _("Table"),
        "hint_table": _("Three by three to begin with"),
        "search_table": _("rows columns"),
        "kind_image": _("Picture"),
        "hint_image": _("From this device"),
        "search_image": _("image upload"),
        "kind_rule": _("Dividing line"),
        "hint_rule": _("A break between parts"),
        "search_rule": _("separator divider"),
        "task": _("Done: {words}"),
    }


def _tools() -> dict[str, str]:
    return {
        "bar_text": _("Format the chosen words"),
        "bar_link": _("Link"),
        "bar_image": _("Picture"),
        "bar_table": _("Table"),
        "mark_bold": _("Bold (Ctrl-B)"),
        "mark_italic": _("Italic (Ctrl-I)"),
        "mark_underline": _("Underline (Ctrl-U)"),
        "mark_strike": _("Strike through (Ctrl-Shift-S)"),
        "mark_code": _("Code (Ctrl-E)"),
        "link": _("Link (Ctrl-K)"),
        "link_address": _("Address of the link"),
        "link_placeholder": _("https://…"),
        "link_apply": _("Set the link"),
        "link_refused": _("Only web and mail addresses."),
        "link_change": _("Change the address"),
        "link_remove": _("Remove the link"),
        "row_above": _("Row above"),
        "row_below": _("Row below"),
        "column_before": _("Column before"),
        "column_after": _("Column after"),
        "row_remove": _("Delete the row"),
        "column_remove": _("Delete the column"),
        "cells_merge": _("Merge or split cells"),
        "header_row": _("First row as header"),
        "table_remove": _("Delete the table"),
        "insert_below": _("Insert below"),
        "block_menu": _("Move or change this block (drag to move)"),
        "move_up": _("Move up"),
        "move_down": _("Move down"),
        "duplicate": _("Duplicate"),
        "delete_block": _("Delete"),
    }


def _pictures() -> dict[str, str]:
    return {
        "alt_label": _("Description for those who cannot see the picture"),
        "alt_placeholder": _("Describe the picture"),
        "image_remove": _("Delete the picture"),
        "upload_sending": _("Sending the picture…"),
        "upload_progress": _("Sending {name}"),
        "upload_failed": _("The picture was not sent: the server cannot be reached."),
        "upload_type": _("Pictures are PNG, JPEG, GIF or WebP. Other files were left out."),
        "upload_drop": _("Give up on this picture"),
        "pictures_left_out": _(
            "Pictures from other sites are left out. Save them and upload them here."
        ),
    }

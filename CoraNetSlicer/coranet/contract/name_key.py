"""When two names of structures, or of channels, are one."""

from __future__ import annotations

import unicodedata

# Characters that format and are not seen: a byte order mark, a soft hyphen, a space without width.
_UNSEEN = "Cf"


def name_key(name: str) -> str:
    """What has to be equal for two names to be the same.

    Upper and lower case, white space, the form in which Unicode writes an accent, and invisible characters do
    not count.
    """
    visible = "".join(letter for letter in name if unicodedata.category(letter) != _UNSEEN)
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", visible).casefold())
    return " ".join(folded.split())

"""Lists of tag=value, of which signatures and key records are made (RFC 6376 §3.2)."""

from __future__ import annotations

import re

MAX_TAGS = 64
"""Of one list: a signature has a dozen."""

# tag-spec = [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS]; the value is printable without ";", in UTF-8 (RFC 8616 §5)
_TAG = re.compile(r"([A-Za-z][A-Za-z0-9_]*)[ \t\r\n]*=([^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*)")
_WHITE_SPACE = " \t\r\n"
_NO_WHITE_SPACE = {ord(character): None for character in _WHITE_SPACE}


class TagError(ValueError):
    """Not such a list; the text says why."""


def parse_tags(text: bytes) -> dict[str, str]:
    """The values without the white space around them, in their order.  Raises TagError."""
    try:
        specs = text.decode().split(";", MAX_TAGS)
    except UnicodeDecodeError:
        raise TagError("it has octets that are no text") from None
    if len(specs) > MAX_TAGS:
        raise TagError(f"it has more than {MAX_TAGS} tags")
    if not specs[-1].strip(_WHITE_SPACE):
        del specs[-1]
    tags: dict[str, str] = {}
    for spec in specs:
        match = _TAG.fullmatch(spec.strip(_WHITE_SPACE))
        if match is None:
            raise TagError("it is not a list of tag=value")
        name, value = match.groups()
        if name in tags:
            raise TagError(f"it has {shown(name)}= twice")
        tags[name] = value.strip(_WHITE_SPACE)
    return tags


def without_white_space(text: str) -> str:
    """The value of a tag that may be folded anywhere, base64 above all."""
    return text.translate(_NO_WHITE_SPACE)


def colon_list(text: str) -> list[str]:
    """The values of a tag that holds several."""
    return [value.strip(_WHITE_SPACE) for value in text.split(":")]


def shown(text: str) -> str:
    """A value for a reason: short, and without what has a meaning in a header field or in a reply."""
    return "".join(c for c in text if c.isascii() and (c.isalnum() or c in ".-_/"))[:40] or "that"

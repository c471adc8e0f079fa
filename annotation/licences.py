"""What the licence of a corpus allows."""

from __future__ import annotations

import re

# CC BY-NC, Non-Commercial, research only.
_CLOSED = re.compile(r"(?<![a-z])NC(?![a-z])|non[-_ ]?commercial|research[-_ ]only|research purposes? only", re.I)


def may_leave(licence: str) -> bool:
    """False for a licence that keeps a corpus out of exports until somebody says otherwise."""
    return not _CLOSED.search(licence)

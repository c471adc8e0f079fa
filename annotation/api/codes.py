"""The field that names a category."""

from __future__ import annotations

from typing import Any

from annotation.merge.states import DROP
from annotation.selectors import codes_known
from madsafe_web.core.api.fields import Text


class CodeField(Text):
    """A code of any taxonomy: which ones there are is known when a request is answered. With `drop` also DROP."""

    default_error_messages = {"invalid_choice": "“{input}” is not a code of a category."}

    def __init__(self, *, drop: bool = False, **kwargs: Any) -> None:
        super().__init__(max_length=8, **kwargs)
        self.drop = drop

    def to_internal_value(self, data: Any) -> str:
        code = super().to_internal_value(data)
        if code not in codes_known() and not (self.drop and code == DROP):
            self.fail("invalid_choice", input=code)
        return code

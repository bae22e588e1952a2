"""Languages as other protocols name them: BCP-47 tags to what a session may be set to."""

from collections.abc import Mapping
from typing import Final

LANGUAGES: Final[Mapping[str, str]] = {"zh-hk": "yue", "yue": "yue", "zh": "zh", "cmn": "zh", "en": "en", "ja": "ja", "ko": "ko"}


def by_tag(tag: str) -> str:
    """By the whole tag, then by its first part; any other, ``multi`` among them, is for the model to find out."""
    tag = tag.lower()
    return LANGUAGES.get(tag) or LANGUAGES.get(tag.partition("-")[0], "auto")

"""The kind `web`: a web site, read from one page on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from chroma_sync.api.kinds.kind import ADDRESS_KEPT, Kind
from chroma_sync.api.meta import Unique, never_changes, shape
from chroma_sync.api.path_regex import PathRegex


class WebSource(Kind):
    """A web site, read from one page on, within the host of that page."""

    member: ClassVar = "web"
    connector: ClassVar = "chroma_sync.pipeline.fetch.web"
    address_field: ClassVar = "startingUrl"
    divisible: ClassVar = False

    starting_url: Annotated[
        str,
        Field(min_length=8, max_length=2048),
        shape(
            r"https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?"
            r"([/?][A-Za-z0-9._~!$&()*+,;=:@%/?-]*)?",
            "must be an http:// or https:// address of a page, without user and fragment, such as "
            "https://docs.example.com/",
        ),
    ] = Field(
        description="The page to begin with; only its host is read. Example: "
        "https://docs.example.com/."
    )
    page_limit: int = Field(
        default=50, ge=1, le=500, description="Read at most so many pages, 1 to 500. Default: 50."
    )
    max_depth: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Follow links at most so many steps from the first page; 0 is that page alone. "
        "Left out: no limit.",
    )
    include_path_regexes: Annotated[list[PathRegex], Unique()] = Field(
        default_factory=list,
        max_length=50,
        description="Read only pages in whose path one of these is found. Empty: all. Example: "
        "['^/docs/'].",
    )
    exclude_path_regexes: Annotated[list[PathRegex], Unique()] = Field(
        default_factory=list,
        max_length=50,
        description="Leave out pages in whose path one of these is found; wins over "
        "includePathRegexes. Example: ['/archive/'].",
    )
    rendering: Literal["Auto", "Never", "Always"] = Field(
        default="Auto",
        description="Whether a browser runs the scripts of pages. Auto: where a page is empty "
        "without. Default: Auto.",
    )

    rules: ClassVar = (never_changes("startingUrl", f"startingUrl {ADDRESS_KEPT}", required=True),)

    def address(self) -> str:
        return self.starting_url

    def hosts(self) -> Iterator[tuple[str, str]]:
        yield "startingUrl", self.starting_url

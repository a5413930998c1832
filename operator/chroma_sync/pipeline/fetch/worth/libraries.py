"""Copies of well-known libraries of the web, told by their name and by what they say they are.

linguist goes by the name alone, but `bootstrap.js` or `controls.js` may well be written here. A
copy that is not minified begins with a comment of the library's name and version.
"""

from __future__ import annotations

import re
from typing import Final

_LOOKED_AT: Final = 2_048  # bytes
_NAME: Final = re.compile(
    r"""
    (?: ace | alpine | angular | animate | backbone | bootstrap | bulma | chart | ckeditor
      | codemirror | cordova | d3 | dojo | ember | font-?awesome | foundation | handlebars
      | highlight | html5shiv | htmx | jquery | knockout | leaflet | lodash | materialize | mermaid
      | mochikit | modernizr | moment | mootools | mustache | normalize | popper | prototype
      | raphael | react | require | select2 | skeleton | slick | socket\.io | tiny_?mce | underscore
      | vue | xregexp | yui | zepto )
    (?: [.-] (?: all | browser | bundle | common | core | custom | datatables | debug | dev
      | development | effects | esm | fancybox | fileupload | full | gantt | global | grid | js
      | module | pkgd | reboot | rtl | runtime | slim | spin | src | theme | ui | umd | utilities
      | validate ) ){0,4}
    \. (?: [cm]?js | css | less | scss | styl )
    """,
    re.VERBOSE | re.IGNORECASE,
)
# The name that a comment begins with, and a version on that line or the next one.
_BANNER: Final = re.compile(
    rb"""
    (?: @charset [^\n]{0,40} \n )? \s*
    (?: /\*[*!]? | //!? ) [\s*=!-]{0,200} (?: @(?:license|preserve|module|overview) [\s*]{1,20} )?
    (?P<name> [A-Za-z] [A-Za-z0-9]* ) [^\n]{0,120} (?: \n [^\n]{0,60} )?
    \b v? \d+ \. \d+
    """,
    re.VERBOSE,
)


def is_library(name: str, text: bytes) -> bool:
    """Whether a file of this name is a copy of a library."""
    if _NAME.fullmatch(name) is None:
        return False
    banner = _BANNER.match(text[:_LOOKED_AT])
    return banner is not None and _alike(name, banner["name"].decode())


def _alike(name: str, banner: str) -> bool:
    """`jquery.ui.js` and "jQuery UI 1.13", `font-awesome.css` and "Font Awesome 4.7", `tiny_mce.js`
    and "TinyMCE 5.0": they begin alike."""
    return name.lower().replace("_", "")[:4].startswith(banner.lower()[:4])

"""What a path alone tells.

A file has one verdict at most, so that one mark in `.gitattributes` brings it back: what a tool
makes here is generated, what is copied from elsewhere is vendored.

Left out of linguist's list on purpose, as people write such files: `.github/`, `.vscode/`,
`.teamcity/`, `.obsidian/`, `.gitignore` and its like, `Jenkinsfile`, `Vagrantfile`, `fabfile.py`,
`.sublime-project`, ProGuard rules, `debian/`, `cache/`, `env/`, `tools/`, `dependencies/`,
`testdata/`, `fixtures/`, `*.d.ts`, `*import.css`, templates and themes of documentation, `Sparkle/`
and libraries known by a word that is a usual name for a file of one's own (`bootstrap.js`,
`prototype.js`, `controls.js`): these must say so themselves, see `libraries.py`. `configure` must
say that Autoconf made it. Documentation is always read.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.words import words

# Lock files and their like. linguist knows those of npm, pnpm, Bun, Deno, Cargo, Composer, Poetry,
# PDM, uv, pixi, Pipenv, esy, Nix, Bazel, Swift, Terraform and Go's older tools as generated; the
# others are their equals. `Cargo.toml.orig` is left out: it is what a person wrote.
_LOCK_FILES: Final = words(
    "package-lock.json npm-shrinkwrap.json pnpm-lock.yaml yarn.lock bun.lock bun.lockb deno.lock "
    "Cargo.lock composer.lock poetry.lock pdm.lock uv.lock pixi.lock Pipfile.lock "
    "conda-lock.yml flake.lock MODULE.bazel.lock Package.resolved Cartfile.resolved Podfile.lock "
    "Gopkg.lock glide.lock go.sum go.work.sum .terraform.lock.hcl Gemfile.lock mix.lock rebar.lock "
    "pubspec.lock packages.lock.json paket.lock gradle.lockfile stack.yaml.lock shard.lock "
    "Chart.lock mise.lock esy.lock"
)
_WRAPPERS: Final = words("gradlew gradlew.bat mvnw mvnw.cmd")
_GENERATED_FOLDERS: Final = words(".idea htmlcov __generated__")
_GENERATED_NAME: Final = re.compile(
    r"""
      ^\.pnp\.
    | \.esy\.lock $
    | \. (?: nib | xcworkspacedata | xcuserstate ) $
    | . \.zep\. (?: c | h | php ) $
    | [.-]min \. (?: [cm]?js | css ) $
    | (?i: \. (?: [cm]?js | css ) \.map | \.designer\. (?: cs | vb ) | \.feature\.cs | _tlb\.pas ) $
    """,
    re.VERBOSE,
)
_SPHINX_BUILDS: Final = {("doc", "_build"), ("docs", "_build")}
_SQLX_QUERY: Final = re.compile(r"query-[0-9a-f]{64}\.json")
# What a build of JavaScript leaves in `dist`. Other files there are packaging that people write.
_BUILT: Final = re.compile(r"\. (?: [cm]?js | css | d\.[cm]?ts ) $", re.VERBOSE)

# Folders of package managers, of well-known copies, and those that say "not ours".
_FOREIGN: Final = words(
    "node_modules bower_components jspm_packages Godeps Pods Carthage xvba_modules _vendor "
    "third_party third-party thirdparty third_Party thirdParty Third_Party ThirdParty Third-Party "
    "3rd_party 3rd-party 3rdparty 3rdParty 3rd_Party 3rd-Party "
    "Crashlytics.framework Fabric.framework BuddyBuildSDK.framework Realm.framework "
    "RealmSwift.framework ace-builds MathJax bootstrap-datepicker"
)
_FOREIGN_BELOW: Final = {
    ".yarn": words("releases plugins sdks unplugged"),
    "flow-typed": words("npm"),
    "gradle": words("wrapper"),
    ".mvn": words("wrapper"),
    "tiny_mce": words("langs plugins themes utils"),
}
# What lies in these directly is often ours: how to build it, what was changed in it.
_FOREIGN_DEEPER: Final = words("extern externs externals Extern Externs Externals")
_FOREIGN_DEEPER_ON_TOP: Final = words("external External deps")
# "vendor" is also a word for who sells things. So further down such a folder needs a sign: it lies
# in a folder of what browsers load, or holds Go packages by their import paths.
_VENDOR: Final = words("vendor vendors")
_ASSETS: Final = words(
    "assets static public www wwwroot web js javascript javascripts scripts css style styles "
    "stylesheets sass scss less lib libs media plugins"
)
_GO_HOST: Final = re.compile(
    r"(?:[0-9A-Za-z][-0-9A-Za-z]*\.)+(?:com|edu|gov|in|me|net|org|fm|io|dev)"
)
_NUGET_PACKAGE: Final = re.compile(r"\.\d+\.\d+\.\d+")
# Single files that projects copy, and libraries with a version in the file's name.
_FOREIGN_FILES: Final = words(
    "config.guess config.sub ltmain.sh libtool.m4 ltoptions.m4 ltsugar.m4 ltversion.m4 "
    "lt~obsolete.m4 cpplint.py erlang.mk pdf.worker.js pdf.worker.mjs dotnet-install.ps1 "
    "dotnet-install.sh ppport.h"
)
_FOREIGN_ON_TOP: Final = words("rebar waf")
_FOREIGN_NAME: Final = re.compile(
    r"""
      (?: jquery | bootstrap | angular | react | vue | d3 | knockout | modernizr | mootools
        | prototype | underscore | backbone | ember | cordova | leaflet )
      (?: [-.] [a-z]+ ){0,3} [-.] v? \d+ \. \d+ (?: \. \d+ ){0,2} (?: [-.] [a-z]+ ){0,2}
      \. (?: js | css ) $
    | .* (?: -vsdoc | \.intellisense ) \.js $
    """,
    re.VERBOSE,
)


def name_verdict(path: str) -> DocumentReason | None:
    """`VENDORED`, `GENERATED` or nothing, of a path with `/` between its parts."""
    *folders, name = path.split("/")
    if _is_vendored(folders, name):
        return DocumentReason.VENDORED
    return DocumentReason.GENERATED if _is_generated(folders, name) else None


def _is_vendored(folders: list[str], name: str) -> bool:
    if name in _FOREIGN_FILES or _FOREIGN_NAME.match(name):
        return True
    if not folders:
        return name in _FOREIGN_ON_TOP
    return (
        not _FOREIGN.isdisjoint(folders)
        or folders[0] == "vendor"
        or (folders[0] in _FOREIGN_DEEPER_ON_TOP and len(folders) > 1)
        or any(_is_foreign_below(above, folder) for above, folder in pairwise(folders))
    )


def _is_foreign_below(above: str, folder: str) -> bool:
    """Whether a folder in another one holds what comes from elsewhere."""
    return (
        above in _FOREIGN_DEEPER
        or folder in _FOREIGN_BELOW.get(above, ())
        or (folder in _VENDOR and above in _ASSETS)
        or (above == "vendor" and _GO_HOST.fullmatch(folder) is not None)
        or (above in ("packages", "Packages") and _NUGET_PACKAGE.search(folder) is not None)
    )


def _is_generated(folders: list[str], name: str) -> bool:
    if name in _LOCK_FILES or name in _WRAPPERS or _GENERATED_NAME.search(name):
        return True
    if not folders:
        return False
    return (
        not _GENERATED_FOLDERS.isdisjoint(folders)
        or folders[-1].endswith(".imageset")
        or ("dist" in folders and _BUILT.search(name) is not None)
        or (folders[-1] == ".sqlx" and _SQLX_QUERY.fullmatch(name) is not None)
        or any(pair in _SPHINX_BUILDS for pair in pairwise(folders))
    )

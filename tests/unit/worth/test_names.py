"""Verdicts by a path alone, and how marks and the Source overrule them."""

from __future__ import annotations

import time

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.fetch.worth import judged
from chroma_sync.pipeline.fetch.worth.names import name_verdict

GENERATED, VENDORED = DocumentReason.GENERATED, DocumentReason.VENDORED
ENCODED_DATA = DocumentReason.ENCODED_DATA


@pytest.mark.parametrize(
    "path",
    [
        *("package-lock.json", "web/package-lock.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock"),
        *("deno.lock", "Cargo.lock", "composer.lock", "uv.lock", "go.sum", ".terraform.lock.hcl"),
        *("a.esy.lock", ".pnp.cjs", "flake.lock", "Package.resolved", "gradlew", "a/mvnw.cmd"),
        *("app.min.js", "css/a-min.css", "app.js.map", "app.CSS.MAP", "x.mjs.map"),
        *("Form1.Designer.cs", "form.designer.vb", "Login.feature.cs", "Word_TLB.pas"),
        *("a.zep.c", "Main.nib", "p.xcworkspacedata", ".idea/misc.xml", "htmlcov/index.html"),
        *("src/__generated__/query.ts", "Assets.xcassets/a.imageset/Contents.json"),
        *("docs/_build/index.html", "dist/index.js", "packages/a/dist/cjs/index.d.ts"),
        f"db/.sqlx/query-{'0a' * 32}.json",
    ],
)
def test_generated(path: str) -> None:
    assert name_verdict(path) is GENERATED


@pytest.mark.parametrize(
    "path",
    [
        *("node_modules/a/index.js", "web/node_modules/a/README.md", "bower_components/a.js"),
        *("vendor/github.com/a/b.go", "vendor/a.php", "tools/vendor/golang.org/x/net/a.go"),
        *("Godeps/_workspace/a.go", "Pods/A/a.m", "ios/Carthage/Build/a.h", "a/_vendor/six.py"),
        *("third_party/zlib/a.c", "src/third-party/a.c", "3rdparty/a.c", "ThirdParty/a.cs"),
        *("extern/json/a.hpp", "lib/externals/six/a.py", "external/gtest/a.cc", "deps/lua/a.c"),
        *("static/vendor/a.js", "app/assets/vendors/a.css", "packages/Json.Net.12.0.3/a.cs"),
        *(".yarn/releases/yarn-4.cjs", "gradle/wrapper/a.properties", "config.guess", "rebar"),
        *("js/jquery-3.7.1.js", "jquery-ui-1.13.2.css", "lib/angular.1.8.0.js", "waf"),
        *("a/cpplint.py", "ppport.h", "jquery-vsdoc.js", "tiny_mce/plugins/a.js"),
    ],
)
def test_vendored(path: str) -> None:
    assert name_verdict(path) is VENDORED


@pytest.mark.parametrize(
    "path",
    [
        # Where GitHub's list is for statistics only.
        *(".github/workflows/test.yml", ".vscode/settings.json", ".gitignore", "Jenkinsfile"),
        *("Vagrantfile", "debian/control", "fabfile.py", "types/index.d.ts", "src/import.css"),
        *("docs/templates/a.html", "doc/static/a.css", "testdata/a.go", "test/fixtures/a.json"),
        *("cache/lru.go", "env/production.yml", "tools/release.py", "dependencies/auth.py"),
        *("configure", "proguard-rules.pro", "README.md", "docs/index.md", "examples/a.py"),
        *("Sparkle/a.swift", "vignettes/a.Rmd", "inst/extdata/a.csv", ".teamcity/settings.kts"),
        # Common words for things of one's own.
        *("src/vendor/vendor.service.ts", "app/vendors/models.py", "vendors/views.py"),
        *("com/shop/vendor/Vendor.java", "vendoring.md", "src/deps/inject.py", "deps/build.jl"),
        *("app/external/client.py", "setuptools/extern/__init__.py", "external/README.md"),
        *("src/prototype.js", "js/controls.js", "js/effects.js", "js/react-table.js"),
        *("resources/js/bootstrap.js", "dist/app.service", "cmd/dist/build.go", "d3-chart.js"),
        *("src/pods.go", "pods/list.go", "packages/api/v1.2/a.ts", "admin.js", "min.js"),
        *("package.json", "go.mod", "Cargo.toml", "pyproject.toml", "Gemfile", "lock.py"),
        *("generated.py", "gradle/libs.versions.toml", "map.js", "designer.cs", "node_modules"),
        *("third_party", "vendor", "__generated__.ts", "my_node_modules/a.js", "query-a.json"),
    ],
)
def test_written_by_people(path: str) -> None:
    assert name_verdict(path) is None


def test_the_longest_of_paths_take_no_time() -> None:
    hostile = ("dist/" * 2000 + "a", "vendor/a." * 2000, "a.min" * 4000, "jquery-a" * 3000)
    begun = time.process_time()
    for path in hostile * 20:
        name_verdict(path)
    assert time.process_time() - begun < 1


NO_MARKS = {GENERATED: None, VENDORED: None}


def test_marks_and_the_source_overrule_the_rules() -> None:
    assert judged("yarn.lock", NO_MARKS, frozenset()) == (GENERATED, frozenset())
    assert judged("a.py", NO_MARKS, frozenset()) == (None, frozenset())
    for marks, included in (
        ({GENERATED: False, VENDORED: None}, frozenset[DocumentReason]()),
        (NO_MARKS, frozenset({GENERATED})),
    ):
        despite = frozenset({GENERATED, ENCODED_DATA})
        assert judged("yarn.lock", marks, included) == (None, despite)
        assert judged("vendor/a.c", marks, included) == (VENDORED, despite)
    assert judged("vendor/a.c", {GENERATED: None, VENDORED: False}, frozenset()) == (
        *(None, frozenset({VENDORED})),
    )


def test_a_mark_says_more_than_a_name() -> None:
    assert judged("a.py", {GENERATED: True, VENDORED: None}, frozenset())[0] is GENERATED
    assert judged("a.py", {GENERATED: None, VENDORED: True}, frozenset())[0] is VENDORED
    both = {GENERATED: False, VENDORED: True}
    assert judged("yarn.lock", both, frozenset())[0] is VENDORED
    assert judged("yarn.lock", both, frozenset({VENDORED}))[0] is None

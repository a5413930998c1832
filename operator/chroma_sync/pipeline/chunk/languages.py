"""Which language a file is in, told by its name or its first bytes.

The names are those of the grammars. A language is here only if its grammar came through the
torture test in tests/unit/chunk/test_languages.py; COBOL's, for one, hangs on the input `x`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

# Language: file name suffixes, in lower case and without the dot.
_SUFFIXES = {
    "ada": "adb ads",
    "bash": "sh bash zsh ksh bats ebuild",
    "bicep": "bicep",
    "c": "c h",
    "clojure": "clj cljs cljc edn",
    "cmake": "cmake",
    "cobol": "cob cbl cpy cobol",
    "commonlisp": "lisp lsp cl asd",
    "cpp": "cc cpp cxx c++ hh hpp hxx h++ ipp tpp inl ino",
    "csharp": "cs csx",
    "css": "css",
    "cuda": "cu cuh",
    "dart": "dart",
    "dockerfile": "dockerfile containerfile",
    "elisp": "el",
    "elixir": "ex exs",
    "elm": "elm",
    "erlang": "erl hrl escript",
    "fish": "fish",
    "fortran": "f90 f95 f03 f08",
    "fsharp": "fs fsx",
    "gleam": "gleam",
    "glsl": "glsl vert frag comp",
    "go": "go",
    "graphql": "graphql gql graphqls",
    "groovy": "groovy gradle gvy",
    "haskell": "hs",
    "hcl": "hcl nomad",
    "html": "html htm xhtml",
    "ini": "ini cfg editorconfig service timer socket desktop",
    "java": "java",
    "javascript": "js mjs cjs jsx",
    "json": "json jsonl ndjson geojson ipynb webmanifest jsonc avsc har",
    "jsonnet": "jsonnet libsonnet",
    "julia": "jl",
    "kotlin": "kt kts",
    "latex": "tex sty ltx",
    "lua": "lua",
    "make": "mk mak makefile",
    "markdown": "md markdown mdx mkd mdown",
    "matlab": "m",
    "nim": "nim nims",
    "nix": "nix",
    "objc": "mm",
    "ocaml": "ml",
    "ocaml_interface": "mli",
    "odin": "odin",
    "pascal": "pas pp lpr dpr",
    "perl": "pl pm t",
    "php": "php phtml php3 php4 php5 php7 php8",
    "powershell": "ps1 psm1 psd1",
    "prisma": "prisma",
    "properties": "properties",
    "proto": "proto",
    "puppet": "pp.epp",
    "purescript": "purs",
    "python": "py pyi pyw pyx",
    "r": "r",
    "racket": "rkt",
    "rego": "rego",
    "rst": "rst",
    "ruby": "rb rake gemspec ru podspec",
    "rust": "rs",
    "scala": "scala sc sbt",
    "scheme": "scm ss sld",
    "scss": "scss",
    "solidity": "sol",
    "sql": "sql ddl dml",
    "starlark": "bzl star bazel",
    "svelte": "svelte",
    "swift": "swift",
    "tcl": "tcl",
    "terraform": "tf tfvars",
    "thrift": "thrift",
    "toml": "toml",
    "tsx": "tsx",
    "typescript": "ts mts cts",
    "typst": "typ",
    "verilog": "v sv svh vh",
    "vhdl": "vhd vhdl",
    "vim": "vim",
    "vue": "vue",
    "wgsl": "wgsl",
    "xml": "xml xsd xsl xslt svg plist rss atom csproj vbproj fsproj props targets wsdl xliff",
    "yaml": "yaml yml",
    "zig": "zig zon",
}

# Language: whole file names, in lower case.
_NAMES = {
    "bash": ".bashrc .bash_profile .bash_aliases .profile .zshrc .zprofile .zshenv pkgbuild",
    "cmake": "cmakelists.txt",
    "dockerfile": "dockerfile containerfile",
    "elixir": "mix.lock",
    "gomod": "go.mod go.work",
    "groovy": "jenkinsfile",
    "ini": ".gitconfig .gitmodules .npmrc .pylintrc .flake8 .coveragerc",
    "json": ".babelrc .eslintrc .prettierrc composer.lock pipfile.lock flake.lock",
    "make": "makefile gnumakefile bsdmakefile",
    "meson": "meson.build meson_options.txt",
    "ruby": "gemfile rakefile vagrantfile podfile fastfile brewfile guardfile capfile",
    "starlark": "build workspace tiltfile buck module.bazel",
    "toml": "cargo.lock poetry.lock pipfile uv.lock pdm.lock",
    "vim": ".vimrc vimrc",
    "yaml": ".clang-format .clang-tidy .yamllint pubspec.lock",
}

# Language: interpreters named behind `#!`, without path and version.
_INTERPRETERS = {
    "bash": "sh bash dash zsh ksh ash",
    "clojure": "bb clojure",
    "elixir": "elixir",
    "erlang": "escript",
    "fish": "fish",
    "groovy": "groovy",
    "haskell": "runhaskell runghc stack",
    "javascript": "node nodejs bun",
    "julia": "julia",
    "lua": "lua luajit",
    "make": "make",
    "ocaml": "ocaml",
    "perl": "perl",
    "php": "php",
    "powershell": "pwsh",
    "python": "python pypy uv pypy3",
    "r": "rscript",
    "racket": "racket",
    "ruby": "ruby jruby",
    "scala": "scala",
    "swift": "swift",
    "tcl": "tclsh wish expect",
    "typescript": "deno ts-node tsx",
}


def _by_word(table: Mapping[str, str]) -> Mapping[str, str]:
    words = {word: language for language, words in table.items() for word in words.split()}
    return MappingProxyType(words)


_BY_SUFFIX = _by_word(_SUFFIXES)
_BY_NAME = _by_word(_NAMES)
_BY_INTERPRETER = _by_word(_INTERPRETERS)

# Suffixes that two languages share: what the other one's first bytes look like.
_SHARED = {
    "h": (
        ("objc", re.compile(rb"^[ \t]*(?:@interface|@protocol|@class|#import)\b", re.M)),
        ("cpp", re.compile(rb"^[ \t]*(?:class|namespace|template|using)\b|\bstd::", re.M)),
    ),
    "m": (("objc", re.compile(rb"^[ \t]*(?:@interface|@implementation|#import|#include)", re.M)),),
}

_SHEBANG = re.compile(
    rb"#![ \t]*(?:\S*/)?(?:env[ \t]+(?:-\S+[ \t]+|\w+=\S*[ \t]+)*(?:\S*/)?)?([\w+-]+)"
)


def languages() -> frozenset[str]:
    """All languages that are cut along their syntax."""
    return frozenset(_SUFFIXES) | frozenset(_NAMES)


def language_of(key: str, head: bytes) -> str | None:
    """The language of the file at the path `key` that begins with `head`; None if unknown.

    A whole file name says more than a suffix, and a suffix more than a `#!` line.
    """
    name = key.rpartition("/")[2].lower()
    if language := _BY_NAME.get(name):
        return language
    stem, dot, suffix = name.rpartition(".")
    if dot and stem and (language := _BY_SUFFIX.get(suffix)):
        for other, signs in _SHARED.get(suffix, ()):
            if signs.search(head):
                return other
        return language
    # Dockerfile.dev, Makefile.am
    if (language := _BY_NAME.get(name.partition(".")[0])) in ("dockerfile", "make"):
        return language
    return _by_shebang(head)


def _by_shebang(head: bytes) -> str | None:
    found = _SHEBANG.match(head)
    if found is None:
        return None
    interpreter = found[1].decode("ascii", errors="ignore").lower()
    return _BY_INTERPRETER.get(interpreter) or _BY_INTERPRETER.get(interpreter.rstrip("0123456789"))

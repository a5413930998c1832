"""Which language a file is in, told by its name or its first bytes.

The names are those of the grammars. Every grammar that is installed and has a file type of its own
is here; tests/unit/chunk/test_languages.py compares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

# Language: file name suffixes, in lower case and without the dot.
_SUFFIXES = {
    "actionscript": "as",
    "ada": "adb ads",
    "agda": "agda",
    "apex": "cls trigger apex",
    "arduino": "ino pde",
    "asm": "asm nasm s",
    "astro": "astro",
    "bash": "sh bash zsh ksh bats ebuild",
    "beancount": "beancount bean",
    "bibtex": "bib",
    "bicep": "bicep",
    "bitbake": "bb bbappend bbclass",
    "bsl": "bsl",
    "c": "c h",
    "cairo": "cairo",
    "capnp": "capnp",
    "chatito": "chatito",
    "clarity": "clar",
    "clojure": "clj cljs cljc edn",
    "cmake": "cmake",
    "cobol": "cob cbl cpy cobol",
    "commonlisp": "lisp lsp cl asd",
    "cpon": "cpon",
    "cpp": "cc cpp cxx c++ hh hpp hxx h++ ipp tpp inl",
    "csharp": "cs csx",
    "css": "css",
    "csv": "csv",
    "cuda": "cu cuh",
    "d": "d di",
    "dart": "dart",
    "dockerfile": "dockerfile containerfile",
    "dtd": "dtd",
    "elisp": "el",
    "elixir": "ex exs",
    "elm": "elm",
    "embeddedtemplate": "erb ejs",
    "erlang": "erl hrl escript",
    "fennel": "fnl",
    "firrtl": "fir",
    "fish": "fish",
    "fortran": "f90 f95 f03 f08",
    "fsharp": "fs fsx",
    "fsharp_signature": "fsi",
    "func": "fc",
    "gdscript": "gd",
    "gleam": "gleam",
    "glsl": "glsl vert frag comp",
    "gn": "gn gni",
    "go": "go",
    "graphql": "graphql gql graphqls",
    "groovy": "groovy gradle gvy",
    "hack": "hack hhi",
    "hare": "ha",
    "haskell": "hs",
    "haxe": "hx",
    "hcl": "hcl nomad",
    "heex": "heex",
    "hlsl": "hlsl fx fxh",
    "html": "html htm xhtml",
    "hyprlang": "hl",
    "ini": "ini cfg editorconfig service timer socket desktop",
    "ispc": "ispc",
    "janet": "janet jdn",
    "java": "java",
    "javascript": "js mjs cjs jsx",
    "json": "json jsonl ndjson geojson webmanifest jsonc avsc har",
    "jsonnet": "jsonnet libsonnet",
    "julia": "jl",
    "kdl": "kdl",
    "kotlin": "kt kts",
    "latex": "tex sty ltx",
    "linkerscript": "ld lds",
    "llvm": "ll",
    "lua": "lua",
    "luau": "luau",
    "magik": "magik",
    "make": "mk mak makefile",
    "markdown": "md markdown mdx mkd mdown",
    "matlab": "m",
    "mermaid": "mmd mermaid",
    "netlinx": "axs axi",
    "nim": "nim nims",
    "ninja": "ninja",
    "nix": "nix",
    "nqc": "nqc",
    "objc": "mm",
    "ocaml": "ml",
    "ocaml_interface": "mli",
    "odin": "odin",
    "org": "org",
    "pascal": "pas lpr dpr",
    "pem": "pem",
    "perl": "pl pm t",
    "pgn": "pgn",
    "php": "php phtml php3 php4 php5 php7 php8",
    "po": "po pot",
    "pony": "pony",
    "powershell": "ps1 psm1 psd1",
    "prisma": "prisma",
    "properties": "properties",
    "proto": "proto",
    "psv": "psv",
    "puppet": "pp epp",
    "purescript": "purs",
    "python": "py pyi pyw pyx",
    "qmljs": "qml",
    "r": "r",
    "racket": "rkt",
    "re2c": "re",
    "rego": "rego",
    "ron": "ron",
    "rst": "rst",
    "ruby": "rb rake gemspec ru podspec",
    "rust": "rs",
    "scala": "scala sc sbt",
    "scheme": "scm ss sld",
    "scss": "scss",
    "smali": "smali",
    "smithy": "smithy",
    "solidity": "sol",
    "sparql": "sparql rq",
    "sql": "sql ddl dml",
    "squirrel": "nut",
    "starlark": "bzl star bazel",
    "svelte": "svelte",
    "swift": "swift",
    "tablegen": "td",
    "tcl": "tcl",
    "terraform": "tf tfvars",
    "thrift": "thrift",
    "toml": "toml",
    "tsv": "tsv",
    "tsx": "tsx",
    "twig": "twig",
    "typescript": "ts mts cts",
    "typst": "typ",
    "udev": "rules",
    "ungrammar": "ungram",
    "uxntal": "tal",
    "v": "vsh",
    "verilog": "v sv svh vh",
    "vhdl": "vhd vhdl",
    "vim": "vim",
    "vue": "vue",
    "wast": "wast",
    "wat": "wat",
    "wgsl": "wgsl",
    "xml": "xml xsd xsl xslt svg plist rss atom csproj vbproj fsproj props targets wsdl xliff",
    "yaml": "yaml yml",
    "yuck": "yuck",
    "zig": "zig zon",
}

# Language: whole file names, in lower case.
_NAMES = {
    "bash": ".bashrc .bash_profile .bash_aliases .profile .zshrc .zprofile .zshenv pkgbuild",
    "cmake": "cmakelists.txt",
    "dockerfile": "dockerfile containerfile",
    "elixir": "mix.lock",
    "gitattributes": ".gitattributes",
    "gitcommit": "commit_editmsg merge_msg tag_editmsg",
    "gitignore": ".gitignore .dockerignore .npmignore "
    ".eslintignore .prettierignore .helmignore .gcloudignore",
    "gomod": "go.mod go.work",
    "gosum": "go.sum go.work.sum",
    "groovy": "jenkinsfile",
    "hyprlang": "hyprland.conf hyprlock.conf hypridle.conf",
    "ini": ".gitconfig .gitmodules .npmrc .pylintrc .flake8 .coveragerc",
    "json": ".babelrc .eslintrc .prettierrc composer.lock pipfile.lock flake.lock",
    "kconfig": "kconfig",
    "make": "makefile gnumakefile bsdmakefile",
    "meson": "meson.build meson_options.txt",
    "pymanifest": "manifest.in",
    "qmldir": "qmldir",
    "query": "highlights.scm injections.scm locals.scm "
    "tags.scm folds.scm indents.scm textobjects.scm",
    "readline": ".inputrc inputrc",
    "requirements": "requirements.txt requirements-dev.txt dev-requirements.txt constraints.txt",
    "ruby": "gemfile rakefile vagrantfile podfile fastfile brewfile guardfile capfile",
    "starlark": "build workspace tiltfile buck module.bazel",
    "toml": "cargo.lock poetry.lock pipfile uv.lock pdm.lock",
    "vim": ".vimrc vimrc",
    "xcompose": ".xcompose",
    "yaml": ".clang-format .clang-tidy .yamllint pubspec.lock",
}

# Language: interpreters named behind `#!`, without path and version.
_INTERPRETERS = {
    "bash": "sh bash dash zsh ksh ash",
    "clojure": "bb clojure",
    "commonlisp": "sbcl clisp",
    "d": "rdmd",
    "dart": "dart",
    "elisp": "emacs",
    "elixir": "elixir",
    "erlang": "escript",
    "fennel": "fennel",
    "fish": "fish",
    "fsharp": "fsharpi",
    "gdscript": "godot",
    "groovy": "groovy",
    "hack": "hhvm",
    "haskell": "runhaskell runghc stack",
    "janet": "janet",
    "java": "java jbang",
    "javascript": "node nodejs bun",
    "julia": "julia",
    "kotlin": "kotlin",
    "lua": "lua luajit",
    "luau": "luau",
    "make": "make",
    "matlab": "octave",
    "ocaml": "ocaml",
    "pascal": "instantfpc",
    "perl": "perl",
    "php": "php",
    "powershell": "pwsh",
    "python": "python pypy uv pypy3",
    "r": "rscript",
    "racket": "racket",
    "ruby": "ruby jruby",
    "rust": "rust-script",
    "scala": "scala",
    "scheme": "guile",
    "swift": "swift",
    "tcl": "tclsh wish expect",
    "typescript": "deno ts-node tsx",
    "v": "v",
}


def _by_word(table: Mapping[str, str]) -> Mapping[str, str]:
    words = {word: language for language, words in table.items() for word in words.split()}
    return MappingProxyType(words)


_BY_SUFFIX = _by_word(_SUFFIXES)
_BY_NAME = _by_word(_NAMES)
_BY_INTERPRETER = _by_word(_INTERPRETERS)

# Suffixes that two languages share: what the other one's first bytes look like, with a line feed
# before them; None is a language without a grammar here. Patterns that begin with a fixed byte are
# searched for quickly.
_SHARED = {
    "cl": ((None, re.compile(rb"\n[ \t]*(?:__kernel|kernel|#include|#define|//|/\*)")),),  # OpenCL
    "cls": (
        ("latex", re.compile(rb"\n[ \t]*[%\\]")),
        (None, re.compile(rb"\nVERSION \d")),  # Visual Basic
    ),
    "h": (
        ("objc", re.compile(rb"\n[ \t]*(?:@interface|@protocol|@class|#import)\b")),
        ("cpp", re.compile(rb"\n[ \t]*(?:class|namespace|template)\b")),
        ("cpp", re.compile(rb"\n[ \t]*using (?:namespace )?[\w:]+[ \t]*[=;]")),
        ("cpp", re.compile(rb"std::")),
    ),
    "m": (
        ("objc", re.compile(rb"\n[ \t]*(?:@interface|@implementation|@import|#import|#include)")),
    ),
    "pp": (("pascal", re.compile(rb"\n[ \t]*(?:unit|program|library)[ \t]+\w+;", re.I)),),
    "re": ((None, re.compile(rb"\n(?:let|open|module|type) ")),),  # ReasonML
    "rules": ((None, re.compile(rb"\n(?:rules_version|service) ")),),  # Firebase
    "ts": (("xml", re.compile(rb"\n[ \t]*<(?:\?xml|!DOCTYPE TS)")),),  # Qt's translations
    "v": (
        (None, re.compile(rb"\n(?:Require|Lemma|Theorem|Definition|From \w+ Require)\b")),  # Coq
        ("v", re.compile(rb"\n(?:(?:pub )?fn \w|import \w+\n)")),
    ),
}
_WORD_END = re.compile(r"[._-]")

_SHEBANG = re.compile(
    rb"#![ \t]*(?:\S*/)?(?:env[ \t]+(?:-\S+[ \t]+|\w+=\S*[ \t]+)*(?:\S*/)?)?([\w+-]+)"
)


_NAME_MAX = 50
_MORE_NAMES = {
    "c++": "cpp",
    "c#": "csharp",
    ".net-csharp": "csharp",
    ".net-fsharp": "fsharp",
    "f#": "fsharp",
    "ir": "r",
    "octave": "matlab",
    "sh": "bash",
    "shell": "bash",
}
_COMMENTS = MappingProxyType(
    {
        language: mark
        for mark, words in {
            "#": "bash elixir fish julia nim perl powershell python r ruby tcl",
            "//": "c cpp csharp dart fsharp go groovy java javascript kotlin php rust scala swift "
            "typescript",
            "--": "elm haskell lua sql",
            "%": "erlang matlab",
            ";": "clojure commonlisp racket scheme",
        }.items()
        for language in words.split()
    }
)


def languages() -> frozenset[str]:
    """All languages that are cut along their syntax."""
    return frozenset(_SUFFIXES) | frozenset(_NAMES)


def language_of(key: str, head: bytes) -> str | None:
    """The language of the file at the path `key` that begins with `head`; None if unknown.

    A whole file name says more than a suffix, and a suffix more than a `#!` line. Of a name without
    a suffix that line says most: many scripts are called `build`.
    """
    name = key.rpartition("/")[2].lower()
    if "." not in name and (language := _by_shebang(head)):
        return language
    if language := _BY_NAME.get(name):
        return language
    stem, dot, suffix = name.rpartition(".")
    if dot and stem and (language := _BY_SUFFIX.get(suffix)):
        for other, signs in _SHARED.get(suffix, ()):
            if signs.search(b"\n" + head):
                return other
        return language
    # Dockerfile.dev, Dockerfile-dev, Makefile.am
    if (language := _BY_NAME.get(_WORD_END.split(name)[0])) in ("dockerfile", "make"):
        return language
    return _by_shebang(head)


def language_named(name: str) -> str | None:
    """The language of that name, as Jupyter's kernels write it: `python`, `R`, `C++17`."""
    plain = name[:_NAME_MAX].lower().strip()
    for name in (plain, plain.rstrip("0123456789.-")):
        if name in languages():
            return name
        if language := _MORE_NAMES.get(name) or _BY_INTERPRETER.get(name):
            return language
    return None


def line_comment(language: str | None) -> str | None:
    """What a comment to the end of a line begins with; None where that is not known."""
    return _COMMENTS.get(language) if language is not None else None


def _by_shebang(head: bytes) -> str | None:
    found = _SHEBANG.match(head)
    if found is None:
        return None
    interpreter = found[1].decode("ascii", errors="ignore").lower()
    return _BY_INTERPRETER.get(interpreter) or _BY_INTERPRETER.get(interpreter.rstrip("0123456789"))

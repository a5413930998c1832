"""A fixed, generated repository for the tests: some 300 files in 10 languages, and a few traps.

The same call makes the same bytes and the same commit everywhere, so a test knows what must come
out without looking at the product. Written by `git fast-import`: no checkout, no clock, no user.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

NOUNS: tuple[str, ...] = ("account", "basket", "cursor", "device", "engine")
NOUNS += ("folder", "garden", "handle", "island", "journal")
VERBS: tuple[str, ...] = ("append", "balance", "collect", "divide", "encode")
VERBS += ("filter", "gather", "hash", "insert", "join")

PYTHON = '''"""Works on each {noun} of the {other}."""


class {Noun}Keeper:
    """Keeps {noun} number {i} and what belongs to it."""

    def __init__(self, limit: int = {i}) -> None:
        self.limit = limit
        self.items: list[str] = []

    def {verb}(self, value: str) -> bool:
        """{Verb} a value unless the {noun} is full."""
        if len(self.items) >= self.limit:
            return False
        self.items.append(value * {k})
        return True


def {verb}_{noun}(values: list[str]) -> dict[str, int]:
    """Count how often each value of the {other} comes in round {i}."""
    counts: dict[str, int] = {{}}
    for value in values:
        counts[value] = counts.get(value, 0) + {k}
    return counts
'''

GO = """package {noun}

import "fmt"

// {Verb}{Noun} works on {other} number {i}.
func {Verb}{Noun}(values []string) (map[string]int, error) {{
	counts := make(map[string]int, {k})
	for _, value := range values {{
		if value == "" {{
			return nil, fmt.Errorf("{noun} {i}: empty value")
		}}
		counts[value] += {k}
	}}
	return counts, nil
}}

type {Noun} struct {{
	Limit int
	Items []string
}}

func (n *{Noun}) Full() bool {{ return len(n.Items) >= n.Limit+{i} }}
"""

RUST = """/// Keeps each {noun} of the {other}.
pub struct {Noun} {{
    limit: usize,
    items: Vec<String>,
}}

impl {Noun} {{
    pub fn new() -> Self {{
        {Noun} {{ limit: {i}, items: Vec::new() }}
    }}

    /// {Verb} one value unless full.
    pub fn {verb}(&mut self, value: &str) -> bool {{
        if self.items.len() >= self.limit {{
            return false;
        }}
        self.items.push(value.repeat({k}));
        true
    }}
}}

#[test]
fn {verb}_{noun}_{i}() {{
    let mut keeper = {Noun}::new();
    assert!(keeper.{verb}("{other}"));
}}
"""

TYPESCRIPT = """export interface {Noun} {{
  name: string;
  limit: number;
}}

/** {Verb} the {other} of round {i}. */
export function {verb}{Noun}(items: {Noun}[], wanted: string): {Noun} | undefined {{
  const found = items.filter((item) => item.name === wanted && item.limit > {k});
  return found.length > 0 ? found[0] : undefined;
}}

export class {Noun}Store {{
  private readonly items = new Map<string, {Noun}>();

  {verb}(item: {Noun}): void {{
    if (this.items.size >= {i}) throw new Error("{noun} store is full");
    this.items.set(item.name, item);
  }}
}}
"""

JAVA = """package org.example.{noun};

import java.util.HashMap;
import java.util.Map;

/** Keeps each {noun} of the {other}. */
public final class {Noun}{i} {{
    private final Map<String, Integer> counts = new HashMap<>();

    public int {verb}(String value) {{
        if (value == null || value.isEmpty()) {{
            throw new IllegalArgumentException("{noun} {i}: empty value");
        }}
        return counts.merge(value, {k}, Integer::sum);
    }}

    public boolean full() {{
        return counts.size() >= {i};
    }}
}}
"""

C = """#include <stddef.h>
#include <string.h>

#define {NOUN}_LIMIT {i}

struct {noun} {{
    char name[64];
    size_t count;
}};

/* {Verb} a name into the {other}. */
int {verb}_{noun}(struct {noun} *all, size_t n, const char *name)
{{
    for (size_t at = 0; at < n && at < {NOUN}_LIMIT; at++) {{
        if (strcmp(all[at].name, name) == 0) {{
            all[at].count += {k};
            return 1;
        }}
    }}
    return 0;
}}
"""

RUBY = """# Keeps each {noun} of the {other}.
class {Noun}{i}
  attr_reader :items

  def initialize(limit = {i})
    @limit = limit
    @items = []
  end

  # {Verb} one value unless full.
  def {verb}(value)
    return false if @items.size >= @limit

    @items << value * {k}
    true
  end
end
"""

SHELL = """#!/usr/bin/env bash
# {Verb} every {noun} of the {other}.
set -euo pipefail

limit={i}

{verb}_{noun}() {{
  local count=0
  for value in "$@"; do
    if [ "$count" -ge "$limit" ]; then
      echo "{noun} is full" >&2
      return 1
    fi
    count=$((count + {k}))
  done
  echo "$count"
}}

{verb}_{noun} "$@"
"""

MARKDOWN = """# The {noun} and the {other}

Round {i}. How to {verb} a {noun} without losing the {other}.

## Steps

1. Open the {noun}.
2. {Verb} its {other} {k} times.
3. Close it, whatever happened. Grüße — 終わり.

## Limits

| what | number |
| --- | --- |
| items | {i} |
| times | {k} |

```python
{verb}_{noun}(["{other}"] * {k})
```
"""

YAML = """# Settings of {noun} number {i}
{noun}:
  limit: {i}
  verb: {verb}
  others:
    - name: {other}
      times: {k}
    - name: {other}-spare
      times: 0
  note: >
    {Verb} each {noun} before the {other} is full,
    and never afterwards.
"""

LANGUAGES = {
    "python": ("src/{noun}/{verb}_{i}.py", PYTHON),
    "go": ("pkg/{noun}/{verb}_{i}.go", GO),
    "rust": ("crates/{noun}/src/{verb}_{i}.rs", RUST),
    "typescript": ("web/{noun}/{verb}{i}.ts", TYPESCRIPT),
    "java": ("java/org/example/{noun}/{Noun}{i}.java", JAVA),
    "c": ("native/{noun}_{verb}_{i}.c", C),
    "ruby": ("lib/{noun}/{verb}_{i}.rb", RUBY),
    "bash": ("scripts/{verb}-{noun}-{i}.sh", SHELL),
    "markdown": ("docs/{noun}/{verb}-{i}.md", MARKDOWN),
    "yaml": ("config/{noun}-{verb}-{i}.yaml", YAML),
}


@dataclass(frozen=True)
class GeneratedFile:
    """One file: its git mode and its bytes (of a link: where it points)."""

    data: bytes
    mode: str = "100644"


def text_files(per_language: int = 30) -> dict[str, GeneratedFile]:
    """The files that must be indexed, by path."""
    files: dict[str, GeneratedFile] = {}
    for number, (path, template) in enumerate(LANGUAGES.values()):
        for i in range(1, per_language + 1):
            noun = NOUNS[(i + number) % 10]
            verb = VERBS[(i * 3 + number + i // 10) % 10]
            words = {
                "noun": noun,
                "Noun": noun.title(),
                "NOUN": noun.upper(),
                "verb": verb,
                "Verb": verb.title(),
                "other": NOUNS[(i * 7 + number + 1) % 10],
                "i": i,
                "k": i % 7 + 2,
            }
            files[path.format(**words)] = GeneratedFile(template.format(**words).encode())
    files["notes/windows.txt"] = GeneratedFile(b"one\r\ntwo\r\nthree without an end")
    files["notes/one long line.txt"] = GeneratedFile("wörter und mehr ".encode() * 400)
    files["notes/ünïcödé 日本.md"] = GeneratedFile("# 日本語\n\nこれは。\n".encode())
    return files


def trap_files() -> dict[str, GeneratedFile]:
    """The files that must be skipped, by path."""
    return {
        "traps/picture.png": GeneratedFile(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"),
        "traps/latin1.txt": GeneratedFile("Grüße".encode("latin-1")),
        "traps/empty.txt": GeneratedFile(b""),
        "traps/large.txt": GeneratedFile(b"0123456789abcde\n" * 70_000),
        "traps/link.py": GeneratedFile(b"../src/elsewhere.py", "120000"),
    }


def write(
    repository: Path, commits: list[dict[str, GeneratedFile]], object_format: str = "sha1"
) -> list[str]:
    """Make a bare repository whose branch `main` has these states, one commit each, with ids of
    sha1 or sha256. Returns the commits' ids."""
    init = ["git", "init", "--quiet", "--bare", "--initial-branch=main"]
    subprocess.run([*init, f"--object-format={object_format}", str(repository)], check=True)
    stream = bytearray()
    for number, files in enumerate(commits):
        stream += b"commit refs/heads/main\n"
        stream += b"committer Test <test@example.org> %d +0000\n" % (1_700_000_000 + number)
        stream += b"data 1\n.\n" + (b"deleteall\n" if number else b"")
        for path, file in sorted(files.items()):
            quoted = _quoted(path)
            stream += f"M {file.mode} inline {quoted}\ndata {len(file.data)}\n".encode()
            stream += file.data + b"\n"
    git = ["git", "-C", str(repository)]
    subprocess.run([*git, "fast-import", "--quiet"], input=bytes(stream), check=True)
    listed = subprocess.run(
        [*git, "rev-list", "--reverse", "main"], check=True, capture_output=True, text=True
    )
    return listed.stdout.split()


def _quoted(path: str) -> str:
    """A path in git's C style, as `git fast-import` reads it."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


if __name__ == "__main__":
    # In the test cluster's Git pod: OWNER/NAME under a folder.
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    write(target, [{**text_files(), **trap_files()}])

"""The kinds of source: where documents can come from. `kind` says what each of them tells, `union`
which there are, `origin` which of them a Source is of."""

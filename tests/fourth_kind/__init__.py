"""A fourth kind of source, which only tests know: documents from a dictionary in the Source itself.
It is all in this folder: its member of the API, its connector, and the union that names it beside
the others."""

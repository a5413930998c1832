"""A server that speaks TEI's protocol, for machines without a GPU.

Real vectors of the small CPU model, with the status codes, limits, permits and error bodies of
text-embeddings-router 1.9. `tests/unit/embed/test_fake_tei.py` replays recordings of a real one.
"""

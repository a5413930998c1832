"""all-MiniLM-L6-v2 as an ONNX graph, made from its safetensors weights.

The graph maps `ids` and `mask`, both `(batch, length)`, int64 and int32, to `pooled`, the mean of
the last hidden states over the unmasked tokens: `(batch, 384)` float32, not normalised.
The architecture is BERT's encoder (Devlin et al., 2018) with 6 layers of width 384 and 12 heads.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# Part of the cached file's name: raise it with every change of the graph.
GRAPH_VERSION = 1

_LAYERS = 6
WIDTH = 384
_HEADS = 12
_EPSILON = 1e-12
_OPSET = 20  # the first with Gelu
_IR_VERSION = 9

Array = npt.NDArray[Any]


def read_safetensors(path: Path) -> dict[str, Array]:
    """The tensors of a safetensors file by name. Raises `ValueError` for a dtype other than F32
    and I64, the two that this model has."""
    dtypes: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
    data = path.read_bytes()
    header_size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + header_size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in dtypes:
            raise ValueError(f"{path.name}: tensor {name} has dtype {entry['dtype']}")
        begin, end = (8 + header_size + offset for offset in entry["data_offsets"])
        flat = np.frombuffer(data[begin:end], dtypes[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def build_graph(weights: dict[str, Array]) -> bytes:
    """The serialized ONNX model."""
    import onnx
    from onnx import TensorProto, helper

    graph = _Graph(weights)
    hidden = graph.embeddings()
    for number in range(_LAYERS):
        hidden = graph.layer(f"encoder.layer.{number}", hidden)
    graph.mean(hidden)
    size = ["batch", "length"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "all-MiniLM-L6-v2",
            [
                helper.make_tensor_value_info("ids", TensorProto.INT64, size),
                helper.make_tensor_value_info("mask", TensorProto.INT32, size),
            ],
            [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["batch", WIDTH])],
            [onnx.numpy_helper.from_array(value, name) for name, value in graph.constants.items()],
        ),
        # ONNX Runtime's own Attention is one fused kernel: faster than the dozen standard nodes.
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)],
        ir_version=_IR_VERSION,
    )
    serialized: bytes = model.SerializeToString()
    return serialized


class _Graph:
    """Nodes and constants, collected piece by piece. Each method returns its output's name."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self._weights = weights
        self.constants: dict[str, Array] = {}
        self.nodes: list[Any] = []

    def embeddings(self) -> str:
        """Words plus positions. The token type is always 0: its row is added to each position."""
        words = self._constant("embeddings.word_embeddings.weight")
        table = self._weights["embeddings.position_embeddings.weight"]
        table = table + self._weights["embeddings.token_type_embeddings.weight"][0]
        positions = self._constant("positions", table)
        length = self._add("Shape", ["ids"], start=1)
        rows = self._add("Slice", [positions, self._constant("zero", np.array([0])), length])
        summed = self._add("Add", [self._add("Gather", [words, "ids"]), rows])
        return self._norm("embeddings.LayerNorm", summed)

    def layer(self, name: str, hidden: str) -> str:
        """Self-attention, then the feed-forward part, each with its residual and its norm."""
        attention = f"{name}.attention"
        parts = [f"{attention}.self.{part}" for part in ("query", "key", "value")]
        kernel = np.concatenate([self._weights[f"{part}.weight"].T for part in parts], axis=1)
        bias = np.concatenate([self._weights[f"{part}.bias"] for part in parts])
        qkv = [self._constant(f"{attention}.kernel", kernel)]
        qkv.append(self._constant(f"{attention}.bias", bias))
        inputs = [hidden, *qkv, "mask"]
        mixed = self._add("Attention", inputs, domain="com.microsoft", num_heads=_HEADS)
        mixed = self._dense(f"{attention}.output.dense", mixed)
        hidden = self._add("Add", [mixed, hidden])
        hidden = self._norm(f"{attention}.output.LayerNorm", hidden)
        inner = self._add("Gelu", [self._dense(f"{name}.intermediate.dense", hidden)])
        outer = self._add("Add", [self._dense(f"{name}.output.dense", inner), hidden])
        return self._norm(f"{name}.output.LayerNorm", outer)

    def mean(self, hidden: str) -> None:
        """The mean over the unmasked tokens, under the name `pooled`."""
        axis = self._constant("axis", np.array([1]))
        last = self._constant("last", np.array([2]))
        mask = self._add("Cast", ["mask"], to=1)
        kept = self._add("Mul", [hidden, self._add("Unsqueeze", [mask, last])])
        total = self._add("ReduceSum", [kept, axis], keepdims=0)
        count = self._add("ReduceSum", [mask, axis], keepdims=1)
        self._add("Div", [total, count], output="pooled")

    def _dense(self, name: str, value: str) -> str:
        kernel = self._constant(f"{name}.weight", self._weights[f"{name}.weight"].T)
        product = self._add("MatMul", [value, kernel])
        return self._add("Add", [product, self._constant(f"{name}.bias")])

    def _norm(self, name: str, value: str) -> str:
        inputs = [value, self._constant(f"{name}.weight"), self._constant(f"{name}.bias")]
        return self._add("LayerNormalization", inputs, epsilon=_EPSILON)

    def _constant(self, name: str, value: Array | None = None) -> str:
        array = self._weights[name] if value is None else value
        self.constants[name] = np.ascontiguousarray(array)
        return name

    def _add(self, kind: str, inputs: list[str], output: str | None = None, **more: Any) -> str:
        from onnx import helper

        output = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **more))
        return output

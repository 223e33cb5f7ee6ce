"""PyTorch tensors, by their elements."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ndstash._core import Named

Rule = Callable[[Any], object]


def rule(kind: type) -> Rule | None:
    """The rule for tensors and parameters, or none."""
    torch: Any = sys.modules["torch"]
    return _tensor if issubclass(kind, torch.Tensor) else None


def _tensor(tensor: Any) -> object:
    torch: Any = sys.modules["torch"]
    if tensor.layout is not torch.strided or tensor.is_quantized:
        raise TypeError(f"a tensor of layout {tensor.layout} has no key: give it as a dense one")
    dense = tensor.detach().cpu().contiguous().resolve_conj().resolve_neg()
    elements = dense.reshape(-1).view(torch.uint8).numpy()
    content = (str(tensor.dtype), tuple(tensor.shape), tensor.device.type, tensor.requires_grad, elements)
    return Named(f"torch.{type(tensor).__name__}", content)

"""Makes the picklers that carry values between processes send references. What is pickled to a file stays bytes."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ndstash._travel.reference import reduced, reference

if TYPE_CHECKING:
    from numpy.typing import NDArray


def register() -> None:
    """Tells those that the program has loaded by now and that were not told yet. It costs next to nothing: call it often."""
    for name in _waiting:
        module = sys.modules.get(name)
        if module is not None:
            _tell(name, module)


def _tell(name: str, module: Any) -> None:
    global _waiting
    try:
        _HOW[name](module)
    except AttributeError:
        return  # Half imported, or of a version that has other parts: bytes, then.
    _waiting = tuple(one for one in _waiting if one != name)


def _multiprocessing(reduction: Any) -> None:
    reduction.ForkingPickler.register(np.ndarray, reduced)


def _loky(reduction: Any) -> None:
    reduction.register(np.ndarray, reduced)


def _joblib(reducer: Any) -> None:
    """joblib has reducers of its own, which come before those of loky: they copy large arrays into files."""
    forward, backward = reducer.ArrayMemmapForwardReducer, reducer.reduce_array_memmap_backward
    send = forward.__call__
    forward.__call__ = lambda self, array: reference(array) or send(self, array)
    _originals["backward"] = backward
    reducer.reduce_array_memmap_backward = reduced_by_joblib


_originals: dict[str, Callable[[NDArray[Any]], Any]] = {}


def reduced_by_joblib(array: NDArray[Any]) -> Any:
    """How a worker of joblib reduces an array of its result."""
    return reference(array) or _originals["backward"](array)


class _Sent:
    """Pickles as what it was made with."""

    def __init__(self, parts: Any) -> None:
        self._parts = parts

    def __reduce__(self) -> Any:
        return self._parts


def _distributed(protocol: Any) -> None:
    send = import_module("distributed.protocol.numpy").serialize_numpy_ndarray

    def serialize(array: NDArray[Any], context: Any = None) -> Any:
        parts = reference(array) if _stays_here(context) else None
        if parts is None:
            return send(array, context=context)
        return {"pickle": True}, [pickle.dumps(_Sent(parts))]  # What distributed's own loader of arrays understands.

    protocol.dask_serialize.register(np.ndarray, serialize)


def _stays_here(context: Any) -> bool:
    """Whether a message of dask goes to this machine for certain: a scheduler passes on what it gets, to wherever.

    `dask.config.set({"ndstash.references": False})` has bytes sent here, too, as it needs to be with a scheduler behind a tunnel.
    """
    if not context or not import_module("dask.config").get("ndstash.references", True):
        return False
    host = import_module("distributed.comm.addressing").get_address_host
    ends = [context.get(end, {}).get("address") for end in ("sender", "recipient")]
    return all(end and host(end) in ("127.0.0.1", "::1", "localhost") for end in ends)


_HOW: Final[dict[str, Callable[[Any], None]]] = {
    "multiprocessing.reduction": _multiprocessing,
    "loky.backend.reduction": _loky,
    "joblib.externals.loky.backend.reduction": _loky,
    "joblib._memmapping_reducer": _joblib,
    "distributed.protocol.serialize": _distributed,
}
_waiting: tuple[str, ...] = tuple(_HOW)

register()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=register)

"""Apache Arrow: by schema and values; chunks, slices, offsets and bytes under a null do not count."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ndstash._core import Named

Rule = Callable[[Any], object]
BYTE_BITS = 8


def rule(kind: type) -> Rule | None:
    """The rule for a type of pyarrow itself, or none."""
    arrow: Any = sys.modules["pyarrow"]
    rules: tuple[tuple[type, Rule], ...] = (
        (arrow.Table, lambda table: Named("pyarrow.Table", _table(table))),
        (arrow.RecordBatch, lambda batch: Named("pyarrow.RecordBatch", _table(batch))),
        (arrow.ChunkedArray, lambda array: Named("pyarrow.ChunkedArray", _column(array))),
        (arrow.Array, lambda array: Named("pyarrow.Array", _column(array))),
        (arrow.Scalar, lambda scalar: Named("pyarrow.Scalar", (str(scalar.type), scalar.as_py()))),
        (arrow.Schema, lambda schema: Named("pyarrow.Schema", _schema(schema))),
        (arrow.Field, lambda field: Named("pyarrow.Field", _field(field))),
        (arrow.DataType, lambda dtype: Named("pyarrow.DataType", _dtype(dtype))),
        (arrow.Buffer, lambda buffer: Named("pyarrow.Buffer", buffer.to_pybytes())),
    )
    return next((found for base, found in rules if issubclass(kind, base)), None)


def _table(table: Any) -> object:
    return (_schema(table.schema), table.num_rows, [_column(column) for column in table.columns])


def _schema(schema: Any) -> object:
    return ([_field(field) for field in schema], schema.metadata)


def _field(field: Any) -> object:
    return (field.name, _dtype(field.type), field.nullable, field.metadata)


def _dtype(dtype: Any) -> object:
    """Its text, and the fields inside, of which the text does not say all."""
    return (str(dtype), [_field(dtype.field(at)) for at in range(dtype.num_fields)])


def _column(array: Any) -> object:
    valid = array.is_valid().to_numpy(**_copying(array)) if array.null_count else None
    return (str(array.type), len(array), valid, _content(_whole(array.drop_null())))


def _copying(array: Any) -> dict[str, bool]:
    return {} if hasattr(array, "chunks") else {"zero_copy_only": False}


def _whole(array: Any) -> Any:
    """One array of all chunks. Texts of more than 2 GiB need the large kind."""
    arrow: Any = sys.modules["pyarrow"]
    if not hasattr(array, "chunks"):
        return array
    if _is_bytes(array.type):
        array = array.cast(arrow.large_binary())
    return arrow.concat_arrays(array.chunks) if array.num_chunks else arrow.array([], array.type)


def _is_bytes(dtype: Any) -> bool:
    types: Any = sys.modules["pyarrow"].types
    return any(
        test(dtype) for test in (types.is_string, types.is_binary, types.is_large_string, types.is_large_binary)
    )


def _content(present: Any) -> object:
    """The values of an array without nulls."""
    types: Any = sys.modules["pyarrow"].types
    dtype = present.type
    if isinstance(dtype, sys.modules["pyarrow"].BaseExtensionType):
        return _column(present.storage)
    if types.is_dictionary(dtype):
        return _column(present.dictionary_decode())
    if _is_bytes(dtype):
        return _texts(present)
    if types.is_struct(dtype):
        return [_column(child) for child in present.flatten()]
    if types.is_list(dtype) or types.is_large_list(dtype) or types.is_fixed_size_list(dtype):
        lengths = np.asarray(present.value_lengths())
        return (lengths, _column(present.flatten()))
    return _numbers(present)


def _numbers(present: Any) -> object:
    arrow: Any = sys.modules["pyarrow"]
    dtype = present.type
    if arrow.types.is_boolean(dtype) or arrow.types.is_integer(dtype) or arrow.types.is_floating(dtype):
        return present.to_numpy(zero_copy_only=False)
    if arrow.types.is_temporal(dtype) and dtype.bit_width in (32, 64):
        return present.view(getattr(arrow, f"int{dtype.bit_width}")()).to_numpy(zero_copy_only=False)
    return present.to_pylist()


def _texts(present: Any) -> object:
    arrow: Any = sys.modules["pyarrow"]
    wide = present.cast(arrow.large_binary())
    _, offsets, data = wide.buffers()
    bounds = np.frombuffer(offsets, np.int64)[wide.offset : wide.offset + len(wide) + 1] if len(wide) else np.zeros(1, np.int64)
    content = data[bounds[0] : bounds[-1]].to_pybytes() if data is not None else b""
    return (np.diff(bounds), content)

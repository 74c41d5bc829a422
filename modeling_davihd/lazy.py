"""Names of a package that are imported when first asked for, since transformers takes seconds."""

import importlib
from collections.abc import Callable, Mapping


def lazy_exports(
    namespace: Mapping[str, object], exports: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of the package with that `globals()`; `exports`: module of each name.

    Naming any of them registers the Auto classes.
    """
    package = namespace["__name__"]

    def get(name: str) -> object:
        if name not in exports:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        importlib.import_module(".registration", __package__)
        return getattr(importlib.import_module(f".{exports[name]}", package), name)

    def names() -> list[str]:
        return sorted([*namespace, *exports])

    return get, names

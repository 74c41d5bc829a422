"""Names of a package that are imported when first asked for, since transformers takes seconds."""

import importlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any


def lazy_exports(
    namespace: Mapping[str, Any], exports: Mapping[str, str], *, registers: bool = False
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of the package with that `globals()`; `exports`: module of each name.

    registers: naming any of them makes transformers' Auto classes know our models.
    """
    package = str(namespace["__name__"])

    def get(name: str) -> Any:
        if name not in exports:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if registers:
            importlib.import_module(".registration", __package__)
        return getattr(importlib.import_module(f".{exports[name]}", package), name)

    def names() -> list[str]:
        return sorted([*namespace, *exports])

    return get, names


class LazyTable(MutableMapping[str, Any]):
    """Classes by name, each given as "module.Class" of a package and imported when it is asked for.

    Names can be listed and looked for without importing anything; a class itself may be put in as well.
    """

    def __init__(self, package: str, places: Mapping[str, str]):
        self._package, self._entries = package, dict(places)

    def __getitem__(self, name: str) -> Any:
        entry = self._entries[name]
        if isinstance(entry, str):
            module, _, attribute = entry.rpartition(".")
            entry = getattr(importlib.import_module(f".{module}", self._package), attribute)
            self._entries[name] = entry
        return entry

    def __setitem__(self, name: str, entry: Any) -> None:
        self._entries[name] = entry

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

"""XML that every reader takes, whatever names there are in it."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def add(parent: Element, tag: str, text: object = None, **attributes: object) -> Element:
    """A new last child of `parent`; attributes that are None are left out."""
    given = {name: _clean(value) for name, value in attributes.items() if value is not None}
    child = ElementTree.SubElement(parent, tag, given)
    child.text = None if text is None else _clean(text)
    return child


def save_xml(root: Element, path: Path) -> None:
    """Write a document of that root, in UTF-8, with a DOCTYPE of its name."""
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE {root.tag}>\n'
    path.write_text(f"{head}{text}\n", encoding="utf-8")


def _clean(value: object) -> str:
    return NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", str(value))


__all__ = ["add", "save_xml"]

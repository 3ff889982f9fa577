"""XML from elsewhere: without document types, whose entities can fill the memory."""

from __future__ import annotations

from xml.etree import ElementTree


def parse_xml(data: bytes | str) -> ElementTree.Element:
    """The outermost element.

    Raises:
        ElementTree.ParseError: It is no XML.
        LookupError: It states an encoding of another name than any.
        ValueError: It has a document type.
    """
    return ElementTree.fromstring(data, ElementTree.XMLParser(target=_WithoutDoctype()))


class _WithoutDoctype(ElementTree.TreeBuilder):
    """Refuses document type definitions: annotations need none, and entities that expand fill the memory."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it holds a document type definition, which annotations do not need")

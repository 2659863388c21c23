"""A YAML 1.2 file whose values remember their lines, read within bounds of time and memory.

The events of libyaml, PyYAML's parser in C, are put together here, since PyYAML's own constructor
follows aliases and merges without limit, raises what Python raises for a bad number or date, and
takes 10 s for 1 MB. ruamel.yaml, whose round-trip loader also keeps lines, takes 15 s, and its
error for a duplicate key quotes the value, which may be a password.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml._yaml import CParser

from cv_engine.yaml_file.errors import YamlError
from cv_engine.yaml_file.scalars import read_scalar

Location = Sequence[str | int]

_LARGEST_FILE = 64 * 1024 * 1024  # bytes; a thousand cameras with every key take 1 MB
# Keys and values, counted as often as aliases and merges repeat them, for each byte and in all
# files: entries of cameras have eight bytes and more for each.
_BYTES_A_VALUE = 8
_MOST_VALUES = 30_000
DEEPEST = 50  # levels of lists and groups; the settings have five
_CONTAINER_TAGS = {
    yaml.SequenceStartEvent: (None, "!", "tag:yaml.org,2002:seq"),
    yaml.MappingStartEvent: (None, "!", "tag:yaml.org,2002:map"),
}
_MERGE = "<<"


@dataclass(slots=True)
class Node:
    """A value of the document.

    Attributes:
        line: Line of the value, from 1.
        value: The value as plain Python values.
        size: Keys and values in it, itself included, aliases and merges written out.
        entries: Of a mapping: line of the key and value, by key.
        items: The values of a sequence.
    """

    line: int
    value: Any
    size: int = 1
    entries: dict[str, tuple[int, Node]] | None = None
    items: list[Node] | None = None


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been read.

    Attributes:
        node: The collection.
        name: Where it is, as a dotted key.
        key: Key of the value that comes next; ``None`` where a key comes next, or in a sequence.
        key_line: Line of that key.
        merged: What ``<<`` names, each with its line, in the order of the file.
        anchor: Name by which aliases refer to the collection.
    """

    node: Node
    name: str
    anchor: str | None
    key: str | None = None
    key_line: int = 0
    merged: list[tuple[int, Node]] = field(default_factory=list)

    @property
    def next_name(self) -> str:
        """Dotted key of the value that comes next."""
        if self.node.items is not None:
            return f"{self.name}[{len(self.node.items)}]"
        key = shortened(self.key or "")
        return f"{self.name}.{key}" if self.name and key else self.name or key


@dataclass(frozen=True)
class YamlFile:
    """A parsed YAML document.

    Attributes:
        value: The document as plain Python values; ``None`` for an empty file.
        root: The values with their lines; ``None`` for an empty file.
        duplicates: Every duplicate key of a mapping as ``(dotted key, line, line of the first)``.
    """

    value: Any
    root: Node | None
    duplicates: Sequence[tuple[str, int, int]] = ()

    def line(self, location: Location) -> int:
        """Line (from 1) of the entry at ``location``, or of its nearest parent in the file."""
        node, line = self.root, 1
        for part in location:
            found = None
            if node is not None and node.entries is not None:
                found = node.entries.get(str(part))
            elif node is not None and node.items is not None and isinstance(part, int):
                found = (
                    (node.items[part].line, node.items[part]) if part < len(node.items) else None
                )
            if found is None:
                break
            line, node = found
        return line


def shortened(key: str) -> str:
    """A key for messages, cut where it is so long that it would hide the rest."""
    return key if len(key) <= 60 else f"{key[:60]}..."


def read_yaml(path: Path) -> YamlFile:
    """Read one YAML document; see `parse_yaml`.

    Raises:
        YamlError: The file cannot be used.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_LARGEST_FILE + 1)
    if len(data) > _LARGEST_FILE:
        raise YamlError(0, f"more than {_LARGEST_FILE >> 20} MiB are no settings; correct the path")
    return parse_yaml(data)


def parse_yaml(data: bytes) -> YamlFile:
    """Parse one YAML document.

    Args:
        data: The text, in UTF-8.

    Raises:
        YamlError: The text is not UTF-8, not YAML, holds more than one document, far more values
            than its size explains, more than `DEEPEST` levels or a value that no setting can have.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise YamlError(
            line, f"this is not UTF-8 text ({error.reason}); save it as UTF-8"
        ) from None
    try:
        return _Builder(_MOST_VALUES + len(data) // _BYTES_A_VALUE).build(CParser(text))
    except yaml.reader.ReaderError as error:
        raise YamlError(*_explain_character(text, error)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise YamlError(line, _explain(text, line, error)) from None


class _Builder:
    """Puts a document together from libyaml's events, without recursion.

    Args:
        most: Keys and values that the document may have; see `Node.size`.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._duplicates: list[tuple[str, int, int]] = []
        self._root: Node | None = None

    def build(self, parser: CParser) -> YamlFile:
        """The document of a file.

        Raises:
            YamlError: The document has a value that no setting can have, or too many.
            yaml.YAMLError: The file is not YAML.
        """
        while (event := parser.get_event()) is not None:
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event, line)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._begin(event, line)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event.anchor or "", line)
            elif isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
                raise YamlError(
                    line, "the file holds more than one document; remove the line with ---"
                )
        root = self._root
        return YamlFile(None if root is None else root.value, root, self._duplicates)

    def _error(self, line: int, message: str) -> YamlError:
        name = shortened(self._open[-1].next_name) if self._open else ""
        return YamlError(line, f"{name}: {message}" if name else message)

    def _is_key(self) -> bool:
        return bool(self._open) and self._open[-1].node.items is None and self._open[-1].key is None

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        if self._is_key():
            self._open[-1].key, self._open[-1].key_line = event.value, line
            return
        try:
            value = read_scalar(event.value, event.tag, plain=event.implicit[0])
        except ValueError as error:
            raise self._error(line, str(error)) from None
        self._add(Node(line, value), event.anchor, 1)

    def _begin(self, event: yaml.CollectionStartEvent, line: int) -> None:
        if self._is_key():
            raise self._error(line, "a key is a list or a group of keys; write a text")
        if event.tag not in _CONTAINER_TAGS[type(event)]:
            raise self._error(line, "a tag (! and a name) is not known here; remove it")
        if len(self._open) >= DEEPEST:
            what = f"the values are nested more than {DEEPEST} levels deep"
            raise self._error(line, f"{what}; check the brackets and the indentation")
        is_sequence = isinstance(event, yaml.SequenceStartEvent)
        node = Node(line, [], items=[]) if is_sequence else Node(line, {}, entries={})
        name = self._open[-1].next_name if self._open else ""
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        self._open.append(_Open(node, name, event.anchor))

    def _end(self) -> None:
        done = self._open.pop()
        if done.merged:
            self._merge(done)
        self._add(done.node, done.anchor, 1)

    def _alias(self, anchor: str, line: int) -> None:
        if self._is_key():
            raise self._error(line, "a key is an alias; write a text")
        node = self._anchors.get(anchor)
        if node is None:
            known = any(each.anchor == anchor for each in self._open)
            what = "a value contains itself; remove the alias"
            raise self._error(line, what if known else _NEEDS_QUOTES.format("*"))
        self._add(node, None, node.size)

    def _add(self, node: Node, anchor: str | None, size: int) -> None:
        """Puts a finished value where the file has it, and counts ``size`` more values."""
        self._count(node.line, size)
        if anchor:
            self._anchors[anchor] = node
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        holder = parent.node
        holder.size += node.size
        if holder.items is not None:
            holder.items.append(node)
            holder.value.append(node.value)
            return
        key, line = parent.key or "", parent.key_line
        parent.key = None
        entries = holder.entries or {}
        if key == _MERGE:
            parent.merged.append((line, node))
        elif key in entries:
            name = shortened(f"{parent.name}.{key}" if parent.name else key)
            self._duplicates.append((name, line, entries[key][0]))
        else:
            self._enter(holder, key, (line, node))

    def _enter(self, mapping: Node, key: str, entry: tuple[int, Node]) -> None:
        if mapping.entries is None:
            mapping.entries = {}
        mapping.entries[key] = entry
        mapping.value[key] = entry[1].value
        mapping.size += 1
        self._count(entry[0], 1)

    def _merge(self, done: _Open) -> None:
        """Adds what ``<<`` names to a mapping; its own keys, and those named first, come first."""
        mapping = done.node
        for line, node in done.merged:
            for source in node.items if node.items is not None else [node]:
                if source.entries is None:
                    raise YamlError(
                        line, f"{done.name or 'the file'}: << names no group of keys; correct it"
                    )
                for key, entry in source.entries.items():
                    if key not in (mapping.entries or {}):
                        self._enter(mapping, key, entry)
                        mapping.size += entry[1].size
                        self._count(line, entry[1].size)

    def _count(self, line: int, size: int) -> None:
        self._size += size
        if self._size > self._most:
            what = f"the file has more than {self._most:,} values, far more than its size explains"
            raise self._error(line, f"{what}; remove aliases and merges that repeat other values")


_NEEDS_QUOTES = "a text that begins with {} needs double quotes around it"


def _explain_character(text: str, error: yaml.reader.ReaderError) -> tuple[int, str]:
    """The line of a character that YAML does not allow, and the message about it."""
    # libyaml counts bytes; the first such character is found again here.
    found = _FORBIDDEN.search(text)
    line = text.count("\n", 0, found.start()) + 1 if found else 0
    code = ord(found[0]) if found else error.character
    return line, f"the character {code!r} is not allowed in a YAML file; remove it"


_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _explain(text: str, line: int, error: yaml.MarkedYAMLError) -> str:
    lines = text.splitlines()
    written = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return "the line is indented with a tab; indent it with spaces"
    problem = error.problem or error.context or "the text cannot be read"
    if "cannot start any token" in problem and error.problem_mark:
        sign = written[error.problem_mark.column : error.problem_mark.column + 1]
        return f"a value cannot start with {sign}; put the value between double quotes"
    for sign, about in (("*", "an alias"), ("&", "an anchor"), ("!", "a tag")):
        if about in (error.context or ""):  # not quoted: it may be a password
            return _NEEDS_QUOTES.format(sign)
    if "undefined tag handle" in problem:
        return _NEEDS_QUOTES.format("!")
    if "mapping values are not allowed" in problem:
        return "a colon is not allowed here; check the indentation, or put the value between quotes"
    return f"{problem}; check the indentation, brackets and quotes here and on the line before"

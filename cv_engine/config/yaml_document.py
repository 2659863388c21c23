"""A YAML 1.2 file whose values remember their lines.

Read by PyYAML and not by ruamel.yaml, whose round-trip loader also keeps lines: its error for a
duplicate key stops at the first and quotes the value, which may be a password; it reads dates and
``1_000`` as other types; and it takes 1.6 times as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cv_engine.config.errors import YamlError

Location = Sequence[str | int]


class _Loader(yaml.SafeLoader):
    """Safe loader with the scalars of YAML 1.2.

    By YAML 1.1, PyYAML's default, ``5:00`` is 300, ``010`` is 8, ``no`` is false and ``1e3`` is a
    text, all of them errors in a file of times and thresholds.
    """


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    return int(text, 16) if text.lower().startswith("0x") else int(text)


_Loader.yaml_implicit_resolvers = {}  # the parent's resolvers are those of YAML 1.1
_NUMBER_STARTS = list("-+.0123456789")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^(?:[-+]?[0-9]+|0x[0-9a-fA-F]+)$"), _NUMBER_STARTS
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    _NUMBER_STARTS,
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^(?:<<)$"), ["<"])
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


@dataclass(frozen=True)
class YamlFile:
    """A parsed YAML document.

    Attributes:
        value: The document as plain Python values; ``None`` for an empty file.
        root: The node tree, which holds the lines.
    """

    value: Any
    root: yaml.Node | None

    def line(self, location: Location) -> int:
        """Line (from 1) of the entry at ``location``, or of its nearest parent in the file."""
        node, line = self.root, 1
        for part in location:
            found = _child(node, part)
            if found is None:
                break
            line, node = found
        return line

    def duplicates(self) -> Iterator[tuple[str, int, int]]:
        """Every duplicate key of a mapping as ``(dotted key, line, line of the first one)``."""
        seen: set[int] = set()
        pending: list[tuple[str, yaml.Node]] = [("", self.root)] if self.root else []
        while pending:
            prefix, node = pending.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                pending += [(f"{prefix}[{i}]", child) for i, child in enumerate(node.value)]
            elif isinstance(node, yaml.MappingNode):
                lines: dict[str, int] = {}
                for key, child in node.value:
                    name = str(key.value)
                    path = f"{prefix}.{name}" if prefix else name
                    line = key.start_mark.line + 1
                    if name in lines:
                        yield path, line, lines[name]
                    lines.setdefault(name, line)
                    pending.append((path, child))


def _child(node: yaml.Node | None, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        if part < len(node.value):
            child = node.value[part]
            return child.start_mark.line + 1, child
    elif isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, child
    return None


def read_yaml(path: Path) -> YamlFile:
    """Read one YAML document.

    Args:
        path: A UTF-8 text file.

    Raises:
        YamlError: The text is not UTF-8, not YAML or holds more than one document.
        OSError: The file cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError(0, f"this is not UTF-8 text ({error.reason}); save it as UTF-8") from None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        return YamlFile(loader.construct_document(root) if root else None, root)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(
            line, f"the character {error.character!r} is not allowed in a YAML file; remove it"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise YamlError(line, _explain(text, line, error)) from None
    except RecursionError:
        raise YamlError(0, "the values are nested too deeply") from None


def _explain(text: str, line: int, error: yaml.MarkedYAMLError) -> str:
    lines = text.splitlines()
    written = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return "the line is indented with a tab; indent it with spaces"
    problem = error.problem or error.context or "the text cannot be read"
    if "'%'" in problem or "'@'" in problem or "'`'" in problem:
        return f"{problem}; put the value between double quotes"
    for sign, about in (("*", "undefined alias"), ("!", "for the tag")):
        if about in problem:  # not quoted: it may be a password
            return f"a text that begins with {sign} needs double quotes around it"
    if "single document" in (error.context or ""):
        return "the file holds more than one document; remove the line with ---"
    if "mapping values are not allowed" in problem:
        return "a colon is not allowed here; check the indentation, or put the value between quotes"
    return f"{problem}; check the indentation, brackets and quotes here and on the line before"

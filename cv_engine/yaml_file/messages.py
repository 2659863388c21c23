"""Error messages about a file: line, key, what is wrong and how to correct it."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from cv_engine.credentials import without_credentials
from cv_engine.section import Unit
from cv_engine.yaml_file.document import Location, YamlFile, shortened

_SHOWN_CHARACTERS = 60  # longer values are cut, so that a message stays readable
_CAUSES = {
    "greater_than": "is too small",
    "greater_than_equal": "is too small",
    "less_than": "is too large",
    "less_than_equal": "is too large",
    "finite_number": "is not a finite number",
}


def describe(
    error: ValidationError, model: type[BaseModel], document: YamlFile, most: int
) -> list[tuple[int, str]]:
    """One ``(line, "dotted.key: what is wrong; how to correct it")`` per error.

    Args:
        error: The error raised by validating ``document.value`` against ``model``.
        model: The outermost model.
        document: The file, which holds the lines.
        most: Errors to describe, the first of the file; one more where there are others.
    """
    found = [(document.line(entry["loc"]), entry) for entry in error.errors(include_url=False)]
    first = heapq.nsmallest(most + 1, found, key=lambda pair: pair[0])
    texts = (f"{_dotted(entry['loc'])}: {_explain(entry, model)}" for _, entry in first)
    return [
        (line, _on_one_line(without_credentials(text)))
        for (line, _), text in zip(first, texts, strict=True)
    ]


def _on_one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _dotted(location: Location) -> str:
    text = ""
    for part in location:
        if part == "[key]":  # pydantic's mark of a key that is wrong itself
            continue
        name = shortened(str(part))
        text += f"[{part}]" if isinstance(part, int) else f".{name}" if text else name
    return text or "the file"


def _explain(entry: Mapping[str, Any], model: type[BaseModel]) -> str:
    kind, location, value = entry["type"], entry["loc"], entry["input"]
    if kind == "extra_forbidden":
        section = _section(model, location[:-1])
        renamed = getattr(section, "renamed", {}).get(location[-1])
        return renamed(value) if renamed else f"unknown key; {_advise_key(model, location)}"
    if kind == "missing":
        unit = _unit(model, location)
        return f"missing; add it, such as {location[-1]}: {unit.example}" if unit else "missing"
    if kind in ("value_error", "assertion_error"):
        return str(entry["ctx"]["error"])
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return (
            f"{_shown(value)} is not a group of keys; write one key: value per line below this key"
        )
    if kind in ("tuple_type", "list_type"):
        return f"{_shown(value)} is not a list; start each entry with a dash"
    if kind == "literal_error":
        return _choose(value, entry["ctx"]["expected"])
    if _is_secret(model, location):
        return "the value is not a text; put it between double quotes"
    unit = _unit(model, location)
    if unit is None:
        return f"{_shown(value)}: {entry['msg']}; correct it"
    text = f"{_shown(value)} {_CAUSES.get(kind, 'is not valid')}; expected {unit.what}"
    if isinstance(value, str) and _is_number(value):
        return f"{text}: remove the quotes"
    return f"{text}, such as {unit.example}"


def _choose(value: object, expected: str) -> str:
    choices = [choice.strip(" '") for choice in expected.replace(" or ", ", ").split(",")]
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{_shown(value)} is not one of {', '.join(choices)}{hint}"


def _advise_key(model: type[BaseModel], location: Location) -> str:
    key = str(location[-1])
    section = _section(model, location[:-1])
    known = list(section.model_fields) if section else []
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    near = near or [name for name in known if name.startswith(f"{key}_")][:1]
    elsewhere = [path for path in _all_keys(model) if path.rpartition(".")[2] == key]
    if elsewhere:
        return f"did you mean {' or '.join(elsewhere)}?"
    if near:
        return f"did you mean {near[0]}?"
    return f"known here: {', '.join(known)}"


def _all_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        inner = _model_in(field.annotation)
        if inner is not None:
            listed = "[]" if inner is not field.annotation else ""
            yield from _all_keys(inner, f"{prefix}{name}{listed}.")


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)


def _section(model: type[BaseModel], location: Location) -> type[BaseModel] | None:
    section: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, str):
            field = section.model_fields.get(part) if section else None
            section = _model_in(field.annotation) if field else None
    return section


def _unit(model: type[BaseModel], location: Location) -> Unit | None:
    names = [index for index, part in enumerate(location) if isinstance(part, str)]
    if not names:
        return None
    section = _section(model, location[: names[-1]])
    field = section.model_fields.get(str(location[names[-1]])) if section else None
    if field is None:
        return None
    return next(_units_in([*field.metadata, field.annotation]), None)


def _is_secret(model: type[BaseModel], location: Location) -> bool:
    section = _section(model, location[:-1])
    field = section.model_fields.get(str(location[-1])) if section else None
    return field is not None and SecretStr in (field.annotation, *get_args(field.annotation))


def _units_in(parts: Iterable[object]) -> Iterator[Unit]:
    for part in parts:
        if isinstance(part, Unit):
            yield part
        else:
            yield from _units_in(getattr(part, "__metadata__", ()))
            yield from _units_in(get_args(part) if not isinstance(part, type) else ())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _shown(value: object) -> str:
    if value is None:
        return "an empty value"
    if isinstance(value, bool):
        return str(value).lower()
    # The contents may be a password under the wrong key.
    if isinstance(value, dict):
        return "a group of keys"
    if isinstance(value, list) and not all(isinstance(item, (int, float)) for item in value):
        return "a list"
    text = without_credentials(repr(value))  # before it is cut: an address may end behind there
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."

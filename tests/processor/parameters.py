"""Incoming parameters: the form encoding that the SDK writes, checked against the SDK's own TypedDicts."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

from stripe import RequestOptions

from .errors import ProcessorError, missing_param

KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
PART = re.compile(r"\[([^\[\]]*)\]")


def decode_form(text: str) -> dict[str, Any]:
    """Turns `a[b][0][c]=1&expand[]=x` into `{"a": {"b": [{"c": "1"}]}, "expand": ["x"]}`; all leaves are strings."""
    tree: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        match = KEY.match(key)
        if not match:
            raise ProcessorError(f"Received unknown parameter: {key}", code="parameter_unknown", param=key)
        parts = [match[1], *PART.findall(match[2])]
        node = tree
        for part in parts[:-1]:
            node = node.setdefault(_position(node, part), {})
            if not isinstance(node, dict):
                raise ProcessorError(f"Invalid object: {key}", param=key)
        node[_position(node, parts[-1])] = value
    return {key: _lists(value) for key, value in tree.items()}


def _position(node: dict[str, Any], part: str) -> str:
    return part or str(len(node))


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdecimal() for key in node):
        return [_lists(node[key]) for key in sorted(node, key=int)]
    return {key: _lists(value) for key, value in node.items()}


@lru_cache
def _hints(model: type) -> dict[str, Any]:
    # The SDK's base class names two types that only its own module or a type checker knows.
    hints = get_type_hints(model, localns={"StripeContext": object, "Mapping": Mapping})
    return {name: hint for name, hint in hints.items() if name not in RequestOptions.__annotations__}


def check(params: dict[str, Any], model: Any, path: str = "") -> dict[str, Any]:
    """Returns the parameters with integers, booleans and decimals converted.

    Raises `ProcessorError` (400) for a name that the SDK's `model` lacks, a wrong type, a value outside a Literal,
    and a required name that is not there.
    """
    hints = _hints(model)
    checked = {}
    for name, value in params.items():
        where = f"{path}[{name}]" if path else name
        if name not in hints:
            raise ProcessorError(f"Received unknown parameter: {where}", code="parameter_unknown", param=where)
        checked[name] = _convert(value, hints[name], where)
    # The SDK marks required names by the lack of NotRequired; `RequestOptions` has no required name.
    for name in sorted(model.__required_keys__ - params.keys()):
        raise missing_param(f"{path}[{name}]" if path else name)
    return checked


def _convert(value: Any, hint: Any, where: str) -> Any:
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if isinstance(value, dict):
        for option in options:
            if hasattr(option, "__required_keys__"):  # typing.is_typeddict does not know the SDK's backport.
                return check(value, option, where)
            if get_origin(option) is dict:
                return _text_map(value, where)
        raise ProcessorError(f"Invalid string: {value}", param=where)
    if isinstance(value, list):
        for option in options:
            if get_origin(option) is list:
                (item,) = get_args(option)
                return [_convert(each, item, f"{where}[{index}]") for index, each in enumerate(value)]
        raise ProcessorError(f"Invalid value: {where} is not an array", param=where)
    return _convert_text(value, options, where)


def _convert_text(value: str, options: tuple[Any, ...], where: str) -> Any:
    allowed = [literal for option in options if get_origin(option) is Literal for literal in get_args(option)]
    if value in allowed:
        return value
    if value == "":
        raise ProcessorError(
            f"You passed an empty string for '{where}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{where}' cannot be unset. You should remove '{where}' from your request or supply a non-empty "
            "value.",
            code="parameter_invalid_empty",
            param=where,
        )
    # The SDK's types stay open (Literal | str) for values to come; the API itself refuses what it does not know.
    choices = [literal for literal in allowed if literal]
    if choices:
        raise ProcessorError(f"Invalid {where}: must be one of {', '.join(map(str, choices))}", param=where)
    for option in options:
        if option is int:
            if not re.fullmatch(r"-?\d{1,15}", value):
                raise ProcessorError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=where)
            return int(value)
        if option is bool:
            if value not in ("true", "false"):
                raise ProcessorError(f"Invalid boolean: {value}", param=where)
            return value == "true"
        if option is Decimal:
            try:
                return Decimal(value)
            except InvalidOperation:
                raise ProcessorError(f"Invalid decimal: {value}", param=where) from None
        if option is str:
            return value
    raise ProcessorError(f"Invalid object: {where} must be a hash", param=where)


def _text_map(value: dict[str, Any], where: str) -> dict[str, str]:
    if len(value) > 50:
        raise ProcessorError("Metadata can have up to 50 keys.", param=where)
    for key, text in value.items():
        if not isinstance(text, str):
            raise ProcessorError(f"Metadata values must be strings: {where}[{key}]", param=f"{where}[{key}]")
        if len(key) > 40:
            raise ProcessorError("Metadata keys can have up to 40 characters.", param=where)
        if len(text) > 500:
            raise ProcessorError(
                f"Metadata values can have up to 500 characters, but you passed in a value that is {len(text)} "
                f"characters. Invalid value: {text}",
                param=f"{where}[{key}]",
            )
    return {key: text for key, text in value.items() if text}

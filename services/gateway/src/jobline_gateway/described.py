"""The parts of the OpenAPI description that every surface writes: answers with examples, bodies, queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

__all__ = ["Responses", "answer", "error", "page", "query_parameters", "reference", "request_body"]

Responses = dict[int | str, dict[str, Any]]


def answer(status: int, description: str, example: Any) -> Responses:
    """A success with its example; its schema is the route's response model."""
    return {status: {"description": description, "content": {"application/json": {"example": example}}}}


def page(description: str, example: Any) -> Responses:
    """A list with the header that leads to its next page."""
    link = {
        "description": '`<…&cursor=…>; rel="next"`, when there is a next page.',
        "schema": {"type": "string"},
    }
    return {200: {**answer(200, description, example)[200], "headers": {"Link": link}}}


def error(status: int, description: str, schema: str, *bodies: Mapping[str, Any]) -> Responses:
    """An error of the component `schema`, with its bodies as examples."""
    examples = {f"case{number}": {"value": body} for number, body in enumerate(bodies, 1)}
    content = {"application/json": {"schema": reference(schema), "examples": examples}}
    return {status: {"description": description, "content": content}}


def request_body(schema: str, *, required: bool = True) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body itself: the component `schema`."""
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": reference(schema)}}}}


def query_parameters(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its query itself: the fields of `model`."""
    properties: dict[str, dict[str, Any]] = model.model_json_schema()["properties"]
    return {"parameters": [_parameter(name, schema) for name, schema in properties.items()]}


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    # Each may be left out, which the model says with a null that a query cannot hold.
    kind = next(choice for choice in schema["anyOf"] if choice != {"type": "null"})
    parameter = {"name": name, "in": "query", "required": False, "schema": kind}
    if kind.get("type") == "array":
        parameter |= {"style": "form", "explode": False}
    return parameter | ({"description": schema["description"]} if "description" in schema else {})


def reference(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}

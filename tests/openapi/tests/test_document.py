"""The document itself."""

from collections.abc import Iterator
from typing import Any

import openapi_spec_validator
from openapi_spec_validator import OpenAPIV31SpecValidator

METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield f"{method} {path}", item[method]


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(document, cls=OpenAPIV31SpecValidator)


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert all(answer["content"] == PROBLEM for answer in errors.values()), name
        assert all("Retry-After" in errors[status]["headers"] for status in errors.keys() & {"429", "503"}), name


def test_every_operation_has_a_name_and_a_group_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(names) == len(set(names))
    groups = {tag["name"] for tag in document["tags"]}
    assert all(set(operation["tags"]) <= groups and operation["tags"] for _, operation in operations(document))


def test_an_operation_that_needs_a_sign_in_declares_it(document: dict[str, Any]) -> None:
    """Operations that answer 401 to anonymous visitors name the cookie; for others it is optional."""
    cookie = document["components"]["securitySchemes"]["session"]
    assert (cookie["type"], cookie["in"], cookie["name"]) == ("apiKey", "cookie", "shared_session_id")
    for name, operation in operations(document):
        schemes = operation.get("security", [])
        needs = bool(schemes) and all(schemes)
        is_for_users = "401" in operation["responses"] and operation["tags"] != ["operations"]
        assert needs == (is_for_users and name != "post /api/login"), name

"""The stack that the REST contract tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.rest_stack import RestStack, rest_stack


@pytest.fixture(scope="session")
def one_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestStack]:
    """A stack in which nothing moves by itself."""
    with rest_stack(tmp_path_factory.mktemp("logs")) as stack:
        yield stack


@pytest.fixture
def stack(one_stack: RestStack) -> Iterator[RestStack]:
    """The same with an empty queue; each test has users of its own."""
    yield one_stack
    one_stack.empty_queue()

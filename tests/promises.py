"""Marks the tests that hold a promise of SECURITY.md, whose table is made of these marks: `make docs`."""

import pytest


def promise(subject: str, sentence: str) -> pytest.MarkDecorator:
    """Mark a test that fails when what the sentence says is not so; both are literals, since the table is read off."""
    return pytest.mark.promise(subject, sentence)

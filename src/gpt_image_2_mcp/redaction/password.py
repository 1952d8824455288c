"""Redacts the password of a database's address in a text, such as an error message of the database."""


def redact_password(text: str, *spellings: str | None) -> str:
    """Replace each of the spellings of a password, percent-encoded or not, with `[the password]`."""
    for secret in {*spellings} - {None, ""}:
        text = text.replace(str(secret), "[the password]")
    return text

"""Settings that are written down hold no secrets."""

from __future__ import annotations

from typing import Any

import pytest

from ironbound.errors import InputError
from ironbound.models.http.literals import check_no_secrets, expanded

URL = "https://filter.example/v1"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer ${TOKEN}"},
        {"Authorization": "${TOKEN}"},
        {"Cookie": "session=${SESSION}"},
        {"X-Client": "ironbound-2026", "Accept": "application/json", "X-Author": "jo"},
        {"X-Max-Tokens": "10"},
    ],
)
def test_headers_without_secrets(headers: dict[str, str]) -> None:
    check_no_secrets(URL, headers, {"author": "jo", "prompt": "is this spam? {text}", "max_tokens": "5"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer hunter2"),
        ("Authorization", "Basic aHVudGVyMg"),
        ("X-Api-Key", "hunter2"),
        ("Api-Key", "hunter2 ${TOKEN}"),
        ("Cookie", "id=hunter2"),
        ("X-Tenant", "sk-hunter2"),
        ("X-Tenant", "c4f7a9d2e1b84f0c9d3e"),
    ],
)
def test_literal_secrets_are_refused_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(InputError, match="secret literally") as refusal:
        check_no_secrets(URL, {name: value}, {})
    assert name in str(refusal.value)
    assert "hunter2" not in str(refusal.value)
    assert "c4f7" not in str(refusal.value)


@pytest.mark.parametrize(
    "template", [{"api_key": "hunter2"}, {"a": [{"password": "hunter2"}]}, {"a": "${HOME}"}, ["AKIAhunter2"]]
)
def test_the_template_holds_none(template: Any) -> None:
    with pytest.raises(InputError, match="template") as refusal:
        check_no_secrets(URL, {}, template)
    assert "hunter2" not in str(refusal.value)


def test_the_address_holds_them_by_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="parameter 'key' of url"):
        check_no_secrets(f"{URL}?key=hunter2", {}, {})
    with pytest.raises(InputError, match="behind the question mark"):
        check_no_secrets("https://${HOST}/v1", {}, {})
    check_no_secrets(f"{URL}?key=${{KEY}}&page=2", {}, {})
    monkeypatch.setenv("KEY", "a&b/c")
    assert expanded(f"{URL}?key=${{KEY}}") == f"{URL}?key=a%26b%2Fc"
    monkeypatch.delenv("KEY")
    with pytest.raises(InputError, match="variable KEY, which is not set"):
        expanded(f"{URL}?key=${{KEY}}")

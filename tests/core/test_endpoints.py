"""Endpoints and their keys: what is stored, what is refused, what is recorded, and where a key is taken from."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from madsafe_web.core import crypto
from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Call, Message, Sampling
from madsafe_web.core.llm.endpoints import CallKeys, backend_for, endpoint_declare, spec
from madsafe_web.core.llm.services import endpoint_key_clear, endpoint_key_set, endpoint_save
from madsafe_web.core.models import AuditEvent, Endpoint, User
from madsafe_web.core.runs.errors import ConfigError, StageError
from tests.factories import make_endpoint, make_user

pytestmark = pytest.mark.django_db
KEY = "test-key-with-an-end-0042"
VALUES = {
    "name": "judge",
    "backend": "openai_compatible",
    "base_url": "https://llm.example.org/v1",
    "model": "m",
    "concurrency": 8,
    "options": {"tries": 2},
    "key_env": "",
}


@pytest.fixture
def boss(db: None) -> User:
    return make_user("boss", User.Role.ADMIN)


def saved(boss: User, key: str | None = KEY, **values: Any) -> Endpoint:
    return endpoint_save(user=boss, endpoint=None, values={**VALUES, **values}, key=key)


def events() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("sequence").values_list("verb", "subject"))


def test_a_key_is_stored_encrypted_with_its_last_characters(boss: User) -> None:
    row = saved(boss)
    assert KEY not in row.secret and row.secret_hint == "0042"
    assert spec(row).api_key == KEY and KEY not in repr(spec(row))


def test_of_a_short_key_nothing_is_shown(boss: User) -> None:
    assert saved(boss, "short-key").secret_hint == ""


def test_making_an_endpoint_is_recorded_without_the_key(boss: User) -> None:
    saved(boss)
    assert events() == [("endpoint.create", "judge"), ("endpoint.key", "judge")]
    facts = [event.facts for event in AuditEvent.objects.order_by("sequence")]
    assert facts[0]["after"]["base_url"] == VALUES["base_url"]
    assert facts[1] == {"done": "set", "before": "", "after": "0042"}
    assert KEY not in str(facts)


def test_a_change_is_recorded_with_what_was_before(boss: User) -> None:
    row = saved(boss, None)
    endpoint_save(user=boss, endpoint=row, values={**VALUES, "model": "n"})
    event = AuditEvent.objects.get(verb="endpoint.change")
    assert (event.facts["before"]["model"], event.facts["after"]["model"]) == ("m", "n")


def test_saving_without_a_change_records_nothing(boss: User) -> None:
    row = saved(boss)
    endpoint_save(user=boss, endpoint=row, values=VALUES)
    assert len(events()) == 2


def test_the_name_of_an_endpoint_stays(boss: User) -> None:
    assert endpoint_save(user=boss, endpoint=saved(boss), values={**VALUES, "name": "other"}).name == "judge"


def test_a_key_can_be_replaced_and_removed(boss: User) -> None:
    row = saved(boss)
    endpoint_key_set(user=boss, endpoint=row, key="another-key-long-enough-9999")
    row.refresh_from_db()
    assert (spec(row).api_key, row.secret_hint) == ("another-key-long-enough-9999", "9999")
    endpoint_key_clear(user=boss, endpoint=row)
    row.refresh_from_db()
    assert (row.secret, row.secret_hint, spec(row).api_key) == ("", "", "")
    done = [event.facts["done"] for event in AuditEvent.objects.filter(verb="endpoint.key").order_by("sequence")]
    assert done == ["set", "replaced", "removed"]


def test_a_stored_key_does_not_go_to_another_server(boss: User) -> None:
    row = saved(boss)
    moved = {**VALUES, "base_url": "https://other.example.org/v1"}
    with pytest.raises(ValidationError) as caught:
        endpoint_save(user=boss, endpoint=row, values=moved)
    assert list(caught.value.message_dict) == ["key"]
    with pytest.raises(ConfigError, match="stored key"):
        endpoint_declare("judge", {"backend": "openai_compatible", "base_url": moved["base_url"]})
    endpoint_save(user=boss, endpoint=row, values=moved, key=KEY)
    row.refresh_from_db()
    assert row.base_url == moved["base_url"]


def test_another_path_of_the_same_server_keeps_the_key(boss: User) -> None:
    changed = {**VALUES, "base_url": "https://llm.example.org/v2"}
    assert spec(endpoint_save(user=boss, endpoint=saved(boss), values=changed)).api_key == KEY


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "rules"}, "name"),
        ({"backend": "os"}, "backend"),
        ({"base_url": ""}, "base_url"),
        ({"base_url": "http://169.254.169.254/v1"}, "base_url"),
        ({"base_url": "http://10.0.0.1/v1"}, "base_url"),
        ({"base_url": "https://u:p@llm.example.org/v1"}, "base_url"),
        ({"concurrency": 0}, "concurrency"),
        ({"key_env": "A KEY"}, "key_env"),
        ({"key_env": "MADSAFE_SECRET_KEY"}, "key_env"),
        ({"key_env": "DATABASE_URL"}, "key_env"),
        ({"options": {"api_key": "x"}}, "options"),
        ({"options": {"total_timeout": 0}}, "options"),
        ({"options": {"total_timeout": "60"}}, "options"),
        ({"options": {"tries": 1.5}}, "options"),
        ({"options": {"max_response_bytes": 1 << 40}}, "options"),
        ({"options": {"rpm": 0}}, "options"),
        ({"options": {"stream": 1}}, "options"),
        ({"options": {"extra": ["n"]}}, "options"),
        ({"backend": "openai_batch", "options": {"replicas": ["https://b.example.org/v1"]}}, "options"),
        ({"options": {"extra": {"messages": []}}}, "options"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(values: dict[str, Any], field: str, boss: User) -> None:
    with pytest.raises(ValidationError) as caught:
        saved(boss, None, **values)
    assert list(caught.value.message_dict) == [field]
    assert not Endpoint.objects.exists() and events() == []


@pytest.mark.parametrize("key", ["with space", "line\nbreak", "schlüssel", "x" * 501, "\x7f"])
def test_a_key_that_no_header_can_carry_is_refused_without_repeating_it(key: str, boss: User) -> None:
    with pytest.raises(ValidationError) as caught:
        saved(boss, key)
    assert list(caught.value.message_dict) == ["key"]
    assert key not in str(caught.value)


def test_a_chain_names_the_endpoint_and_the_field_that_is_wrong() -> None:
    with pytest.raises(ConfigError, match=r"Endpoint 'far', base_url: .*MADSAFE_LLM_ALLOWED_HOSTS"):
        endpoint_declare("far", {"backend": "openai_compatible", "base_url": "http://10.0.0.1:8000/v1"})


def test_the_stored_key_goes_before_that_of_the_environment(boss: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", "from-the-environment")
    row = saved(boss, key_env="JUDGE_KEY")
    assert spec(row).api_key == KEY
    endpoint_key_clear(user=boss, endpoint=row)
    row.refresh_from_db()
    assert spec(row).api_key == "from-the-environment"


def test_a_variable_that_holds_no_key_is_said_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", "two words")
    with pytest.raises(StageError, match="JUDGE_KEY holds no key") as caught:
        spec(make_endpoint(key_env="JUDGE_KEY"))
    assert "two words" not in str(caught.value)


def test_a_key_that_cannot_be_read_is_said_in_a_sentence(boss: User, settings: Any) -> None:
    row = saved(boss)
    settings.ENCRYPTION_KEYS = ["another key than the one it was stored with"]
    with pytest.raises(StageError, match="Endpoint 'judge': A stored key cannot be read"):
        spec(row)


def test_an_address_that_was_allowed_before_is_refused_when_the_backend_is_made(settings: Any) -> None:
    row = make_endpoint()
    settings.LLM_ALLOWED_HOSTS = []
    with pytest.raises(StageError, match="Endpoint 'served': 127.0.0.1:9 is not a public address"):
        backend_for(row)


# --- rotation ---

OLD, NEW = "an old encryption key of 32 and more", "a new encryption key of 32 and more"


def rotated() -> str:
    out = StringIO()
    call_command("rotate_keys", stdout=out)
    return out.getvalue().strip()


def test_rotation_encrypts_all_keys_with_the_first_one(boss: User, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    for name in ("one", "two"):
        saved(boss, name=name)
    saved(boss, None, name="three")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert rotated() == "2 stored keys encrypted with the first encryption key."
    settings.ENCRYPTION_KEYS = [NEW]
    assert {spec(row).api_key for row in Endpoint.objects.exclude(secret="")} == {KEY}
    event = AuditEvent.objects.get(verb="key.rotate")
    assert event.facts == {"keys": 2} and event.actor is None


def test_rotation_changes_nothing_when_one_key_cannot_be_read(boss: User, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    saved(boss, name="one")
    settings.ENCRYPTION_KEYS = [NEW]
    saved(boss, name="two")
    before = list(Endpoint.objects.order_by("pk").values_list("secret", flat=True))
    with pytest.raises(CommandError, match=r"Endpoint 'one': .* No key was changed"):
        rotated()
    assert list(Endpoint.objects.order_by("pk").values_list("secret", flat=True)) == before
    assert not AuditEvent.objects.filter(verb="key.rotate").exists()


def test_rotation_without_an_encryption_key_says_what_to_do(boss: User, settings: Any) -> None:
    saved(boss)
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(CommandError, match="make setup"):
        rotated()
    with pytest.raises(crypto.SecretError, match="make setup"):
        saved(boss, name="other")


@pytest.mark.parametrize("value", [float("nan"), 1e20, 10**30, -0.0, "\0", "\ud800"])
def test_options_that_a_database_would_change_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="options"):
        endpoint_declare("odd", {"backend": "rules", "options": {"a": [value]}})


def test_a_declared_endpoint_stands_in_the_audit_record_once_it_differs() -> None:
    for model in ("m", "m", "n"):
        endpoint_declare("far", {"backend": "transformers", "model": model})
    made, changed = AuditEvent.objects.filter(subject="far").order_by("sequence")
    assert (made.verb, changed.verb) == ("endpoint.create", "endpoint.change")
    assert (changed.facts["before"]["model"], changed.facts["after"]["model"]) == ("m", "n")


def key_with(**options: object) -> str:
    endpoint = Endpoint(name="e", backend="openai_compatible", base_url="http://127.0.0.1:1/v1", options=options)
    return CallKeys(endpoint).key(templates.render("chat", {"prompt": "x"}, Sampling()))


def test_how_an_endpoint_is_asked_is_no_part_of_a_call() -> None:
    assert key_with(tries=9, rpm=60, stream=True, total_timeout=5) == key_with()


def test_extra_fields_are_a_part_of_a_call() -> None:
    assert len({key_with(), key_with(extra={"a": 1}), key_with(extra={"a": 2})}) == 3


def test_the_key_that_the_first_release_gave_a_reply_is_known() -> None:
    call = Call("t", "sha", {}, (Message("user", "x"),), Sampling(seed=1))
    asked = {"backend": "openai_compatible", "base_url": "http://127.0.0.1:1/v1", "model": "m"}
    endpoint = Endpoint(name="e", **asked, options={"tries": 9, "extra": {"a": 1}})
    assert CallKeys(endpoint).former(call) == "186502ab48b6d908431e32123039879f"
    assert CallKeys(Endpoint(name="e", **asked, options={"extra": {"a": 1}})).former(call) == ""

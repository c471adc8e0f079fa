"""Profile and tokens: what everybody does for themselves."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from madsafe_web.core.accounts.tokens import token_create, token_digest
from madsafe_web.core.models import ApiToken, User
from tests.factories import Person, make_user, sign_in
from tests.helpers.queries import query_count

pytestmark = pytest.mark.django_db
MOST_QUERIES = 6  # session, person, count, rows; the frame: steps of the method, workers
PROFILE, TOKENS = "/accounts/profile/", "/accounts/tokens/"


def test_what_is_chosen_in_the_profile_is_kept_and_used(lead: Person) -> None:
    answer = lead.post(PROFILE, {"language": "zh-hans", "theme": "dark", "time_zone": "Asia/Shanghai"})
    assert answer["Location"] == PROFILE
    text = lead.get(PROFILE).content.decode()
    assert 'lang="zh-hans"' in text and 'data-bs-theme="dark"' in text and "个人设置已保存" in text
    lead.user.refresh_from_db()
    assert lead.user.time_zone == "Asia/Shanghai"


@pytest.mark.parametrize("wrong", [{"language": "xx"}, {"theme": "pink"}, {"time_zone": "Moon/Base"}])
def test_a_choice_that_does_not_exist_is_told(wrong: dict[str, str], lead: Person) -> None:
    answer = lead.post(PROFILE, {"language": "", "theme": "auto", "time_zone": "", **wrong})
    assert answer.status_code == 422 and "field-error" in answer.content.decode()


def test_the_switches_of_theme_and_language_are_kept_in_the_profile(lead: Person) -> None:
    lead.post("/set-theme/", {"theme": "dark"}), lead.post("/set-language/", {"language": "zh-hans"})
    lead.user.refresh_from_db()
    assert (lead.user.theme, lead.user.language) == ("dark", "zh-hans")


def test_another_browser_draws_the_theme_and_language_of_the_profile(lead: Person) -> None:
    lead.post("/set-theme/", {"theme": "dark"}), lead.post("/set-language/", {"language": "zh-hans"})
    text = sign_in(lead.user).get("/runs/").content.decode()
    assert 'data-bs-theme="dark"' in text and 'lang="zh-hans"' in text


def test_the_switches_work_for_who_is_not_signed_in() -> None:
    browser = Client()
    browser.post("/set-theme/", {"theme": "dark"})
    assert 'data-bs-theme="dark"' in browser.get("/accounts/login/").content.decode()


def test_signing_out_everywhere_ends_all_sessions(lead: Person) -> None:
    other = sign_in(lead.user)
    assert lead.post("/accounts/profile/sign-out/")["Location"] == "/accounts/login/"
    assert lead.get("/runs/").status_code == other.get("/runs/").status_code == 302


@pytest.mark.parametrize("role", User.Role.values)
def test_the_menu_leads_to_what_the_role_may_use(role: str) -> None:
    text = sign_in(make_user("one", role)).get("/accounts/password/").content.decode()
    assert PROFILE in text and TOKENS in text
    assert ('href="/accounts/users/"' in text) is (role == User.Role.ADMIN)
    assert ('href="/admin/"' in text) is (role == User.Role.ADMIN)
    assert ('href="/admin/pipeline/trainingrun/"' in text) is (role == User.Role.LEAD)


@pytest.mark.parametrize("role", User.Role.values)
def test_only_rights_of_the_own_role_are_offered(role: str) -> None:
    from madsafe_web.core.accounts.tokens import rights_held

    user = make_user("one", role)
    offered = re.findall(r'name="rights" value="(\w+)"', sign_in(user).get(TOKENS).content.decode())
    assert offered == rights_held(user)


def test_a_new_token_is_shown_once(lead: Person) -> None:
    answer = lead.post(TOKENS, {"name": "a script", "rights": ["browse", "run"], "lifetime": "30"})
    secret = re.search(r'value="(mads_[^"]+)"', answer.content.decode())
    assert secret
    row = ApiToken.objects.get(digest=token_digest(secret[1]))
    assert (row.name, row.rights, row.user) == ("a script", ["browse", "run"], lead.user)
    assert row.expires and round((row.expires - row.created).total_seconds() / 86400) == 30
    assert secret[1] not in lead.get(TOKENS).content.decode()


def test_a_token_may_be_valid_until_it_is_revoked(lead: Person) -> None:
    lead.post(TOKENS, {"name": "a script", "rights": ["browse"], "lifetime": ""})
    assert ApiToken.objects.get().expires is None


@pytest.mark.parametrize(
    "form", [{"name": ""}, {"rights": []}, {"rights": ["administer"]}, {"lifetime": "9"}, {"name": "taken"}]
)
def test_a_token_that_cannot_be_is_told(form: dict[str, object], lead: Person) -> None:
    token_create(user=lead.user, name="taken", rights=["browse"])
    answer = lead.post(TOKENS, {"name": "a script", "rights": ["browse"], "lifetime": "30", **form})
    assert answer.status_code == 422 and "field-error" in answer.content.decode()
    assert ApiToken.objects.count() == 1


def test_a_person_sees_and_revokes_their_own_tokens_only(lead: Person) -> None:
    other = token_create(user=make_user("other"), name="not mine", rights=["browse"]).row
    mine = token_create(user=lead.user, name="mine", rights=["browse"]).row
    text = lead.get(TOKENS).content.decode()
    assert "mine" in text and "not mine" not in text
    assert lead.post(f"/accounts/tokens/{other.pk}/revoke/").status_code == 404
    assert lead.post(f"/accounts/tokens/{mine.pk}/revoke/")["Location"] == TOKENS
    other.refresh_from_db(), mine.refresh_from_db()
    assert mine.revoked and not other.revoked


def test_the_list_of_tokens_costs_the_same_for_few_and_many(lead: Person) -> None:
    few = query_count(lambda: lead.get(TOKENS))
    rows = [ApiToken(user=lead.user, name=f"token {n}", digest=str(n), rights=["browse"]) for n in range(60)]
    ApiToken.objects.bulk_create(rows)
    assert query_count(lambda: lead.get(TOKENS)) == few <= MOST_QUERIES

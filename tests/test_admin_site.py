"""Django's admin: who sees which table, that nothing is written there, and that no secret is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from madsafe_web.admin import site
from madsafe_web.core.crypto import encrypt
from madsafe_web.core.models import ApiToken, Endpoint, User
from tests.factories import Person, make_corpus, make_run, make_user, sign_in
from tests.helpers.queries import query_count
from tests.pipeline.sets import made_set, training_run
from tests.world import make_world

pytestmark = pytest.mark.django_db
MOST_QUERIES = 6  # session, person, count, rows; the frame: steps of the method, workers
SECRET = {"password", "secret", "secret_hint", "digest", "session_epoch"}
TABLES = [pytest.param(model, table, id=model.__name__) for model, table in site._registry.items()]


def test_leads_see_the_trainings_and_no_other_table(lead: Person) -> None:
    training_run("done", made_set(), points=2)
    text = lead.get("/admin/").content.decode()
    assert text.count('<li><a class="strong"') == 1 and "/admin/pipeline/trainingrun/" in text
    for model in site._registry:
        meta = model._meta
        expected = 200 if meta.model_name == "trainingrun" else 403
        assert lead.get(f"/admin/{meta.app_label}/{meta.model_name}/").status_code == expected


def test_leads_launch_a_training_from_there_and_admins_do_not(lead: Person, admin: Person) -> None:
    assert 'href="/training/launch/"' in lead.get("/admin/pipeline/trainingrun/").content.decode()
    assert 'href="/training/launch/"' not in admin.get("/admin/pipeline/trainingrun/").content.decode()


def test_a_row_leads_to_its_page_of_the_site(lead: Person) -> None:
    make_run("train")  # so that a run and its training have different numbers
    run = training_run("done", made_set(), points=2)
    text = lead.get(f"/admin/pipeline/trainingrun/{run.training.pk}/change/").content.decode()
    assert f'href="/training/{run.pk}/"' in text


@pytest.mark.parametrize(("model", "table"), TABLES)
def test_a_table_names_its_columns_and_none_of_them_is_secret(model: Any, table: Any) -> None:
    names = {path.rpartition(".")[2] for path, _ in (*table.columns, *table.more)}
    assert not names & SECRET
    assert set(table.filters) <= {path for path, _ in table.columns}


@pytest.mark.parametrize(("model", "table"), TABLES)
def test_nothing_is_added_changed_or_deleted_in_a_table(model: Any, table: Any, admin: Person) -> None:
    request = type("Request", (), {"user": admin.user})()
    assert table.has_view_permission(request)
    assert not (table.has_add_permission(request) or table.has_change_permission(request))
    assert not table.has_delete_permission(request)


def test_no_page_shows_a_secret_or_a_hash_of_one(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    make_world(tmp_path)
    Endpoint.objects.update(secret=encrypt("sk-canary-of-the-tests"), secret_hint="ests")
    User.objects.update(password="argon2$canary")
    hidden = ["canary", *Endpoint.objects.values_list("secret", flat=True)]
    hidden += ApiToken.objects.values_list("digest", flat=True)
    admin = sign_in(User.objects.get(username="admin"))
    for model in site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages = [reverse(f"{name}_changelist")]
        pages += [reverse(f"{name}_change", args=[pk]) for pk in model._default_manager.values_list("pk", flat=True)]
        for page in pages:
            text = admin.get(page).content.decode()
            assert not [secret for secret in hidden if secret in text]


@pytest.mark.parametrize("query", ["password__startswith=a", "tokens__digest__startswith=a", "role=x", "nosuch=1"])
def test_a_filter_that_is_not_on_the_page_reads_nothing_out(query: str, admin: Person) -> None:
    assert admin.get(f"/admin/core/user/?{query}").status_code in (302, 400)


def test_a_filter_and_a_search_narrow_the_list(admin: Person) -> None:
    make_user("one", User.Role.LEAD), make_user("two", User.Role.REVIEWER)
    text = admin.get("/admin/core/user/?role__exact=lead").content.decode()
    assert ">one<" in text and ">two<" not in text
    text = admin.get("/admin/core/user/?q=tw").content.decode()
    assert ">two<" in text and ">one<" not in text


def test_a_list_has_pages(admin: Person) -> None:
    for number in range(60):
        make_corpus(f"corpus {number}")
    first = admin.get("/admin/annotation/corpus/")
    assert ">corpus 59<" in first.content.decode() and ">corpus 5<" not in first.content.decode()
    second = admin.get(f"/admin/annotation/corpus/?{first.context['pager'].next}")
    assert ">corpus 5<" in second.content.decode() and second.context["pager"].next == ""


@pytest.mark.parametrize(("model", "table"), TABLES)
def test_no_list_costs_more_than_the_frame_a_count_and_the_rows(
    model: Any, table: Any, settings: Any, tmp_path: Path
) -> None:
    settings.VAR_DIR = tmp_path
    make_world(tmp_path)
    admin = sign_in(User.objects.get(username="admin"))
    assert model._default_manager.exists()
    assert query_count(lambda: admin.get(table.address())) <= MOST_QUERIES


def test_the_list_of_trainings_costs_the_same_for_few_and_many(lead: Person) -> None:
    made, address = made_set(), "/admin/pipeline/trainingrun/"
    training_run("done", made, points=1)
    few = query_count(lambda: lead.get(address))
    for _ in range(20):
        training_run("done", made, points=1)
    assert query_count(lambda: lead.get(address)) == few <= MOST_QUERIES


def test_the_words_of_the_tables_are_chinese_for_who_reads_chinese(admin: Person) -> None:
    User.objects.filter(pk=admin.user.pk).update(language="zh-hans")
    text = admin.get("/admin/core/user/").content.decode()
    assert "人员" in text and "用户名" in text and "最近登录" in text and "管理员" in text

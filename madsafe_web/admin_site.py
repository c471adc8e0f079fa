"""Django's admin as this house has it: tables to look into, in the frame of the other pages, by role; nothing to write.

What changes a row is a service, and each has a page of its own. A table names every column it shows, so a secret or a
hash is never among them by accident. Every address has a name and answers to GET alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

import orjson
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, include, path, reverse
from django.utils.formats import localize
from django.utils.text import Truncator
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from madsafe_web.core.access import can, scoped
from madsafe_web.core.paging import PAGE_ROWS, Pager

View = Callable[..., HttpResponse]
Urls = list[URLPattern | URLResolver]
NOTHING = "–"
LONGEST = 60  # characters of a value in a list; the page of the row has all of it


class House(admin.AdminSite):
    """For admins, and for leads because of the trainings; who is not signed in is sent to our own sign-in."""

    def has_permission(self, request: HttpRequest) -> bool:
        return can(request.user, "administer") or can(request.user, "train")

    def admin_view(self, view: View, cacheable: bool = False) -> View:  # type: ignore[override]  # narrower on purpose
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not self.has_permission(request):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return require_safe(checked)

    def get_urls(self) -> Urls:
        """No catch-all and no sign-in of its own: just the list of tables and the tables."""
        tables = [
            path(f"{model._meta.app_label}/{model._meta.model_name}/", include(table.urls))
            for model, table in self._registry.items()
        ]
        return [path("", self.admin_view(self.index), name="index"), *tables]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # type: ignore[override]  # ours renders at once
        tables = [table for table in self._registry.values() if table.has_view_permission(request)]
        return render(request, "admin/index.html", {"tables": tables})


class Choice(admin.ChoicesFieldListFilter):
    """A filter over a field with choices, as a select, titled like the column."""

    def __init__(self, field: Any, request: HttpRequest, params: Any, model: Any, table: Any, field_path: str) -> None:
        super().__init__(field, request, params, model, table, field_path)
        self.title = dict(table.columns)[field_path]
        chosen = list(self.lookup_val or ())
        self.options = [(value, label, str(value) in chosen) for value, label in self.field.flatchoices]


class Table(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """Rows of one model, to read. `columns` are shown in the list, `more` beside them on the page of a row."""

    title: ClassVar[Any]
    purpose: ClassVar[Any]
    rights: ClassVar[tuple[str, ...]] = ("administer",)
    columns: ClassVar[tuple[tuple[str, Any], ...]]  # dotted path from the row → label
    more: ClassVar[tuple[tuple[str, Any], ...]] = ()
    filters: ClassVar[tuple[str, ...]] = ()  # columns with choices
    page: ClassVar[str] = ""  # name of the page of the site that shows such a row
    page_key: ClassVar[str] = "pk"  # what of the row that page is asked by
    actions = None
    list_per_page = PAGE_ROWS
    list_max_show_all = 0
    show_full_result_count = False
    sortable_by = ()
    ordering = ("-pk",)

    def __init__(self, model: type[Model], site: admin.AdminSite) -> None:
        self.list_display = [column(path, label) for path, label in self.columns]
        super().__init__(model, site)

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [(name, Choice) for name in self.filters]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return any(can(request.user, right) for right in self.rights)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what a filter of the page asks: another lookup could read a secret letter by letter."""
        return lookup in {f"{name}__exact" for name in self.filters}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        related = self.list_select_related
        rows = scoped(request.user, self.model).order_by(*self.ordering)
        return rows.select_related(*related) if isinstance(related, tuple) else rows

    def get_urls(self) -> list[URLPattern]:
        name, view = f"{self.opts.app_label}_{self.opts.model_name}", self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name=f"{name}_changelist"),
            path("<int:pk>/change/", view(self.row_view), name=f"{name}_change"),
        ]

    def address(self) -> str:
        """Where the list is."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def launch_url(self, request: HttpRequest) -> str:
        """Address of the page that makes a new row, "" where there is none for this person."""
        return ""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        told = {"table": self, "launch_url": self.launch_url(request)}
        response = super().changelist_view(request, told)
        context = getattr(response, "context_data", None) or {}
        if "cl" not in context:  # Django's answer to an address that makes no sense
            return HttpResponseRedirect(self.address())
        context["pager"] = pager(context["cl"])
        assert isinstance(response, TemplateResponse)
        return response

    def row_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = get_object_or_404(self.get_queryset(request), pk=pk)
        lines = [(label, shown(row, path)) for path, label in (*self.columns, *self.more)]
        page = reverse(self.page, args=[getattr(row, self.page_key)]) if self.page else ""
        context = {"table": self, "row": row, "name": lines[0][1], "lines": lines, "page_url": page}
        return render(request, "admin/change_form.html", context)


def pager(changes: Any) -> Pager:
    """The neighbours of the page of Django's list."""
    here, last = changes.page_num, changes.paginator.num_pages
    previous = changes.get_query_string({"p": here - 1})[1:] if here > 1 else ""
    following = changes.get_query_string({"p": here + 1})[1:] if here < last else ""
    return Pager(previous, following, changes.result_count)


def column(path: str, label: Any) -> Callable[[Any], str]:
    """A column of Django's list."""

    def value(row: Any) -> str:
        return Truncator(shown(row, path)).chars(LONGEST)

    value.__name__ = path.replace(".", "_")
    return admin.display(description=label)(value)


def shown(row: Any, path: str) -> str:
    """The value at a dotted path as people read it; a dash for none."""
    *way, name = path.split(".")
    for step in way:
        row = getattr(row, step)
        if row is None:
            return NOTHING
    words = getattr(row, f"get_{name}_display", None)
    return words() if words and getattr(row, name) else readable(getattr(row, name))


def readable(value: Any) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, datetime):
        return f"{localtime(value):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, dict | list):
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() if value else NOTHING
    return str(localize(value)) if isinstance(value, float) else str(value)

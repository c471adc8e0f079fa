"""What every view of the API has: who may, which parameters, one transaction a write, errors as problems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import translation
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from madsafe_web.core.access import scoped
from madsafe_web.core.api import once
from madsafe_web.core.api.fields import Body, Query
from madsafe_web.core.api.paging import Keyset, ListQuery
from madsafe_web.core.api.permissions import right_of
from madsafe_web.core.models import User

M = TypeVar("M", bound=Model)


class NoBody(Body):
    """For writes whose address says everything."""


class ApiView(GenericAPIView[Any]):
    """One address. Methods that it does not define answer 405.

    `read_right` and `write_right` name the rights, `query_form` the parameters of GET; `asked` holds them, checked.
    `body_names` says that a body names things, which may not be there.
    Answers are in English, whatever language the reader prefers: they are read by programs.
    """

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    metadata_class = None
    pagination_class: type[Keyset] | None = None
    read_right: ClassVar[str] = "browse"
    write_right: ClassVar[str] = "administer"
    query_form: ClassVar[type[Query]] = Query
    body_names: ClassVar[bool] = False
    asked: dict[str, Any]
    _claim: once.Claim | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with translation.override("en"):
            response = super().dispatch(request, *args, **kwargs)
        response.headers.setdefault("Content-Language", "en")
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Beside what the framework checks: parameters, the body's form, and whether this write was done before."""
        super().initial(request, *args, **kwargs)
        method = (request.method or "").lower()
        if not hasattr(self, method):
            return
        reads = request.method in SAFE_METHODS
        form = (self.query_form if reads else Query)(data=request.query_params.dict())
        form.is_valid(raise_exception=True)
        self.asked = form.validated_data
        if reads:
            return
        request.data  # noqa: B018  # read here, so that a body that cannot be read is no claim of a key
        found = once.claim(request)
        if isinstance(found, Response):
            stored = found
            setattr(self, method, lambda request, *args, **kwargs: stored)
        else:
            self._claim = found

    def handle_exception(self, exc: Exception) -> Response:
        if self._claim:
            self._claim.release()
        return super().handle_exception(exc)

    def once(self, work: Callable[[], Response], hidden: tuple[str, ...] = ()) -> Response:
        """Do a write and keep its answer, in one transaction; fields that are `hidden` are not kept.

        An answer that says that nothing was done is not kept: the key can be used again.
        """
        with transaction.atomic():
            response = work()
            if self._claim and response.status_code < 400:
                self._claim.store(response, hidden)
        if self._claim and response.status_code >= 400:
            self._claim.release()
        return response

    def body(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """The checked fields of the request's body. Raises ValidationError."""
        filled = form(data=self.request.data)
        filled.is_valid(raise_exception=True)
        found: dict[str, Any] = filled.validated_data
        return found

    @property
    def user(self) -> User:
        """Who asks; HasRight lets nobody else come this far."""
        assert isinstance(self.request.user, User)
        return self.request.user

    def row(self, model: type[M], pk: int, rows: QuerySet[M] | None = None) -> M:
        """A row that exists for this user. Raises Http404."""
        return get_object_or_404(scoped(self.user, model) if rows is None else rows, pk=pk)

    def right(self, method: str) -> str:
        return right_of(self, method)


class ListView(ApiView):
    """An address with a list: pages by key."""

    pagination_class = Keyset
    query_form: ClassVar[type[Query]] = ListQuery

    def page_of(self, rows: Sequence[Any], shown: Callable[[list[Any]], list[dict[str, Any]]]) -> Response:
        """One page of values in memory."""
        pages = Keyset()
        found = pages.paginate_sequence(rows, self.request, self.asked)
        return pages.get_paginated_response(shown(found))

    def page(self, rows: QuerySet[Any], shown: Callable[[list[Any]], list[dict[str, Any]]]) -> Response:
        """One page of `rows`, each made into JSON by `shown`."""
        found = self.paginate_queryset(rows)
        assert isinstance(found, list)
        return self.get_paginated_response(shown(found))

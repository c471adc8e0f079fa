"""The categories that labels are merged into, and the versions of them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.models import Category, Taxonomy
from annotation.selectors import categories
from annotation.taxonomies import (
    LONGEST_NAME,
    LONGEST_NOTE,
    LONGEST_TEXT,
    MOST,
    TaxonomyMoved,
    TaxonomyRefused,
    taxonomy_make,
)
from annotation.taxonomy import CategoryRow
from madsafe_web.core.access import scoped
from madsafe_web.core.api.errors import Conflict
from madsafe_web.core.api.fields import Body, Query, Text, Whole
from madsafe_web.core.api.views import ApiView, ListView

PLAIN = ("code", "name_en", "name_zh", "definition_en", "definition_zh", "examples_en", "examples_zh")
LARGEST_VERSION = 2**31 - 1


class CategoryShown(serializers.ModelSerializer[Category]):
    class Meta:
        model = Category
        fields = (*PLAIN, "position")
        read_only_fields = fields


class CategoryList(serializers.Serializer[Any]):
    results = CategoryShown(many=True)


class TaxonomyShown(serializers.ModelSerializer[Taxonomy]):
    parent_id = serializers.IntegerField(allow_null=True, help_text="The version that it was made from.")

    class Meta:
        model = Taxonomy
        fields = ("id", "version", "name", "note", "parent_id", "sha256", "created")
        read_only_fields = fields


class CategoryQuery(Query):
    taxonomy = serializers.IntegerField(
        required=False, min_value=1, max_value=LARGEST_VERSION, help_text="A version; without it the newest."
    )


class CategoryWritten(Body):
    code = Text(max_length=8, help_text="2 to 8 capital letters or digits.")
    name_en, name_zh = Text(max_length=LONGEST_NAME), Text(max_length=LONGEST_NAME)
    definition_en, definition_zh = Text(max_length=LONGEST_TEXT), Text(max_length=LONGEST_TEXT)
    examples_en = Text(max_length=LONGEST_TEXT, required=False, allow_blank=True, help_text="On its boundary.")
    examples_zh = Text(max_length=LONGEST_TEXT, required=False, allow_blank=True, help_text="On its boundary.")


class TaxonomyWritten(Body):
    based_on = Whole(min_value=1, max_value=LARGEST_VERSION, help_text="The version that was changed: the newest.")
    name = Text(max_length=120)
    note = Text(max_length=LONGEST_NOTE, required=False, allow_blank=True, help_text="Why it changes.")
    categories = serializers.ListField(child=CategoryWritten(), min_length=1, max_length=MOST)
    renamed = serializers.DictField(
        child=Text(max_length=8), required=False, help_text="Old code → new code: labels follow it."
    )


class Categories(ApiView):
    query_form = CategoryQuery

    @extend_schema(operation_id="categories_list", responses=CategoryList)
    def get(self, request: Request) -> Response:
        """List the categories of the newest taxonomy, or of the one that is named."""
        version = self.asked.get("taxonomy")
        found = scoped(self.user, Taxonomy).filter(version=version).first() if version else None
        if version and found is None:
            raise serializers.ValidationError({"taxonomy": ["There is no such version."]})
        return Response(CategoryList({"results": categories(found)}).data)


class Taxonomies(ListView):
    write_right = "publish"

    @extend_schema(operation_id="taxonomies_list", responses=TaxonomyShown(many=True))
    def get(self, request: Request) -> Response:
        """List the versions of the taxonomy."""
        return self.page(scoped(self.user, Taxonomy), lambda rows: list(TaxonomyShown(rows, many=True).data))

    @extend_schema(operation_id="taxonomies_make", request=TaxonomyWritten, responses={201: TaxonomyShown})
    def post(self, request: Request) -> Response:
        """Make the next version. The open draft goes on with it; published maps keep theirs."""
        wanted = self.body(TaxonomyWritten)
        return self.once(lambda: self.make(wanted))

    def make(self, wanted: dict[str, Any]) -> Response:
        parent = scoped(self.user, Taxonomy).filter(version=wanted["based_on"]).first()
        if parent is None:
            raise ValidationError({"based_on": ["There is no such version."]})
        rows = [CategoryRow(**row) for row in wanted["categories"]]
        told = {"name": wanted["name"], "note": wanted.get("note", ""), "renamed": wanted.get("renamed", {})}
        try:
            made = taxonomy_make(user=self.user, rows=rows, parent=parent, **told)
        except TaxonomyMoved as error:
            raise Conflict(str(error)) from error
        except TaxonomyRefused as error:
            raise ValidationError({"categories": [str(error)]}) from error
        return Response(TaxonomyShown(made).data, status=201)

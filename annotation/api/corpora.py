"""Corpora, and the import of a file."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.models import Category, Corpus
from annotation.pages.corpora import corpora_shown, corpus_context
from annotation.selectors import categories
from annotation.uploading import UploadForm, declared, import_start
from madsafe_web.core.access import scoped
from madsafe_web.core.api.errors import refused
from madsafe_web.core.api.fields import Body
from madsafe_web.core.api.paging import ListQuery
from madsafe_web.core.api.runs import RunDetail, run_detail
from madsafe_web.core.api.views import ApiView, ListView
from madsafe_web.core.models import User

PLAIN = ("id", "name", "format", "role", "split", "licence", "exportable", "file_name", "sha256", "created")


class CategoryShown(serializers.ModelSerializer[Category]):
    class Meta:
        model = Category
        fields = ("code", "name_en", "name_zh", "definition_en", "definition_zh", "position")
        read_only_fields = fields


class CategoryList(serializers.Serializer[Any]):
    results = CategoryShown(many=True)


class CorpusShown(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    format = serializers.CharField()
    role = serializers.ChoiceField(choices=Corpus.Role.choices)
    split = serializers.CharField(allow_blank=True)
    licence = serializers.CharField(allow_blank=True)
    exportable = serializers.BooleanField(help_text="Whether what derives from it may be exported.")
    file_name = serializers.CharField(allow_blank=True)
    sha256 = serializers.CharField(allow_blank=True)
    created = serializers.DateTimeField()
    prompts = serializers.IntegerField()
    responses = serializers.IntegerField()
    rejected = serializers.IntegerField(help_text="Rows of the file that could not be imported.")
    imported = serializers.CharField(help_text="`done`, `importing`, or the state of a run that did not end.")


class Scenario(serializers.Serializer[Any]):
    name = serializers.CharField()
    count = serializers.IntegerField()


class RejectedRow(serializers.Serializer[Any]):
    row = serializers.IntegerField(source="number")
    field = serializers.CharField(source="text", allow_blank=True)
    reason = serializers.CharField(source="why")


class CorpusDetail(CorpusShown):
    scenarios = Scenario(many=True)
    rejected_rows = RejectedRow(many=True, help_text="The first of them.")


class CorpusQuery(ListQuery):
    role = serializers.ChoiceField(choices=Corpus.Role.choices, required=False)


class NewCorpus(Body):
    """One file with what is to be known about it; what is left out takes what the format says."""

    file = serializers.FileField(help_text="JSON, JSONL or CSV, also zipped.")
    format = serializers.CharField(max_length=40, help_text="Name of an importer, for example `alpaca`.")
    name = serializers.CharField(max_length=120, help_text="Name of the corpus; there must be none of it yet.")
    role = serializers.ChoiceField(choices=Corpus.Role.choices, required=False)
    licence = serializers.CharField(max_length=80, required=False)
    answers = serializers.FileField(required=False, help_text="Only for benchmarks that keep them in another file.")


def corpora_json(user: User, rows: list[Corpus]) -> list[dict[str, Any]]:
    """Corpora with their counts, in six queries."""
    shown = {one.id: one for one in corpora_shown(scoped(user, Corpus).filter(pk__in=[row.pk for row in rows]))}
    return [{**plain(row), **counts(shown[row.pk])} for row in rows]


def plain(row: Corpus) -> dict[str, Any]:
    return {name: getattr(row, name) for name in PLAIN}


def counts(one: Any) -> dict[str, Any]:
    return {"prompts": one.prompts, "responses": one.responses, "rejected": one.rejected, "imported": one.state}


class Categories(ApiView):
    @extend_schema(operation_id="categories_list", responses=CategoryList)
    def get(self, request: Request) -> Response:
        """List the 14 categories."""
        return Response(CategoryList({"results": categories()}).data)


class Corpora(ListView):
    write_right = "run"
    query_form = CorpusQuery
    parser_classes = (MultiPartParser,)

    @extend_schema(operation_id="corpora_list", responses=CorpusShown(many=True))
    def get(self, request: Request) -> Response:
        """List the corpora."""
        wanted = {"role": self.asked["role"]} if "role" in self.asked else {}
        rows = scoped(self.user, Corpus).filter(**wanted)
        return self.page(rows, lambda found: list(CorpusShown(corpora_json(self.user, found), many=True).data))

    @extend_schema(
        operation_id="corpora_import", request={"multipart/form-data": NewCorpus}, responses={201: RunDetail}
    )
    def post(self, request: Request) -> Response:
        """Import a file as a corpus. The answer is the run that does it."""
        if extra := sorted(set(request.data) - set(UploadForm.base_fields)):
            raise ValidationError({name: [NewCorpus.unknown] for name in extra})
        form = UploadForm(request.data, request.FILES)
        if not form.is_valid():
            raise refused(form)
        file = declared(form.cleaned_data)
        return self.once(lambda: Response(run_detail(import_start(user=self.user, declared=file)), status=201))


class CorpusOne(ApiView):
    @extend_schema(operation_id="corpora_get", responses=CorpusDetail)
    def get(self, request: Request, pk: int) -> Response:
        """Show a corpus with its scenarios and the rows that could not be imported."""
        row = self.row(Corpus, pk)
        context = corpus_context(row)
        found = context["corpus"]
        facts = {
            **plain(row),
            **{name: found[name] for name in ("prompts", "responses", "rejected")},
            "imported": found["state"],
            "scenarios": context["scenarios"],
            "rejected_rows": context["rejected"],
        }
        return Response(CorpusDetail(facts).data)

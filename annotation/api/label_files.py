"""Import of labels that others gave: a file of labels alone, or of labels of the prompts of a corpus."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.label_import import label_import_start
from annotation.models import Corpus
from annotation.uploading import keep
from madsafe_web.core.access import scoped
from madsafe_web.core.api.fields import Body
from madsafe_web.core.api.paging import LARGEST_ID
from madsafe_web.core.api.runs import RunDetail, run_detail
from madsafe_web.core.api.views import ApiView


class LabelFile(Body):
    file = serializers.FileField(
        help_text="JSON, JSONL or CSV, also gzipped: rows of `label`, or `traceid` and `label`."
    )
    corpus = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="Id of the corpus whose source ids `traceid` names; without it the rows hold labels alone.",
    )


class LabelImport(ApiView):
    write_right = "run"
    parser_classes = (MultiPartParser,)

    @extend_schema(
        operation_id="labels_import",
        request={"multipart/form-data": LabelFile},
        responses={200: RunDetail, 201: RunDetail},
    )
    def post(self, request: Request) -> Response:
        """Import labels. The answer is the run that does it: 201 for a new one, 200 for that of the same file before.

        Rows that cannot be used are among the failed rows of the run.
        """
        wanted = self.body(LabelFile)
        corpus = wanted.get("corpus")
        if corpus and not scoped(self.user, Corpus).filter(pk=corpus, withdrawn=None).exists():
            raise ValidationError({"corpus": ["There is no such corpus in use."]})
        return self.once(lambda: self.start(wanted["file"], corpus))

    def start(self, file: UploadedFile[Any], corpus: int | None) -> Response:
        run, new = label_import_start(user=self.user, path=keep(file), corpus=corpus)
        return Response(run_detail(run), status=201 if new else 200)

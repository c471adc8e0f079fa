"""The tables of this app."""

from annotation.models.corpora import ColumnMapping, Corpus, DataVersion, Prompt, RejectedImport, Response, Upload
from annotation.models.labels import IntentLabel, LabelPair, LabelPlace, LabelSpelling, LabelSuggestion, PromptIntent
from annotation.models.maps import (
    DecidedBy,
    LabelChange,
    LabelComment,
    LabelOperation,
    LabelOpinion,
    LabelPresence,
    LabelRule,
    MapEntry,
    MergeMap,
    MergePolicy,
    RefusedPair,
)
from annotation.models.review import Judgement, ReviewItem, Seat
from annotation.models.taxonomy import Category, Guideline, Taxonomy

__all__ = [
    "Category",
    "ColumnMapping",
    "Corpus",
    "DataVersion",
    "DecidedBy",
    "Guideline",
    "IntentLabel",
    "Judgement",
    "LabelChange",
    "LabelComment",
    "LabelOperation",
    "LabelOpinion",
    "LabelPair",
    "LabelPlace",
    "LabelPresence",
    "LabelRule",
    "LabelSpelling",
    "LabelSuggestion",
    "MapEntry",
    "MergeMap",
    "MergePolicy",
    "Prompt",
    "PromptIntent",
    "RefusedPair",
    "RejectedImport",
    "Response",
    "ReviewItem",
    "Seat",
    "Taxonomy",
    "Upload",
]

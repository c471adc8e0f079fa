"""A cut of real public data through every stage before training, in the command that people call."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.installation import COUNTS, ROOT, Finished, Installation, installed

pytestmark = pytest.mark.slow
DATA = ROOT.parent / "shared" / "data"
CUT_ROWS = 300
REPEATED = 20  # prompts of the cut that we put into the benchmark too, so that this many overlaps are sure
SAFETY_PROMPTS = ("typical_safety_scenarios.sample.json", "instruction_attack_scenarios.sample.json")


def cut(name: str, folder: Path) -> list[str]:
    """The first rows of a zipped S-Eval file, unzipped into the folder; gives the lines."""
    with zipfile.ZipFile(DATA / "s_eval" / f"{name}.zip") as archive:
        member = next(one for one in archive.namelist() if one.endswith(".jsonl") and not one.startswith("__"))
        lines = archive.read(member).decode("utf-8").splitlines()[:CUT_ROWS]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


def files(folder: Path) -> list[dict[str, Any]]:
    base = cut("S-Eval_base_risk_zh_full.jsonl", folder)
    cut("S-Eval_attack_zh_small.jsonl", folder)
    planted = folder / "planted_overlaps.jsonl"
    planted.write_text("\n".join(base[:REPEATED]) + "\n", encoding="utf-8")
    names = ("S-Eval_base_risk_zh_full.jsonl", "S-Eval_attack_zh_small.jsonl")
    return [
        *({"path": str(DATA / "safety_prompts" / name), "format": "safety_prompts"} for name in SAFETY_PROMPTS),
        {"path": str(DATA / "jade" / "jade_alignment_medium_zh.csv"), "format": "jade", "role": "alignment"},
        {"path": str(DATA / "cvalues" / "CValues-Comparison.shaped_jade.jsonl"), "format": "cvalues_comparison"},
        *({"path": str(folder / name), "format": "s_eval", "role": "alignment"} for name in names),
        {"path": str(planted), "format": "s_eval", "role": "benchmark", "split": "test"},
        {"path": str(DATA / "sft_general" / "alpaca_zh_demo.json"), "format": "alpaca"},
        {
            "path": str(DATA / "safetybench" / "test_zh_subset.json"),
            "format": "safetybench",
            "answers": str(DATA / "safetybench" / "test_answers_zh_subset.json"),
        },
    ]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Finished]]:
    """The chain of tests/real.yaml over the cut, with smaller targets, worked through once."""
    if not DATA.is_dir():
        pytest.skip("needs the real data in ../shared/data")
    folder = tmp_path_factory.mktemp("real")
    chain = yaml.safe_load((ROOT / "tests" / "real.yaml").read_text(encoding="utf-8"))
    sizes = {"augment_keyword": {"target": 60}, "augment_related": {"prompts": 70}, "sample_general": {"count": 50}}
    stages = [{"import": {"files": files(folder)}}]
    for entry in chain["stages"][1:]:
        name = entry if isinstance(entry, str) else next(iter(entry))
        stages.append({name: sizes[name]} if name in sizes else entry)
    with installed(folder / "installation") as made:
        made.migrated().with_models()
        path = made.chain(stages, "real-cut", {"base": {"backend": "tiny_llama", "options": {"max_tokens": 48}}})
        yield made, made.manage("run_pipeline", path, "--json", seconds=170)


def by_stage(finished: Finished) -> dict[str, dict[str, Any]]:
    return {row["stage"]: row for row in finished.summary["stages"]}


def test_every_stage_is_done(done: tuple[Installation, Finished]) -> None:
    finished = done[1]
    assert finished.code == 0, finished.err
    assert {row["state"] for row in finished.summary["stages"]} == {"done"}
    assert len(finished.summary["stages"]) == 18


def test_the_last_line_is_one_json_object(done: tuple[Installation, Finished]) -> None:
    last = json.loads(done[1].out.splitlines()[-1])
    assert {"seconds", "peak_rss_mb", "stages"} <= set(last)


def test_every_stage_accounts_for_every_row_it_read(done: tuple[Installation, Finished]) -> None:
    for row in done[1].summary["stages"]:
        assert row["read"] == sum(row[name] for name in COUNTS[1:]), row


def test_every_row_of_every_file_is_accounted_for(done: tuple[Installation, Finished]) -> None:
    installation, finished = done
    expected = 1050 + 600 + 500 + 500 + 2 * CUT_ROWS + REPEATED + 1000 + 2100
    assert by_stage(finished)["import"]["read"] == expected
    rejected = installation.one("SELECT COUNT(*) FROM annotation_rejectedimport")
    assert rejected == by_stage(finished)["import"]["rejected"]


def test_no_row_is_lost_between_stages(done: tuple[Installation, Finished]) -> None:
    installation, finished = done
    stage = by_stage(finished)
    alignment = installation.one(
        "SELECT COUNT(*) FROM annotation_prompt p JOIN annotation_corpus c ON c.id = p.corpus_id"
        " WHERE c.role = 'alignment' AND p.origin = 'imported'"
    )
    assert stage["label"]["read"] == stage["deduplicate"]["read"] == alignment
    assert stage["suggest"]["kept"] == stage["propose"]["kept"] == stage["merge"]["read"] == stage["publish"]["read"]
    assert stage["reject"]["read"] == stage["deduplicate"]["kept"]
    active = stage["reject"]["kept"] + stage["augment_keyword"]["kept"] + stage["augment_related"]["kept"]
    for name in ("regenerate", "perplexity", "instruction_safety"):
        assert stage[name]["read"] == active
    assert stage["select"]["read"] == active + stage["sample_general"]["kept"]
    assert stage["freeze"]["read"] == stage["select"]["kept"]
    assert stage["export"]["read"] == stage["freeze"]["kept"]


def test_every_planted_overlap_with_a_benchmark_is_found(done: tuple[Installation, Finished]) -> None:
    overlaps = done[0].one(
        "SELECT COUNT(*) FROM annotation_prompt p JOIN annotation_prompt t ON t.id = p.twin_id"
        " JOIN annotation_corpus c ON c.id = t.corpus_id"
        " WHERE p.state = 'overlap' AND c.file_name = 'planted_overlaps.jsonl' AND p.similarity = 1"
    )
    assert overlaps == REPEATED


def test_the_same_questions_in_two_corpora_are_found_as_duplicates(done: tuple[Installation, Finished]) -> None:
    repeated = done[0].one(
        "SELECT COUNT(*) FROM annotation_prompt p JOIN annotation_corpus c ON c.id = p.corpus_id"
        " WHERE p.state = 'duplicate' AND c.file_name = 'CValues-Comparison.shaped_jade.jsonl'"
    )
    assert repeated >= 450  # its 500 questions are those of the JADE file


def test_no_sample_of_the_frozen_set_repeats_a_benchmark_prompt(done: tuple[Installation, Finished]) -> None:
    repeated = done[0].one(
        "SELECT COUNT(*) FROM pipeline_alignmentsample s JOIN annotation_prompt p ON p.id = s.prompt_id"
        " WHERE p.key IN (SELECT b.key FROM annotation_prompt b JOIN annotation_corpus c ON c.id = b.corpus_id"
        " WHERE c.role = 'benchmark')"
    )
    assert repeated == 0


def test_the_exported_file_holds_what_the_summary_says(done: tuple[Installation, Finished]) -> None:
    installation, finished = done
    (path,) = (installation.var / "export").glob("set-*.jsonl")
    assert len(path.read_text(encoding="utf-8").splitlines()) == by_stage(finished)["export"]["kept"]

"""Drive the whole method over HTTP, with nothing but Python's standard library. See docs/api.md.

    MADSAFE_URL=http://127.0.0.1:8000 MADSAFE_TOKEN=mads_… python examples/drive.py

The token is one of a lead, with the rights browse, merge, publish, run, train and export; `base` must be the name of an
endpoint whose model can be trained. Called again, it goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

URL = os.environ.get("MADSAFE_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("MADSAFE_TOKEN", "")
SAMPLE = Path(__file__).parent / "sample"
ENDED = {"done", "failed", "lost", "cancelled", "paused", "over_budget", "needs_people"}
# file, format, use, name; of a benchmark also the file with its answers
FILES = (
    ("typical_safety_scenarios.json", "safety_prompts", "alignment", "Safety-Prompts sample", ""),
    ("instruction_attack_scenarios.json", "safety_prompts", "alignment", "Attack sample", ""),
    ("cvalues_comparison_train.jsonl", "cvalues_comparison", "alignment", "CValues-Comparison sample", ""),
    ("s_eval_base.jsonl", "s_eval", "alignment", "S-Eval base sample", ""),
    ("s_eval_test.jsonl", "s_eval", "benchmark", "S-Eval test sample", ""),
    ("safetybench_zh.json", "safetybench", "benchmark", "SafetyBench sample", "safetybench_answers_zh.json"),
    ("cvalues_responsibility_mc.jsonl", "cvalues_responsibility", "benchmark", "CValues responsibility sample", ""),
    ("alpaca_general.json", "alpaca", "general", "General sample", ""),
)
BEFORE_MERGE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("label", {"roles": ["alignment", "benchmark"]}),
    ("suggest", {}),
    ("propose", {}),
    ("merge", {"decide": "rule", "leave_undecided": 3}),
)
BEFORE_TRAINING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("deduplicate", {}),
    ("reject", {"max_ratio": 1.5}),
    ("augment_keyword", {"target": 20}),
    ("augment_related", {"prompts": 20}),
    ("regenerate", {}),
    ("perplexity", {"endpoint": "base"}),
    ("response_safety", {}),
    ("instruction_safety", {}),
    ("sample_general", {"count": 40}),
    ("select", {"name": "Driven set"}),
    ("freeze", {}),
    ("export", {}),
)
TRAINING = {"base_endpoint": "base", "learning_rate": 0.003, "epochs": 1, "accumulation": 8}
EVALUATION = {"base_endpoint": "base", "per_category": 4, "uncertain_left": 2, "max_tokens": 32}


def call(method: str, path: str, body: bytes | None = None, content: str = "application/json", key: str = "") -> Any:
    """What the API answers, as JSON. Ends the program with the problem that it tells."""
    address = path if path.startswith("http") else f"{URL}/api/v1/{path}"
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json", "Content-Type": content}
    if key:
        headers["Idempotency-Key"] = key  # sent again, it is done only once
    request = urllib.request.Request(address, body, headers, method=method)  # noqa: S310  # the address is yours
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        sys.exit(f"{method} {path}: {problem['status']} {problem['detail']} {problem.get('errors', '')}")


def read(path: str) -> Any:
    return call("GET", path)


def write(path: str, **values: Any) -> Any:
    return call("POST", path, json.dumps(values).encode(), key=str(uuid.uuid4()))


def listed(path: str) -> list[Any]:
    """Every row of a list, page by page."""
    rows, following = [], f"{path}{'&' if '?' in path else '?'}limit=200"
    while following:
        page = read(following)
        rows += page["results"]
        following = page["next"]
    return rows


def wait(run: dict[str, Any]) -> dict[str, Any]:
    """The run when it has ended. Ends the program when it is not done then."""
    while run["state"] not in ENDED:
        time.sleep(0.3)
        run = read(f"runs/{run['id']}/")
    if run["state"] != "done":
        sys.exit(f"{run['stage']}: {run['state']}. {run['error']}")
    print(f"{run['stage']:20} {run['counts']['kept']:6} of {run['counts']['read']:6} rows", flush=True)
    return run


def send_file(name: str, file_format: str, role: str, corpus: str, answers: str) -> dict[str, Any]:
    """Import one file of the sample; gives the run that does it."""
    boundary = uuid.uuid4().hex
    parts = []
    for field, value in (("format", file_format), ("role", role), ("name", corpus)):
        parts.append(f'Content-Disposition: form-data; name="{field}"\r\n\r\n{value}'.encode())
    for field, file in (("file", name), ("answers", answers)):
        if file:
            head = f'Content-Disposition: form-data; name="{field}"; filename="{file}"\r\n\r\n'
            parts.append(head.encode() + (SAMPLE / file).read_bytes())
    body = b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()
    run: dict[str, Any] = call("POST", "corpora/", body, f"multipart/form-data; boundary={boundary}", str(uuid.uuid4()))
    return run


def run_stage(stage: str, params: dict[str, Any]) -> dict[str, Any]:
    """Make a run of a stage, start it and wait for its end; one that is done already is not done again."""
    done = read(f"runs/?stage={stage}&state=done&limit=1")["results"]
    return done[0] if done else wait(write("runs/", stage=stage, params=params, start=True))


def decide_the_rest() -> None:
    """Decide about the labels that the rule left to people: here as was suggested, else as no safety label."""
    for label in listed("labels/?view=undecided"):
        seen = {"id": label["id"], "revision": label["revision"]}
        write("labels/assign/", labels=[seen], category=label["suggested"] or "DROP")


def main() -> None:
    me = read("me/")
    print(f"{me['username']}, {me['role']}: {', '.join(me['rights'])}")
    there = {corpus["name"] for corpus in listed("corpora/")}
    for run in [send_file(*file) for file in FILES if file[3] not in there]:
        wait(run)
    for stage, params in BEFORE_MERGE:
        run_stage(stage, params)
    for draft in listed("merge-maps/?state=draft"):
        decide_the_rest()
        published = write(f"merge-maps/{draft['id']}/publish/")
        print(f"published map v{published['version']}")
    for stage, params in BEFORE_TRAINING:
        run_stage(stage, params)
    if not listed("trainings/?state=done"):
        wait(write("trainings/", **TRAINING))
    training = read(f"trainings/{listed('trainings/?state=done')[0]['id']}/")
    print(f"loss {training['first_loss']:.3f} to {training['loss']:.3f} in {training['steps']} steps")
    run_stage("evaluate", EVALUATION)
    for result in read("results/")["results"]:
        total = result["total"]
        bounds = [f"{total[f'{model}_low']:.2f} to {total[f'{model}_high']:.2f}" for model in ("base", "tuned")]
        print(f"{result['benchmark']:12} base {bounds[0]}, tuned {bounds[1]}, {total['open']} open")


if __name__ == "__main__":
    main()

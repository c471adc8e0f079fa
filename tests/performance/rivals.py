"""Other pipelines on the rows of `engine.py`, each in an environment of its own; needs nothing of ours.

`PYTHON tests/performance/rivals.py distilabel|curator URL CONNECTIONS ROWS` prints what `engine_parts` prints. Time and
CPU are those of the library's own run, with all its processes, without the import of the library.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

PROMPT = "第{}号问题：请说明城市里怎样节约用水，以及为什么这样做对大家都重要。"
NO_LIMIT = 10**9


def distilabel(url: str, connections: int, count: int) -> Callable[[], int]:
    from distilabel.models.llms import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    with Pipeline("measured", cache_dir=tempfile.mkdtemp()) as pipeline:
        rows = LoadDataFromDicts(
            data=[{"instruction": PROMPT.format(row)} for row in range(count)], batch_size=connections
        )
        llm = OpenAILLM(model="m", base_url=url, api_key="none")
        rows >> TextGeneration(llm=llm, input_batch_size=connections)

    def work() -> int:
        made = pipeline.run(use_cache=False)
        return sum(not row["generation"] for row in made["default"]["train"])

    return work


def curator(url: str, connections: int, count: int) -> Callable[[], int]:
    import tiktoken

    class Characters:
        """In place of a vocabulary that would be fetched from the network; costs less than it."""

        def encode(self, text: str, *_: Any, **__: Any) -> str:
            return text

    tiktoken.get_encoding = tiktoken.encoding_for_model = lambda _: Characters()
    os.environ |= {"TELEMETRY_ENABLED": "false", "CURATOR_VIEWER": "0", "HF_DATASETS_OFFLINE": "1"}
    from bespokelabs import curator
    from datasets import Dataset

    class One(curator.LLM):
        def prompt(self, row: Any) -> str:
            return str(row["text"])

        def parse(self, row: Any, response: Any) -> dict[str, Any]:
            return {"reply": response}

    limits = {"max_requests_per_minute": NO_LIMIT, "max_tokens_per_minute": NO_LIMIT}
    params = {"base_url": url, "api_key": "none", "max_concurrent_requests": connections, **limits}
    llm = One(model_name="m", backend="openai", backend_params=params)
    rows = Dataset.from_dict({"text": [PROMPT.format(row) for row in range(count)]})
    folder = tempfile.mkdtemp()

    def work() -> int:
        made = llm(rows, working_dir=folder)
        found = getattr(made, "dataset", made)
        return count - len(found)

    return work


def cpu_s() -> float:
    """Seconds of processor time of this process and of those of its children that ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def main(name: str, url: str, connections: str, rows: str) -> None:
    count = int(rows)
    work = {"distilabel": distilabel, "curator": curator}[name](url, int(connections), count)
    used, began = cpu_s(), time.perf_counter()
    failed = work()
    seconds = time.perf_counter() - began
    facts = {"rate": count / seconds, "cpu_ms": 1000 * (cpu_s() - used) / count, "rss_mb": 0, "failed": failed}
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])

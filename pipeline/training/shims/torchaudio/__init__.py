"""Stands in for torchaudio where that cannot be imported (CPU builds of torch have no matching one).

LLaMA-Factory imports torchaudio at start and uses it for audio input only (src/llamafactory/data/mm_plugin.py@v0.9.5).
The training child gets this folder on its path only when the real package fails to import.
"""


def __getattr__(name: str) -> object:
    raise AttributeError(f"torchaudio.{name} is not available: this installation trains on text only.")

"""The browser files: packages as locked, templates that keep the content policy, colours that can be told apart."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template import Engine

from scripts.vendor import plotly_rules

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "static"
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
LOCK: dict[str, dict[str, str]] = json.loads((STATIC / "vendor.lock").read_text(encoding="utf-8"))
ORDER = ("off", "ub", "cia", "pp", "em", "pmh", "ia", "mi", "dp", "ns", "ex", "pr", "dt", "ps")
each_template = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))


@pytest.mark.parametrize("name", sorted(LOCK))
def test_a_vendored_file_is_the_one_in_the_lock(name: str) -> None:
    assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == LOCK[name]["sha256"]


def test_nothing_stands_in_the_vendor_folder_that_the_lock_does_not_name() -> None:
    found = {f"vendor/{path.name}" for path in (STATIC / "vendor").iterdir()}
    assert found == {*LOCK, "vendor/LICENSES.md"}


def test_the_licence_of_every_vendored_package_is_kept() -> None:
    text = (STATIC / "vendor" / "LICENSES.md").read_text(encoding="utf-8")
    assert all(f"{entry['package']} {entry['version']}" in text for entry in LOCK.values())


def test_the_plotly_sheet_holds_the_rules_of_the_bundle() -> None:
    rules = plotly_rules((STATIC / "vendor" / "plotly-cartesian.min.js").read_text(encoding="utf-8"))
    assert rules in (STATIC / "vendor" / "plotly.css").read_text(encoding="utf-8")
    assert ".js-plotly-plot .plotly .main-svg" in rules


@each_template
def test_a_template_compiles(path: Path) -> None:
    engine = Engine(
        dirs=[str(ROOT / "templates")],
        libraries={
            "admin_list": "django.contrib.admin.templatetags.admin_list",
            "i18n": "django.templatetags.i18n",
            "static": "django.templatetags.static",
            "humanize": "django.contrib.humanize.templatetags.humanize",
            "keys": "madsafe_web.core.templatetags.keys",
            "partials": "template_partials.templatetags.partials",
        },
    )
    engine.get_template(str(path.relative_to(ROOT / "templates")))


class Markup(HTMLParser):
    """Collects what the content policy refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.in_script = tag == "script"
        if tag == "style":
            self.refused.append("<style>")
        for name, value in attrs:
            if name == "style" or name.startswith(("on", "hx-on")):
                self.refused.append(name)
            if name.startswith("hx-") and (value or "").startswith("js:"):
                self.refused.append(f"{name}={value}")
            if name == "hx-trigger" and "[" in (value or ""):
                self.refused.append(f"{name}={value}")

    def handle_data(self, data: str) -> None:
        if self.in_script and data.strip():
            self.refused.append("script with a body")
        self.in_script = False


def markup(path: Path) -> Markup:
    # Tags become nothing, variables a word, so that quotes inside them do not end an attribute.
    text = re.sub(r"\{%.*?%\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    parser = Markup()
    parser.feed(re.sub(r"\{\{.*?\}\}", "value", text))
    return parser


@each_template
def test_a_template_holds_nothing_that_the_content_policy_refuses(path: Path) -> None:
    assert markup(path).refused == []


@each_template
def test_a_template_marks_no_data_as_safe_html(path: Path) -> None:
    assert not re.search(r"\|\s*safe\b|autoescape off", path.read_text(encoding="utf-8"))


@each_template
def test_every_post_form_carries_the_csrf_token(path: Path) -> None:
    forms = re.findall(r'<form[^>]*method="post".*?</form>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert [form for form in forms if "{% csrf_token %}" not in form] == []


def test_every_icon_used_is_in_the_sprite() -> None:
    sprite = set(re.findall(r'id="(i-[a-z-]+)"', (ROOT / "templates/partials/icons.html").read_text(encoding="utf-8")))
    used = {name for path in TEMPLATES for name in re.findall(r'href="#(i-[a-z-]+)"', path.read_text(encoding="utf-8"))}
    assert used <= sprite


def test_every_static_file_named_in_a_template_exists() -> None:
    pattern = re.compile(r'\{% static "([^"]+)" %\}')
    named = {name for path in TEMPLATES for name in pattern.findall(path.read_text(encoding="utf-8"))}
    assert [name for name in sorted(named) if not (STATIC / name).is_file()] == []


def test_only_the_token_sheet_holds_colours() -> None:
    hexes = {
        path.name: re.findall(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)", path.read_text(encoding="utf-8"))
        for path in (STATIC / "css").glob("*.css")
        if path.name != "tokens.css"
    }
    assert {name: found for name, found in hexes.items() if found} == {}


def palette(theme: str) -> dict[str, str]:
    """The colours of one theme by token name."""
    sheet = (STATIC / "css" / "tokens.css").read_text(encoding="utf-8")
    block = re.search(r'\[data-bs-theme="' + theme + r'"\] \{(.*?)\n\}', sheet, re.DOTALL)
    assert block is not None
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", block.group(1)))


def linear(colour: str) -> list[float]:
    """Linear-light red, green and blue, 0..1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def luminance(colour: str) -> float:
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))


def contrast(one: str, other: str) -> float:
    """WCAG contrast, 1..21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear light.
SIGHTS = {
    "normal": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
WHITE = (0.95047, 1.0, 1.08883)
Lab = tuple[float, float, float]


def times(matrix: tuple[tuple[float, ...], ...], vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def lab(colour: str, sight: str) -> Lab:
    """CIELAB of a colour as a kind of sight sees it."""
    seen = [min(1.0, max(0.0, part)) for part in times(SIGHTS[sight], linear(colour))]
    scaled = [part / white for part, white in zip(times(TO_XYZ, seen), WHITE, strict=True)]
    x, y, z = (value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in scaled)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def hue(a: float, b: float) -> float:
    return math.degrees(math.atan2(b, a)) % 360 if a or b else 0.0


def ciede2000(one: Lab, other: Lab) -> float:
    """Colour difference, Sharma, Wu and Dalal 2005."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean**7 / (mean**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2, h1, h2 = math.hypot(a1, b1), math.hypot(a2, b2), hue(a1, b1), hue(a2, b2)
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    dh = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    lm, cm = (l1 + l2) / 2, (c1 + c2) / 2
    hm = (h1 + turn / 2) % 360 if c1 * c2 else h1 + h2
    t = 1 - 0.17 * math.cos(math.radians(hm - 30)) + 0.24 * math.cos(math.radians(2 * hm))
    t += 0.32 * math.cos(math.radians(3 * hm + 6)) - 0.20 * math.cos(math.radians(4 * hm - 63))
    sl = 1 + 0.015 * (lm - 50) ** 2 / math.sqrt(20 + (lm - 50) ** 2)
    sc, sh = 1 + 0.045 * cm, 1 + 0.015 * cm * t
    rc = 2 * math.sqrt(cm**7 / (cm**7 + 25**7))
    rt = -math.sin(math.radians(60 * math.exp(-(((hm - 275) / 25) ** 2)))) * rc
    dl, dc, dhs = (l2 - l1) / sl, (c2 - c1) / sc, dh / sh
    return math.sqrt(dl**2 + dc**2 + dhs**2 + rt * dc * dhs)


def test_the_colour_difference_agrees_with_the_published_pairs() -> None:
    assert ciede2000((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485)) == pytest.approx(2.0425, abs=1e-4)
    assert ciede2000((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387)) == pytest.approx(1.2644, abs=1e-4)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("sight", sorted(SIGHTS))
def test_the_14_category_colours_stay_apart(theme: str, sight: str) -> None:
    colours = [lab(palette(theme)[f"cat-{code}"], sight) for code in ORDER]
    assert min(ciede2000(*pair) for pair in itertools.combinations(colours, 2)) > 11


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_category_colour_stands_out_from_its_ground(theme: str) -> None:
    colours = palette(theme)
    assert min(contrast(colours[f"cat-{code}"], colours["surface"]) for code in ORDER) >= 2.99


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable_on_every_ground(theme: str) -> None:
    colours = palette(theme)
    pairs = [(text, ground) for text in ("ink", "ink-2", "ink-3") for ground in ("paper", "surface", "sunken")]
    pairs += [("on-accent", "accent"), ("accent-strong", "accent-soft"), ("series-paper", "surface")]
    pairs += [(name, f"{name}-soft") for name in ("safe", "unsafe", "unsure")]
    assert min(contrast(colours[text], colours[ground]) for text, ground in pairs) >= 4.5

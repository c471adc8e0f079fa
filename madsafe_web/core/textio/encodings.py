"""The encoding of text without a mark, told from its bytes.

Chinese, Japanese, Korean and Western bytes nearly all pass for GB18030, so that they decode is not enough: the text has
to look like Chinese as well.
"""

from __future__ import annotations

import codecs
import re

from madsafe_web.core.textio.records import BadFile, Named, is_unicode

ADVICE = "Save it as UTF-8 and import it again"
_SAMPLE = 64 * 1024  # bytes that are looked at, because charset-normalizer is slow
_FEW = 40  # bytes above ASCII that are too few to tell languages apart
_CHINESE_SHARE = 0.15  # of characters above ASCII; wrong encodings give at most half of it, Chinese three times as much

# The most frequent characters of Chinese in both scripts, and its punctuation.
_FREQUENT = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然"
    "家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把"
    "机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果"
    "加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔"
    "更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展"
    "這個們來為國時會對說過發後裡種經學當沒動還進樣從實無與長機業將兩間問應頭體見產話內給門兒東聲論處義幾認條氣題變"
    "總電數報結務場計，。、；：？！（）《》“”‘’…—"
)
_WESTERN = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿŒœŠšŽžŸ\s0-9‘’“”–—…€£§°«»¡¿·•\x00-\x7f]*")


def encoding_of(path: Named, chunk: bytes) -> str:
    """The encoding of a file by the first of its bytes that are not ASCII. Raises BadFile when none fits.

    UTF-8 and GB18030 may hold a few broken bytes, which then reject only their rows.
    """
    text = _decoded(chunk, "utf-8")
    if is_unicode(text) or _is_mostly_whole(text):
        return "utf-8"
    text = _decoded(chunk, "gb18030")
    whole = is_unicode(text)
    # The language shows in the lines above ASCII, of which a file with much English may have a few only.
    sample = b"\n".join(line for line in chunk.split(b"\n") if not line.isascii())[:_SAMPLE]
    if (whole or _is_mostly_whole(text)) and _is_chinese(_decoded(sample, "gb18030")):
        return "gb18030"
    if _is_western(sample):
        return "cp1252"
    if whole and sum(byte > 127 for byte in chunk) < _FEW:
        return "gb18030"
    return _likeliest(path, sample)


def _decoded(chunk: bytes, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)("surrogateescape").decode(chunk, final=False)


def _is_mostly_whole(text: str) -> bool:
    """True when broken bytes are rare enough to be damaged rows.

    A wrong guess hardly ever yields characters from U+0800 on (three bytes in UTF-8), so these weigh more than others.
    """
    broken = sum("\udc80" <= char <= "\udcff" for char in text)
    long = sum("\u0800" <= char < "\ud800" or char >= "\ue000" for char in text)
    short = sum("\x80" <= char < "\u0800" for char in text)
    return long >= 3 * broken or short >= 10 * broken


def _is_chinese(text: str) -> bool:
    above = [char for char in text if char > "\x7f"]
    frequent = sum(char in _FREQUENT for char in above)
    kana = sum("\u3040" <= char <= "\u30ff" for char in above)
    return frequent >= _CHINESE_SHARE * len(above) and kana < frequent


def _is_western(sample: bytes) -> bool:
    """True for Western letters among mostly plain ones; Cyrillic and Greek texts have hardly any plain ones."""
    text = sample.decode("cp1252", "replace")
    plain = sum(char.isascii() and char.isalpha() for char in text)
    return _WESTERN.fullmatch(text) is not None and sum(char > "\x7f" for char in text) * 2 < plain


def _likeliest(path: Named, sample: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    if best is None:
        raise BadFile(path, "its encoding is not known", ADVICE)
    return best.encoding

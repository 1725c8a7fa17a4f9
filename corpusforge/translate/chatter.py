"""What a language model says around or instead of a translation: refusals, introductions, notes, mark-up, alternatives.

Every rule compares with the source: what the source has itself (a heading, a list, an apology, "Note:") may be in its
translation. A phrase is found in the languages that models talk in, English and Chinese, and under the English names of
all languages; what a model says about its work in another language is not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from corpusforge.text import numerals, scripts
from corpusforge.text.languages import LANGUAGES

_FLAGS = re.IGNORECASE | re.MULTILINE

# The first of each pair says it in the answer, the second is what in a source makes it the source's own.
_REFUSALS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (re.compile(said, _FLAGS), re.compile(meant, _FLAGS))
    for said, meant in (
        (
            r"\bas an? (?:ai|artificial intelligence|(?:large )?language model)\b"
            r"|\bi(?: a|['’])m an? (?:ai|language model)\b",
            r"\b(?:ai|ia|ki)\b|ИИ|artificial intelligence|language model|人工智能|语言模型|語言模型",
        ),
        (
            r"\bi(?: a|['’])m (?:very |so |really )?sorry\b|\bmy apologies\b|\bi apologi[sz]e\b"
            r"|\bi(?: a|['’])m afraid i\b",
            r"\bsorry\b|apolog|afraid|抱歉|对不起|對不起|不好意思|道歉|遗憾|恐怕|失礼",
        ),
        (
            r"\bi (?:cannot|can ?not|can['’]t|won['’]t|am unable to|am not able to|do not|don['’]t)"
            r"(?: be able to)? (?:translate|assist|help|provide|fulfil|comply|complete|answer|generate|speak"
            r"|understand the request)|\bi(?:['’]m| am) (?:unable|not able) to (?:translate|assist|help|provide|fulfil"
            r"|comply|complete)",
            r"\bcan(?:no|['’])t\b|\bunable\b|\bnot able\b|\bwon['’]t\b|\bdon['’]t\b"
            r"|不能|无法|無法|不会|不會|没法|没办法|不懂",
        ),
        (
            r"作为(?:一个|一名|一款)?(?:人工智能|AI|ＡＩ|(?:大型?)?语言模型)|我是(?:一个|一名|一款)?(?:人工智能|AI|语言模型)",
            r"人工智能|\bai\b|语言模型|language model|artificial intelligence",
        ),
        (
            r"(?:抱歉|对不起|不好意思)[，,。！! ]{0,2}我?(?:无法|不能|没办法|没法|暂时)"
            r"|我(?:无法|不能)(?:翻译|协助|提供|完成|回答)",
            r"抱歉|对不起|不好意思|无法|不能|没法|没办法|\bsorry\b|apolog|unable|can(?:no|['’])t",
        ),
    )
)

_NAMES = "|".join(
    sorted({re.escape(re.sub(r" \(.*", "", one.name)) for one in LANGUAGES.values()}, key=len, reverse=True)
)
_ENGLISH_NAME = f"(?:{_NAMES}|Tibetan|Persian|Arabic|Kurdish|Azerbaijani|Malay|Norwegian)"
_CHINESE_NAME = r"(?:[^\W\d_a-zA-Z]{1,4}[语語文])"
_INTRODUCTIONS = tuple(
    re.compile(rule, re.IGNORECASE)
    for rule in (
        r"^(?:sure|certainly|of course|absolutely|okay|ok|no problem|alright)\b(?:[,!.:]|\s*[-–—])",
        r"^here(?:['’]s| is| are| you go)\b[^\n]{0,80}\b(?:translat\w*|version|text)\b",
        rf"^(?:the |my |your )?(?:{_ENGLISH_NAME} )?translat(?:ion|ed)\b[^\n:：]{{0,50}}(?:[:：]| is\b)",
        rf"^(?:in )?{_ENGLISH_NAME}(?: (?:translation|version|text))?\s*[:：]",
        r"^(?:output|answer|result|response|target|source|input|assistant|user|system|final answer)\s*[:：]",
        r"^(?:当然|好的|没问题|可以的)[，,！!。：: ]",
        r"^(?:以下|下面|这)(?:就)?(?:是|为)[^\n]{0,24}(?:翻译|译文|版本|译本)",
        rf"^(?:参考|最终)?(?:{_CHINESE_NAME})?(?:翻译|译文|译本|译)(?:结果|如下|成{_CHINESE_NAME}|为{_CHINESE_NAME})*\s*[:：]",
        rf"^{_CHINESE_NAME}\s*[:：]",
    )
)
_NOTES = re.compile(
    r"(?:^|[(（\[【*_]\s*)(?:translator['’]?s? )?(?:note|notes|n\.?b\.?|explanation|literal(?:ly| translation)"
    r"|pronunciation|romani[sz]ation|transliteration|disclaimer|注|注释|注意|备注|译注|译者注|说明|解释|直译|意译|拼音|发音)\s*[*_]*\s*[:：]",
    _FLAGS,
)
_LABEL = re.compile(r"[^:：\n]{1,60}[:：]")
_LET_ME_KNOW = re.compile(
    r"\b(?:let me know if|i hope this helps|if you (?:need|have) any (?:other|further|more))\b"
    r"|希望(?:这|对你|对您)[^\n]{0,8}帮助|如果(?:你|您)(?:还)?(?:有|需要)[^\n]{0,12}(?:告诉我|问题)",
    re.IGNORECASE,
)
_MARKUP = (
    ("a heading (#)", re.compile(r"^#{1,6} ", re.MULTILINE)),
    ("a code fence (```)", re.compile(r"```")),
    ("bold type (**)", re.compile(r"\*\*|__(?=\w)")),
    ("a list", re.compile(r"^[ \t]*[-*•][ \t]+\S", re.MULTILINE)),
    ("a tag", re.compile(r"</?[a-z_]{2,20}(?: [^<>\n]*)?>|<\|[a-z_]{2,20}\|>|\[/?INST\]|</?s>", re.IGNORECASE)),
)
_NUMBERED = re.compile(
    r"^[ \t]*(?:option |version |alternative )?[(（]?[1-9１-９][.)）．、:：]", re.IGNORECASE | re.MULTILINE
)
_OR_ELSE = re.compile(r"^[ \t(（]*(?:or|alternatively|alternative|another option|或者?|或译)\s*[:：,，]", _FLAGS)
_PARAGRAPHS = re.compile(r"\n[ \t]*\n")

_ENGLISH_RUN = re.compile(r"[A-Za-z][A-Za-z'’]*(?:[ ,;]{1,2}[A-Za-z][A-Za-z'’]*){5,}")
_FUNCTION_WORDS = frozenset(
    [
        "the",
        "of",
        "and",
        "to",
        "in",
        "is",
        "was",
        "are",
        "that",
        "this",
        "for",
        "with",
        "as",
        "it",
        "be",
        "which",
        "from",
        "you",
        "means",
        "into",
        "by",
    ]
)


def refusal(answer: str, source: str, source_lang: str, lang: str) -> str | None:
    """The words with which the answer refuses, None where it does not or where the source says such a thing itself."""
    for rule, (said, meant) in enumerate(_REFUSALS):
        match = said.search(answer)
        # An apology is a translation's own unless the source, too, is in a language whose apologies are known here.
        if match and not meant.search(source) and (rule == 0 or _tellable(match[0], source_lang, lang)):
            return match[0]
    return None


def chatter(answer: str, source: str, source_lang: str, lang: str) -> str | None:
    """What the answer has besides a translation, in words that complete "it has …"; None for nothing.

    Args:
        answer: The cleaned answer.
        source: What was to be translated.
        source_lang: FLORES-200 code of the source's language.
        lang: FLORES-200 code of the language of the answer. Where it is not written in Latin letters, a run of English
            words is an explanation.
    """
    return next(_found(answer, source, source_lang, lang), None)


def _tellable(phrase: str, source_lang: str, lang: str) -> bool:
    """Whether a phrase is no translation's own: it is in a third language, or the source can be searched for it."""
    own = "zho" if scripts.letters(phrase)["Hani"] else "eng"
    return own != numerals.language(lang) or numerals.language(source_lang) in ("zho", "eng")


def _found(answer: str, source: str, source_lang: str, lang: str) -> Iterator[str]:
    for rule in _INTRODUCTIONS:
        match = rule.search(answer)
        if match and not _introduces(match[0], source) and _tellable(match[0], source_lang, lang):
            yield f'an introduction ("{match[0].strip()[:60]}")'
    for name, rule in (("a note", _NOTES), ("words to the reader", _LET_ME_KNOW)):
        match = rule.search(answer)
        if match and not match.start() and _LABEL.match(source):
            continue  # "Beware: …" is 注意：…
        if match and not rule.search(source) and _tellable(match[0], source_lang, lang):
            yield f'{name} ("{match[0].strip()[:60]}")'
    for name, rule in _MARKUP:
        if rule.search(answer) and not rule.search(source):
            yield f"{name} that the source has not"
    several = len(_NUMBERED.findall(answer))
    if several > max(1, len(_NUMBERED.findall(source))) or (_OR_ELSE.search(answer) and not _OR_ELSE.search(source)):
        yield "several alternatives"
    paragraphs = len(_PARAGRAPHS.findall(answer))
    if paragraphs > len(_PARAGRAPHS.findall(source)):
        yield f"{paragraphs + 1} paragraphs, the source {len(_PARAGRAPHS.findall(source)) + 1}"
    if not lang.endswith("_Latn"):
        for match in _ENGLISH_RUN.finditer(answer):
            words = {word.lower() for word in re.findall(r"[A-Za-z]+", match[0])}
            if len(words & _FUNCTION_WORDS) >= 2 and match[0].lower() not in source.lower():
                yield f'English ("{match[0][:60]}")'


def _introduces(words: str, source: str) -> bool:
    """Whether the source begins in a way that translates to these words: with a label, or with a word of assent."""
    if re.search(r"[:：]", words):
        return _LABEL.match(source) is not None
    opening = source[:80].lower()
    return any(
        word in opening
        for word in (
            "当然", "好的", "好", "没问题", "可以", "肯定", "行", "sure", "certainly", "of course", "absolutely", "ok",
            "no problem", "翻译", "译", "translat", "version", "当", "原来", "alright", "自然", "难怪",
        )
    )  # fmt: skip

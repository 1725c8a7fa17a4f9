"""From text to what a voice reads: by our own rules for Chinese, Tibetan and Burmese, by espeak-ng for the rest.

Nothing is imported before a sentence of its language comes by.
"""

from __future__ import annotations

from importlib import import_module

from corpusforge.speech.engine import Spoken

RULES = {"zho_Hans": "mandarin", "zho_Hant": "mandarin", "bod_Tibt": "tibetan", "mya_Mymr": "burmese"}

_REVISIONS = {"mandarin": 2, "tibetan": 1, "burmese": 3, "plain": 2}
"""Equal to each module's own REVISION (a test holds it): known here without loading the rules."""

# Every voice of espeak-ng 1.52 for a language of FLORES-200, but those that cannot be used:
# - my aborts the process (buffer overflow) on most sentences; Burmese is given to cmn as phonemes instead
# - shn names the letters of Shan in English
# - ja reads kana only, and says "Chinese letter" for every kanji
# - th takes tone marks for consonants and leaves out most vowels: ที่ is "ths", น้ำ is "n s"
# - he knows no vowels of unpointed text, and spells pointed text in English
# - fo has no dictionary in espeakng-loader, and is silent
# Dialects and near relatives of a language (Egyptian Arabic, Dari, Nynorsk) are not given its voice.
_VOICES = """
afr_Latn af  als_Latn sq  amh_Ethi am  arb_Arab ar  asm_Beng as  azj_Latn az  bak_Cyrl ba  bel_Cyrl be  ben_Beng bn
bod_Tibt cmn  bos_Latn bs  bul_Cyrl bg  cat_Latn ca  ces_Latn cs  cym_Latn cy  dan_Latn da  deu_Latn de  ell_Grek el
eng_Latn en-us  epo_Latn eo  est_Latn et  eus_Latn eu  fin_Latn fi  fra_Latn fr  gaz_Latn om  gla_Latn gd
gle_Latn ga  grn_Latn gn  guj_Gujr gu  hat_Latn ht  hin_Deva hi  hrv_Latn hr  hun_Latn hu  hye_Armn hy  ind_Latn id
isl_Latn is  ita_Latn it  kan_Knda kn  kat_Geor ka  kaz_Cyrl kk  kir_Cyrl ky  kmr_Latn ku  kor_Hang ko  lit_Latn lt
ltg_Latn ltg  ltz_Latn lb  lvs_Latn lv  mal_Mlym ml  mar_Deva mr  mkd_Cyrl mk  mlt_Latn mt  mri_Latn mi  mya_Mymr cmn
nld_Latn nl  nob_Latn nb  npi_Deva ne  ory_Orya or  pan_Guru pa  pap_Latn pap  pes_Arab fa  pol_Latn pl  por_Latn pt-br
quy_Latn qu  ron_Latn ro  rus_Cyrl ru  sin_Sinh si  slk_Latn sk  slv_Latn sl  snd_Arab sd  spa_Latn es-419  srp_Cyrl sr
swe_Latn sv  swh_Latn sw  tam_Taml ta  tat_Cyrl tt  tel_Telu te  tir_Ethi ti  tsn_Latn tn  tuk_Latn tk  tur_Latn tr
uig_Arab ug  ukr_Cyrl uk  urd_Arab ur  uzn_Latn uz  vie_Latn vi  yue_Hant yue  zho_Hans cmn  zho_Hant cmn  zsm_Latn ms
"""
_DEFAULT = dict(zip(_VOICES.split()[::2], _VOICES.split()[1::2], strict=True))


def languages() -> tuple[str, ...]:
    """FLORES codes that `speak` has a voice for."""
    return tuple(_DEFAULT)


def default_voice(lang: str) -> str | None:
    """The espeak-ng voice that reads a language, None if there is none."""
    return _DEFAULT.get(lang)


def rules_revision(lang: str) -> int:
    """Revision of the rules that make a language ready to be read."""
    return _REVISIONS[RULES.get(lang, "plain")]


def speak(text: str, lang: str, voice: str) -> Spoken:
    """A sentence as segments that espeak-ng voices read."""
    rules = RULES.get(lang)
    if rules is None:
        from corpusforge.speech.g2p.plain import speak as plain

        return plain(text, lang, voice)
    spoken: Spoken = import_module(f"corpusforge.speech.g2p.{rules}").speak(text)
    return spoken

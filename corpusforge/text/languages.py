"""The languages of FLORES-200: codes, English names and BCP 47 tags, and help with a wrong code.

Codes and names are those of the official list (NLLB Team, 2022, table of languages); tags follow the IANA registry: the
two-letter code where a language has one, the script where it is not the usual one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from corpusforge.errors import SourceError, nearest


@dataclass(frozen=True, slots=True)
class Language:
    """A language in one script: `bod_Tibt`, Standard Tibetan, `bo`."""

    code: str
    name: str
    bcp47: str


_TABLE = """
ace_Arab Acehnese (Arabic script)|ace-Arab
ace_Latn Acehnese (Latin script)|ace
acm_Arab Mesopotamian Arabic|acm
acq_Arab Ta’izzi-Adeni Arabic|acq
aeb_Arab Tunisian Arabic|aeb
afr_Latn Afrikaans|af
ajp_Arab South Levantine Arabic|ajp
aka_Latn Akan|ak
als_Latn Tosk Albanian|sq
amh_Ethi Amharic|am
apc_Arab North Levantine Arabic|apc
arb_Arab Modern Standard Arabic|ar
arb_Latn Modern Standard Arabic (Romanized)|ar-Latn
ars_Arab Najdi Arabic|ars
ary_Arab Moroccan Arabic|ary
arz_Arab Egyptian Arabic|arz
asm_Beng Assamese|as
ast_Latn Asturian|ast
awa_Deva Awadhi|awa
ayr_Latn Central Aymara|ay
azb_Arab South Azerbaijani|azb
azj_Latn North Azerbaijani|az
bak_Cyrl Bashkir|ba
bam_Latn Bambara|bm
ban_Latn Balinese|ban
bel_Cyrl Belarusian|be
bem_Latn Bemba|bem
ben_Beng Bengali|bn
bho_Deva Bhojpuri|bho
bjn_Arab Banjar (Arabic script)|bjn-Arab
bjn_Latn Banjar (Latin script)|bjn
bod_Tibt Standard Tibetan|bo
bos_Latn Bosnian|bs
bug_Latn Buginese|bug
bul_Cyrl Bulgarian|bg
cat_Latn Catalan|ca
ceb_Latn Cebuano|ceb
ces_Latn Czech|cs
cjk_Latn Chokwe|cjk
ckb_Arab Central Kurdish|ckb
crh_Latn Crimean Tatar|crh
cym_Latn Welsh|cy
dan_Latn Danish|da
deu_Latn German|de
dik_Latn Southwestern Dinka|dik
dyu_Latn Dyula|dyu
dzo_Tibt Dzongkha|dz
ell_Grek Greek|el
eng_Latn English|en
epo_Latn Esperanto|eo
est_Latn Estonian|et
eus_Latn Basque|eu
ewe_Latn Ewe|ee
fao_Latn Faroese|fo
fij_Latn Fijian|fj
fin_Latn Finnish|fi
fon_Latn Fon|fon
fra_Latn French|fr
fur_Latn Friulian|fur
fuv_Latn Nigerian Fulfulde|fuv
gaz_Latn West Central Oromo|om
gla_Latn Scottish Gaelic|gd
gle_Latn Irish|ga
glg_Latn Galician|gl
grn_Latn Guarani|gn
guj_Gujr Gujarati|gu
hat_Latn Haitian Creole|ht
hau_Latn Hausa|ha
heb_Hebr Hebrew|he
hin_Deva Hindi|hi
hne_Deva Chhattisgarhi|hne
hrv_Latn Croatian|hr
hun_Latn Hungarian|hu
hye_Armn Armenian|hy
ibo_Latn Igbo|ig
ilo_Latn Ilocano|ilo
ind_Latn Indonesian|id
isl_Latn Icelandic|is
ita_Latn Italian|it
jav_Latn Javanese|jv
jpn_Jpan Japanese|ja
kab_Latn Kabyle|kab
kac_Latn Jingpho|kac
kam_Latn Kamba|kam
kan_Knda Kannada|kn
kas_Arab Kashmiri (Arabic script)|ks
kas_Deva Kashmiri (Devanagari script)|ks-Deva
kat_Geor Georgian|ka
kaz_Cyrl Kazakh|kk
kbp_Latn Kabiyè|kbp
kea_Latn Kabuverdianu|kea
khk_Cyrl Halh Mongolian|mn
khm_Khmr Khmer|km
kik_Latn Kikuyu|ki
kin_Latn Kinyarwanda|rw
kir_Cyrl Kyrgyz|ky
kmb_Latn Kimbundu|kmb
kmr_Latn Northern Kurdish|ku
knc_Arab Central Kanuri (Arabic script)|knc-Arab
knc_Latn Central Kanuri (Latin script)|knc
kon_Latn Kikongo|kg
kor_Hang Korean|ko
lao_Laoo Lao|lo
lij_Latn Ligurian|lij
lim_Latn Limburgish|li
lin_Latn Lingala|ln
lit_Latn Lithuanian|lt
lmo_Latn Lombard|lmo
ltg_Latn Latgalian|ltg
ltz_Latn Luxembourgish|lb
lua_Latn Luba-Kasai|lua
lug_Latn Ganda|lg
luo_Latn Luo|luo
lus_Latn Mizo|lus
lvs_Latn Standard Latvian|lv
mag_Deva Magahi|mag
mai_Deva Maithili|mai
mal_Mlym Malayalam|ml
mar_Deva Marathi|mr
min_Arab Minangkabau (Arabic script)|min-Arab
min_Latn Minangkabau (Latin script)|min
mkd_Cyrl Macedonian|mk
mlt_Latn Maltese|mt
mni_Beng Meitei (Bengali script)|mni
mos_Latn Mossi|mos
mri_Latn Maori|mi
mya_Mymr Burmese|my
nld_Latn Dutch|nl
nno_Latn Norwegian Nynorsk|nn
nob_Latn Norwegian Bokmål|nb
npi_Deva Nepali|ne
nso_Latn Northern Sotho|nso
nus_Latn Nuer|nus
nya_Latn Nyanja|ny
oci_Latn Occitan|oc
ory_Orya Odia|or
pag_Latn Pangasinan|pag
pan_Guru Eastern Panjabi|pa
pap_Latn Papiamento|pap
pbt_Arab Southern Pashto|ps
pes_Arab Western Persian|fa
plt_Latn Plateau Malagasy|mg
pol_Latn Polish|pl
por_Latn Portuguese|pt
prs_Arab Dari|fa-AF
quy_Latn Ayacucho Quechua|qu
ron_Latn Romanian|ro
run_Latn Rundi|rn
rus_Cyrl Russian|ru
sag_Latn Sango|sg
san_Deva Sanskrit|sa
sat_Olck Santali|sat
scn_Latn Sicilian|scn
shn_Mymr Shan|shn
sin_Sinh Sinhala|si
slk_Latn Slovak|sk
slv_Latn Slovenian|sl
smo_Latn Samoan|sm
sna_Latn Shona|sn
snd_Arab Sindhi|sd
som_Latn Somali|so
sot_Latn Southern Sotho|st
spa_Latn Spanish|es
srd_Latn Sardinian|sc
srp_Cyrl Serbian|sr
ssw_Latn Swati|ss
sun_Latn Sundanese|su
swe_Latn Swedish|sv
swh_Latn Swahili|sw
szl_Latn Silesian|szl
tam_Taml Tamil|ta
taq_Latn Tamasheq (Latin script)|taq
taq_Tfng Tamasheq (Tifinagh script)|taq-Tfng
tat_Cyrl Tatar|tt
tel_Telu Telugu|te
tgk_Cyrl Tajik|tg
tgl_Latn Tagalog|tl
tha_Thai Thai|th
tir_Ethi Tigrinya|ti
tpi_Latn Tok Pisin|tpi
tsn_Latn Tswana|tn
tso_Latn Tsonga|ts
tuk_Latn Turkmen|tk
tum_Latn Tumbuka|tum
tur_Latn Turkish|tr
twi_Latn Twi|tw
tzm_Tfng Central Atlas Tamazight|tzm
uig_Arab Uyghur|ug
ukr_Cyrl Ukrainian|uk
umb_Latn Umbundu|umb
urd_Arab Urdu|ur
uzn_Latn Northern Uzbek|uz
vec_Latn Venetian|vec
vie_Latn Vietnamese|vi
war_Latn Waray|war
wol_Latn Wolof|wo
xho_Latn Xhosa|xh
ydd_Hebr Eastern Yiddish|yi
yor_Latn Yoruba|yo
yue_Hant Yue Chinese|yue
zho_Hans Chinese (Simplified)|zh-Hans
zho_Hant Chinese (Traditional)|zh-Hant
zsm_Latn Standard Malay|ms
zul_Latn Zulu|zu
"""


def _read() -> dict[str, Language]:
    found = {}
    for line in _TABLE.strip().splitlines():
        code, _, rest = line.partition(" ")
        name, _, tag = rest.partition("|")
        found[code] = Language(code, name, tag)
    return found


LANGUAGES: Mapping[str, Language] = MappingProxyType(_read())

_SCRIPTS: Mapping[str, str] = MappingProxyType(
    {
        "Arab": "Arabic",
        "Armn": "Armenian",
        "Beng": "Bengali",
        "Cyrl": "Cyrillic",
        "Deva": "Devanagari",
        "Ethi": "Ethiopic",
        "Geor": "Georgian",
        "Grek": "Greek",
        "Gujr": "Gujarati",
        "Guru": "Gurmukhi",
        "Hang": "Hangul",
        "Hebr": "Hebrew",
        "Jpan": "Japanese",
        "Khmr": "Khmer",
        "Knda": "Kannada",
        "Laoo": "Lao",
        "Latn": "Latin",
        "Mlym": "Malayalam",
        "Mymr": "Myanmar",
        "Olck": "Ol Chiki",
        "Orya": "Odia",
        "Sinh": "Sinhala",
        "Taml": "Tamil",
        "Telu": "Telugu",
        "Tfng": "Tifinagh",
        "Thai": "Thai",
        "Tibt": "Tibetan",
        "Hans": "simplified Chinese",
        "Hant": "traditional Chinese",
    }
)
"""English names of the scripts that FLORES-200 has, by ISO 15924 code."""


def described(code: str, where: str) -> str:
    """A language's English name with its script, for people and models: `Standard Tibetan (Tibetan script)`.

    A name that already tells the variant stays as it is: `Chinese (Simplified)`, `Kashmiri (Arabic script)`.

    Raises:
        SourceError: As `check`.
    """
    name = check(code, where).name
    return name if name.endswith(")") else f"{name} ({_SCRIPTS[code.partition('_')[2]]} script)"


def check(code: str, where: str) -> Language:
    """The language of a code.

    Args:
        code: `bod_Tibt`.
        where: Stands before the message: a file and line, or the name of a setting.

    Raises:
        SourceError: Not a code of FLORES-200. The message gives the nearest codes, looked for among codes, tags and
            names: 'tibetan', 'bo', 'bod' and 'bod_Tib' all lead to 'bod_Tibt'.
    """
    found = LANGUAGES.get(code)
    if found is None:
        raise SourceError(f"{where}: '{code}' is not a FLORES-200 code such as 'bod_Tibt': {_suggest(code)}")
    return found


def _suggest(wrong: str) -> str:
    folded = wrong.strip().casefold()
    primary = folded.replace("_", "-").partition("-")[0]  # of a tag: bo-CN, zh_TW
    exact = [
        language
        for language in LANGUAGES.values()
        if primary in (language.bcp47.partition("-")[0], language.code.partition("_")[0])
        or (len(folded) > 3 and folded in language.name.casefold())
    ]
    if exact:
        return "did you mean " + " or ".join(f"'{found.code}' ({found.name})" for found in exact[:3]) + "?"
    by_any = {language.code: language for language in LANGUAGES.values()}
    by_any |= {language.name: language for language in LANGUAGES.values()}
    hint = nearest(wrong, by_any)
    for name, language in by_any.items():
        hint = hint.replace(f"'{name}'", f"'{language.code}' ({language.name})")
    return hint

"""Whether a text is in another language that shares the script with the one it should be in, as far as rules can tell.

Told apart, by letters or words that the one language has and the other one has not:

- Burmese from Shan, Mon and Karen, and Shan from Burmese: letters of the Myanmar blocks
- Standard Tibetan from Dzongkha and the other way round: particles, verbs, and Dzongkha's closed final པ and ཝ
- simplified from traditional hanzi; Mandarin from written Cantonese (not Cantonese from Mandarin)
- English from every other language in Latin letters: function words
- Russian, Belarusian, Ukrainian, Bulgarian, Macedonian and Serbian from each other: letters

Not told apart: languages in Latin letters other than English, the languages in Arabic, Devanagari and Bengali letters,
and Cyrillic ones that have each other's letters. A text too short to tell passes. No rule here is a probability: each
asks for several marks at once, so that a name or a quotation does not decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from corpusforge.text import scripts

_LONG = 12
"""Words from which on an English text has a function word."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MYANMAR = re.compile("[\u1000-\u109f\ua9e0-\ua9fe\uaa60-\uaa7f]")
_MYANMAR_OTHERS = re.compile("[\u1022\u1028\u1033-\u1035\u1050-\u108f\u109a-\u109f\ua9e0-\ua9fe\uaa60-\uaa7f]")
# Pali and Sanskrit letters of Burmese texts are in the same block.
_MYANMAR_SHARED = re.compile("[\u1050-\u1059]")

_TIBETAN_SYLLABLE = re.compile("[\u0f40-\u0fbc]+")
_DZONGKHA = _words("ལུ ཨིན ཨིནམ ཨིནམས ཨིནཔ མེནམ འབད འབདཝ འབདན འབདི འབདཝད འབདནི སྒྱེ སྒྱེཝ ཡོདཔ ཡོདཔི ཨིནམི བཟུམ དགོཔ དགོ ཚུ")
_DZONGKHA_ENDING = re.compile("[\u0f40-\u0fbc]*[\u0f72\u0f74\u0f7a\u0f7c](?:ཝ|[གངདནབམརལས]པ)$")
_TIBETAN = _words("རེད འདུག ཀྱིས གྱིས གིས ཚོས ཚོའི སོང བྱུང ལ ལགས")

_CANTONESE = re.compile("[嘅咗喺哋嘢啲冇嚟咁嗰佢唔]")
_SIMPLIFIED = frozenset(
    "们这个来国为时说会对发动经问开间门关东车长马鸟鱼见贝风飞龙语论认识让话该请谁读课谢译诉记许设证评试诗"
    "样学实际阶级点电业专两严丧丰临举义乐习乡书买乱争亏云亚产亲从仓仪价众优伟传伤伦儿党兰兴养兽内冲决况净凉减"
    "刘则刚创别剧劝办务劳势区医华协单卖卫压厅历厉县参双变叙号叹吗听启员响团园围图圆圣场坏块坚坛垒处备复够头夺奖"
    "妇妈孙宁宝审宽对寻导寿将尔尝层岁岂岛币师带帮应庙废张弹强归录忆忧怀态总恋恶惊惯愿戏战户执扩扫扬抚抢护报担拥拟"
    "择挥损换据断无旧显晓术机杀杂权条极构标树桥检楼欢欧步毁毕气汇汉沟泽洁济测浓涛润涨渐湾湿满滚滞灭灯灵灾炉炼烂热爱"
    "爷牵独狮猎猪现环电画疗疯监盘础确础离种积称稳穷竞笔筑签简类粮紧纪约级纯纲纳纵纷纸线练组细织终绍结给络绝统继续维"
    "绿缩缺网罗罚职联聪肃脏脑脚节芦苏苹药获营萧蓝虑虚虽补装规视览觉观触订计讨训议讯讲译财责贤败货质贫购贵费贸资赛"
    "赞赵赶趋跃践轮软轻载较辅辆输边达迁过迈运还进远违连迟选遗邮邻郑酱释针钟钢钱铁银链销锁错键镇长闪闭闻阅队阳阴阵陆"
    "陈险随隐难雾静韩页顶项顺须顾预领频颗题颜额饭饮饰馆驱驶验骑鸡鸣麦黄齐齿"
)
_TRADITIONAL = frozenset(
    "們這個來國為時說會對發動經問開間門關東車長馬鳥魚見貝風飛龍語論認識讓話該請誰讀課謝譯訴記許設證評試詩"
    "樣學實際階級點電業專兩嚴喪豐臨舉義樂習鄉書買亂爭虧雲亞產親從倉儀價眾優偉傳傷倫兒黨蘭興養獸內衝決況淨涼減"
    "劉則剛創別劇勸辦務勞勢區醫華協單賣衛壓廳歷厲縣參雙變敘號嘆嗎聽啟員響團園圍圖圓聖場壞塊堅壇壘處備復夠頭奪獎"
    "婦媽孫寧寶審寬尋導壽將爾嘗層歲豈島幣師帶幫應廟廢張彈強歸錄憶憂懷態總戀惡驚慣願戲戰戶執擴掃揚撫搶護報擔擁擬"
    "擇揮損換據斷無舊顯曉術機殺雜權條極構標樹橋檢樓歡歐步毀畢氣匯漢溝澤潔濟測濃濤潤漲漸灣濕滿滾滯滅燈靈災爐煉爛熱愛"
    "爺牽獨獅獵豬現環畫療瘋監盤礎確離種積稱穩窮競筆築簽簡類糧緊紀約級純綱納縱紛紙線練組細織終紹結給絡絕統繼續維"
    "綠縮網羅罰職聯聰肅髒腦腳節蘆蘇蘋藥獲營蕭藍慮虛雖補裝規視覽覺觀觸訂計討訓議訊講財責賢敗貨質貧購貴費貿資賽"
    "贊趙趕趨躍踐輪軟輕載較輔輛輸邊達遷過邁運還進遠違連遲選遺郵鄰鄭醬釋針鐘鋼錢鐵銀鏈銷鎖錯鍵鎮閃閉聞閱隊陽陰陣陸"
    "陳險隨隱難霧靜韓頁頂項順須顧預領頻顆題顏額飯飲飾館驅駛驗騎雞鳴麥黃齊齒"
)
_ONLY_SIMPLIFIED = _SIMPLIFIED - _TRADITIONAL
_ONLY_TRADITIONAL = _TRADITIONAL - _SIMPLIFIED

_LATIN_WORD = re.compile(r"[^\W\d_]+")
_ENGLISH = _words(
    "the of and to in is was are were be been has have had that which this these those with from for on "
    "as by at it its he she they their his her not or an but who will would can could may"
)
_ENGLISH_ONLY = _words("the and which this these those with from they their have would could been were that")

_CYRILLIC_FOREIGN = {
    "rus_Cyrl": "іїєґўјљњћђџѓќѕ",
    "ukr_Cyrl": "ыэъёўјљњћђџѓќѕ",
    "bel_Cyrl": "ищъїєґјљњћђџѓќѕ",
    "bul_Cyrl": "ыэёіїєґўјљњћђџѓќѕ",
    "mkd_Cyrl": "ыэёъьщюяйіїєґўћђ",
    "srp_Cyrl": "ыэёъьщюяйіїєґўѓќѕ",
}


def another_language(text: str, lang: str) -> str | None:
    """What language or script form a text seems to be in instead of `lang`, in words; None where nothing tells.

    Args:
        text: In the script of `lang`, for the most part.
        lang: FLORES-200 code of the language that it should be in.
    """
    script = lang.partition("_")[2]
    if script == "Mymr":
        return _myanmar(text, lang)
    if script == "Tibt":
        return _tibetan(text, lang)
    if script in ("Hans", "Hant"):
        return _chinese(text, lang)
    if script == "Latn":
        return _latin(text, lang)
    if lang in _CYRILLIC_FOREIGN:
        return _cyrillic(text, lang)
    return None


def _myanmar(text: str, lang: str) -> str | None:
    all_letters = len(_MYANMAR.findall(text))
    others = len(_MYANMAR_OTHERS.findall(text)) - len(_MYANMAR_SHARED.findall(text))
    if lang == "mya_Mymr" and others >= 3 and others > 0.03 * all_letters:
        return f"Shan, Mon or Karen ({others} of {all_letters} letters are not Burmese)"
    if lang == "shn_Mymr" and all_letters >= 30 and others < 0.02 * all_letters:
        return f"Burmese ({others} of {all_letters} letters are Shan)"
    return None


def _tibetan(text: str, lang: str) -> str | None:
    found = _TIBETAN_SYLLABLE.findall(text)
    marks = [syllable for syllable in found if syllable in _DZONGKHA or _DZONGKHA_ENDING.match(syllable)]
    if lang == "bod_Tibt" and len(set(marks)) >= 2 and len(marks) >= 0.08 * len(found):
        return f"Dzongkha (it has {_some(marks)})"
    own = [syllable for syllable in found if syllable in _TIBETAN]
    if lang == "dzo_Tibt" and len(found) >= 20 and not marks and len(set(own)) >= 2:
        return f"Standard Tibetan (it has {_some(own)}, and none of the particles of Dzongkha)"
    return None


def _chinese(text: str, lang: str) -> str | None:
    simplified = [hanzi for hanzi in text if hanzi in _ONLY_SIMPLIFIED]
    traditional = [hanzi for hanzi in text if hanzi in _ONLY_TRADITIONAL]
    if lang.endswith("Hans") and len(traditional) >= 2 and len(traditional) > len(simplified):
        return f"traditional hanzi ({_some(traditional)})"
    if lang.endswith("Hant") and len(simplified) >= 2 and len(simplified) > len(traditional):
        return f"simplified hanzi ({_some(simplified)})"
    cantonese = _CANTONESE.findall(text)
    if lang.startswith("zho") and len(set(cantonese)) >= 2 and len(cantonese) >= 0.05 * scripts.letters(text)["Hani"]:
        return f"Cantonese ({_some(cantonese)})"
    return None


def _latin(text: str, lang: str) -> str | None:
    words = [word.lower() for word in _LATIN_WORD.findall(text)]
    english = [word for word in words if word in _ENGLISH]
    if lang == "eng_Latn":
        if len(words) >= _LONG and len(english) < 0.07 * len(words) and not _ENGLISH_ONLY.intersection(english):
            return f"no English ({len(words)} words, and hardly one is a word like 'the', 'of' or 'and')"
    elif set(english) & _ENGLISH_ONLY and len(set(english)) >= 3 and len(english) >= 0.2 * len(words):
        return f"English (it has {_some(english)})"
    return None


def _cyrillic(text: str, lang: str) -> str | None:
    small = text.lower()
    foreign = [letter for letter in small if letter in _CYRILLIC_FOREIGN[lang]]
    if len(foreign) >= 3 and len(foreign) >= 0.02 * scripts.letters(small)["Cyrl"]:
        return f"another Cyrillic language (it has {_some(foreign)})"
    return None


def _some(marks: Iterable[str]) -> str:
    return ", ".join(list(dict.fromkeys(marks))[:5])

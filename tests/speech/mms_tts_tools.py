"""Tiny VITS checkpoints with random weights, laid out as Meta's: the letter at id 0 is the blank too."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from corpusforge.speech.engine import Prosody, Speech
from corpusforge.speech.engines.mms_tts import MmsTtsConfig, MmsTtsEngine

TSHEG, ASAT = "་", "\u103a"
TIBETAN = TSHEG + "ཀཁགངཅཆཇཉཏཐདནཔཕབམཙཚཛཝཞཟའཡརལཤསཧཨིེོུྐྑྒྔྕྗྙྟྡྣྤྥྦྨྩྫྭྱྲླྷཱ "
BURMESE = ASAT + "ားငကေတအမိရှနုသပစခညလယြျွ့ူဆဝဟထဖီံ္ဘဲဒဇဂဉဏဗဓဋဌဍဈဩဿဃဋဪဣဥဦ၏ ါ'"

SENTENCES = {
    "bod_Tibt": (
        "བོད་ཡིག",
        "བཀྲ་ཤིས་བདེ་ལེགས།",
        "ང་ཚོས་བོད་སྐད་སློབ་སྦྱོང་བྱེད་ཀྱི་ཡོད།",
        "ལྷ་སར་ནམ་ཟླ་ཡག་པོ་འདུག",
        "དེ་རིང་ཚེས་པ་བཅོ་ལྔ་རེད། ང་ཁྲོམ་ལ་འགྲོ་གི་ཡིན།",
        "ཁྱེད་རང་གི་མིང་ལ་ག་རེ་ཟེར།",
        "སློབ་གྲྭ་ཆེན་མོའི་ནང་སློབ་མ་མང་པོ་ཡོད། དགེ་རྒན་ཡང་ཉུང་ཉུང་མེད།",
        "ཆུ།",
    ),
    "mya_Mymr": (
        "မင်္ဂလာပါ။",
        "ကျွန်တော် မြန်မာစာ လေ့လာနေပါတယ်။",
        "ဒီနေ့ ရာသီဥတု သာယာပါတယ်။",
        "ရေ။",
    ),
}


def save_checkpoint(folder: Path, symbols: str = TIBETAN, **settings: object) -> Path:
    """A VITS of 30 kB with random weights, always the same ones."""
    import torch
    from transformers import VitsConfig, VitsModel

    vocabulary = {symbol: number for number, symbol in enumerate(dict.fromkeys(symbols))}
    config = VitsConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        ffn_dim=32,
        flow_size=16,
        spectrogram_bins=9,
        prior_encoder_num_flows=2,
        prior_encoder_num_wavenet_layers=2,
        posterior_encoder_num_wavenet_layers=1,
        duration_predictor_num_flows=2,
        upsample_initial_channel=16,
        upsample_rates=[4, 4],
        upsample_kernel_sizes=[8, 8],
        resblock_kernel_sizes=[3, 5],
        resblock_dilation_sizes=[[1, 3], [1, 3]],
        depth_separable_num_layers=2,
        **settings.pop("config", {}),  # type: ignore[arg-type]
    )
    with torch.random.fork_rng():
        torch.manual_seed(int(settings.pop("weights", 7)))  # type: ignore[call-overload]
        model = VitsModel(config)
        for name, parameter in model.named_parameters():
            # The initial flows of the duration predictor are the identity; a trained one's are not.
            if "duration_predictor" in name:
                torch.nn.init.normal_(parameter, std=0.2)
            elif "bias" in name:
                torch.nn.init.normal_(parameter, std=0.05)
        with torch.no_grad():
            model.decoder.conv_post.weight.mul_(0.05)  # else every sample would be at full scale
        model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    tokenizer = {
        "add_blank": True,
        "is_uroman": False,
        "language": "bod",
        "normalize": True,
        "pad_token": symbols[0],
        "phonemize": False,
        "tokenizer_class": "VitsTokenizer",
        "unk_token": "<unk>",
        **settings,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    return folder


def engine(folder: Path, lang: str = "bod_Tibt", **settings: object) -> MmsTtsEngine:
    return MmsTtsEngine(MmsTtsConfig.model_validate({"checkpoints": {lang: str(folder)}, "device": "cpu", **settings}))


PLAIN = Prosody()


def speak_all(
    one: MmsTtsEngine, texts: Sequence[str], lang: str = "bod_Tibt", prosody: Prosody = PLAIN, seed: int = 1
) -> list[Speech]:
    """All of them at once, in their order; the engine is closed afterwards."""

    async def run() -> list[Speech]:
        try:
            return list(await asyncio.gather(*(one.speak(text, lang, None, prosody, seed) for text in texts)))
        finally:
            await one.aclose()

    return asyncio.run(run())


def digest(speech: Speech) -> str:
    return hashlib.sha256(speech.samples.tobytes()).hexdigest()

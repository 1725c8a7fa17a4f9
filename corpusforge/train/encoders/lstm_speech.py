"""A frozen LSTM on mel bands: the voice encoder of the package Resemblyzer, whose weights come with it.

Only the package's weights file is read. Its code wants librosa, numba and a C compiler for webrtcvad, and none of that
is needed here; the package is installed without them: `pip install --no-deps Resemblyzer==0.1.4`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from corpusforge.errors import CorpusforgeError, MissingDependency
from corpusforge.train.encoders.base import SpeechEncoder, describe, description, mask_of
from corpusforge.train.encoders.mel import filterbank, mel_bands

RATE, SIZE, HOP, BANDS = 16_000, 400, 160, 40
DIM, LAYERS = 256, 3
LOUDNESS = 10 ** (-30 / 20)
"""Root mean square of a clip that was recorded too softly, after it was amplified: -30 dBFS, as in the package."""
INSTALL = "pip install --no-deps Resemblyzer==0.1.4"
_WEIGHTS = "model.safetensors"


class LstmSpeech(SpeechEncoder):
    """Three layers of LSTM on 40 mel bands, 100 frames a second, or fewer that are means of several.

    It reads from left to right, so that what follows a clip, as padding does, cannot change its frames, and no
    sequence needs to be packed. The frames are the hidden states of the last layer; the projection that the package
    puts on the very last one, to tell voices from each other, is left out.

    Args:
        weights: Of `nn.LSTM(40, 256, 3)`, by their names there.
        name: See `SpeechEncoder`.
        mean_of: Mel frames that are averaged into one. The weights were trained on single ones; an LSTM's cost is that
            of its frames, and adapters learn the slower pace.
    """

    kind = "lstm-speech"
    dim = DIM
    front_dim = BANDS

    def __init__(self, weights: Mapping[str, Tensor], name: str, mean_of: int = 1) -> None:
        super().__init__()
        self.name, self.mean_of = name, mean_of
        # One module a layer, so that an adapter can stand between two.
        self.lstms = nn.ModuleList(nn.LSTM(DIM if n else BANDS, DIM, batch_first=True) for n in range(LAYERS))
        for number, lstm in enumerate(self.lstms):
            own = {key: weights[key.removesuffix("0") + str(number)] for key in lstm.state_dict()}
            lstm.load_state_dict(own)
        self.register_buffer("filters", torch.from_numpy(filterbank(RATE, SIZE, BANDS)), persistent=False)
        self.filters: Tensor
        self._freeze()
        settings = f"mel-1 {RATE} {SIZE} {HOP} {LOUDNESS}{f' {mean_of}' if mean_of > 1 else ''}".encode()
        self.front_id = hashlib.sha256(settings + self.filters.numpy().tobytes()).hexdigest()

    @property
    def layers(self) -> Sequence[nn.Module]:
        """See `SpeechEncoder`."""
        return list(self.lstms)

    @torch.no_grad()
    def front(self, samples: Tensor) -> Tensor:
        """See `SpeechEncoder`; energies in mel bands of the clip, which is amplified where it is too soft.

        Unlike the package's `preprocess_wav`, long silences stay: frames keep their places in time.
        """
        if not len(samples):
            return samples.new_zeros((0, BANDS), dtype=torch.float32)
        with torch.autocast(samples.device.type, enabled=False):
            wave = samples.float()
            loudness = wave.square().mean().sqrt()
            # Digital silence stays what it is.
            wave = wave * torch.where(loudness > 0, LOUDNESS / loudness, 1.0).clamp(min=1.0)
            bands = mel_bands(wave, self.filters, HOP)
            return functional.avg_pool1d(bands.T, self.mean_of, ceil_mode=True).T

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `SpeechEncoder`; F is F0."""
        mask = mask_of(lengths, features.shape[1])
        hidden = features.float()
        for number, lstm in enumerate(self.lstms):
            hidden = self._adapted(number, lstm(hidden)[0])
        return hidden.masked_fill(~mask[..., None], 0), mask

    def save(self, folder: Path) -> None:
        """See `SpeechEncoder`."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {
            key.removesuffix("0") + str(number): weight.contiguous()
            for number, lstm in enumerate(self.lstms)
            for key, weight in lstm.state_dict().items()
        }
        save_file(weights, folder / _WEIGHTS)
        describe(folder, self, mean_of=self.mean_of)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `SpeechEncoder`."""
        said = description(folder)
        if said is None or said["kind"] != cls.kind:
            raise CorpusforgeError(f"{folder} holds no such speech encoder that was saved by corpusforge")
        try:
            return cls(load_file(folder / _WEIGHTS), said["name"], int(said.get("mean_of", 1)))
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise CorpusforgeError(f"{folder / _WEIGHTS} is damaged ({error!r}): copy the folder again") from error


def resemblyzer(mean_of: int = 1) -> LstmSpeech:
    """The encoder with the weights of the installed package.

    Args:
        mean_of: See `LstmSpeech`.

    Raises:
        MissingDependency: The package is not installed, or is not the one that is known here.
    """
    spec = importlib.util.find_spec("resemblyzer")  # finds it without running it
    file = Path(spec.origin).parent / "pretrained.pt" if spec and spec.origin else None
    if file is None or not file.is_file():
        raise MissingDependency(
            f"the speech encoder 'resemblyzer' needs the weights of the package Resemblyzer: `{INSTALL}` (its own "
            "requirements are not needed), or train with `--preset tiny`"
        )
    try:
        weights = torch.load(file, map_location="cpu", weights_only=True)["model_state"]
        own = {key.removeprefix("lstm."): value for key, value in weights.items() if key.startswith("lstm.")}
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        name = "resemblyzer" if mean_of == 1 else f"resemblyzer:{mean_of}"
        return LstmSpeech(own, f"{name}@{digest[:12]}", mean_of)
    except (OSError, KeyError, RuntimeError, TypeError, pickle.UnpicklingError) as error:
        raise MissingDependency(
            f"{file} is not Resemblyzer 0.1.4's ({error!r}): install it anew, `{INSTALL}`"
        ) from error

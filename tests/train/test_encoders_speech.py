"""Speech encoders: the front end, padding, adapters, and that what is frozen stays so."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra train is not installed")
transformers = pytest.importorskip("transformers", reason="the extra train is not installed")

from corpusforge.errors import CorpusforgeError  # noqa: E402
from corpusforge.train.encoders import speech_encoder  # noqa: E402
from corpusforge.train.encoders.lstm_speech import LstmSpeech  # noqa: E402
from corpusforge.train.encoders.mel import filterbank, mel_bands  # noqa: E402
from tests.train.checkpoints import SPEECH, padded, save_speech  # noqa: E402

NEEDS_RESEMBLYZER = pytest.mark.skipif(
    importlib.util.find_spec("resemblyzer") is None, reason="Resemblyzer is not installed"
)
ALL = [*SPEECH, "tiny", "lstm", "slow lstm", pytest.param("resemblyzer", marks=NEEDS_RESEMBLYZER)]


def random_lstm(seed: int = 0, mean_of: int = 1) -> LstmSpeech:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LstmSpeech(torch.nn.LSTM(40, 256, 3).state_dict(), f"random@{seed}", mean_of)


@pytest.fixture
def encoder(request: pytest.FixtureRequest, tmp_path: Path):
    kind = request.param
    if "lstm" in kind:
        return random_lstm(mean_of=4 if "slow" in kind else 1).eval()
    if kind in SPEECH:
        return speech_encoder(str(save_speech(tmp_path / "checkpoint", kind))).eval()
    return speech_encoder(kind).eval()


def clips(*lengths: int) -> list[torch.Tensor]:
    made = torch.Generator().manual_seed(3)
    return [0.1 * torch.randn(length, generator=made) for length in lengths]


class Shift(torch.nn.Module):
    """An adapter that adds a slope of its own for each language; a layer norm would take off a constant."""

    def __init__(self, languages: int = 3) -> None:
        super().__init__()
        self.by = torch.nn.Parameter(torch.arange(languages, dtype=torch.float32))

    def forward(self, hidden: torch.Tensor, lang: torch.Tensor) -> torch.Tensor:
        return hidden + self.by[lang][:, None, None] * torch.linspace(-1, 1, hidden.shape[-1])


@pytest.mark.parametrize("encoder", ALL, indirect=True)
def test_padding_and_batch_mates_never_change_a_row(encoder) -> None:
    rows = [encoder.front(clip) for clip in clips(9_000, 3_211, 16_000)]
    with torch.no_grad():
        together, mask = encoder(*padded(rows, extra=5))
        assert together.shape == (*mask.shape, encoder.dim)
        for number, features in enumerate(rows):
            alone, whole = encoder(features[None], torch.tensor([len(features)]))
            assert bool(whole.all()) and mask[number].tolist() == [
                place < len(features) for place in range(len(mask[0]))
            ]
            torch.testing.assert_close(together[number][mask[number]], alone[0], atol=1e-5, rtol=1e-5)
            assert not together[number][~mask[number]].any()


@pytest.mark.parametrize("encoder", ALL, indirect=True)
def test_the_front_end_gives_the_same_alone_or_after_others(encoder) -> None:
    first, second = clips(8_000, 12_345)
    expected = encoder.front(first)
    encoder.front(second)
    encoder.train()
    again = encoder.front(first)
    assert torch.equal(expected, again) and not again.requires_grad
    assert expected.dtype == torch.float32 and expected.shape[1] == encoder.front_dim
    assert torch.isfinite(expected.half()).all()


@pytest.mark.parametrize("encoder", ALL, indirect=True)
def test_a_clip_without_samples_has_no_frame(encoder) -> None:
    assert encoder.front(torch.zeros(0)).shape == (0, encoder.front_dim)


def test_a_clip_one_sample_too_short_for_a_frame_has_none() -> None:
    encoder = speech_encoder("tiny")
    assert [len(encoder.front(clip)) for clip in clips(399, 400, 719, 720)] == [0, 1, 1, 2]


@pytest.mark.parametrize("encoder", ALL, indirect=True)
def test_silence_is_finite(encoder) -> None:
    features = encoder.front(torch.zeros(16_000))
    frames, _ = encoder(features[None], torch.tensor([len(features)]))
    assert torch.isfinite(features.half()).all() and torch.isfinite(frames).all()


@pytest.mark.parametrize("kind", SPEECH)
@pytest.mark.parametrize("normalize", [True, False])
def test_frames_are_those_of_transformers_own_model(kind: str, normalize: bool, tmp_path: Path) -> None:
    save_speech(tmp_path, kind, normalize=normalize)
    encoder = speech_encoder(str(tmp_path)).eval()
    theirs = SPEECH[kind][1].from_pretrained(tmp_path, attn_implementation="eager").eval()
    (clip,) = clips(16_000)
    prepared = transformers.AutoFeatureExtractor.from_pretrained(tmp_path)(
        clip.numpy(), sampling_rate=16_000, return_tensors="pt"
    )
    with torch.no_grad():
        expected = theirs(prepared.input_values).last_hidden_state[0]
        features = encoder.front(clip)
        found, _ = encoder(features[None], torch.tensor([len(features)]))
    torch.testing.assert_close(found[0], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("encoder", [*SPEECH, "tiny"], indirect=True)
def test_attention_is_torchs_own_and_no_layer_is_ever_dropped(encoder) -> None:
    assert encoder.model.config._attn_implementation == "sdpa"
    calls: list[int] = []
    for layer in encoder.layers:
        layer.register_forward_hook(lambda *_: calls.append(1))
    encoder.train()
    features = encoder.front(clips(8_000)[0])
    for _ in range(20):
        encoder(features[None], torch.tensor([len(features)]))
    assert len(calls) == 20 * len(encoder.layers)


@pytest.mark.parametrize("encoder", [*SPEECH, "tiny"], indirect=True)
def test_a_frozen_transformer_has_no_dropout_while_the_model_around_it_is_trained(encoder) -> None:
    assert any(part.p > 0 for part in encoder.modules() if isinstance(part, torch.nn.Dropout))
    torch.nn.ModuleList([encoder]).train()
    features = encoder.front(clips(8_000)[0])[None]
    lengths = torch.tensor([features.shape[1]])
    assert torch.equal(encoder(features, lengths)[0], encoder(features, lengths)[0])


@pytest.mark.parametrize("encoder", ALL, indirect=True)
def test_nothing_of_it_is_trained(encoder) -> None:
    encoder.train()
    features, lengths = padded([encoder.front(clip) for clip in clips(4_000, 6_000)])
    frames, _ = encoder(features, lengths)
    assert not any(weight.requires_grad for weight in encoder.parameters())
    assert not frames.requires_grad


@pytest.mark.parametrize("encoder", ALL, indirect=True)
def test_adapters_stand_after_each_layer_and_alone_are_trained(encoder) -> None:
    given = padded([encoder.front(clip) for clip in clips(4_000, 6_000)])
    before, _ = encoder(*given)
    weights = {key: weight.clone() for key, weight in encoder.state_dict().items()}
    adapters = [Shift() for _ in encoder.layers]
    encoder.attach(adapters)
    encoder.train()  # cuDNN wants it for the gradient of an LSTM
    encoder.set_languages(torch.tensor([0, 2]))
    frames, mask = encoder(*given)
    frames[mask].square().sum().backward()
    assert all(adapter.by.grad is not None and adapter.by.grad[[0, 2]].all() for adapter in adapters)
    assert all(weight.grad is None for weight in encoder.parameters())
    encoder.eval()
    with torch.no_grad():
        frames, _ = encoder(*given)
        torch.testing.assert_close(frames[0], before[0], atol=1e-6, rtol=1e-5)  # language 0 adds nothing
        assert (frames[1] - before[1]).abs().max() > 0.1
        assert encoder.state_dict().keys() == weights.keys()
        assert all(torch.equal(weight, weights[key]) for key, weight in encoder.state_dict().items())
        encoder.attach(())
        torch.testing.assert_close(encoder(*given)[0], before)


def test_the_last_adapter_sees_the_last_layer_and_the_next_one_sees_its_output() -> None:
    encoder = random_lstm()
    features = encoder.front(clips(4_000)[0])[None]
    lengths = torch.tensor([features.shape[1]])
    encoder.attach([Shift() for _ in encoder.layers])
    encoder.set_languages(torch.tensor([1]))
    expected = features
    for lstm in encoder.layers:
        expected = lstm(expected)[0] + torch.linspace(-1, 1, 256)
    torch.testing.assert_close(encoder(features, lengths)[0], expected)


def test_adapters_must_fit_and_be_told_the_languages() -> None:
    encoder = speech_encoder("tiny")
    features = encoder.front(clips(4_000)[0])[None]
    with pytest.raises(ValueError, match="1 adapters for 2 layers"):
        encoder.attach([Shift()])
    encoder.attach([Shift(), Shift()])
    with pytest.raises(ValueError, match="set_languages"):
        encoder(features, torch.tensor([features.shape[1]]))


@pytest.mark.parametrize("encoder", ALL, indirect=True)
def test_what_is_saved_is_loaded_again(encoder, tmp_path: Path) -> None:
    encoder.attach([Shift() for _ in encoder.layers])
    encoder.save(tmp_path / "saved")
    encoder.attach(())
    again = speech_encoder(str(tmp_path / "saved")).eval()
    assert (again.name, again.dim, again.front_dim, again.front_id) == (
        encoder.name,
        encoder.dim,
        encoder.front_dim,
        encoder.front_id,
    )
    given = padded([encoder.front(clip) for clip in clips(4_000, 6_000)])
    assert torch.equal(again(*given)[0], encoder(*given)[0])


def test_a_front_end_is_known_by_its_weights_and_settings(tmp_path: Path) -> None:
    ids = [speech_encoder("tiny", seed=seed).front_id for seed in (0, 0, 1)]
    ids += [
        speech_encoder(str(save_speech(tmp_path / str(on), "group", normalize=on))).front_id for on in (True, False)
    ]
    assert ids[0] == ids[1] and len(set(ids)) == 4


def test_tiny_leaves_torchs_own_seed_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    speech_encoder("tiny", seed=3)
    assert torch.equal(torch.rand(3), expected)


def test_speech_that_is_another_model_or_rate_or_depends_on_padding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusforgeError, match="hears 8000 Hz"):
        speech_encoder(str(save_speech(tmp_path / "slow", "group", rate=8000)))
    transformers.BertModel(
        transformers.BertConfig(hidden_size=8, num_attention_heads=1, num_hidden_layers=1, intermediate_size=8)
    ).save_pretrained(tmp_path / "text")
    with pytest.raises(CorpusforgeError, match="of type bert, expected wav2vec2 or hubert"):
        speech_encoder(str(tmp_path / "text"))
    folder = save_speech(tmp_path / "normed", "hubert")
    config = transformers.HubertConfig.from_pretrained(folder)
    config.conv_pos_batch_norm = True
    transformers.HubertModel(config).save_pretrained(folder)
    with pytest.raises(CorpusforgeError, match="batch norm"):
        speech_encoder(str(folder))


def test_filters_are_slaneys() -> None:
    filters = filterbank(16_000, 400, 40)
    assert filters.shape == (40, 201)
    # librosa 0.11: filters.mel(sr=16000, n_fft=400, n_mels=40)
    assert filters[0, :4] == pytest.approx([0.0, 0.0073902095, 0.0124045210, 0.0050143115], abs=1e-8)
    twenty = [0.0008176398, 0.0031602401, 0.0055028400, 0.0071919174, 0.0050204773, 0.0028490382, 0.0006775986]
    assert filters[20][filters[20] > 0] == pytest.approx(twenty, abs=1e-8)
    assert filters[39, -3:] == pytest.approx([0.0002430308, 0.0001215154, 0.0], abs=1e-8)
    # By the formula: below 1 kHz, corners are equally far apart, and the peak is 2 / (width in Hz).
    top_mel = 15 + math.log(8) / (math.log(6.4) / 27)
    step = top_mel / 41 * 200 / 3
    assert filters[4, round(5 * step / 40)] == pytest.approx(
        (1 / step) * (1 - abs(40 * round(5 * step / 40) - 5 * step) / step), rel=1e-5
    )


def test_mel_bands_are_the_formulas() -> None:
    samples = clips(1_000)[0]
    filters = filterbank(16_000, 400, 40)
    found = mel_bands(samples, torch.from_numpy(filters), 160).numpy()
    assert found.shape == (1 + 1_000 // 160, 40)
    silence = np.zeros(200)
    wave = np.concatenate([silence, samples.numpy().astype(np.float64), silence])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(201), np.arange(400)) / 400)
    for frame in range(len(found)):
        power = np.abs(turns @ (window * wave[160 * frame : 160 * frame + 400])) ** 2
        np.testing.assert_allclose(found[frame], filters @ power, rtol=1e-4, atol=1e-6)


def test_mel_bands_are_librosas() -> None:
    librosa = pytest.importorskip("librosa", reason="librosa is not installed")
    samples = clips(16_000)[0]
    expected = librosa.feature.melspectrogram(y=samples.numpy(), sr=16_000, n_fft=400, hop_length=160, n_mels=40).T
    found = mel_bands(samples, torch.from_numpy(filterbank(16_000, 400, 40)), 160).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_soft_clip_is_amplified_and_a_loud_one_is_not() -> None:
    encoder = random_lstm()
    (loud,) = clips(16_000)
    soft = loud * 10 ** (-30 / 20) / loud.square().mean().sqrt()
    torch.testing.assert_close(encoder.front(soft / 10), encoder.front(soft), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(encoder.front(loud * 2), encoder.front(loud) * 4, rtol=1e-4, atol=1e-7)


def test_a_slower_lstm_hears_the_means_of_frames() -> None:
    (clip,) = clips(8_000)  # 51 frames
    frames, means = random_lstm().front(clip), random_lstm(mean_of=8).front(clip)
    assert means.shape == (7, 40)
    torch.testing.assert_close(means[2], frames[16:24].mean(0))
    torch.testing.assert_close(means[6], frames[48:].mean(0))  # only those that are there
    assert random_lstm().front_id != random_lstm(mean_of=8).front_id


@NEEDS_RESEMBLYZER
def test_resemblyzer_takes_the_number_of_frames_from_its_name() -> None:
    assert [speech_encoder(name).mean_of for name in ("resemblyzer", "resemblyzer:8")] == [1, 8]
    assert speech_encoder("resemblyzer:8").name.startswith("resemblyzer:8@")


@NEEDS_RESEMBLYZER
def test_resemblyzers_layers_are_the_packages_lstm() -> None:
    encoder = speech_encoder("resemblyzer")
    file = Path(importlib.util.find_spec("resemblyzer").origin).parent / "pretrained.pt"
    weights = torch.load(file, map_location="cpu", weights_only=True)["model_state"]
    whole = torch.nn.LSTM(40, 256, 3, batch_first=True)
    whole.load_state_dict({key.removeprefix("lstm."): value for key, value in weights.items() if "lstm" in key})
    features = encoder.front(clips(8_000)[0])[None]
    found, _ = encoder(features, torch.tensor([features.shape[1]]))
    torch.testing.assert_close(found, whole(features)[0])
    assert sum(weight.numel() for weight in encoder.parameters()) == 1_423_616 - 65_792  # without the projection


@pytest.mark.parametrize("wrong", ["0", "100", "x", "", "-1", "8.5"])
def test_a_number_of_frames_that_cannot_be_is_refused(wrong: str) -> None:
    with pytest.raises(CorpusforgeError, match=rf"'resemblyzer:{wrong}': expected .* N from 1 to 99"):
        speech_encoder(f"resemblyzer:{wrong}")

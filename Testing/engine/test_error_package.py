from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from error_cases import error_case

from coranet.contract.errors import DataError, ModelError
from coranet.error_model import ErrorModel, network
from coranet.error_model.depth import deep_log_odds
from coranet.error_model.evidence import HEAD_CHANNELS
from coranet.error_model.package import applied
from coranet.networks import HeadLogits
from coranet.tensors import save_tensors
from coranet.uncertainty import rounded_down


@pytest.fixture(scope="module")
def an_error_model() -> ErrorModel:
    return ErrorModel.fit([error_case(seed) for seed in range(4)], ["outer", "inner"], 1.0, steps=2)


def written(model: ErrorModel, folder) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "model.json").write_text(json.dumps({"error_model": model.write(folder)}), encoding="utf-8")


def test_probabilities_are_those_of_the_scan(an_error_model):
    case = error_case(9)
    probability = an_error_model.apply(case.evidence)
    assert probability.shape == (2, *case.truth.shape)
    assert probability.dtype == torch.float32
    assert probability.min() >= 0
    assert probability.max() <= 1


@torch.inference_mode()
def test_the_softmax_has_its_share_of_a_deep_error_and_is_believed_where_all_heads_are_sure(an_error_model):
    case, learned = error_case(9), an_error_model.network
    share = learned.architecture.softmax_share
    assert share == pytest.approx(1 / 2)
    everywhere = torch.arange(case.truth.size)
    odds = learned(learned.sampled(case.evidence, slice(0, len(case.truth)), everywhere)).reshape(case.truth.shape)
    margins = [case.evidence.channels[HEAD_CHANNELS.index(f"{head}_margin")].float() for head in HeadLogits._fields]
    margin = margins[0]
    odds = torch.where(torch.stack(margins).amin(0) < 6, odds, -margin)
    mixed = (1 - share) * odds - share * margin
    deep_odds = deep_log_odds(mixed, case.evidence.classes, case.evidence.runner_up, case.spacing_dhw, 1.0)
    wrong, deep = an_error_model.apply(case.evidence)
    torch.testing.assert_close(wrong, torch.sigmoid(odds))
    order = 0.75 * deep_odds + 0.25 * mixed
    torch.testing.assert_close(deep, torch.sigmoid(torch.where(order > -6, order, (order - 6) / 2)))


def test_the_least_probable_errors_are_in_a_stored_map_in_their_order(an_error_model):
    case = error_case(9)
    sure = replace(case.evidence, channels=case.evidence.channels.clone())
    for head in HeadLogits._fields:
        sure.channels[HEAD_CHANNELS.index(f"{head}_margin")] = torch.linspace(9, 14, case.truth.size).reshape(
            case.truth.shape
        )
    deep = an_error_model.apply(sure)[1]
    assert rounded_down(deep).min() > 0
    assert len(rounded_down(deep).unique()) > 100


def test_a_model_of_an_earlier_version_has_a_second_output_that_is_not_read(an_error_model, tmp_path):
    written(an_error_model, tmp_path)
    weights = an_error_model.network.state_dict()
    for name in ("output.weight", "output.bias"):
        weights[name] = torch.cat([weights[name], weights[name] + 1])
    save_tensors(tmp_path / "error_model.pt", weights)
    evidence = error_case(9).evidence
    assert torch.equal(ErrorModel.read(tmp_path).apply(evidence), an_error_model.apply(evidence))


def test_it_comes_back_from_its_folder(an_error_model, tmp_path):
    written(an_error_model, tmp_path)
    back = ErrorModel.read(tmp_path)
    case = error_case(9)
    assert torch.equal(back.apply(case.evidence), an_error_model.apply(case.evidence))
    assert (back.promises, back.quality_model, back.tolerance_mm, back.cases) == (
        an_error_model.promises, an_error_model.quality_model, 1.0, 4
    )  # fmt: skip


def test_a_model_without_an_error_model_has_none(tmp_path):
    (tmp_path / "model.json").write_text("{}", encoding="utf-8")
    assert ErrorModel.read(tmp_path) is None


@pytest.mark.slow
def test_cases_that_are_known_in_part_promise_nothing():
    cases = [error_case(seed) for seed in range(4)]
    known = np.zeros(cases[0].truth.shape, dtype=bool)
    known[: len(known) // 2] = True
    partial = [replace(case, known=known) for case in cases]
    model = ErrorModel.fit([*cases[:2], *partial[2:]], ["outer", "inner"], 1.0, steps=5)
    assert (model.cases, model.promises[0].cases) == (4, 2)
    assert model.promises[0].relative_size is not None
    model = ErrorModel.fit(partial, ["outer", "inner"], 1.0, steps=5)
    assert (model.promises[0].cases, model.promises[0].promised) == (0, None)
    assert model.promises[0].relative_size is not None


def test_damaged_weights_are_an_error(an_error_model, tmp_path):
    written(an_error_model, tmp_path)
    (tmp_path / "error_model.pt").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read"):
        ErrorModel.read(tmp_path)


def test_a_damaged_card_is_an_error(an_error_model, tmp_path):
    content = an_error_model.write(tmp_path)
    for key in content:
        (tmp_path / "model.json").write_text(json.dumps({"error_model": {**content, key: "?"}}), encoding="utf-8")
        with pytest.raises(ModelError, match="cannot be read"):
            ErrorModel.read(tmp_path)


def test_one_case_is_too_few():
    with pytest.raises(DataError, match="at least 2 cases"):
        ErrorModel.fit([error_case(0)], ["outer", "inner"], 1.0)


def test_promises_say_from_how_many_cases_they_come(an_error_model):
    assert {promise.cases for promise in an_error_model.promises} == {4}
    assert [promise.share for promise in an_error_model.promises] == [0.8, 0.9, 0.95]


def test_slabs_say_what_the_whole_scan_says(an_error_model, monkeypatch):
    case = error_case(5, (150, 6, 7))
    whole = applied(an_error_model.network, 1.0, case.evidence)
    monkeypatch.setattr(network, "SLAB_VOXELS", 1)
    torch.testing.assert_close(applied(an_error_model.network, 1.0, case.evidence), whole, rtol=1e-3, atol=1e-4)


def test_a_result_has_a_quality_and_bounds(an_error_model):
    case = error_case(9)
    figures = an_error_model.figures(
        an_error_model.apply(case.evidence), case.evidence, case.segmentation, case.spacing_dhw
    )
    quality = an_error_model.quality(figures)
    assert len(quality.dice) == 2
    assert quality.verdict in ("good", "look", "poor")
    for bounds, index in zip(an_error_model.volume_bounds(figures, 0.8), (1, 2), strict=True):
        assert bounds.ml == pytest.approx(np.count_nonzero(case.segmentation == index) / 1000)
        assert bounds.lower_ml <= bounds.ml <= bounds.upper_ml
        assert bounds.promised
    assert not an_error_model.volume_bounds(figures, 0.9)[0].promised

"""What the Python that has nnU-Net runs for `nnunet.py`: plan and prepare, train for a time, predict.

    NNUNET_PYTHON benchmarks/nnunet_side.py plan|train|predict FOLDER ...

FOLDER/raw holds the data set; nnU-Net finds its folders by its own environment variables, which the caller sets.
Everything is nnU-Net's own but the end of the training: it comes when the time has gone, and the learning rate falls
with the share of the time that has gone (its polynomial schedule, whose epochs would need days on a processor).
"""

from __future__ import annotations

import time

BEGUN = time.monotonic()  # before the imports, which count, too

import argparse
import json
import random
from pathlib import Path
from typing import Any

DATASET_ID, PLANS = 1, "nnUNetPlans"
CONFIGURATION, TRAINED = "configuration.json", "trained.json"
# nnU-Net's own: its augmentation goes slice by slice where the patch is this much thinner than long.
ANISOTROPIC = 3
POLY_EXPONENT = 0.9


def plan(args: argparse.Namespace) -> None:
    """Fingerprint, plan, choice of the configuration, preprocessing."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprint_dataset,
        plan_experiment_dataset,
        preprocess_dataset,
    )

    processes = max(args.threads, 1)
    extract_fingerprint_dataset(DATASET_ID, num_processes=processes, show_progress_bar=False)
    plan_experiment_dataset(DATASET_ID)
    setting = args.configuration
    chosen = chosen_configuration(_plans(args.folder)) if setting == "auto" else setting
    preprocess_dataset(DATASET_ID, PLANS, (chosen,), (processes,), show_progress_bar=False)
    (args.folder / CONFIGURATION).write_text(json.dumps({"configuration": chosen}), encoding="utf-8")


def chosen_configuration(plans: dict[str, Any]) -> str:
    """Slices alone for thin stacks, else volumes; only one of them is trained, as there is one time for both."""
    volumes = plans["configurations"].get("3d_fullres")
    if volumes is None:
        return "2d"
    patch = volumes["patch_size"]
    return "2d" if max(patch) / patch[0] > ANISOTROPIC else "3d_fullres"


def train(args: argparse.Namespace) -> None:
    """Train until the time has gone; the checkpoint is that of the last step."""
    import numpy as np
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    for seeded in (random.seed, np.random.seed, torch.manual_seed):
        seeded(args.seed)
    _set_threads(args.threads)
    description = json.loads((_preprocessed(args.folder) / "dataset.json").read_text(encoding="utf-8"))
    plans = {**_plans(args.folder), "continue_training": False}
    trainer = nnUNetTrainer(plans, _configuration(args.folder), "all", description, torch.device(args.device))
    trainer.on_train_start()
    trainer.network.train()
    steps = until_time_is_up(trainer, args.seconds)
    trainer.on_train_end()
    configuration = trainer.configuration_manager
    report = {
        "steps": steps, "configuration": trainer.configuration_name, "patch": list(configuration.patch_size),
        "batch": configuration.batch_size, "spacing_mm": list(configuration.spacing),
        "parameters": sum(parameter.numel() for parameter in trainer.network.parameters()),
    }  # fmt: skip
    (args.folder / TRAINED).write_text(json.dumps(report), encoding="utf-8")


def until_time_is_up(trainer: Any, seconds: float) -> int:
    """Its own steps, as many as fit into the time since this process began; returns their number."""
    steps, longest = 0, 0.0
    while (gone := time.monotonic() - BEGUN) + longest < seconds:
        for group in trainer.optimizer.param_groups:
            group["lr"] = trainer.initial_lr * (1 - gone / seconds) ** POLY_EXPONENT
        loss = trainer.train_step(next(trainer.dataloader_train))["loss"]
        steps += 1
        # The first steps are slow, and no measure of the last ones.
        longest = time.monotonic() - BEGUN - gone
        if steps % 50 == 0:
            print(f"step {steps}, {gone:.0f} s, loss {float(loss):.4f}", flush=True)
    return steps


def predict(args: argparse.Namespace) -> None:
    """Predict imagesTs with its defaults: overlap of half a patch, Gaussian weights, mirroring."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    _set_threads(args.threads)
    device = torch.device(args.device)
    predictor = nnUNetPredictor(device=device, perform_everything_on_device=device.type == "cuda", allow_tqdm=False)
    model = args.folder / "results" / _dataset(args.folder) / f"nnUNetTrainer__{PLANS}__{_configuration(args.folder)}"
    predictor.initialize_from_trained_model_folder(str(model), ("all",))
    images, predicted = args.folder / "raw" / _dataset(args.folder) / "imagesTs", args.folder / "predicted"
    predicted.mkdir(exist_ok=True)
    predictor.predict_from_files_sequential(str(images), str(predicted))


def _set_threads(threads: int) -> None:
    import torch

    if threads:
        torch.set_num_threads(threads)


def _dataset(folder: Path) -> str:
    return next(path.name for path in (folder / "raw").iterdir() if path.name.startswith(f"Dataset{DATASET_ID:03d}_"))


def _preprocessed(folder: Path) -> Path:
    return folder / "preprocessed" / _dataset(folder)


def _plans(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_preprocessed(folder) / f"{PLANS}.json").read_text(encoding="utf-8"))
    return content


def _configuration(folder: Path) -> str:
    return str(json.loads((folder / CONFIGURATION).read_text(encoding="utf-8"))["configuration"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", choices=("plan", "train", "predict"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as PyTorch takes")
    parser.add_argument("--configuration", default="auto")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    {"plan": plan, "train": train, "predict": predict}[args.work](args)


if __name__ == "__main__":
    # Its workers import this file again.
    main()

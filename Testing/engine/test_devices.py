from __future__ import annotations

import pytest
import torch

from coranet.contract.config import MachineConfig
from coranet.contract.errors import DeviceError
from coranet.machine import devices
from coranet.machine.devices import (
    Device,
    available_devices,
    choose_device,
    device_count,
    free_memory_bytes,
    is_out_of_memory,
    processor_computes_bfloat16,
    used_memory,
)

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def on_cpu(dtype: torch.dtype = torch.float32) -> Device:
    return Device(CPU, dtype, "the processor")


@pytest.mark.parametrize(
    ("native", "faster", "expected"),
    [(True, True, torch.bfloat16), (True, False, torch.float32), (False, True, torch.float32)],
)
def test_automatic_precision_on_a_processor_is_bfloat16_only_where_it_gains(monkeypatch, native, faster, expected):
    monkeypatch.setattr(devices, "processor_computes_bfloat16", lambda: native)
    monkeypatch.setattr(devices, "is_bfloat16_faster", lambda: faster)
    assert choose_device(MachineConfig(device="cpu")).dtype is expected


@pytest.mark.parametrize(("bfloat16", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_automatic_precision_on_cuda_is_a_half_format(monkeypatch, bfloat16, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bfloat16)
    assert devices._dtype("cuda", "auto") is expected
    # As torch before 2.5 has it.
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bfloat16)
    assert devices._dtype("cuda", "auto") is expected


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_precision_asked_for_is_taken(precision):
    assert choose_device(MachineConfig(device="cpu", precision=precision)).dtype is getattr(torch, precision)


def test_float16_without_cuda_is_an_error():
    with pytest.raises(DeviceError, match="'float16' needs a CUDA graphics card, the device is 'cpu'"):
        choose_device(MachineConfig(device="cpu", precision="float16"))


def test_a_device_that_is_absent_is_an_error(monkeypatch):
    monkeypatch.setattr(devices, "available_devices", lambda: ["cpu"])
    with pytest.raises(DeviceError, match="'cuda' is not available, found cpu"):
        choose_device(MachineConfig(device="cuda"))


def test_a_process_without_a_card_of_its_own_is_an_error(monkeypatch):
    monkeypatch.setattr(devices, "available_devices", lambda: ["cuda", "cpu"])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DeviceError, match="process 3 of this machine has no graphics card of its own, found 2"):
        choose_device(MachineConfig(), local_rank=2, local_processes=3)


def test_every_process_takes_the_card_of_its_number(monkeypatch):
    taken = []
    monkeypatch.setattr(devices, "available_devices", lambda: ["cuda", "cpu"])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda place: f"card {place.index}")
    device = choose_device(MachineConfig(precision="float16"), local_rank=1, local_processes=2)
    assert (device.torch_device, device.name, taken) == (torch.device("cuda:1"), "card 1", [torch.device("cuda:1")])


def test_processes_of_one_machine_share_its_processors(monkeypatch):
    monkeypatch.setattr(devices, "_processors", lambda: 6)
    assert [
        (choose_device(MachineConfig(device="cpu"), 0, processes), torch.get_num_threads())[1]
        for processes in (1, 2, 4, 99)
    ] == [6, 3, 1, 1]
    choose_device(MachineConfig(device="cpu", threads=2), 1, 2)
    assert torch.get_num_threads() == 2


def test_there_is_always_a_processor():
    assert available_devices()[-1] == "cpu"
    assert device_count("cpu") == 1


@pytest.mark.parametrize(("seconds", "expected"), [(0.7, True), (0.9, False), (1.5, False)])
def test_bfloat16_is_faster_where_its_convolutions_clearly_are(monkeypatch, seconds, expected):
    measured = {torch.float32: 1.0, torch.bfloat16: seconds}
    monkeypatch.setattr(devices, "_convolution_seconds", measured.get)
    assert devices.is_bfloat16_faster.__wrapped__() is expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_convolution_takes_time(dtype):
    assert devices._convolution_seconds(dtype) > 0


def test_bfloat16_of_the_processor_is_what_torch_or_the_system_says(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert processor_computes_bfloat16()
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert not processor_computes_bfloat16()


@pytest.mark.parametrize(
    ("flags", "expected"), [("fpu avx512f avx512_bf16", True), ("fpu amx_bf16", True), ("fpu avx512f", False)]
)
def test_older_torch_leaves_the_question_to_the_system(monkeypatch, tmp_path, flags, expected):
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    (tmp_path / "cpuinfo").write_text(f"flags\t: {flags}\n", encoding="utf-8")
    monkeypatch.setattr(devices, "Path", lambda _: tmp_path / "cpuinfo")
    assert processor_computes_bfloat16() is expected


def test_without_an_answer_the_processor_counts_as_one_without_bfloat16(monkeypatch, tmp_path):
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    monkeypatch.setattr(devices, "Path", lambda _: tmp_path / "absent")
    assert not processor_computes_bfloat16()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_computes_in_the_precision_and_keeps_the_weights(dtype):
    layer = torch.nn.Conv3d(1, 2, 3)
    with on_cpu(dtype).autocast():
        assert layer(torch.zeros(1, 1, 4, 5, 6)).dtype is dtype
    assert layer.weight.dtype is torch.float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_are_scaled_for_float16_alone(dtype):
    scaler = on_cpu(dtype).grad_scaler()
    assert not scaler.is_enabled()
    assert scaler.scale(torch.tensor(3.0)).item() == 3.0


@pytest.mark.skipif(not hasattr(torch.amp, "GradScaler"), reason="torch before 2.3 scales gradients on CUDA alone")
def test_scaled_gradients_make_the_same_step_and_a_bad_one_makes_none():
    # float16 convolutions are for graphics cards; the scaler itself works on the processor too.
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    scaler = Device(CPU, torch.float16, "").grad_scaler()
    assert scaler.is_enabled()
    for factor, expected in ((1.0, [0.5, 1.5]), (float("inf"), [0.5, 1.5])):
        optimizer.zero_grad()
        scaler.scale(weight.sum() * factor).backward()
        scaler.step(optimizer)
        scaler.update()
        assert weight.tolist() == expected


def test_the_optimizer_takes_the_options_and_they_change_no_figure():
    torch.manual_seed(0)
    start = torch.randn(3, 2, 2, 3, 4).contiguous(memory_format=torch.channels_last_3d)
    results = []
    for options in ({}, on_cpu().optimizer_options()):
        parameter = torch.nn.Parameter(start.clone())
        optimizer = torch.optim.AdamW([parameter], lr=0.1, weight_decay=0.01, **options)
        for _ in range(3):
            optimizer.zero_grad()
            (parameter * torch.arange(parameter.numel()).reshape(parameter.shape)).square().sum().backward()
            optimizer.step()
        results.append(parameter.detach())
    torch.testing.assert_close(*results)


def test_no_option_where_torch_has_no_fused_optimizer(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("`fused=True` requires all the params to be on CUDA")

    monkeypatch.setattr(torch.optim, "AdamW", refuse)
    assert on_cpu().optimizer_options() == {}


def test_free_memory_of_a_processor_is_that_of_the_machine(monkeypatch):
    monkeypatch.setattr(devices, "available_bytes", lambda: 12345)
    assert free_memory_bytes(on_cpu()) == 12345
    on_cpu().empty_cache()


def test_free_memory_of_a_card_counts_what_torch_holds_in_reserve(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 9000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 500)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 300)
    assert free_memory_bytes(Device(torch.device("cuda:0"), torch.float32, "")) == 1200


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes."),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("could not create a primitive"),
        RuntimeError("can't start new thread"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        ImportError("_ckdtree.so: failed to map segment from shared object"),
        ImportError("DLL load failed while importing _ckdtree: The paging file is too small for this operation."),
        OSError(12, "Cannot allocate memory"),
    ],
    ids=str,
)
def test_memory_that_ran_out_is_recognized(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("size mismatch"),
        ValueError("out of memory"),
        OSError("disk full"),
        ImportError("x.so: failed to map segment from shared object: Operation not permitted"),
        ModuleNotFoundError("No module named 'monai'", name="monai"),
    ],
    ids=str,
)
def test_other_errors_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)


def test_the_allocator_of_this_processor_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_the_memory_that_was_used_is_told_for_each_kind_of_device(monkeypatch):
    gib = 2**30
    monkeypatch.setattr(devices, "peak_bytes", lambda: 3 * gib)
    assert used_memory(on_cpu()) == "at most 3.0 GiB of main memory were used."
    monkeypatch.setattr(devices, "peak_bytes", lambda: None)
    assert used_memory(on_cpu()) == ""
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda place: int(5.1 * gib))
    card = Device(torch.device("cuda:0"), torch.float16, "a card")
    assert used_memory(card) == "at most 5.1 GiB of the graphics card's memory were used."

"""Pictures of the page Environment in every state; screenshots.py takes them."""

from __future__ import annotations

import tempfile

from environment_doubles import ScriptedProbe, finding, healthy, lacking
from picture_list import picture
from stage import Stage

from CoraNetSlicerLib.environment.probe import Health, Probe


@picture
def environment_ready(stage: Stage) -> str:
    stage.examine(Probe)
    return "environment"


@picture
def environment_examining(stage: Stage) -> str:
    stage.panel.environment._start_probe = ScriptedProbe(None)
    stage.panel.environment.check()
    return "environment"


@picture
def environment_graphics_card(stage: Stage) -> str:
    stage.examine(ScriptedProbe(healthy()))
    return "environment"


@picture
def environment_without_torch(stage: Stage) -> str:
    stage.application.modules.add("PyTorchUtils")
    stage.examine(ScriptedProbe(lacking("torch", "monai")))
    return "environment"


@picture
def environment_without_extension(stage: Stage) -> str:
    stage.examine(ScriptedProbe(lacking("torch", "monai")))
    return "environment"


@picture
def environment_first_start(stage: Stage) -> str:
    folder = "/home/somebody/CoraNetSlicer/environment"
    stage.ui.environmentFolderEdit.setCurrentPath(folder)
    stage.settle(lambda: stage.panel.environment.environment.folder == folder)
    stage.panel.environment.choose("private")
    return "environment"


@picture
def environment_installing(stage: Stage) -> str:
    with tempfile.TemporaryDirectory() as folder:
        stage.panel.environment.set_folder(folder)
        stage.panel.environment.choose("private")
        stage.install(
            "Making an environment in C:\\CoraNet ...\nUsing CPython 3.12.10\n"
            "Installing torch>=2.2, monai>=1.3 ...\nResolved 24 packages in 1.2s\nDownloading torch (2.4GiB)"
        )
    return "environment"


@picture
def environment_install_failed(stage: Stage) -> str:
    environment_installing(stage)
    stage.install_fails("error: failed to write torch_cuda.dll: No space left on device (os error 28)")
    return "environment"


@picture
def environment_old_python(stage: Stage) -> str:
    text = "Python 3.9.10 is too old, expected 3.10 or newer."
    stage.examine(ScriptedProbe(Health(False, {}, (finding("python.too_old", "python", message=text),))))
    return "environment"


@picture
def environment_wrong_build(stage: Stage) -> str:
    text = "this PyTorch computes on the processor only, though there is a graphics card (NVIDIA RTX 4090)."
    stage.application.modules.add("PyTorchUtils")
    card = finding("device.cpu_build", "device", "warning", text)
    stage.examine(
        ScriptedProbe(
            Health(True, healthy(device="CPU (8 threads)", device_kind="cpu", device_gib=None).facts, (card,))
        )
    )
    return "environment"


@picture
def environment_wrong_python(stage: Stage) -> str:
    stage.ui.interpreterCombo.setCurrentIndex(stage.ui.interpreterCombo.count - 1)
    stage.ui.pythonPathEdit.setCurrentPath("/no/such/python")
    stage.settle(stage.ui.environmentErrorLabel.isVisible)
    return "environment"

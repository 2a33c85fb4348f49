#!/bin/sh
# A bare 3D Slicer 5.8.1 for trying the extension, from Debian 12's Qt, VTK, ITK and Python, without a superbuild:
#   sh Testing/real-slicer/build/build.sh SOURCES BUILD
# SOURCES holds the checkouts named in docs/maintaining.md. The executable is BUILD/Slicer. A second run goes on where
# the first one stopped. About an hour of two processor cores.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sources=$(cd "$1" && pwd)
mkdir -p "$2"
build=$(cd "$2" && pwd)
python=/usr/bin/python3
library=$($python -c 'import sysconfig as s; print(s.get_config_var("LIBDIR") + "/" + s.get_config_var("LDLIBRARY"))')
headers=$($python -c 'import sysconfig; print(sysconfig.get_path("include"))')
multiarch=$(dirname "$library")
# A Python of the user's own would otherwise be found first.
PATH="/usr/bin:$PATH"
export PATH

"$python" "$here/adapt_sources.py" "$sources"
"$python" "$here/itk_for_clang.py" "$build/itk_compiler_detection.h"
flags="-O0 -w -fPIC"
itk_flags="$flags -include $build/itk_compiler_detection.h"

# CMake 3.25.1, which Debian has, is refused by Slicer.
[ -x "$build/tools/bin/cmake" ] || { "$python" -m venv "$build/tools" && "$build/tools/bin/pip" install cmake==3.28.4; }

configure() { # SOURCE BINARY OPTION...
	source=$1 binary=$2
	shift 2
	mkdir -p "$build/$binary"
	(cd "$build/$binary" && "$build/tools/bin/cmake" -G Ninja "$sources/$source" -DCMAKE_BUILD_TYPE=None \
		-DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld \
		-DCMAKE_SHARED_LINKER_FLAGS=-fuse-ld=lld -DCMAKE_MODULE_LINKER_FLAGS=-fuse-ld=lld -DBUILD_TESTING=OFF \
		-DPYTHON_EXECUTABLE="$python" -DPYTHON_INCLUDE_DIR="$headers" -DPYTHON_LIBRARY="$library" \
		-DPython3_EXECUTABLE="$python" -DVTK_DIR="$multiarch/cmake/vtk-9.1" -DITK_DIR=/usr/lib/cmake/ITK-5.2 \
		-DQt5_DIR="$multiarch/cmake/Qt5" "$@")
}

configure PythonQt b/PythonQt -DCMAKE_CXX_FLAGS="$flags" -DCMAKE_INSTALL_PREFIX="$build/install" -DPythonQt_Wrap_Qtcore=ON \
	-DPythonQt_Wrap_Qtgui=ON -DPythonQt_Wrap_Qtuitools=ON -DPythonQt_Wrap_Qtnetwork=ON
ninja -C "$build/b/PythonQt" install

python_core=CTK_LIB_Scripting/Python/Core
# CTK replaces CMAKE_CXX_FLAGS with flags of its own.
configure CTK b/CTK -DADDITIONAL_CXX_FLAGS="$itk_flags" -DCTK_SUPERBUILD=OFF -DCTK_QT_VERSION=5 -DCTK_LIB_Widgets=ON \
	-DCTK_LIB_Visualization/VTK/Widgets=ON -DCTK_LIB_Visualization/VTK/Widgets_USE_TRANSFER_FUNCTION_CHARTS=ON \
	-DCTK_LIB_ImageProcessing/ITK/Core=ON -DCTK_LIB_PluginFramework=OFF -DCTK_APP_ctkDICOM=OFF -DCTK_LIB_DICOM/Core=OFF \
	-DCTK_LIB_DICOM/Widgets=OFF -DCTK_USE_QTTESTING=OFF -D$python_core=ON -D${python_core}_PYTHONQT_USE_VTK=ON \
	-D${python_core}_PYTHONQT_WRAP_QTCORE=ON -D${python_core}_PYTHONQT_WRAP_QTGUI=ON \
	-D${python_core}_PYTHONQT_WRAP_QTUITOOLS=ON -D${python_core}_PYTHONQT_WRAP_QTNETWORK=ON \
	-DCTK_LIB_Scripting/Python/Widgets=ON -DCTK_ENABLE_Python_Wrapping=ON -DCTK_BUILD_QTDESIGNER_PLUGINS=ON \
	-DPYTHONQT_INSTALL_DIR="$build/install"
ninja -C "$build/b/CTK"

configure AppLauncher b/AppLauncher -DCMAKE_CXX_FLAGS="$flags" -DCTKAppLauncher_QT_VERSION=5 -DBUILD_SHARED_LIBS=OFF \
	-DCMAKE_POSITION_INDEPENDENT_CODE=ON
ninja -C "$build/b/AppLauncher" CTKAppLauncherLib CTKAppLauncherBase

# Debian's own description of Teem names a folder of the machine that Debian built it on.
mkdir -p "$build/teem"
cp "$here/TeemConfig.cmake" "$build/teem/"
touch "$build/teem/TeemUse.cmake"

configure Slicer b/Slicer -DADDITIONAL_CXX_FLAGS="$itk_flags" -DADDITIONAL_C_FLAGS="$flags" -DCMAKE_CXX_FLAGS="$itk_flags" \
	-DCMAKE_C_FLAGS="$flags" -DSlicer_SUPERBUILD=OFF -DSlicer_SUPERBUILD_DIR="$build/b/Slicer" -DSlicer_USE_SYSTEM_QT=ON \
	-DSlicer_USE_SYSTEM_python=ON -DSlicer_REQUIRED_PYTHON_VERSION="$($python -c 'import platform; print(platform.python_version())')" \
	-DSlicer_BUILD_DICOM_SUPPORT=OFF -DSlicer_BUILD_DIFFUSION_SUPPORT=OFF -DSlicer_BUILD_I18N_SUPPORT=OFF \
	-DSlicer_BUILD_USAGE_LOGGING_SUPPORT=OFF -DSlicer_BUILD_WEBENGINE_SUPPORT=OFF -DSlicer_BUILD_CLI_SUPPORT=OFF \
	-DSlicer_BUILD_CLI=OFF -DSlicer_BUILD_QT_DESIGNER_PLUGINS=ON -DSlicer_BUILD_EXTENSIONMANAGER_SUPPORT=OFF \
	-DSlicer_BUILD_APPLICATIONUPDATE_SUPPORT=OFF -DSlicer_BUILD_MULTIMEDIA_SUPPORT=OFF -DSlicer_BUILD_DOCUMENTATION=OFF \
	-DSlicer_USE_QtTesting=OFF -DSlicer_USE_SimpleITK=OFF -DSlicer_USE_CTKAPPLAUNCHER=OFF -DSlicer_USE_PYTHONQT=ON \
	-DSlicer_USE_PYTHONQT_WITH_OPENSSL=OFF -DSlicer_USE_VTK_DEBUG_LEAKS=OFF -DSlicer_VTK_SMP_IMPLEMENTATION_TYPE=Sequential \
	-DSlicer_PLATFORM_CHECK=OFF -DSlicer_RELEASE_TYPE=Stable -DSlicer_DEFAULT_HOME_MODULE=Data -DSlicer_BUILD_vtkAddon=ON -DvtkAddon_WRAP_PYTHON=ON \
	-DvtkAddon_SOURCE_DIR="$sources/vtkAddon" -DvtkAddon_CMAKE_DIR="$sources/vtkAddon/CMake" \
	"-DSlicer_QTLOADABLEMODULES_DISABLED=SceneViews;Reformat;SlicerWelcome;VolumeRendering" \
	"-DSlicer_QTSCRIPTEDMODULES_DISABLED=CropVolumeSequence;ImportItkSnapLabel;PerformanceTests;ScreenCapture;SelfTests;VectorToScalarVolume;WebServer;Endoscopy" \
	-DTeem_DIR="$build/teem" -DCTK_DIR="$build/b/CTK" -DCTKAppLauncherLib_DIR="$build/b/AppLauncher" \
	-DPYTHONQT_INSTALL_DIR="$build/install"
ninja -C "$build/b/Slicer"

sh "$here/start_script.sh" "$build"
echo "$build/Slicer"

#!/bin/sh
# Writes BUILD/Slicer and BUILD/PythonSlicer, which set what Slicer's launcher sets: sh start_script.sh BUILD
set -eu
build=$(cd "$1" && pwd)
home=$build/b/Slicer
modules=$home/lib/Slicer-5.8

write() { # NAME PROGRAM
	cat >"$build/$1" <<END
#!/bin/sh
export SLICER_HOME='$home'
export LD_LIBRARY_PATH='$home/bin:$modules:$modules/qt-loadable-modules:$build/b/CTK/bin:$build/install/lib'"\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export PYTHONPATH='$home/bin:$home/bin/Python:$modules/qt-loadable-modules:$modules/qt-loadable-modules/Python:$modules/qt-scripted-modules:$build/b/CTK/bin/Python:$build/b/CTK/bin'
export QT_PLUGIN_PATH='$home/bin:$build/b/CTK/bin'
export PATH='$build':/usr/bin:"\$PATH"
exec $2 "\$@"
END
	chmod +x "$build/$1"
}

write Slicer "'$home/bin/SlicerApp-real'"
write PythonSlicer /usr/bin/python3

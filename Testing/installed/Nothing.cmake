# Slicer describes and packs an extension here; a test only installs it.

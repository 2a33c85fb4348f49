# Stands in for Slicer's macro of this name: listed scripts and resources keep their relative paths below the folder of
# the scripted modules in the build tree, and the whole folder is installed. A file that is not there is an error.
function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MODULE "WITH_GENERIC_TESTS;WITH_SUBDIR" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MODULE_UNPARSED_ARGUMENTS OR NOT MODULE_NAME)
    message(FATAL_ERROR "expected NAME, SCRIPTS and RESOURCES, got ${MODULE_UNPARSED_ARGUMENTS}")
  endif()
  set(folder "${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")
  foreach(file IN LISTS MODULE_SCRIPTS MODULE_RESOURCES)
    configure_file("${CMAKE_CURRENT_SOURCE_DIR}/${file}" "${folder}/${file}" COPYONLY)
  endforeach()
  install(DIRECTORY "${folder}/" DESTINATION "${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}")
endfunction()

# SPDX-License-Identifier: Apache-2.0
# The shared library libmp2ml, which exports what include/mp2ml.h declares, and what `make install`
# puts where. Included after apps/.
include(GNUInstallDirs)

get_property(layers GLOBAL PROPERTY MP2ML_LAYERS)
set(objects $<TARGET_OBJECTS:model_proto>)
foreach(layer ${layers})
    list(APPEND objects $<TARGET_OBJECTS:layer_${layer}>)
endforeach()
add_library(mp2ml_shared SHARED EXCLUDE_FROM_ALL ${objects})
target_link_libraries(mp2ml_shared PRIVATE mp2ml_flags mp2ml_core)
set_target_properties(mp2ml_shared PROPERTIES
    OUTPUT_NAME mp2ml VERSION ${PROJECT_VERSION} SOVERSION 0 LINKER_LANGUAGE C
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})

# The .pc file finds its prefix from where it lies.
file(RELATIVE_PATH MP2ML_PC_UP /x/${CMAKE_INSTALL_LIBDIR}/pkgconfig /x)
configure_file(${CMAKE_CURRENT_LIST_DIR}/mp2ml.pc.in ${PROJECT_BINARY_DIR}/mp2ml.pc @ONLY)
install(FILES include/mp2ml.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_BINARY_DIR}/mp2ml.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(TARGETS mp2ml mp2ml_shared)

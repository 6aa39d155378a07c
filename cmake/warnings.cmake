# SPDX-License-Identifier: Apache-2.0
# Warnings and sanitizers for our own targets.
add_library(mp2ml_flags INTERFACE)
target_compile_options(mp2ml_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes
    -Wmissing-prototypes -Wvla -Wcast-qual -Wundef)
target_compile_definitions(mp2ml_flags INTERFACE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
if(MP2ML_WERROR)
    target_compile_options(mp2ml_flags INTERFACE -Werror)
endif()
if(MP2ML_SANITIZE)
    target_compile_options(mp2ml_flags INTERFACE
        -fsanitize=${MP2ML_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(mp2ml_flags INTERFACE -fsanitize=${MP2ML_SANITIZE})
endif()
if(MP2ML_FUZZ)
    target_compile_options(mp2ml_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# What every folder's CMakeLists.txt uses: tercet_library, tercet_test, tercet_oracle, tercet_fuzz.
include(CheckCXXCompilerFlag)

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(GTest REQUIRED)
find_package(Python3 COMPONENTS Interpreter)

# Reference packages (gguf, tokenizers, jinja2, numpy, safetensors) live in a venv that tools/setup.sh makes.
set(TERCET_VENV "${PROJECT_SOURCE_DIR}/build/venv" CACHE PATH "Python environment with the reference packages")
set(TERCET_PYTHON "${TERCET_VENV}/bin/python")

# Flags that all of our own targets share. No -march=native and no fast-math: the program runs on other machines than
# the one that built it, and its sums are part of its contract. -ffp-contract=off: a multiply-add is fused only where
# the source says so, so that the bits do not depend on the compiler's mood.
add_library(tercet_flags INTERFACE)
target_compile_options(tercet_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -ffp-contract=off)
target_include_directories(tercet_flags INTERFACE "${PROJECT_SOURCE_DIR}/src")
target_link_libraries(tercet_flags INTERFACE Threads::Threads)
if(TERCET_SANITIZE)
  target_compile_options(tercet_flags INTERFACE -fsanitize=${TERCET_SANITIZE} -fno-omit-frame-pointer
                                                -fno-sanitize-recover=all)
  target_link_options(tercet_flags INTERFACE -fsanitize=${TERCET_SANITIZE})
endif()

# tercet_library(NAME SOURCES a.cc... [DEPS other...] [LINK lib...])   makes target tercet_NAME
function(tercet_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LINK" ${ARGN})
  add_library(tercet_${name} STATIC ${ARG_SOURCES})
  list(TRANSFORM ARG_DEPS PREPEND tercet_)
  target_link_libraries(tercet_${name} PUBLIC tercet_flags ${ARG_DEPS} ${ARG_LINK})
endfunction()

# tercet_oracle(NAME SCRIPT [ARGS...])   a test that runs a Python script of reference packages; it writes what the
# C++ tests compare with into ${PROJECT_BINARY_DIR}/oracle/NAME, which it gets as its first argument.
function(tercet_oracle name script)
  set(out "${PROJECT_BINARY_DIR}/oracle/${name}")
  file(MAKE_DIRECTORY "${out}")
  add_test(NAME oracle.${name} COMMAND "${TERCET_PYTHON}" "${CMAKE_CURRENT_SOURCE_DIR}/${script}" "${out}" ${ARGN})
  set_tests_properties(oracle.${name} PROPERTIES FIXTURES_SETUP oracle_${name} TIMEOUT 600
    ENVIRONMENT "TERCET_SOURCE_DIR=${PROJECT_SOURCE_DIR};PYTHONDONTWRITEBYTECODE=1")
endfunction()

# tercet_test(NAME SOURCES x_test.cc... [DEPS lib...] [LINK lib...] [ORACLES name...] [LABELS l...] [TIMEOUT s])
# One CTest entry a program. The tests find the sources and the oracle's output by TERCET_SOURCE_DIR, TERCET_ORACLE_DIR.
function(tercet_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS;LINK;ORACLES;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  list(TRANSFORM ARG_DEPS PREPEND tercet_)
  target_link_libraries(${name} PRIVATE tercet_flags ${ARG_DEPS} ${ARG_LINK} GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE TERCET_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             TERCET_BINARY_DIR="${PROJECT_BINARY_DIR}"
                                             TERCET_ORACLE_DIR="${PROJECT_BINARY_DIR}/oracle")
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  list(TRANSFORM ARG_ORACLES PREPEND oracle_)
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
                                          FIXTURES_REQUIRED "${ARG_ORACLES}")
endfunction()

# tercet_fuzz(NAME SOURCES x_fuzz.cc [DEPS lib...])   a libFuzzer program; only with TERCET_FUZZ (clang)
function(tercet_fuzz name)
  if(NOT TERCET_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  list(TRANSFORM ARG_DEPS PREPEND tercet_)
  target_link_libraries(${name} PRIVATE tercet_flags ${ARG_DEPS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()

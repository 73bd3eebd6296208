# What every folder's CMakeLists.txt uses: tercet_library, tercet_executable, tercet_assets, tercet_test, tercet_oracle,
# tercet_program, tercet_fuzz. Programs for users land in the build folder itself (build/tercet), all others in its bin/.

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(spdlog REQUIRED)
find_package(GTest REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(Python3 COMPONENTS Interpreter)

# Reference packages (gguf, tokenizers, jinja2, numpy, safetensors) live in a venv that tools/setup.sh makes.
set(TERCET_VENV "${PROJECT_SOURCE_DIR}/build/venv" CACHE PATH "Python environment with the reference packages")
set(TERCET_PYTHON "${TERCET_VENV}/bin/python")

# Flags that all of our own targets share. No -march=native and no fast-math: the program runs on other machines than
# the one that built it, and its sums are part of its contract. -ffp-contract=off: a multiply-add is fused only where
# the source says so, so that the bits do not depend on the compiler's mood. What nvcc itself writes into the host's half
# of a .cu file does not pass -Wshadow and -Wconversion.
add_library(tercet_flags INTERFACE)
set(cxx $<COMPILE_LANGUAGE:CXX>)
set(cuda $<COMPILE_LANGUAGE:CUDA>)
target_compile_options(tercet_flags INTERFACE
  "$<${cxx}:-Wall;-Wextra;-Wshadow;-Wconversion;-Wno-sign-conversion;-ffp-contract=off>"
  "$<${cuda}:-Xcompiler=-Wall,-Wextra,-ffp-contract=off;--expt-relaxed-constexpr;-lineinfo>")
target_include_directories(tercet_flags INTERFACE "${PROJECT_SOURCE_DIR}/src")
target_link_libraries(tercet_flags INTERFACE Threads::Threads)
if(TERCET_SANITIZE)
  # tercet_is_one_of(OUT targets...)   a generator expression: whether what is compiled is of one of them
  function(tercet_is_one_of out)
    list(JOIN ARGN "$<SEMICOLON>" targets)
    set(${out} "$<IN_LIST:$<TARGET_PROPERTY:NAME>,${targets}>" PARENT_SCOPE)
  endfunction()
  set(of_bytes tercet_base tercet_gguf tercet_quant tercet_model tercet_backend tercet_ref tercet_cpu tercet_cpu_kernels)
  # Checks that double the time to compile and find nothing that the address sanitizer does not are left out; that of
  # alignment is for those who read numbers out of bytes.
  if(TERCET_SANITIZE MATCHES "undefined")
    tercet_is_one_of(reads_bytes ${of_bytes})
    set(left_out "-fno-sanitize=null,vptr,object-size,pointer-overflow$<$<NOT:${reads_bytes}>:,alignment>")
  endif()
  # To optimize what does not compute takes the compiler longer than it saves the tests, of which those of threads are few; a
  # fuzzer runs for hours.
  if(NOT TERCET_FUZZ)
    set(computing tercet_cpu_kernel_tables tercet_ref)
    if(NOT TERCET_SANITIZE MATCHES "thread")
      list(APPEND computing ${of_bytes} tercet_tokenizer tercet_chat tercet_grammar tercet_synthetic tercet_engine
           kernels_test tercet_precompiled_computing)
    endif()
    tercet_is_one_of(computes ${computing})
    set(as_written "$<$<NOT:${computes}>:-O0>")
  endif()
  tercet_is_one_of(goes_without tercet_cpu_kernel_tables)
  set(sanitize "-fsanitize=${TERCET_SANITIZE};${left_out};-fno-omit-frame-pointer;-fno-sanitize-recover=all")
  # nvcc's half of a .cu file goes without, too.
  target_compile_options(tercet_flags INTERFACE "$<${cxx}:${as_written};$<$<NOT:${goes_without}>:${sanitize}>>")
  target_link_options(tercet_flags INTERFACE -fsanitize=${TERCET_SANITIZE})
endif()

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
add_custom_target(thread_tests)  # the tests labelled `threads`
add_custom_target(heavy_tests)   # those labelled `heavy`
add_custom_target(fuzzers)

# tercet_precompile(TARGET HOLDER)   HOLDER's precompiled headers for TARGET too, where the two are compiled with the same
# options. They take the compiler longer to read than most of our own sources do. Where a header was forgotten the presets
# without them (debug, fuzz) say so.
function(tercet_precompile name holder)
  if(name IN_LIST computing)
    set(holder ${holder}_computing)
  endif()
  if(TARGET ${holder})
    target_precompile_headers(${name} REUSE_FROM ${holder})
  endif()
endfunction()
set(common_headers <algorithm> <array> <chrono> <cmath> <cstdint> <filesystem> <fstream> <functional> <limits> <map> <memory> <mutex>
    <optional> <random> <set> <span> <string> <string_view> <thread> <utility> <vector> <boost/json.hpp> <fmt/format.h>)
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/precompiled.cc" CONTENT "// Holds what is precompiled for libraries.\n")
foreach(holder tercet_precompiled tercet_precompiled_computing)
  if(holder STREQUAL tercet_precompiled OR holder IN_LIST computing)
    add_library(${holder} OBJECT "${PROJECT_BINARY_DIR}/precompiled.cc")
    target_link_libraries(${holder} PRIVATE tercet_flags fmt::fmt spdlog::spdlog Boost::json)
    target_precompile_headers(${holder} PRIVATE ${common_headers})
  endif()
endforeach()

# tercet_alone(a.cc...)   sources with names of their own that others of the same target have too, so that they are not
# read together with them where CMAKE_UNITY_BUILD is on
function(tercet_alone)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# tercet_library(NAME SOURCES a.cc... [DEPS other...] [LINK lib...])   makes target tercet_NAME
function(tercet_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LINK" ${ARGN})
  add_library(tercet_${name} STATIC ${ARG_SOURCES})
  list(TRANSFORM ARG_DEPS PREPEND tercet_)
  target_link_libraries(tercet_${name} PUBLIC tercet_flags ${ARG_DEPS} ${ARG_LINK})
  if("Boost::json" IN_LIST ARG_LINK)
    tercet_precompile(tercet_${name} tercet_precompiled)
  endif()
endfunction()

# tercet_assets(OUT COMPONENT NAME:FILE,FILE...)   a source that has texts of files in it: tercet::COMPONENT::asset(NAME), which
# COMPONENT/assets.h declares
function(tercet_assets out component)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/assets.cc")
  list(TRANSFORM ARGN REPLACE "^[^:]+:" "" OUTPUT_VARIABLE files)
  list(JOIN files "," files)
  string(REPLACE "," ";" files "${files}")
  add_custom_command(
    OUTPUT "${source}"
    COMMAND "${CMAKE_COMMAND}" "-DOUTPUT=${source}" "-DFOLDER=${CMAKE_CURRENT_SOURCE_DIR}" "-DCOMPONENT=${component}"
            "-DASSETS=${ARGN}" -P "${PROJECT_SOURCE_DIR}/cmake/embed.cmake"
    DEPENDS ${files} "${PROJECT_SOURCE_DIR}/cmake/embed.cmake"
    VERBATIM)
  set(${out} "${source}" PARENT_SCOPE)
endfunction()

# tercet_executable(NAME SOURCES a.cc... [DEPS other...] [LINK lib...])   a program for users: build/NAME
# Once installed it finds its private libraries beside it, wherever the prefix is.
function(tercet_executable name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  list(TRANSFORM ARG_DEPS PREPEND tercet_)
  target_link_libraries(${name} PRIVATE tercet_flags ${ARG_DEPS} ${ARG_LINK})
  tercet_precompile(${name} tercet_precompiled)
  file(RELATIVE_PATH private_libraries "${CMAKE_INSTALL_FULL_BINDIR}" "${CMAKE_INSTALL_FULL_LIBDIR}/tercet")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}"
                                           INSTALL_RPATH "$ORIGIN/${private_libraries}")
endfunction()

# tercet_oracle(NAME SCRIPT [ARGS...])   a test that runs a Python script of reference packages; it writes what the
# C++ tests compare with into TERCET_ORACLE_DIR/NAME, which it gets as its first argument. All presets share that, and a
# script runs again only when something that it depends on has changed (tests/oracles/once.py).
set(TERCET_ORACLE_DIR "${PROJECT_SOURCE_DIR}/build/oracle" CACHE PATH "Where the oracle scripts write")
function(tercet_oracle name script)
  cmake_path(ABSOLUTE_PATH script BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
  add_test(NAME oracle.${name} COMMAND "${TERCET_PYTHON}" "${PROJECT_SOURCE_DIR}/tests/oracles/once.py" "${script}"
                                       "${TERCET_ORACLE_DIR}/${name}" ${ARGN})
  set_tests_properties(oracle.${name} PROPERTIES FIXTURES_SETUP oracle_${name} TIMEOUT 1800
    ENVIRONMENT "TERCET_SOURCE_DIR=${PROJECT_SOURCE_DIR};PYTHONDONTWRITEBYTECODE=1")
endfunction()

add_library(tercet_test_main STATIC "${PROJECT_SOURCE_DIR}/src/base/test_main.cc")
target_link_libraries(tercet_test_main PUBLIC tercet_flags GTest::gtest fmt::fmt spdlog::spdlog Boost::json)
target_precompile_headers(tercet_test_main PRIVATE <gtest/gtest.h> ${common_headers})
# Half of what there is to compile are tests, and what has to be fast in them is in the libraries.
if(NOT TERCET_SANITIZE)
  set(test_options "$<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:CXX>>:-O1>")
  target_compile_options(tercet_test_main PRIVATE ${test_options})
endif()

# tercet_test(NAME SOURCES x_test.cc... [DEPS lib...] [LINK lib...] [ORACLES name...] [LABELS l...] [TIMEOUT s] [SHARDS n] [HEAVY])
# One CTest entry a program; a HEAVY one (label heavy) runs alone, and only for `ctest --preset heavy`. The tests find the sources and the oracle's output by TERCET_SOURCE_DIR, TERCET_ORACLE_DIR.
# A program of which every test was skipped (GTEST_SKIP) is Skipped in CTest's summary; so tests that need a device have
# a program of their own. With SHARDS there are that many entries, NAME.0 and on, each of every n-th of the program's tests, so that
# a long one has more than one core. Labels: gpu (needs a device), threads (runs under tsan as well), slow.
function(tercet_test name)
  cmake_parse_arguments(ARG "HEAVY" "TIMEOUT;SHARDS" "SOURCES;DEPS;LINK;ORACLES;LABELS" ${ARGN})
  # The sanitizers' builds have no GPU backends, and a test that could only say so is not worth its compilation there.
  if(TERCET_SANITIZE AND "gpu" IN_LIST ARG_LABELS)
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  list(TRANSFORM ARG_DEPS PREPEND tercet_)
  target_link_libraries(${name} PRIVATE tercet_flags ${ARG_DEPS} ${ARG_LINK} tercet_test_main)
  target_compile_options(${name} PRIVATE ${test_options})
  tercet_precompile(${name} tercet_test_main)
  target_compile_definitions(${name} PRIVATE TERCET_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             TERCET_BINARY_DIR="${PROJECT_BINARY_DIR}"
                                             TERCET_ORACLE_DIR="${TERCET_ORACLE_DIR}")
  set(tests ${name})
  if(ARG_HEAVY)
    add_test(NAME ${name} COMMAND ${name} CONFIGURATIONS heavy)
    list(APPEND ARG_LABELS heavy)
    add_dependencies(heavy_tests ${name})
    if(TERCET_SANITIZE)
      set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    endif()
  elseif(ARG_SHARDS)
    set(tests "")
    math(EXPR last "${ARG_SHARDS} - 1")
    foreach(shard RANGE ${last})
      add_test(NAME ${name}.${shard} COMMAND ${name})
      set_tests_properties(${name}.${shard} PROPERTIES ENVIRONMENT "GTEST_TOTAL_SHARDS=${ARG_SHARDS};GTEST_SHARD_INDEX=${shard}")
      list(APPEND tests ${name}.${shard})
    endforeach()
  else()
    add_test(NAME ${name} COMMAND ${name})
  endif()
  if("threads" IN_LIST ARG_LABELS)
    add_dependencies(thread_tests ${name})
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 1800)
  endif()
  list(TRANSFORM ARG_ORACLES PREPEND oracle_)
  set_tests_properties(${tests} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}" SKIP_RETURN_CODE 77
                                           FIXTURES_REQUIRED "${ARG_ORACLES}" RUN_SERIAL "${ARG_HEAVY}")
endfunction()

# tercet_program(NAME SOURCES x.cc... [DEPS lib...] [LINK lib...])   a program for ourselves, built when it is asked for
function(tercet_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LINK" ${ARGN})
  add_executable(${name} EXCLUDE_FROM_ALL ${ARG_SOURCES})
  list(TRANSFORM ARG_DEPS PREPEND tercet_)
  target_link_libraries(${name} PRIVATE tercet_flags ${ARG_DEPS} ${ARG_LINK})
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
  add_dependencies(fuzzers ${name})
endfunction()

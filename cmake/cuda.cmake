# Makes CUDA a language, for the GPUs that TERCET_CUDA_ARCHITECTURES names:
#   auto      those of this machine if it has one, else one target that every GPU from compute capability 8.0 on can run
#             (code for 8.0, and PTX that the driver compiles for later ones when the program first runs)
#   native    those of this machine; an error where there is none
#   release   every generation has its own code, and PTX serves those to come: six times as long to build
#   a list    as CMAKE_CUDA_ARCHITECTURES takes it: "90a-real", "86;89"
set(TERCET_CUDA_ARCHITECTURES auto CACHE STRING "GPUs to build for: auto, native, release, or a list of architectures")

# The compute capabilities of this machine's GPUs, "90a-real;..."; empty where there is none, or none new enough.
function(tercet_native_architectures out)
  set(found "")
  execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
                  RESULT_VARIABLE status OUTPUT_VARIABLE answer ERROR_QUIET)
  if(status EQUAL 0)
    string(REGEX MATCHALL "[0-9]+\\.[0-9]+" capabilities "${answer}")
    foreach(capability IN LISTS capabilities)
      string(REPLACE "." "" number "${capability}")
      if(number EQUAL 90)
        list(APPEND found 90a-real)  # the `a` is for what only this generation has
      elseif(number GREATER_EQUAL 80)
        list(APPEND found ${number}-real)
      endif()
    endforeach()
    list(REMOVE_DUPLICATES found)
  endif()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

set(CMAKE_CUDA_ARCHITECTURES "${TERCET_CUDA_ARCHITECTURES}")
if(TERCET_CUDA_ARCHITECTURES STREQUAL "release")
  set(CMAKE_CUDA_ARCHITECTURES 80 86-real 89-real 90a-real 120-real)  # a bare 80 is both, code and PTX
elseif(TERCET_CUDA_ARCHITECTURES MATCHES "^(auto|native)$")
  tercet_native_architectures(CMAKE_CUDA_ARCHITECTURES)
  if(NOT CMAKE_CUDA_ARCHITECTURES AND TERCET_CUDA_ARCHITECTURES STREQUAL "native")
    message(FATAL_ERROR "TERCET_CUDA_ARCHITECTURES: native, but nvidia-smi names no GPU of compute capability 8.0 or more, "
                        "want one, or release, or a list")
  elseif(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80)
  endif()
endif()

# The toolkit that was found, whatever PATH says; one host compiler and one cache for all our code.
if(NOT CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_COMPILER "${CUDAToolkit_NVCC_EXECUTABLE}")
endif()
if(NOT CMAKE_CUDA_HOST_COMPILER)
  set(CMAKE_CUDA_HOST_COMPILER "${CMAKE_CXX_COMPILER}")
endif()
if(CMAKE_CXX_COMPILER_LAUNCHER AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
  set(CMAKE_CUDA_COMPILER_LAUNCHER "${CMAKE_CXX_COMPILER_LAUNCHER}")
endif()
enable_language(CUDA)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc takes it
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
endif()
message(STATUS "CUDA architectures: ${CMAKE_CUDA_ARCHITECTURES}")

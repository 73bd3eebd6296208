# Decides which device backends are built. Sets TERCET_HAVE_CUDA and TERCET_HAVE_WGPU (and says so), and makes the targets
# they link: CUDA::cudart_static, wgpu_native. Where one is absent, its folder builds absent.cc, which says so at run time.
include(GNUInstallDirs)

# tercet_backend(NAME FOUND WANTED)   sets TERCET_HAVE_NAME from what the user chose and what was found
function(tercet_backend name found wanted)
  string(TOLOWER "${TERCET_${name}}" choice)
  if(NOT choice MATCHES "^(auto|on|off)$")
    message(FATAL_ERROR "TERCET_${name}: ${TERCET_${name}}, want auto, on or off")
  endif()
  if(choice STREQUAL "on" AND NOT found)
    message(FATAL_ERROR "TERCET_${name}: on, but nothing to build it with was found, want ${wanted}")
  endif()
  if(choice STREQUAL "off" OR NOT found)
    set(TERCET_HAVE_${name} OFF PARENT_SCOPE)
    message(STATUS "Backend ${name}: absent (TERCET_${name}=${choice})")
  else()
    set(TERCET_HAVE_${name} ON PARENT_SCOPE)
    message(STATUS "Backend ${name}: ${found}")
  endif()
endfunction()

# CUDA. Its runtime is linked statically and finds the driver when it runs, so one program serves machines without one.
set(cuda_found "")
if(NOT TERCET_CUDA MATCHES "^([Oo][Ff][Ff])$")
  find_package(CUDAToolkit QUIET)
  if(CUDAToolkit_NVCC_EXECUTABLE AND TARGET CUDA::cudart_static)
    set(cuda_found "CUDA ${CUDAToolkit_VERSION} (${CUDAToolkit_NVCC_EXECUTABLE})")
  endif()
endif()
tercet_backend(CUDA "${cuda_found}" "the CUDA toolkit: nvcc on PATH, or -DCUDAToolkit_ROOT=DIR")
if(TERCET_HAVE_CUDA)
  include("${CMAKE_CURRENT_LIST_DIR}/cuda.cmake")
endif()

# WebGPU: wgpu-native, whose library and headers tools/setup.sh unpacks. Another one's WGPU_NATIVE_DIR is laid out as
# the releases of wgpu-native are. Nothing found here is cached, so that another folder is looked at when it changes.
set(WGPU_NATIVE_DIR "${PROJECT_SOURCE_DIR}/build/wgpu-native" CACHE PATH
    "wgpu-native: include/webgpu/{webgpu,wgpu}.h and lib/libwgpu_native.so")
find_path(wgpu_include NAMES webgpu/wgpu.h PATHS "${WGPU_NATIVE_DIR}/include" NO_DEFAULT_PATH NO_CACHE)
find_library(wgpu_library NAMES wgpu_native PATHS "${WGPU_NATIVE_DIR}/lib" NO_DEFAULT_PATH NO_CACHE)
set(wgpu_found "")
if(wgpu_include AND wgpu_library)
  set(wgpu_found "wgpu-native (${wgpu_library})")
endif()
tercet_backend(WGPU "${wgpu_found}" "wgpu-native in ${WGPU_NATIVE_DIR}: run tools/setup.sh, or -DWGPU_NATIVE_DIR=DIR")
if(TERCET_HAVE_WGPU)
  # The library carries no SONAME; without this the program would look for it by the path it had when it was linked.
  add_library(wgpu_native SHARED IMPORTED GLOBAL)
  set_target_properties(wgpu_native PROPERTIES IMPORTED_LOCATION "${wgpu_library}" IMPORTED_NO_SONAME TRUE
                                               INTERFACE_INCLUDE_DIRECTORIES "${wgpu_include}")
endif()

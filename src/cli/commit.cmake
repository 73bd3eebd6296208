# cmake -DFOLDER=. -DOUTPUT=commit.cc -P commit.cmake
# Writes a C++ file with the name of the folder's commit.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND git -C "${FOLDER}" describe --always --dirty --abbrev=40 --exclude=* RESULT_VARIABLE failed
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(failed OR NOT commit MATCHES "^[0-9a-f]+(-dirty)?$")
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" CONTENT
"// Made by src/cli/commit.cmake.\n#include \"cli/commit.h\"\n\nnamespace tercet::cli {\n
std::string_view commit() { return \"${commit}\"; }\n\n}  // namespace tercet::cli\n")

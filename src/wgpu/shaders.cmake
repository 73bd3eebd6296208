# cmake -DOUTPUT=shaders.cc -DFOLDER=src/wgpu -DFILES="embed.wgsl;kernels/norm.wgsl" -P shaders.cmake
# Writes a C++ file that has each shader's text as a raw string.
set(out "// Made from the .wgsl files by src/wgpu/shaders.cmake.\n#include \"wgpu/shaders.h\"\n\n#include <utility>\n\n")
string(APPEND out "#include \"base/check.h\"\n\nnamespace tercet::wgpu {\n\nnamespace {\n\n")
string(APPEND out "constexpr std::pair<std::string_view, std::string_view> kShaders[] = {\n")
foreach(file IN LISTS FILES)
  file(READ "${FOLDER}/${file}" text)
  string(REGEX REPLACE "\\.wgsl$" "" name "${file}")
  string(APPEND out "    {\"${name}\", R\"wgsl(${text})wgsl\"},\n")
endforeach()
string(APPEND out "};\n\n}  // namespace\n\nstd::vector<std::string_view> shader_names() {\n  std::vector<std::string_view> names;\n  for (const auto& [name, text] : kShaders) names.push_back(name);\n  return names;\n}\n\nstd::string_view shader(std::string_view name) {\n  for (const auto& [known, text] : kShaders)\n    if (known == name) return text;\n  CHECK(false);\n  return {};\n}\n\n}  // namespace tercet::wgpu\n")
file(WRITE "${OUTPUT}" "${out}")

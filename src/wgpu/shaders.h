// Owns the texts of the shaders, which the build puts into the program (shaders.cmake).
#pragma once

#include <string_view>
#include <vector>

namespace tercet::wgpu {

// "attn", "kernels/product". That it is there is our own affair.
std::string_view shader(std::string_view name);
std::vector<std::string_view> shader_names();

}  // namespace tercet::wgpu

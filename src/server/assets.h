// Owns the texts that are served as they are; cmake/embed.cmake makes them part of the program.
#pragma once

#include <string_view>

namespace tercet::server {

// A name that is not there is our own bug.
std::string_view asset(std::string_view name);

}  // namespace tercet::server

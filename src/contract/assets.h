// Owns the texts that a report is made of (report/); cmake/embed.cmake makes them part of the program.
#pragma once

#include <string_view>

namespace tercet::contract {

// A name that is not there is our own bug.
std::string_view asset(std::string_view name);

}  // namespace tercet::contract

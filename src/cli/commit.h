// Owns the name of the commit that was built.
#pragma once

#include <string_view>

namespace tercet::cli {

// 40 hexadecimal digits, with "-dirty" where the tree had changes; "unknown" outside a repository.
std::string_view commit();

}  // namespace tercet::cli

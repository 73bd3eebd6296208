// Whether this is a build with a sanitizer, where every access is checked and tests do with fewer rounds.
#pragma once

namespace tercet {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace tercet

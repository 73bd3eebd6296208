// Which sanitizer this is built with, where every access is checked and tests do with fewer rounds.
#pragma once

#if defined(__has_feature)  // clang's way to say it
#define TERCET_HAS_SANITIZER(name) __has_feature(name)
#else
#define TERCET_HAS_SANITIZER(name) 0
#endif

namespace tercet {

#if defined(__SANITIZE_ADDRESS__) || TERCET_HAS_SANITIZER(address_sanitizer)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif

#if defined(__SANITIZE_THREAD__) || TERCET_HAS_SANITIZER(thread_sanitizer)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

inline constexpr bool kSanitized = kAddressSanitizer || kThreadSanitizer;

}  // namespace tercet

#undef TERCET_HAS_SANITIZER

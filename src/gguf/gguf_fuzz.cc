// Fuzzes the reader: any bytes are either refused with a message or can be walked over from end to end.
#include <string>

#include "base/text.h"
#include "gguf/touch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tercet;
  const auto file = gguf::File::from_memory(std::as_bytes(std::span(data, size)), "fuzz");
  if (file.has_value()) {
    volatile uint64_t sum = gguf::touch(**file);
    (void)sum;
  } else {
    const std::string& message = file.error().message;
    CHECK(message.starts_with("fuzz: ") && is_utf8(message) && message.find('\n') == std::string::npos);
    CHECK(message.size() < 1000);
  }
  return 0;
}

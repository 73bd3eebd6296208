// Owns what the sanitizers see of the kernels. They take nine tenths of a step, and thirty to fifty times as long with every access
// checked; so the tables are compiled without the sanitizers, and a watched table says at the door what a call is about to
// read and write. Inside, only kernels_test checks them, which has instrumented tables of its own.
#pragma once

#include "cpu/kernels/kernels.h"

namespace tercet::cpu {

// A table with the functions of `plain`, each of which first checks its arguments' memory: what the address sanitizer holds for
// not addressable ends the program with its report, and the thread sanitizer learns of each access. Only in builds with a sanitizer,
// and always of the same `plain`.
const Kernels& watched_kernels(const Kernels& plain);

}  // namespace tercet::cpu

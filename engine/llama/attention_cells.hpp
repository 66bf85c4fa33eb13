// Which cells of the cache a token sees, read from its row of the mask. Internal to this package.
#pragma once

#include <cstdint>

namespace qv {

constexpr uint16_t hidden = 0xfc00;  // -inf in half precision

// How many of n cells m shows.
int64_t count_visible(const uint16_t * m, int64_t n);

// The last of n cells that m shows, -1 if it shows none.
int64_t last_visible(const uint16_t * m, int64_t n);

// Whether everything that a sees is seen by b.
bool within(const uint16_t * a, const uint16_t * b, int64_t n);

// Writes the first limit cells that m shows and returns how many there are.
int64_t list_visible(const uint16_t * m, int64_t n, int64_t limit, uint32_t * out);

}  // namespace qv

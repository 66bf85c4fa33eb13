// Reading rows of a mask.

#include "attention_cells.hpp"

namespace qv {

int64_t count_visible(const uint16_t * m, int64_t n) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; ++i) {
        count += m[i] != hidden;
    }
    return count;
}

int64_t last_visible(const uint16_t * m, int64_t n) {
    while (n > 0 && m[n - 1] == hidden) {
        --n;
    }
    return n - 1;
}

bool within(const uint16_t * a, const uint16_t * b, int64_t n) {
    unsigned missing = 0;
    for (int64_t i = 0; i < n; ++i) {
        missing |= (a[i] != hidden) & (b[i] == hidden);
    }
    return missing == 0;
}

int64_t list_visible(const uint16_t * m, int64_t n, int64_t limit, uint32_t * out) {
    constexpr int64_t run  = 32;
    int64_t           used = 0, i = 0;
    for (; i + run <= n && used + run <= limit; i += run) {
        int64_t seen = 0;
        for (int64_t j = 0; j < run; ++j) {
            seen += m[i + j] != hidden;
        }
        if (seen == run) {
            for (int64_t j = 0; j < run; ++j) {
                out[used + j] = static_cast<uint32_t>(i + j);
            }
            used += run;
        } else if (seen > 0) {
            for (int64_t j = 0; j < run; ++j) {
                out[used] = static_cast<uint32_t>(i + j);
                used += m[i + j] != hidden;
            }
        }
    }
    for (; i < n && used < limit; ++i) {
        if (m[i] != hidden) {
            out[used++] = static_cast<uint32_t>(i);
        }
    }
    return used;
}

}  // namespace qv

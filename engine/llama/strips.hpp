// Products with weights in ggml's formats Q4_K and Q6_K, laid out in strips: blocks of as many rows as a vector has
// lanes, interleaved by four weights, so that one instruction multiplies four weights of each row. Internal to this
// package.
//
// The products are ggml's: rows to multiply with are rounded to Q8_K as ggml does it, and what is summed within a block
// of 256 is summed in whole numbers. A product adds up block by block in one order whatever stands beside it: a row of
// a prompt and the same row alone give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ggml.h"

#define GGML_COMMON_DECL_CPP
#include "ggml-common.h"

namespace qv {

// What knows one format.
struct strip_format {
    ggml_type type;
    size_t    block;  // bytes of a block of one row, as in ggml

    // Lays out the rows of a matrix whose number of columns is a multiple of 256, and of rows one of strip_lanes().
    void (*pack)(const void * rows, int64_t columns, int64_t n_rows, void * strips);

    // Adds the products of one row with n strips of that matrix to out.
    void (*multiply_one)(const char * strips, int64_t n, int64_t blocks, const block_q8_K * row, float * out);

    // Gives the products of many rows with strip_unit() strips or fewer: out[i * stride] are those of row i. Blocks of
    // the rows lie one column of blocks after the other. Room is that of strip_room().
    void (*multiply_many)(const char * strips, int64_t n, int64_t blocks, const block_q8_K * rows, int64_t n_rows, float * out, int64_t stride,
                          char * room);
};

// The format of a tensor's type, nullptr where there is none or the processor has no instructions for it.
const strip_format * strip_format_of(ggml_type type);

int64_t strip_lanes();
int64_t strip_unit();
size_t  strip_room();

// Rounds a row to Q8_K; its blocks are written stride apart.
void round_row(const float * row, int64_t blocks, block_q8_K * out, int64_t stride);

}  // namespace qv

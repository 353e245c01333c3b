// Messages out of a batch (FHS, BHS … BTS, FTS), a file, or a frame that holds several. Works on raw bytes in any of
// our character sets: CR, LF and the letters of a segment's name are never part of a GB 18030 character. Pure; threads:
// any.
#pragma once

#include <string_view>
#include <vector>

namespace hutong::hl7v2 {

// Whether the bytes are a batch: they begin with FHS or BHS.
bool is_batch(std::string_view bytes);
// The messages of a batch, in order, as views; its own header and trailer lines are left out.
std::vector<std::string_view> split_batch(std::string_view bytes);
// The messages of a file: each begins at MSH at a line's start (MLLP's 0x0B may stand before it). Batches are opened;
// what stands before the first message is left out. None: the file holds no message.
std::vector<std::string_view> split_file(std::string_view bytes);

}  // namespace hutong::hl7v2

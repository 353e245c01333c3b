// The little that a sender has to know of HL7 v2 bytes: where messages begin in a file, which control id one bears,
// and what an acknowledgement says. Bytes are never decoded or changed (GB18030 trail bytes hold no CR, LF or VT),
// line ends excepted. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hutong::mllp_client {

// Every message of a file: it begins at MSH at a line's start and ends before the next one. CRLF and LF become CR;
// batch segments (FHS, BHS, BTS, FTS), MLLP framing and what stands before the first MSH are left out.
std::vector<std::string> messages_in_file(std::string_view bytes);

// MSH-10 of a message; empty where it has none.
std::string_view control_id_of(std::string_view message);

// Whether no acknowledgement will come: the message asks for none (MSH-15 and MSH-16 both NE), or is one itself.
bool expects_no_answer(std::string_view message);

// `none`: an answer was due and did not come. `unasked`: none was due, and the message was sent.
enum class AnswerCode : std::uint8_t { AA, AE, AR, CA, CE, CR, unreadable, none, unasked };
inline constexpr std::size_t answer_codes = 9;
std::string_view to_string(AnswerCode code);

struct Answer {
  AnswerCode code = AnswerCode::none;
  std::string_view control_id;  // MSA-2: which message is answered
  bool send_again = false;      // AR or CR with ERR 207: not stored, the fault is the receiver's
  std::string_view bytes;       // the whole acknowledgement, without framing; valid during the call it is given to
};
Answer parse_answer(std::string_view acknowledgement);

}  // namespace hutong::mllp_client

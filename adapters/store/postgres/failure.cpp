#include "adapters/store/postgres/failure.h"

#include <algorithm>
#include <string>

namespace hutong::store {
namespace {

std::string one_line(std::string_view words) {
  std::string line(words.substr(0, 500));
  std::replace(line.begin(), line.end(), '\n', ' ');
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

tl::unexpected<Error> unreachable(std::string_view words) {
  return fail(ErrorCode::unavailable, "PostgreSQL cannot be reached: " + one_line(words));
}

// Classes: https://www.postgresql.org/docs/current/errcodes-appendix.html
Error refused(const char* sqlstate, std::string_view words) {
  const std::string_view state = sqlstate ? sqlstate : "?????";
  const std::string_view kind = state.substr(0, 2);
  auto told = [&](ErrorCode code) {
    return Error{code, "PostgreSQL: " + one_line(words) + " (" + std::string(state) + ")"};
  };
  if (state == "57014")
    return {ErrorCode::timeout, "PostgreSQL gave a statement up after its time (statement_timeout)"};
  if (state == "53100") return {ErrorCode::unavailable, "PostgreSQL's disk is full; free space, it resumes by itself"};
  // Connection, resources, operator's intervention, rights, a standby, the system.
  for (auto each : {"08", "53", "57", "28", "3D", "25", "58"}) {
    if (kind == each) return told(ErrorCode::unavailable);
  }
  if (state == "42501") return told(ErrorCode::unavailable);
  if (kind == "40")
    return {ErrorCode::unavailable, "PostgreSQL undid a transaction beside another one; it is tried again"};
  if (kind == "XX")
    return {ErrorCode::corrupt,
            "PostgreSQL reports damage (" + std::string(state) + "); see its own log, restore or run: hutong rebuild"};
  return {ErrorCode::internal,
          "PostgreSQL refused a statement of ours (" + std::string(state) + "); its own log has the words"};
}

}  // namespace hutong::store

// Expected failures as values. Everything that can fail in operation returns Result<T>; a broken
// invariant asserts (base/invariant.h); start-up and configuration throw (see docs/adr/0005).
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace hutong {

// One code per decision a caller can take; each adapter maps it to its wire in one switch.
enum class ErrorCode {
  invalid,       // the input is at fault: AE, 400
  not_found,     // 404
  gone,          // was there, is not any more: 410
  conflict,      // an expected version did not match: 409, 412
  forbidden,     // no permit: 401, 403
  too_large,     // beyond a named limit: 413
  too_costly,    // refused with advice, e.g. a search without patient or id: 400
  overloaded,    // a bounded queue is full, try again: AR 207, 503
  unavailable,   // log, store or disk is away, try again: AR 207, 503
  corrupt,       // stored bytes do not verify; never skipped in silence
  timeout,       // a deadline passed; the outcome may be unknown
  internal,      // a defect of ours
};

std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::internal;
  // For an operator: what happened and what to do. Never personal data, never input bytes.
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace hutong

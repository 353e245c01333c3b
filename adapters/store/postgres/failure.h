// The one place where PostgreSQL's errors become ours (docs/adr/0005). Pure functions; any thread.
#pragma once

#include <string_view>

#include "broker/base/error.h"

namespace hutong::store {

// The connection was refused or lost; `words` are libpq's (host and user at most, never the password).
tl::unexpected<Error> unreachable(std::string_view words);
// The server refused a command. Its words are shown only where they speak of the server and not of rows, which hold
// patients.
Error refused(const char* sqlstate, std::string_view words);

}  // namespace hutong::store

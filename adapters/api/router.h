// From an address to its route: literal segments before {captures}, left to right. Threads: built once, read by any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adapters/api/route.h"

namespace hutong::api {

class Router {
 public:
  // Throws std::invalid_argument: two routes of one method and the same form.
  explicit Router(std::vector<Route> routes);
  struct Match {
    const Route* route = nullptr;  // nullptr: no such address, or not by this method (then `allowed` says which)
    std::vector<std::string> captures;
    std::vector<std::string> allowed;
  };
  // `segments`: of the path, decoded. HEAD finds GET's route.
  Match find(std::string_view method, const std::vector<std::string>& segments) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Entry {
    const Route* route;
    std::vector<std::string> segments;  // "" stands for a capture
  };
  std::vector<Route> routes_;
  std::vector<Entry> entries_;  // most literal first
};

// What the target of a request line says. Errors: invalid (bad percent-encoding, not UTF-8, a control character,
// "." or ".." as a segment).
struct Address {
  std::string path;                   // decoded
  std::vector<std::string> segments;  // decoded, of "/": none
  std::vector<std::pair<std::string, std::string>> query;
};
Result<Address> read_address(std::string_view target);
// "a=1&b=%E4%B8%AD": also the form bodies of _search. Errors: invalid.
Result<std::vector<std::pair<std::string, std::string>>> read_query(std::string_view text);

}  // namespace hutong::api

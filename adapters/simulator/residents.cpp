#include "adapters/simulator/residents.h"

#include <cstdio>

#include "adapters/simulator/random.h"
#include "broker/base/time.h"

namespace hutong::simulator {
namespace {

struct Area {
  const char *code, *name, *postcode;
};
// GB/T 2260 (domain.md §4.3).
constexpr Area areas[] = {{"230803", "向阳区", "154002"}, {"230804", "前进区", "154002"},
                          {"230805", "东风区", "154005"}, {"230811", "郊区", "154004"},
                          {"230822", "桦南县", "154400"}, {"230826", "桦川县", "154300"},
                          {"230828", "汤原县", "154700"}, {"230881", "同江市", "156400"},
                          {"230882", "富锦市", "156100"}, {"231083", "海林市", "157100"}};
constexpr std::size_t area_count = std::size(areas);

constexpr const char* families[] = {"王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙",   "胡",
                                    "朱", "高", "林", "何", "郭", "马", "罗", "梁", "宋", "郑", "谢", "韩",   "唐",
                                    "冯", "于", "董", "萧", "程", "曹", "袁", "邓", "许", "傅", "沈", "曾",   "彭",
                                    "吕", "苏", "卢", "蒋", "蔡", "贾", "丁", "魏", "薛", "叶", "阎", "欧阳", "司马"};
constexpr const char* male_given[] = {"伟",   "强",   "磊",   "军",   "勇",   "杰",   "涛",   "明",   "超",
                                      "建国", "建华", "志强", "永福", "国庆", "海涛", "振东", "文博", "浩然",
                                      "宇轩", "子轩", "德胜", "玉林", "长海", "春生", "立新", "俊杰", "一鸣"};
constexpr const char* female_given[] = {"芳",   "娜",   "敏",   "静",   "丽",   "艳",   "霞",   "燕",   "红",
                                        "秀英", "桂英", "玉兰", "淑珍", "凤霞", "晓梅", "雪娇", "佳怡", "梓涵",
                                        "欣怡", "诗涵", "桂芝", "淑华", "丽娟", "海燕", "玉珍", "雨桐", "若曦"};
// Characters that break careless software: GB18030 trail bytes | ^ ~ \, and some of four bytes.
constexpr const char* rare_given[] = {"瑋",   "東",   "億", "區", "𬭛", "龑",   "堃", "喆",   "𬭛東",
                                      "億瑋", "乗風", "璣", "琟", "俓", "亊成", "犇", "玥彤", "㛃"};
struct Ethnic {
  const char *code, *name, *man, *woman;
};
constexpr Ethnic dotted[] = {{"05", "维吾尔族", "艾尔肯·买买提", "阿依古丽·买买提"},
                             {"05", "维吾尔族", "吐尔逊·艾合买提", "迪丽努尔·艾合买提"},
                             {"17", "哈萨克族", "叶尔兰·努尔兰别克", "阿依努尔·努尔兰别克"},
                             {"02", "蒙古族", "巴特尔·孛儿只斤", "其其格·孛儿只斤"}};
constexpr const char* streets[] = {"和平路", "光复路",   "杏林路", "长安路", "中山街", "保卫路",
                                   "胜利路", "松花江路", "通江街", "西林路", "建国街", "红旗路"};
constexpr const char* placeholders[] = {
    "000000000000000000", "111111111111111111", "999999999999999999", "123456789012345678", "无", "不详", "未提供"};

// Uniqueness of cards: (serial, area, day of the year) is a bijection of the resident's number, so two residents can
// share a card only by meaning to.
constexpr std::uint64_t serials = 499, days = 365;
constexpr std::uint64_t cells = serials * area_count * days;  // 1,821,350
constexpr std::uint64_t stride = 1'140'713;                   // shares no divisor with `cells`

}  // namespace

char card_check_character(const std::string& seventeen) {
  static constexpr int weights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
  int sum = 0;
  for (std::size_t i = 0; i < 17; ++i) sum += (seventeen[i] - '0') * weights[i];
  return "10X98765432"[sum % 11];
}

Residents::Residents(std::uint64_t seed, std::uint32_t count, double odd_cards)
    : seed_(seed), count_(count), odd_cards_(odd_cards) {}

Residents::Core Residents::core(std::uint32_t number) const {
  const std::uint64_t cell = (number * stride + mix(seed_, 11) % cells) % cells;
  Random random(mix(seed_, mix(number, 1)));
  Core core;
  core.male = random.chance(0.5);
  core.area = cell / serials % area_count;
  core.serial = static_cast<std::uint32_t>(cell % serials) * 2 + (core.male ? 1 : 2);
  // Ages as in an ageing northern city: few children, many between 45 and 75.
  const double shares[] = {9, 9, 18, 30, 24, 10};
  const int from[] = {2010, 2000, 1985, 1967, 1950, 1935}, years[] = {15, 10, 15, 18, 17, 15};
  const std::size_t band = random.weighted(shares);
  const int year = from[band] + static_cast<int>(random.below(static_cast<std::uint64_t>(years[band])));
  core.born =
      civil_of(days_from_civil(year, 1, 1) * day + static_cast<LocalSeconds>(cell / (serials * area_count)) * day);
  return core;
}

std::string Residents::own_card(std::uint32_t number) const {
  const Core c = core(number);
  char digits[40];
  std::snprintf(digits, sizeof digits, "%s%s%03u", areas[c.area].code, hl7_date(c.born).c_str(), c.serial);
  return std::string(digits) + card_check_character(digits);
}

Resident Residents::resident(std::uint32_t number) const {
  const Core c = core(number);
  Random random(mix(seed_, mix(number, 2)));
  Resident r;
  r.number = number;
  r.male = c.male;
  r.born = c.born;
  r.ethnic_code = "01";
  r.ethnic_name = "汉族";
  if (random.chance(0.006)) {
    const Ethnic& ethnic = random.pick(dotted);
    r.family = r.male ? ethnic.man : ethnic.woman;
    r.ethnic_code = ethnic.code;
    r.ethnic_name = ethnic.name;
  } else {
    // The first twenty family names are those of half of the people.
    r.family = families[random.chance(0.55) ? random.below(20) : random.below(std::size(families))];
    r.given = random.chance(0.02) ? random.pick(rare_given)
              : r.male            ? random.pick(male_given)
                                  : random.pick(female_given);
    if (random.chance(0.03)) {
      r.ethnic_code = "11";
      r.ethnic_name = "满族";
    }
  }
  char text[48];
  std::snprintf(text, sizeof text, "1%llu%08llu", 30 + static_cast<unsigned long long>(random.below(70)),
                static_cast<unsigned long long>(random.below(100'000'000)));
  r.phone = text;
  r.street = std::string(random.pick(streets)) + std::to_string(1 + random.below(400)) + "号";
  r.district = areas[c.area].name;
  r.postcode = areas[c.area].postcode;
  r.home = static_cast<std::uint32_t>(random.below(1'000'000));
  const int age = 2026 - r.born.year;
  r.diabetic = random.chance(age > 55 ? 0.2 : age > 35 ? 0.07 : 0.005);
  r.hypertensive = random.chance(age > 55 ? 0.45 : age > 35 ? 0.15 : 0.01);
  r.kidney = random.chance(r.diabetic ? 0.2 : age > 60 ? 0.06 : 0.01);
  r.lipids = random.chance(age > 40 ? 0.35 : 0.08);
  r.anaemic = random.chance(r.male ? 0.04 : 0.12);
  r.hepatitis_b = random.chance(0.05);
  r.card = own_card(number);
  if (random.chance(odd_cards_)) {
    r.card_kind = random.chance(0.5) ? CardKind::placeholder : CardKind::borrowed;
    r.card = r.card_kind == CardKind::placeholder ? random.pick(placeholders)
                                                  : own_card(static_cast<std::uint32_t>(random.below(count_)));
    if (r.card == own_card(number)) r.card_kind = CardKind::own;
  }
  return r;
}

double Residents::baseline(std::uint32_t number, std::uint64_t item) const {
  return Random(mix(seed_, mix(number, item + 1'000))).normal();
}

std::string Residents::patient_digits(std::uint32_t number, std::size_t institution) const {
  constexpr std::uint64_t prime = 99'999'989;
  const std::uint64_t value = ((number + 1) * 48'271ULL + mix(seed_, institution + 77) % prime) % prime;
  char text[32];
  std::snprintf(text, sizeof text, "%08llu", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace hutong::simulator

// A simulated Chinese population and how it is registered, with the errors that clerks make; invented throughout. Whom
// a registration is of is known, so that linking can be counted. Registrations of one person are spread over the
// stream.
//
// Shares of registrations: homophones 1.2 %, variant or traditional characters 0.8 %, another character 0.3 %, names
// the wrong way round 0.2 %, in letters 0.3 %; birth dates missing 1.5 %, day and month exchanged 0.4 %, one digit
// wrong 0.6 %; sex missing 1 %, wrong 0.2 %; cards missing 25 %, mistyped 0.4 %, a placeholder or another's 0.3 %;
// phones missing 15 %, the household's 20 %, changed 8 %; addresses missing 15 %, shortened 25 %, moved 6 %; 社保卡 30
// %. Twins: 1.5 % of people. Of those registered without a card 30 % bring one later, one in a hundred of these
// another's. Every twelfth woman of an age for it has newborns at her first facility (one in ten has twins), under her
// number (PID-21), phone and street, half of them under her card; half of them get a name and a card of their own, and
// are registered elsewhere with these.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "broker/base/arena.h"
#include "broker/model/event.h"
#include "broker/model/identifier.h"

namespace hutong::tests {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 0x2545F4914F6CDD1DULL) {}
  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t z = state_;
    z = (z ^ z >> 30U) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27U) * 0x94D049BB133111EBULL;
    return z ^ z >> 31U;
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }
  bool chance(double p) { return static_cast<double>(next() >> 11U) < p * 9007199254740992.0; }
  template <class List>
  const auto& pick(const List& list) {
    return list[below(std::size(list))];
  }
  // Small places are likelier: the first of 60 family names is that of 6.5 % of people, as 王 is, and the commonest
  // whole name that of one in 2,800 (in truth it is one in 5,000: here is less variety).
  std::size_t skewed(std::size_t n) {
    const double u = static_cast<double>(next() >> 11U) / 9007199254740992.0;
    return std::min(n - 1, static_cast<std::size_t>(std::pow(u, 1.5) * static_cast<double>(n)));
  }

 private:
  std::uint64_t state_;
};

struct Registration {
  std::uint32_t person = 0;
  std::string facility, number;
  std::string name, family, given;  // `family` and `given` where the sender separates them
  std::string born, card, insurance_card, phone, street, district, postcode;
  std::string mother;  // her number at the same facility
  bool card_valid = true, placeholder = false, borrowed = false;
  model::Sex sex = model::Sex::unknown;

  // Views point into this registration and the arena.
  model::Subject subject(Arena& arena) const {
    model::Subject out;
    out.number = number;
    out.facility = facility;
    out.identifiers.push(
        arena, {.kind = model::IdentifierKind::facility_number, .value = number, .type = "MR", .facility = facility});
    if (!card.empty()) {
      out.identifiers.push(arena, {.kind = model::IdentifierKind::resident_card,
                                   .value = card,
                                   .type = "NI",
                                   .valid = card_valid && !placeholder,
                                   .placeholder = placeholder});
    }
    if (!insurance_card.empty()) {
      out.identifiers.push(arena,
                           {.kind = model::IdentifierKind::social_security, .value = insurance_card, .type = "SS"});
    }
    out.names.push(arena, {.text = name, .family = family, .given = given});
    out.born.iso = born;
    out.sex = sex;
    if (!street.empty())
      out.addresses.push(arena, {.text = street, .street = street, .district = district, .postcode = postcode});
    if (!phone.empty()) out.contacts.push(arena, {.value = phone, .use = "mobile"});
    out.mother_number = mother;
    return out;
  }
};

class Population {
 public:
  Population(std::uint64_t seed, std::uint32_t people) : seed_(seed), people_(people) {}

  std::uint32_t people() const { return people_; }
  // The registrations of one person: one to four, each at another facility.
  std::vector<Registration> registrations(std::uint32_t number) const {
    const Person own = person(number);
    Dice dice(seed_ ^ (number * 0xD1B54A32D192ED03ULL + 77));
    const std::size_t times =
        1 + (dice.chance(0.62) ? 1 : 0) + (dice.chance(0.35) ? 1 : 0) + (dice.chance(0.12) ? 1 : 0);
    std::vector<Registration> out;
    for (std::size_t i = 0; i < times; ++i) out.push_back(registered(own, number, i, dice));
    return out;
  }

  // The same registrations told again, with the card that was brought meanwhile.
  std::vector<Registration> updates(std::uint32_t number) const {
    Dice dice(seed_ ^ (number * 0xC2B2AE3D27D4EB4FULL + 5));
    std::vector<Registration> out;
    for (auto& each : registrations(number)) {
      if (!each.card.empty() || !dice.chance(0.3)) continue;
      each.borrowed = dice.chance(0.01);
      each.card = person(each.borrowed ? (number + 1) % people_ : number).card;
      out.push_back(std::move(each));
    }
    return out;
  }

  // A woman's newborns, each with all that is told of it in this order; `person` is people() + 2 * mother, and one more
  // for the second of twins.
  std::vector<std::vector<Registration>> newborns(std::uint32_t mother) const {
    const Person own = person(mother);
    Dice dice(seed_ ^ (mother * 0x165667B19E3779F9ULL + 3));
    if (own.male || own.dotted || own.year < 1985 || own.year > 2005 || !dice.chance(1.0 / 12)) return {};
    const auto hers = registrations(mother).front();
    const bool twins = dice.chance(0.1), under_her_name = dice.chance(0.2), under_her_card = dice.chance(0.5);
    std::vector<std::vector<Registration>> out;
    const int month = 1 + static_cast<int>(dice.below(12)), day = 1 + static_cast<int>(dice.below(28));
    for (std::uint32_t i = 0; i < (twins ? 2U : 1U); ++i) {
      const bool male = dice.chance(0.5);
      Registration first;
      first.person = people_ + 2 * mother + i;
      first.facility = hers.facility;
      first.number = "N" + std::to_string(first.person);
      first.mother = hers.number;
      first.name = hers.name + (under_her_name ? "" : male ? "之子" : "之女");
      first.born = date(2026, month, day);
      first.sex = male ? model::Sex::male : model::Sex::female;
      if (under_her_card)
        first.card = hers.card, first.card_valid = hers.card_valid, first.placeholder = hers.placeholder;
      first.phone = hers.phone, first.street = hers.street, first.district = hers.district;
      first.postcode = hers.postcode;
      std::vector<Registration> told{first};
      if (dice.chance(0.5)) {
        Person child = person(mother / 2 + i * 7);  // somebody's given name
        child.year = 2026, child.month = month, child.day = day, child.male = male;
        Registration named = first;
        named.name = own.family + child.given;
        named.card = card(own.card.substr(0, 6).c_str(), child, first.person);
        named.card_valid = true, named.placeholder = false;
        told.push_back(named);
        named.facility = "f" + std::to_string((mother * 31 + 3) % 40);
        named.number += "e";
        named.mother.clear();
        told.push_back(named);
      }
      out.push_back(std::move(told));
    }
    return out;
  }

 private:
  struct Person {
    std::string family, given, other_family, other_given;  // the other: homophones
    std::string letters;                                   // in pinyin
    int year = 0, month = 0, day = 0;
    bool male = false;
    std::string card, insurance_card, phone, household_phone, street, district, postcode;
    bool dotted = false;
  };
  struct Syllable {
    const char *plain, *same_sound, *letters;
  };

  static std::string date(int year, int month, int day) {
    char text[16];
    std::snprintf(text, sizeof text, "%04d-%02d-%02d", year, month, day);
    return text;
  }

  static std::string digits(std::uint64_t value, int width) {
    std::string out(static_cast<std::size_t>(width), '0');
    for (int i = width; i-- > 0; value /= 10) out[static_cast<std::size_t>(i)] = static_cast<char>('0' + value % 10);
    return out;
  }

  Person person(std::uint32_t number) const {
    static constexpr Syllable families[] = {
        {"王", "汪", "wang"},  {"李", "黎", "li"},         {"张", "章", "zhang"}, {"刘", "柳", "liu"},
        {"陈", "谌", "chen"},  {"杨", "羊", "yang"},       {"赵", "兆", "zhao"},  {"黄", "皇", "huang"},
        {"周", "舟", "zhou"},  {"吴", "武", "wu"},         {"徐", "许", "xu"},    {"孙", "荪", "sun"},
        {"胡", "湖", "hu"},    {"朱", "祝", "zhu"},        {"高", "郜", "gao"},   {"林", "蔺", "lin"},
        {"何", "和", "he"},    {"郭", "国", "guo"},        {"马", "码", "ma"},    {"罗", "洛", "luo"},
        {"梁", "良", "liang"}, {"宋", "送", "song"},       {"郑", "正", "zheng"}, {"谢", "解", "xie"},
        {"韩", "寒", "han"},   {"唐", "汤", "tang"},       {"冯", "丰", "feng"},  {"于", "余", "yu"},
        {"董", "懂", "dong"},  {"萧", "肖", "xiao"},       {"程", "成", "cheng"}, {"曹", "操", "cao"},
        {"袁", "原", "yuan"},  {"邓", "登", "deng"},       {"傅", "付", "fu"},    {"沈", "审", "shen"},
        {"曾", "增", "zeng"},  {"彭", "朋", "peng"},       {"吕", "旅", "lv"},    {"苏", "酥", "su"},
        {"卢", "路", "lu"},    {"蒋", "讲", "jiang"},      {"蔡", "菜", "cai"},   {"贾", "甲", "jia"},
        {"丁", "订", "ding"},  {"魏", "卫", "wei"},        {"薛", "雪", "xue"},   {"叶", "业", "ye"},
        {"阎", "严", "yan"},   {"欧阳", "欧羊", "ouyang"}, {"潘", "攀", "pan"},   {"杜", "度", "du"},
        {"戴", "代", "dai"},   {"夏", "下", "xia"},        {"钟", "忠", "zhong"}, {"任", "仁", "ren"},
        {"姜", "江", "jiang"}, {"范", "饭", "fan"},        {"方", "芳", "fang"},  {"石", "时", "shi"}};
    static constexpr Syllable first[] = {
        {"伟", "玮", "wei"},  {"建", "健", "jian"}, {"志", "智", "zhi"},  {"国", "帼", "guo"},  {"文", "雯", "wen"},
        {"明", "铭", "ming"}, {"海", "嗨", "hai"},  {"晓", "小", "xiao"}, {"子", "籽", "zi"},   {"雨", "宇", "yu"},
        {"欣", "新", "xin"},  {"佳", "嘉", "jia"},  {"思", "斯", "si"},   {"梓", "紫", "zi"},   {"俊", "骏", "jun"},
        {"浩", "皓", "hao"},  {"秀", "绣", "xiu"},  {"玉", "钰", "yu"},   {"桂", "贵", "gui"},  {"淑", "舒", "shu"},
        {"凤", "奉", "feng"}, {"春", "椿", "chun"}, {"丽", "莉", "li"},   {"永", "咏", "yong"}, {"德", "得", "de"},
        {"立", "利", "li"},   {"振", "震", "zhen"}, {"宏", "洪", "hong"}, {"东", "冬", "dong"}, {"长", "常", "chang"},
        {"金", "锦", "jin"},  {"庆", "磬", "qing"}, {"若", "偌", "ruo"},  {"诗", "施", "shi"},  {"一", "伊", "yi"},
        {"天", "添", "tian"}, {"家", "加", "jia"},  {"学", "雪", "xue"},  {"清", "青", "qing"}, {"艳", "燕", "yan"}};
    static constexpr Syllable second[] = {
        {"华", "桦", "hua"},  {"强", "蔷", "qiang"}, {"军", "君", "jun"},  {"平", "萍", "ping"},  {"英", "瑛", "ying"},
        {"芳", "方", "fang"}, {"兰", "岚", "lan"},   {"珍", "真", "zhen"}, {"霞", "侠", "xia"},   {"梅", "媚", "mei"},
        {"娟", "鹃", "juan"}, {"涵", "晗", "han"},   {"轩", "宣", "xuan"}, {"怡", "仪", "yi"},    {"然", "燃", "ran"},
        {"杰", "洁", "jie"},  {"涛", "韬", "tao"},   {"斌", "彬", "bin"},  {"龙", "隆", "long"},  {"生", "声", "sheng"},
        {"林", "琳", "lin"},  {"峰", "锋", "feng"},  {"波", "博", "bo"},   {"辉", "晖", "hui"},   {"磊", "垒", "lei"},
        {"超", "钞", "chao"}, {"鹏", "朋", "peng"},  {"福", "富", "fu"},   {"祥", "翔", "xiang"}, {"成", "诚", "cheng"},
        {"义", "艺", "yi"},   {"勇", "永", "yong"},  {"静", "靖", "jing"}, {"敏", "闽", "min"},   {"红", "虹", "hong"},
        {"琴", "勤", "qin"},  {"云", "芸", "yun"},   {"莲", "连", "lian"}, {"香", "湘", "xiang"}, {"洋", "阳", "yang"},
        {"鑫", "馨", "xin"},  {"宇", "雨", "yu"},    {"豪", "毫", "hao"},  {"妍", "研", "yan"},   {"彤", "童", "tong"}};
    static constexpr Syllable dotted_given[] = {{"艾尔肯", "艾尔垦", "aierken"},      {"吐尔逊", "吐尔迅", "tuerxun"},
                                                {"阿依古丽", "阿衣古丽", "ayiguli"},  {"买买提", "麦麦提", "maimaiti"},
                                                {"古丽娜尔", "古丽那尔", "gulinaer"}, {"叶尔兰", "叶尔澜", "yeerlan"},
                                                {"巴特尔", "巴特耳", "bateer"},       {"其其格", "奇奇格", "qiqige"}};
    static constexpr const char* districts[][2] = {
        {"向阳区", "154002"}, {"前进区", "154003"}, {"东风区", "154005"}, {"郊区", "154004"},   {"桦南县", "154400"},
        {"桦川县", "154300"}, {"汤原县", "154700"}, {"同江市", "156400"}, {"富锦市", "156100"}, {"海林市", "157100"}};
    static constexpr const char* areas[] = {"230803", "230804", "230805", "230811", "230822",
                                            "230826", "230828", "230881", "230882", "231083"};
    static constexpr const char* streets[] = {"和平路",   "光复路", "杏林路", "长安路", "中山街", "保卫路", "胜利路",
                                              "松花江路", "通江街", "西林路", "建国街", "红旗路", "学府街", "万新街",
                                              "顺和街",   "站前路", "友谊路", "德祥街", "滨江路", "文化路"};

    // Twins: of every 133 people one pair, born together, in one household.
    const bool twin = number % 133 == 1;
    const std::uint32_t household = (twin ? number - 1 : number);
    Dice home(seed_ ^ (household * 0xA24BAED4963EE407ULL + 11)), own(seed_ ^ (number * 0x9FB21C651E98DF25ULL + 23));
    Person p;
    const auto& family = families[home.skewed(std::size(families))];
    p.family = family.plain;
    p.other_family = family.same_sound;
    p.letters = family.letters;
    p.year = 1935 + static_cast<int>(home.below(90));
    p.month = 1 + static_cast<int>(home.below(12));
    p.day = 1 + static_cast<int>(home.below(28));
    p.male = twin ? home.chance(0.5) : own.chance(0.5);
    if (own.chance(0.006)) {
      const auto &name = own.pick(dotted_given), &father = own.pick(dotted_given);
      p.dotted = true;
      p.given = name.plain, p.other_given = name.same_sound;
      p.family = father.plain, p.other_family = father.same_sound;
      p.letters = std::string(name.letters) + " " + father.letters;
    } else {
      const bool two = own.chance(0.82);
      const std::size_t place = own.skewed(std::size(first)), last = own.skewed(std::size(second));
      // A twin's name differs in its last character from the other's by its own draw; never the same.
      const auto& a = twin ? first[(place + 1) % std::size(first)] : first[place];
      const auto& b = second[(last + household) % std::size(second)];
      p.given = two ? std::string(a.plain) + b.plain : std::string(b.plain);
      p.other_given = two ? std::string(a.same_sound) + b.plain : std::string(b.same_sound);
      p.letters += " " + (two ? std::string(a.letters) + b.letters : std::string(b.letters));
    }
    const std::size_t area = home.below(std::size(areas));
    p.district = districts[area][0];
    p.postcode = districts[area][1];
    p.street = std::string(p.district) + home.pick(streets) + std::to_string(1 + home.below(400)) + "号" +
               std::to_string(1 + home.below(6)) + "单元" + std::to_string(1 + home.below(30)) + "室";
    p.phone = "1" + digits(3'000'000'000ULL + own.below(6'999'999'999ULL), 10);
    p.household_phone = "1" + digits(3'000'000'000ULL + home.below(6'999'999'999ULL), 10);
    p.insurance_card = "H" + digits(number * 7'919ULL + 13, 8);
    p.card = card(areas[own.below(std::size(areas))], p, number);
    return p;
  }

  // Different for every person: the serial counts those born on one day.
  static std::string card(const char* area, const Person& p, std::uint32_t number) {
    std::string out = area;
    const std::string born = date(p.year, p.month, p.day);
    out += born.substr(0, 4) + born.substr(5, 2) + born.substr(8, 2);
    out += digits((number * 2 + (p.male ? 1 : 0)) % 1000, 3);
    if (((out[16] - '0') % 2 == 1) != p.male) out[16] = static_cast<char>(out[16] == '9' ? '8' : out[16] + 1);
    out += model::card_check(out);
    return out;
  }

  static std::string traditional(const std::string& name) {
    static constexpr const char* pairs[][2] = {
        {"国", "國"}, {"伟", "偉"}, {"华", "華"}, {"军", "軍"}, {"兰", "蘭"}, {"丽", "麗"}, {"张", "張"}, {"刘", "劉"},
        {"陈", "陳"}, {"杨", "楊"}, {"峰", "峯"}, {"杰", "傑"}, {"涛", "濤"}, {"凤", "鳳"}, {"云", "雲"}, {"龙", "龍"},
        {"东", "東"}, {"马", "馬"}, {"吴", "吳"}, {"义", "義"}, {"红", "紅"}, {"莲", "蓮"}};
    std::string out = name;
    for (const auto& pair : pairs) {
      if (const auto at = out.find(pair[0]); at != std::string::npos)
        out.replace(at, std::char_traits<char>::length(pair[0]), pair[1]);
    }
    return out;
  }

  Registration registered(const Person& p, std::uint32_t number, std::size_t time, Dice& dice) const {
    Registration r;
    r.person = number;
    // Each person's registrations are at different facilities; a facility's numbers are its own.
    r.facility = "f" + std::to_string((number * 31 + time * 7) % 40);
    r.number = std::to_string(number * 4ULL + time);
    std::string family = p.family, given = p.given;
    if (dice.chance(0.012)) (dice.chance(0.3) ? family : given) = dice.chance(0.3) ? p.other_family : p.other_given;
    if (dice.chance(0.003))
      given = p.dotted ? p.given + "娜" : std::string("天") + p.given.substr(std::min<std::size_t>(3, p.given.size()));
    if (given == p.other_family) given = p.other_given;  // the draw above mixed the two
    if (family == p.other_given) family = p.other_family;
    if (p.dotted) {
      static constexpr const char* dots[] = {"·", "•", ".", "・", " "};
      r.name = given + dice.pick(dots) + family;
    } else {
      r.name = family + given;
      if (dice.chance(0.5)) r.family = family, r.given = given;
      if (dice.chance(0.002)) r.name = given + family, std::swap(r.family, r.given);
    }
    if (dice.chance(0.008))
      r.name = traditional(r.name), r.family = traditional(r.family), r.given = traditional(r.given);
    if (dice.chance(0.003)) r.name = p.letters, r.family.clear(), r.given.clear();
    int year = p.year, month = p.month, day = p.day;
    if (dice.chance(0.004) && p.day <= 12) std::swap(month, day);
    if (dice.chance(0.002)) year += dice.chance(0.5) ? 1 : -1;
    if (dice.chance(0.002)) day = 1 + (day + 9) % 28;
    if (dice.chance(0.002)) month = 1 + month % 12;
    if (!dice.chance(0.015)) r.born = date(year, month, day);
    if (!dice.chance(0.01)) r.sex = (p.male != dice.chance(0.002)) ? model::Sex::male : model::Sex::female;
    if (!dice.chance(0.25)) r.card = p.card;
    if (!r.card.empty() && dice.chance(0.004)) {  // a digit mistyped: the check digit tells
      const std::size_t at = dice.below(17);
      r.card[at] = static_cast<char>('0' + (r.card[at] - '0' + 1 + static_cast<int>(dice.below(9))) % 10);
      r.card_valid = model::read_resident_card(r.card).has_value();
    }
    if (dice.chance(0.003)) {
      static constexpr const char* placeholders[] = {"111111111111111111", "110101190001011009", "无"};
      if (dice.chance(0.5)) {
        r.card = dice.pick(placeholders);
        r.placeholder = true;
      } else {  // another's: a relative's, mostly
        const std::uint32_t other =
            number > 0 && dice.chance(0.7) ? number - 1 : static_cast<std::uint32_t>(dice.below(people_));
        r.card = person(other).card;
        r.borrowed = other != number;
      }
      r.card_valid = !r.placeholder;
    }
    if (dice.chance(0.3)) r.insurance_card = p.insurance_card;
    if (!dice.chance(0.15)) {
      r.phone = dice.chance(0.2) ? p.household_phone : p.phone;
      if (dice.chance(0.08)) r.phone = "1" + digits(3'000'000'000ULL + dice.below(6'999'999'999ULL), 10);
      if (dice.chance(0.003)) r.phone = "13800000000";
    }
    if (!dice.chance(0.15)) {
      r.street = p.street;
      r.district = p.district;
      r.postcode = p.postcode;
      if (dice.chance(0.25)) r.street = r.street.substr(0, r.street.find("号") + 3);  // without flat
      if (dice.chance(0.06)) {
        const Person elsewhere = person(static_cast<std::uint32_t>(dice.below(people_)));
        r.street = elsewhere.street, r.district = elsewhere.district, r.postcode = elsewhere.postcode;
      }
    }
    return r;
  }

  std::uint64_t seed_;
  std::uint32_t people_;
};

}  // namespace hutong::tests

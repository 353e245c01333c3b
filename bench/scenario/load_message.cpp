#include "bench/scenario/load_message.h"

#include <cstdio>
#include <string_view>

namespace hutong::bench {
namespace {

constexpr std::size_t digits = 10;

struct Item {
  const char *code, *name, *value, *unit, *range, *flag, *loinc;
};
// 血常规, names as short as laboratories write them.
constexpr Item items[] = {
    {"L-WBC", "白细胞计数", "6.42", "10^9/L", "3.5-9.5", "N", "6690-2"},
    {"L-RBC", "红细胞计数", "4.71", "10^12/L", "3.8-5.8", "N", "789-8"},
    {"L-HGB", "血红蛋白", "142", "g/L", "115-175", "N", "718-7"},
    {"L-HCT", "红细胞压积", "42.3", "%", "35-50", "N", "4544-3"},
    {"L-MCV", "平均红细胞体积", "89.8", "fL", "82-100", "N", "787-2"},
    {"L-MCH", "平均血红蛋白量", "30.1", "pg", "27-34", "N", "785-6"},
    {"L-MCHC", "平均血红蛋白浓度", "336", "g/L", "316-354", "N", "786-4"},
    {"L-PLT", "血小板计数", "231", "10^9/L", "125-350", "N", "777-3"},
    {"L-MPV", "平均血小板体积", "10.2", "fL", "", "N", "32623-1"},
    {"L-NEUT%", "中性粒细胞百分比", "76.8", "%", "40-75", "H", "770-8"},
    {"L-LYMPH%", "淋巴细胞百分比", "17.4", "%", "20-50", "L", "736-9"},
    {"L-MONO%", "单核细胞百分比", "4.5", "%", "3-10", "N", "5905-5"},
    {"L-EO%", "嗜酸性粒细胞百分比", "0.9", "%", "0.4-8.0", "N", "713-8"},
    {"L-BASO%", "嗜碱性粒细胞百分比", "0.4", "%", "0-1", "N", "706-2"},
    {"L-NEUT#", "中性粒细胞绝对值", "4.93", "10^9/L", "1.8-6.3", "N", "751-8"},
    {"L-LYMPH#", "淋巴细胞绝对值", "1.12", "10^9/L", "1.1-3.2", "N", "731-0"},
    {"L-MONO#", "单核细胞绝对值", "0.29", "10^9/L", "0.1-0.6", "N", "742-7"},
    {"L-EO#", "嗜酸性粒细胞绝对值", "0.06", "10^9/L", "0.02-0.52", "N", "711-2"},
    {"L-BASO#", "嗜碱性粒细胞绝对值", "0.03", "10^9/L", "0-0.06", "N", "704-7"},
    {"L-CRP", "C反应蛋白", "<0.50", "mg/L", "0-10", "N", "1988-5"},
};

void write_digits(char* at, std::uint64_t number) {
  for (std::size_t i = digits; i-- > 0; number /= 10) at[i] = static_cast<char>('0' + number % 10);
}

}  // namespace

LoadMessage::LoadMessage(std::uint32_t run, std::uint64_t patients) : run_(run), patients_(patients ? patients : 1) {
  const std::string prefix = std::to_string(run_) + "-";
  const auto place = [this](Kind kind) {
    places_.push_back({text_.size(), kind});
    text_.append(digits, '0');
  };
  text_ = "MSH|^~\\&|LIS|bc-city|HUTONG|REGION|20260302081530+0800||ORU^R01^ORU_R01|R" + prefix;
  place(Kind::control);
  text_ += "|P|2.5.1|||||CHN|UNICODE UTF-8\rPID|1||";
  place(Kind::patient);
  text_ +=
      "^^^bc-city^MR||张^伟||19720305|M|||和平路12号^^佳木斯市^黑龙江省^154000||13804540000\rPV1|1|O|检验科\rORC|RE|A";
  place(Kind::report);
  text_ += "|R" + prefix;
  place(Kind::report);
  text_ += "\rOBR|1|A";
  place(Kind::report);
  text_ += "|R" + prefix;
  place(Kind::report);
  text_ += "|CBC^血常规^L|||20260302074500|||||||20260302075500|EDTA全血|1021^李敏||||||20260302081500||HM|F\r";
  int set = 0;
  for (const Item& item : items) {
    text_ += "OBX|" + std::to_string(++set) + (item.value[0] == '<' ? "|SN|" : "|NM|") + item.code + "^" + item.name +
             "^L^" + item.loinc + "^^LN||" +
             (item.value[0] == '<' ? std::string("<^") + (item.value + 1) : item.value) + "|" + item.unit + "|" +
             item.range + "|" + item.flag + "|||F|||20260302081200\r";
  }
}

void LoadMessage::append(std::string& bytes, std::uint64_t number) const {
  const std::size_t start = bytes.size();
  bytes += text_;
  // Neighbouring messages are of different patients, and every patient comes again.
  const std::uint64_t patient = number * 7919 % patients_;
  for (const Place& place : places_) {
    write_digits(bytes.data() + start + place.at, place.kind == Kind::patient ? patient : number);
  }
}

}  // namespace hutong::bench

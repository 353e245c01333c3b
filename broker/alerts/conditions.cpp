#include "broker/alerts/conditions.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace hutong::alerts {
namespace {

enum class Unit { seconds, count, percent, bytes, days };

struct Condition {
  std::string_view word;
  Source source;
  bool low;      // wrong below the limit, not from it on
  double clear;  // over at this part of the limit
  Unit unit;
  Text wrong, over;  // {s} the subject, {v} the value, {l} the limit
};

// In the order of Kind.
const std::array<Condition, std::size(all_kinds)>& conditions() {
  static const std::array<Condition, std::size(all_kinds)> table{{
      {"lag",
       Source::deliveries,
       false,
       0.8,
       Unit::seconds,
       {"订阅 {s}：最早一条未送达的消息已等待 {v}（限 {l}）",
        "subscription {s}: the oldest event that is not delivered has waited for {v} (limit {l})"},
       {"订阅 {s}：投递已跟上", "subscription {s}: deliveries have caught up"}},
      {"dead-letters",
       Source::deliveries,
       false,
       1,
       Unit::count,
       {"订阅 {s}：{v} 条死信待处理", "subscription {s}: {v} dead letters wait for an operator"},
       {"订阅 {s}：死信已处理", "subscription {s}: its dead letters are dealt with"}},
      {"failures",
       Source::deliveries,
       false,
       0.8,
       Unit::percent,
       {"订阅 {s}：近期投递有 {v} 失败（限 {l}）", "subscription {s}: {v} of the latest attempts failed (limit {l})"},
       {"订阅 {s}：投递恢复正常", "subscription {s}: attempts get through again"}},
      {"refusals",
       Source::feeds,
       false,
       0.8,
       Unit::percent,
       {"{s}：近期消息有 {v} 被拒收（限 {l}）", "{s}: {v} of its latest messages were refused (limit {l})"},
       {"{s}：消息恢复正常接收", "{s}: its messages are taken again"}},
      {"silence",
       Source::feeds,
       false,
       1,
       Unit::seconds,
       {"{s}：已有 {v}没有发来消息（限 {l}）", "{s}: nothing came for {v} (limit {l})"},
       {"{s}：又发来消息", "{s}: is heard again"}},
      {"disk",
       Source::broker,
       true,
       1.1,
       Unit::bytes,
       {"{s}：磁盘剩余 {v}（限 {l}）", "{s}: {v} of the disk are free (limit {l})"},
       {"{s}：磁盘空间已恢复", "{s}: the disk has room again"}},
      {"disk-days",
       Source::broker,
       true,
       1.2,
       Unit::days,
       {"{s}：按目前速度磁盘 {v}后写满（限 {l}）", "{s}: the disk is full in {v} at today's rate (limit {l})"},
       {"{s}：磁盘空间足够", "{s}: the disk lasts long enough again"}},
      {"dependency",
       Source::broker,
       false,
       1,
       Unit::count,
       {"{s}：不可用", "{s}: is not ready"},
       {"{s}：恢复可用", "{s}: is ready again"}},
  }};
  return table;
}

const Condition& condition_of(Kind kind) {
  return conditions()[static_cast<std::size_t>(kind)];
}

// One digit behind the point where it says something.
std::string number(double value) {
  char text[40];
  const bool whole = value >= 10 || std::abs(value - std::round(value)) < 0.05;
  std::snprintf(text, sizeof text, whole ? "%.0f" : "%.1f", value);
  return text;
}

Text duration(double seconds) {
  if (seconds < 120) return {number(seconds) + " 秒", number(seconds) + " s"};
  if (seconds < 7'200) return {number(seconds / 60) + " 分钟", number(seconds / 60) + " min"};
  if (seconds < 172'800) return {number(seconds / 3'600) + " 小时", number(seconds / 3'600) + " h"};
  return {number(seconds / 86'400) + " 天", number(seconds / 86'400) + " days"};
}

Text said(Unit unit, double value) {
  switch (unit) {
    case Unit::seconds: return duration(value);
    case Unit::days: return {number(value) + " 天", number(value) + " days"};
    case Unit::percent: return {number(value) + "%", number(value) + "%"};
    case Unit::bytes: {
      const bool much = value >= static_cast<double>(1ULL << 30U);
      const auto text =
          number(value / static_cast<double>(much ? 1ULL << 30U : 1ULL << 20U)) + (much ? " GiB" : " MiB");
      return {text, text};
    }
    default: return {number(value), number(value)};
  }
}

std::string filled(std::string_view form, std::string_view subject, std::string_view value, std::string_view limit) {
  std::string text;
  for (std::size_t at = 0; at < form.size(); ++at) {
    if (form[at] != '{') {
      text += form[at];
      continue;
    }
    text += form[at + 1] == 's' ? subject : form[at + 1] == 'v' ? value : limit;
    at += 2;
  }
  return text;
}

Text filled(const Text& form, const Reading& reading) {
  const auto unit = condition_of(reading.kind).unit;
  const auto value = said(unit, reading.value), limit = said(unit, reading.limit);
  const auto& [id, zh, en] = reading.subject;
  return {filled(form.zh, zh.empty() ? id : zh, value.zh, limit.zh),
          filled(form.en, en.empty() ? id : en, value.en, limit.en)};
}

}  // namespace

std::string_view to_string(Kind kind) {
  return condition_of(kind).word;
}

Source source_of(Kind kind) {
  return condition_of(kind).source;
}

std::chrono::milliseconds Policy::silent_after(std::string_view facility) const {
  auto found = silence.find(facility);
  if (found == silence.end()) found = silence.find("*");
  return found == silence.end() ? std::chrono::milliseconds(0) : found->second;
}

Reading reading(Kind kind, Subject subject, double value, double limit, std::string detail) {
  const auto& condition = condition_of(kind);
  Reading made{kind, std::move(subject), value, limit, Level::well, std::move(detail)};
  if (limit <= 0) return made;
  const bool wrong = condition.low ? value < limit : value >= limit;
  const bool well = condition.low ? value >= limit * condition.clear : value < limit * condition.clear;
  made.level = wrong ? Level::wrong : well ? Level::well : Level::between;
  return made;
}

Text text_of(const Reading& reading) {
  auto text = filled(condition_of(reading.kind).wrong, reading);
  if (!reading.detail.empty()) {
    text.zh += "：" + reading.detail;
    text.en += ": " + reading.detail;
  }
  return text;
}

Text text_of_end(const Reading& reading, double seconds) {
  auto text = filled(condition_of(reading.kind).over, reading);
  const auto lasted = duration(seconds);
  text.zh += "，历时 " + lasted.zh;
  text.en += ", after " + lasted.en;
  return text;
}

}  // namespace hutong::alerts

// Reading schemas/recognition into a Catalogue, and what is to be said about it: conflicts, dangling references, gaps.
// At start, at SIGHUP and for `hutong recognition` only.
#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>

#include "broker/base/hash.h"
#include "broker/recognition/catalogue.h"
#include "broker/recognition/tables.h"
#include "broker/terminology/table.h"
#include "broker/terminology/terminology.h"

namespace hutong::recognition {
namespace {

namespace fs = std::filesystem;
using terminology::CsvTable;

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto end = text.find(';');
    if (end != 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return parts;
}

std::string day_after(const std::string& date) {
  return to_iso(parse_iso(date, 0)->first + std::chrono::hours(24)).substr(0, 10);
}

template <class Index>
void newest_first(Index& index) {
  for (auto& [key, rows] : index) {
    std::stable_sort(rows.begin(), rows.end(),
                     [](const auto& a, const auto& b) { return a.valid.from > b.valid.from; });
  }
}

}  // namespace

class CatalogueLoader {
 public:
  explicit CatalogueLoader(const std::vector<fs::path>& folders) : folders_(folders) {}

  std::shared_ptr<const Catalogue> load() {
    const std::string date = version_date();
    for (const auto& form : tables()) read(form);
    newest_first(out_->items_);
    newest_first(out_->order_codes_);
    newest_first(out_->marks_);
    newest_first(out_->eqa_);
    newest_first(out_->alliances_);
    newest_first(out_->negative_);
    newest_first(out_->reasons_);
    newest_first(out_->clauses_);
    newest_first(out_->prices_);
    newest_first(out_->parameters_);
    panels();
    references();
    gaps(date);
    out_->version_ = date + "+" + to_hex(as_view(hash_.finish()).substr(0, 4));
    return out_;
  }

 private:
  struct Source {
    const TableForm* form = nullptr;
    std::vector<std::pair<std::vector<std::string>, Validity>> rows;  // key columns
    std::vector<std::string> places;
  };

  void find(Severity severity, std::string place, std::string what) {
    out_->findings_.push_back({severity, std::move(place), std::move(what)});
  }

  fs::path place_of(const std::string& name) const {
    for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
      if (fs::exists(*folder / name)) return *folder / name;
    }
    throw std::runtime_error((folders_.front() / name).string() + ": cannot be read");
  }

  std::string version_date() {
    const auto file = place_of("VERSION");
    std::ifstream in(file);
    std::string date;
    in >> date;
    if (date.size() != 10 || !parse_iso(date, 0))
      throw std::runtime_error(file.string() + ": expected a day, 2026-01-31");
    return date;
  }

  void read(const TableForm& form) {
    const auto table = CsvTable::read(place_of(std::string(form.name) + ".csv"));
    hash_.add(table.text());
    auto& source = sources_[std::string(form.name)];
    source.form = &form;
    std::vector<std::size_t> at;
    for (const auto column : form.columns) at.push_back(table.column(column));
    const auto cell = [&](std::size_t row, std::string_view column) -> const std::string& {
      const auto found = std::find(form.columns.begin(), form.columns.end(), column);
      return table.at(row, at[static_cast<std::size_t>(found - form.columns.begin())]);
    };
    for (std::size_t row = 0; row < table.size(); ++row) {
      Validity valid{cell(row, "valid_from"), cell(row, "valid_to")};
      for (const auto* day : {&valid.from, &valid.to}) {
        if (!day->empty() && (day->size() != 10 || !parse_iso(*day, 0)))
          table.complain(row, "\"" + *day + "\" is no day, 2026-01-31");
      }
      if (valid.from.empty()) table.complain(row, "valid_from is not said");
      if (!valid.to.empty() && valid.to < valid.from) table.complain(row, "ends before it begins");
      std::vector<std::string> key;
      for (std::size_t i = 0; i < form.keys; ++i) {
        key.push_back(table.at(row, at[i]));
        if (key.back().empty()) table.complain(row, std::string(form.columns[i]) + " is not said");
      }
      if (cell(row, "source").empty())
        find(Severity::warning, table.place(row), "no source is given: say where it comes from, or unverified");
      take(form.name, table, row, cell, key, valid);
      source.rows.emplace_back(std::move(key), std::move(valid));
      source.places.push_back(table.place(row));
    }
    conflicts(source);
  }

  bool yes(const CsvTable& table, std::size_t row, const std::string& text) {
    if (text == "yes") return true;
    if (text == "no") return false;
    table.complain(row, "expected yes or no, not \"" + text + "\"");
  }

  template <class Cell>
  void take(std::string_view name, const CsvTable& table, std::size_t row, const Cell& cell,
            const std::vector<std::string>& key, const Validity& valid) {
    const auto pair = [&] { return key[0] + "\n" + key[1]; };
    if (name == "items") {
      Item item;
      item.code = key[0];
      item.valid = valid;
      item.name_zh = cell(row, "name_zh");
      item.name_en = cell(row, "name_en");
      item.is_exam = cell(row, "kind") == "exam";
      if (!item.is_exam && cell(row, "kind") != "laboratory") table.complain(row, "kind is laboratory or exam");
      item.loincs = split(cell(row, "loinc"));
      item.similar = split(cell(row, "similar"));
      for (const auto* list : {&item.loincs, &item.similar}) {
        for (const auto& loinc : *list) {
          if (!terminology::is_loinc(loinc)) table.complain(row, "\"" + loinc + "\" is no LOINC");
        }
      }
      item.material = cell(row, "material");
      if (item.material.empty()) item.material = "any";
      item.modality = cell(row, "modality");
      item.body_part = cell(row, "body_part");
      item.contrast = cell(row, "contrast");
      const auto& window = cell(row, "window");
      if (window == "unlimited") {
        item.window = WindowKind::unlimited;
      } else if (window != "clinician") {
        const auto [end, error] = std::from_chars(window.data(), window.data() + window.size(), item.window_days);
        if (error != std::errc() || end != window.data() + window.size() || item.window_days < 1 ||
            item.window_days > 3650) {
          table.complain(row, "window is a number of days from 1 to 3650, unlimited or clinician");
        }
        item.window = WindowKind::days;
      }
      const auto& base = cell(row, "window_base");
      if (base != "sampled" && base != "reported") table.complain(row, "window_base is sampled or reported");
      item.from_report = base == "reported";
      const auto& status = cell(row, "window_status");
      if (status != "found" && status != "assumed") table.complain(row, "window_status is found or assumed");
      item.window_assumed = status == "assumed";
      item.images_required = yes(table, row, cell(row, "images"));
      item.source = cell(row, "source");
      for (const auto& loinc : item.loincs) out_->item_by_loinc_[loinc].emplace_back(item.code, valid);
      out_->items_[item.code].push_back(std::move(item));
    } else if (name == "panels") {
      panel_rows_[key[0]].push_back(
          {valid, key[1], cell(row, "name_zh"), cell(row, "name_en"), yes(table, row, cell(row, "required"))});
    } else if (name == "order_codes") {
      out_->order_codes_[pair()].push_back({valid, key[2]});
    } else if (name == "marks") {
      Mark mark;
      mark.code = key[0];
      mark.valid = valid;
      const auto& level = cell(row, "level");
      if (level != "national" && level != "area") table.complain(row, "level is national or area");
      mark.national = level == "national";
      mark.areas = split(cell(row, "areas"));
      if (mark.national != mark.areas.empty())
        table.complain(row, "a mark of an area names its GB/T 2260 prefixes, a national one none");
      mark.text_zh = cell(row, "text_zh");
      mark.text_en = cell(row, "text_en");
      out_->marks_[mark.code].push_back(std::move(mark));
    } else if (name == "eqa") {
      const auto& outcome = cell(row, "outcome");
      if (outcome != "passed" && outcome != "failed") table.complain(row, "outcome is passed or failed");
      out_->eqa_[pair()].push_back({valid, key[2], outcome == "passed"});
    } else if (name == "alliances") {
      out_->alliances_[key[1]].push_back({valid, key[0]});
    } else if (name == "negative") {
      out_->negative_[key[0]].push_back({key[0], key[1], cell(row, "text_zh"), cell(row, "text_en"), valid});
    } else if (name == "reasons") {
      out_->reasons_[key[0]].push_back({key[0], cell(row, "text_zh"), cell(row, "text_en"),
                                        yes(table, row, cell(row, "counted")),
                                        yes(table, row, cell(row, "requires_text")), valid});
    } else if (name == "prices") {
      out_->prices_[pair()].push_back({valid, fen(table, row, cell(row, "price"))});
    } else if (name == "clauses") {
      out_->clauses_[key[0]].push_back(
          {key[0], cell(row, "clause"), cell(row, "text_zh"), cell(row, "text_en"), valid});
    } else {
      out_->parameters_[key[0]].push_back({valid, cell(row, "value")});
    }
  }

  // "12", "12.5", "12.50" yuan.
  static std::int64_t fen(const CsvTable& table, std::size_t row, const std::string& text) {
    const auto dot = text.find('.');
    std::string digits = text.substr(0, dot), cents = dot == std::string::npos ? "" : text.substr(dot + 1);
    const auto good = [](const std::string& t) { return t.find_first_not_of("0123456789") == std::string::npos; };
    if (digits.empty() || digits.size() > 9 || cents.size() > 2 || !good(digits) || !good(cents)) {
      table.complain(row, "price is an amount in yuan, 12.50");
    }
    cents.resize(2, '0');
    return std::stoll(digits + cents);
  }

  // Two rows about one thing on one day.
  void conflicts(const Source& source) {
    std::map<std::vector<std::string>, std::vector<std::size_t>> by_key;
    for (std::size_t i = 0; i < source.rows.size(); ++i) by_key[source.rows[i].first].push_back(i);
    const std::string name(source.form->name);
    for (auto& [key, rows] : by_key) {
      std::string what;
      for (const auto& part : key) what += (what.empty() ? "" : " ") + part;
      std::sort(rows.begin(), rows.end(),
                [&](auto a, auto b) { return source.rows[a].second.from < source.rows[b].second.from; });
      for (std::size_t i = 1; i < rows.size(); ++i) {
        const auto& before = source.rows[rows[i - 1]].second;
        const auto& after = source.rows[rows[i]].second;
        if (before.to.empty() || before.to >= after.from) {
          find(Severity::error, source.places[rows[i]],
               name + " " + what + " is said twice for " + after.from + " (the other row is in force to " +
                   (before.to.empty() ? "open end" : before.to) + "): end it on the day before");
        } else if (day_after(before.to) < after.from &&
                   (name == "items" || name == "prices" || name == "clauses" || name == "reasons")) {
          find(Severity::warning, source.places[rows[i]],
               name + " " + what + " has no row from " + day_after(before.to) + " to the day before " + after.from);
        }
      }
    }
  }

  // A panel changes whenever one of its rows begins or ends.
  void panels() {
    for (const auto& [code, rows] : panel_rows_) {
      std::set<std::string> days;
      for (const auto& row : rows) {
        days.insert(row.valid.from);
        if (!row.valid.to.empty()) days.insert(day_after(row.valid.to));
      }
      auto& spans = out_->panels_[code];
      for (auto day = days.begin(); day != days.end(); ++day) {
        Panel panel;
        panel.code = code;
        for (const auto& row : rows) {
          if (!row.valid.holds_on(*day)) continue;
          panel.name_zh = row.name_zh;
          panel.name_en = row.name_en;
          panel.components.push_back({row.component, row.required});
        }
        if (panel.components.empty()) continue;
        const auto next = std::next(day);
        std::string end = next == days.end()
                              ? std::string()
                              : to_iso(parse_iso(*next, 0)->first + std::chrono::hours(-24)).substr(0, 10);
        if (std::none_of(panel.components.begin(), panel.components.end(), [](const auto& c) { return c.required; })) {
          find(Severity::error, "panels.csv",
               "panel " + code + " requires no component on " + *day + ": any result would be the whole");
        }
        spans.push_back({{*day, std::move(end)}, std::move(panel)});
      }
    }
    newest_first(out_->panels_);
  }

  // Whether some row of `index` is in force on any day of `valid`: an assessment may begin before the item is taken up.
  template <class Index>
  static bool known(const Index& index, const std::string& key, const Validity& valid) {
    const auto found = index.find(key);
    return found != index.end() && std::any_of(found->second.begin(), found->second.end(), [&](const auto& row) {
             return (row.valid.to.empty() || row.valid.to >= valid.from) &&
                    (valid.to.empty() || valid.to >= row.valid.from);
           });
  }

  void references() {
    const auto refer = [&](const char* table, std::size_t column, bool panels_too, const char* what,
                           const auto& index) {
      const auto& source = sources_[table];
      for (std::size_t i = 0; i < source.rows.size(); ++i) {
        const auto& [key, valid] = source.rows[i];
        if (key[column] == "*" || known(index, key[column], valid)) continue;
        if (panels_too && known(out_->panels_, key[column], valid)) continue;
        find(Severity::error, source.places[i],
             std::string(what) + " \"" + key[column] + "\" is not known on any day from " + valid.from);
      }
    };
    refer("panels", 1, false, "item", out_->items_);
    refer("order_codes", 2, true, "item or panel", out_->items_);
    refer("eqa", 1, false, "item", out_->items_);
    refer("eqa", 2, false, "mark", out_->marks_);
    refer("negative", 0, false, "item", out_->items_);
    refer("prices", 1, true, "item or panel", out_->items_);
    for (const auto& [loinc, rows] : out_->item_by_loinc_) {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          const auto &a = rows[i].second, &b = rows[j].second;
          if (rows[i].first != rows[j].first && (a.to.empty() || a.to >= b.from) && (b.to.empty() || b.to >= a.from)) {
            find(Severity::error, "items.csv",
                 "LOINC " + loinc + " is both item " + rows[j].first + " and item " + rows[i].first);
          }
        }
      }
    }
  }

  // What a coordinator should look after; nothing of it stops the broker.
  void gaps(const std::string& date) {
    std::size_t assumed = 0, unpriced = 0, unassessed = 0;
    std::set<std::string> assessed;
    for (const auto& [key, rows] : out_->eqa_) {
      if (std::any_of(rows.begin(), rows.end(),
                      [&](const auto& row) { return row.passed && row.valid.holds_on(date); })) {
        assessed.insert(key.substr(key.find('\n') + 1));
      }
    }
    for (const auto& [code, rows] : out_->items_) {
      const Item* item = out_->item(code, date);
      if (!item) continue;
      assumed += item->window_assumed;
      unassessed += !assessed.contains(code);
      if (!out_->price("*", code, date)) ++unpriced;
      if (item->loincs.empty())
        find(Severity::warning, "items.csv", "item " + code + " has no LOINC: no result is ever found to be it");
    }
    const auto say = [&](std::size_t count, const char* table, const std::string& what) {
      if (count) find(Severity::warning, table, std::to_string(count) + " items " + what);
    };
    say(assumed, "items.csv", "have an assumed window: at most the clinician decides");
    say(unassessed, "eqa.csv",
        "that no laboratory has passed an assessment of on " + date + ": recognised within an alliance only");
    say(unpriced, "prices.csv", "without a shared price (facility *): savings leave them out");
    if (out_->refusals(date).empty())
      find(Severity::error, "reasons.csv", "no reason for 不互认 is in force on " + date);
  }

  const std::vector<fs::path>& folders_;
  std::shared_ptr<Catalogue> out_ = std::make_shared<Catalogue>();
  std::map<std::string, Source> sources_;
  std::map<std::string, std::vector<Catalogue::PanelRow>> panel_rows_;
  PartsHash hash_;
};

std::shared_ptr<const Catalogue> Catalogue::load_unchecked(const std::vector<fs::path>& folders) {
  return CatalogueLoader(folders).load();
}

std::shared_ptr<const Catalogue> Catalogue::load(const std::vector<fs::path>& folders) {
  auto loaded = load_unchecked(folders);
  for (const auto& finding : loaded->check()) {
    if (finding.severity == Severity::error)
      throw std::runtime_error(finding.place + ": " + finding.what + " (hutong recognition check lists all)");
  }
  return loaded;
}

}  // namespace hutong::recognition

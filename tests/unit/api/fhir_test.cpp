// The FHIR read side as a client sees it: requests in, statuses, headers and documents out. No socket: the handlers are
// called as the server calls them.
#include "adapters/api/fhir.h"

#include <gmock/gmock.h>

#include <map>

#include "adapters/api/fhir_referral.h"
#include "adapters/api/fhir_search.h"
#include "adapters/api/fhir_subscription.h"
#include "adapters/api/router.h"
#include "adapters/format/fhir/fhir_rendering.h"
#include "adapters/log/memory/memory_log.h"
#include "broker/pipeline/delivery_desk.h"
#include "tests/unit/fhir/shape.h"
#include "tests/unit/query/region.h"

namespace hutong::api {
namespace {

using test::item;
using test::parse;
using test::run;

constexpr const char* card = "23080419900307251X";

struct FhirApiTest : testing::Test {
  test::Region region;
  fhir::FhirRendering rendering;
  memory::MemoryLog log;
  access::ClientRegistry clients;
  query::Referrals referrals{
      region.store, log, region.clinical,
      [] {
        return query::ReferralRules{
            referral::Rules::load({std::filesystem::path(HUTONG_SOURCE_DIR) / "schemas/referral"}),
            std::make_shared<model::FacilityDirectory>(), nullptr};
      },
      [] { return parse_iso("2026-02-01T08:00:00Z")->first; }};
  const std::function<std::shared_ptr<const model::FacilityDirectory>()> directory = [] {
    return std::make_shared<const model::FacilityDirectory>();
  };
  pipeline::DeliveryDesk deliveries{log,
                                    region.store,
                                    system_clock(),
                                    nullptr,
                                    [] { return std::make_shared<const std::vector<model::Subscription>>(); },
                                    directory};
  Router router{routes()};
  std::vector<std::string> scopes{"system/*.rs"};
  bool signed_in = true;
  PersonId person;
  ReportId report;

  std::vector<Route> routes() {
    const FhirReferralDeps referral{{referrals, region.gate, clients}, rendering, "a secret"};
    auto all =
        fhir_routes({region.clinical, region.gate, rendering, "1.2.3", "a secret", read_referral_request(referral)});
    for (auto& route : fhir_referral_routes(referral)) all.push_back(std::move(route));
    const auto nobody = [](const auto&...) { return Result<void>(); };
    for (auto& route : fhir_subscription_routes(
             {deliveries, region.gate, clients, rendering, directory, system_clock(), nobody, nobody}))
      all.push_back(std::move(route));
    return all;
  }
  void SetUp() override {
    person = region.patient("county", "1", [](Arena& arena, model::Subject& subject) {
      subject.identifiers.push(arena, {.kind = model::IdentifierKind::resident_card, .value = card});
      subject.names.push(arena, {.text = "王東億"});
      subject.born = {"19900307", "1990-03-07"};
    });
    for (int day = 1; day <= 3; ++day) {
      report =
          region.report("county", "1", "R" + std::to_string(day), "2026-01-0" + std::to_string(day),
                        [&](Arena& arena, model::Report& made) {
                          made.specimen.present = true;
                          made.order_number = "P1";
                          made.observations.push(arena, item("GLU", "14749-6", arena.copy("5." + std::to_string(day))));
                          made.observations.push(arena, item("NA", "2951-2", "140"));
                        });
    }
  }

  Response send(const std::string& method, const std::string& target,
                std::vector<std::pair<std::string, std::string>> headers = {}, const std::string& form = "") {
    auto address = read_address(target).value();
    Request request;
    request.method = method;
    request.path = address.path;
    request.query = address.query;
    if (!form.empty()) {
      const auto fields = read_query(form).value();
      request.query.insert(request.query.end(), fields.begin(), fields.end());
    }
    request.headers = std::move(headers);
    request.base_url = "http://h";
    if (signed_in) request.principal = access::Principal{"clinic", scopes, "t"};
    auto match = router.find(method, address.segments);
    if (!match.route) {
      Response none;
      none.status = 404;
      return none;
    }
    request.captures = match.captures;
    return run(match.route->handler(request));
  }
  Response get(const std::string& target, std::vector<std::pair<std::string, std::string>> headers = {}) {
    return send("GET", target, std::move(headers));
  }
  static std::string header(const Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return "";
  }
  static std::string link(const rapidjson::Document& bundle, std::string_view relation) {
    for (const auto& each : bundle["link"].GetArray()) {
      if (each["relation"].GetString() == relation)
        return std::string(each["url"].GetString()).substr(8);  // "http://h"
    }
    return "";
  }
  void refused(const Response& response, int status, std::string_view says) {
    EXPECT_EQ(response.status, status) << response.body;
    const auto outcome = parse(response.body);
    test::check_resource(outcome);
    EXPECT_STREQ(outcome["resourceType"].GetString(), "OperationOutcome");
    EXPECT_NE(response.body.find(says), std::string::npos) << response.body;
  }
};

TEST_F(FhirApiTest, MetadataNeedsNoTokenAndListsWhatIsRouted) {
  signed_in = false;
  const auto response = get("/fhir/metadata");
  ASSERT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "application/fhir+json; charset=utf-8");
  const auto statement = parse(response.body);
  test::check_resource(statement);
  signed_in = true;
  for (const auto& resource : statement["rest"][0]["resource"].GetArray()) {
    const std::string type = resource["type"].GetString();
    for (const auto& interaction : resource["interaction"].GetArray()) {
      const std::string_view code = interaction["code"].GetString();
      const auto match = [&](const char* method, std::vector<std::string> rest) {
        rest.insert(rest.begin(), {"fhir", type});
        return router.find(method, rest).route != nullptr;
      };
      if (code == "read") EXPECT_TRUE(match("GET", {"1"})) << type;
      if (code == "vread") EXPECT_TRUE(match("GET", {"1", "_history", "1"})) << type;
      if (code == "history-instance") EXPECT_TRUE(match("GET", {"1", "_history"})) << type;
      if (code == "create") EXPECT_TRUE(match("POST", {})) << type;
      if (code == "update") EXPECT_TRUE(match("PUT", {"1"})) << type;
      if (code == "delete") EXPECT_TRUE(match("DELETE", {"1"})) << type;
      if (code == "search-type") EXPECT_TRUE(match("GET", {}) && match("POST", {"_search"})) << type;
    }
    const bool keeps_past =
        type != "Patient" && type != "Encounter" && type != "Organization" && type != "Task" && type != "Subscription";
    EXPECT_EQ(resource["readHistory"].GetBool(), keeps_past) << type;
    for (const auto* list : {"searchInclude", "searchRevInclude"}) {
      if (!resource.HasMember(list)) continue;
      for (const auto& each : resource[list].GetArray()) {
        const std::string parameter = std::string(list) == "searchInclude" ? "_include=" : "_revinclude=";
        const auto answer = get("/fhir/" + type + "?_id=0&" + parameter + each.GetString());
        EXPECT_EQ(answer.status, 200) << type << " " << each.GetString() << answer.body;
      }
    }
    // Every parameter that is declared is understood: whatever is wrong with the value, its name is known.
    for (const auto& parameter : resource["searchParam"].GetArray()) {
      const auto answer = get("/fhir/" + type + "?" + parameter["name"].GetString() + "=2026");
      EXPECT_EQ(answer.body.find("not supported here"), std::string::npos) << type << " " << answer.body;
    }
  }
}

TEST_F(FhirApiTest, ReadHasAnETagAndAnswersNotModified) {
  const std::string url = "/fhir/DiagnosticReport/" + report.hex();
  const auto response = get(url);
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(header(response, "ETag"), "W/\"1\"");
  EXPECT_EQ(header(response, "Last-Modified"), "Thu, 01 Jan 2026 20:40:01 GMT");
  EXPECT_EQ(header(response, "X-Hutong-Offset"), "41");
  test::check_resource(parse(response.body));
  const auto same = get(url, {{"if-none-match", "W/\"7\", W/\"1\""}});
  EXPECT_EQ(same.status, 304);
  EXPECT_TRUE(same.body.empty());
  EXPECT_EQ(get(url, {{"if-none-match", "W/\"2\""}}).status, 200);
}

TEST_F(FhirApiTest, EveryReferenceOfAReportCanBeRead) {
  std::vector<std::string> references;
  test::references_of(parse(get("/fhir/DiagnosticReport/" + report.hex()).body), references);
  EXPECT_GE(references.size(), 6U);
  for (const auto& each : references) {
    const auto response = get("/fhir/" + each);
    EXPECT_EQ(response.status, 200) << each;
    test::check_resource(parse(response.body));
  }
}

TEST_F(FhirApiTest, ErrorsAreOutcomesThatSayWhatToDo) {
  refused(get("/fhir/Patient/0123"), 404, "not-found");
  refused(get("/fhir/Observation"), 400, "needs patient");
  refused(get("/fhir/Patient?gender=male"), 400, "birthdate");
  refused(get("/fhir/Observation?patient=" + person.hex() + "&colour=red"), 400, "colour");
  refused(get("/fhir/Observation?patient=" + person.hex() + "&code:text=red"), 400, "code:text");
  refused(get("/fhir/Observation?patient=" + person.hex() + "&date=yesterday"), 400, "ge2026-01-02");
  refused(get("/fhir/Observation?patient=" + person.hex() + "&_count=1001"), 400, "1 to 1000");
  refused(get("/fhir/Observation?patient=" + person.hex() + "&_sort=code"), 400, "newest first");
  refused(get("/fhir/Observation?patient=" + person.hex() + "&_include=Observation:encounter"), 400, "searchInclude");
  refused(get("/fhir/Observation?patient=Group/1"), 400, "patient");
  refused(get("/fhir/Observation?_cursor=forged"), 400, "_cursor");
  refused(get("/fhir/Patient/" + person.hex(), {{"accept", "application/fhir+xml"}}), 406, "json");
  EXPECT_EQ(get("/fhir/Patient/" + person.hex() + "?_format=xml").status, 406);
  EXPECT_EQ(get("/fhir/Patient/" + person.hex() + "?_format=application/fhir%2Bjson").status, 200);
  EXPECT_EQ(get("/fhir/Patient/" + person.hex(), {{"accept", "text/html, */*;q=0.8"}}).status, 200);
}

TEST_F(FhirApiTest, UnknownParametersAreIgnoredOnlyWhereTheClientIsLenient) {
  const std::string url = "/fhir/Observation?patient=" + person.hex() + "&patient.identifier=" + card;
  EXPECT_EQ(get(url).status, 400);
  const auto lenient = get(url, {{"prefer", "handling=lenient"}});
  EXPECT_EQ(lenient.status, 200);
  EXPECT_EQ(lenient.body.find(card), std::string::npos);  // the self link holds only what counted
}

TEST_F(FhirApiTest, APersonIsFoundByGetAndByPostAndNoLinkShowsTheNumber) {
  for (const auto& response : {get(std::string("/fhir/Patient?identifier=urn:oid:2.16.156.10011.1.3%7C") + card),
                               send("POST", "/fhir/Patient/_search", {}, std::string("identifier=") + card)}) {
    ASSERT_EQ(response.status, 200) << response.body;
    const auto bundle = parse(response.body);
    test::check_bundle(bundle, {"Organization"});
    EXPECT_STREQ(bundle["total"].GetString(), "1");
    EXPECT_EQ(bundle["entry"][0]["resource"]["id"].GetString(), person.hex());
    const std::string self = link(bundle, "self");
    EXPECT_EQ(self.find("2308"), std::string::npos) << self;
    EXPECT_EQ(get(self).body, response.body);  // and it leads to the same
  }
}

TEST_F(FhirApiTest, PagesFollowTheirLinksToTheEnd) {
  std::string url = "/fhir/Observation?patient=" + person.hex() + "&category=laboratory&_count=4";
  std::vector<std::string> seen;
  int pages = 0;
  for (; !url.empty() && pages < 10; ++pages) {
    const auto response = get(url);
    ASSERT_EQ(response.status, 200) << response.body;
    const auto bundle = parse(response.body);
    test::check_bundle(bundle, {"Patient", "Organization", "Specimen", "ServiceRequest"});
    for (const auto& entry : bundle["entry"].GetArray()) seen.emplace_back(entry["resource"]["id"].GetString());
    url = link(bundle, "next");
  }
  EXPECT_EQ(pages, 2);
  EXPECT_EQ(seen.size(), 6U);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 6U);
}

TEST_F(FhirApiTest, AParameterIsReadInAllItsForms) {
  const auto total = [&](const std::string& query) {
    const auto response = get("/fhir/Observation?" + query);
    EXPECT_EQ(response.status, 200) << query << " " << response.body;
    if (response.status != 200) return -1;
    const auto bundle = parse(response.body);
    return std::atoi(bundle["total"].GetString());
  };
  const std::string patient = "patient=" + person.hex();
  EXPECT_EQ(total(patient), 6);
  EXPECT_EQ(total("subject=Patient/" + person.hex()), 6);
  EXPECT_EQ(total("subject:Patient=" + person.hex()), 6);
  EXPECT_EQ(total("patient=http://h/fhir/Patient/" + person.hex()), 6);
  EXPECT_EQ(total(patient + "&code=GLU"), 3);
  EXPECT_EQ(total(patient + "&code=http://loinc.org%7C14749-6"), 3);
  EXPECT_EQ(total(patient + "&code=GLU,NA"), 6);
  EXPECT_EQ(total(patient + "&code=GLU&code=NA"), 0);
  EXPECT_EQ(total(patient + "&date=ge2026-01-02&date=lt2026-01-03"), 2);
  EXPECT_EQ(total(patient + "&status=final,amended"), 6);
  EXPECT_EQ(total(patient + "&status=preliminary"), 0);
  EXPECT_EQ(total(patient + "&category=imaging"), 0);
  EXPECT_EQ(total(patient + "&_summary=count"), 6);
  EXPECT_EQ(total(patient + "&_count=0"), 6);
  EXPECT_EQ(total(patient + "&_lastUpdated=lt2020"), 0);
  EXPECT_EQ(total("patient=" + std::string(32, '0')), 0);
  EXPECT_EQ(total("_id=" + report.hex() + "-0000000000000000"), 0);
}

TEST_F(FhirApiTest, IncludesComeMarkedAndNeedTheirOwnScope) {
  const std::string url = "/fhir/DiagnosticReport?patient=" + person.hex() +
                          "&_include=DiagnosticReport:result&_include=DiagnosticReport:subject"
                          "&_include=DiagnosticReport:specimen&_include=DiagnosticReport:performer"
                          "&_include=DiagnosticReport:based-on";
  const auto response = get(url);
  const auto bundle = parse(response.body);
  test::check_bundle(bundle, {"Organization"});
  EXPECT_STREQ(bundle["total"].GetString(), "3");
  int included = 0;
  for (const auto& entry : bundle["entry"].GetArray()) {
    included += std::string_view(entry["search"]["mode"].GetString()) == "include";
  }
  EXPECT_EQ(included, 6 + 1 + 3 + 1 + 3);
  scopes = {"system/DiagnosticReport.rs"};
  refused(get(url), 403, "Observation.r");
}

TEST_F(FhirApiTest, WhatRefersToAMatchComesAlong) {
  region.encounter("county", "1", "V1", "2026-01-01", "2026-01-04");
  const auto types = [&](const std::string& url) {
    std::map<std::string, int> found;
    const auto bundle = parse(get(url).body);
    test::check_bundle(bundle, {"Patient", "Organization", "Specimen", "ServiceRequest", "Observation"});
    for (const auto& entry : bundle["entry"].GetArray()) {
      ++found[std::string(entry["resource"]["resourceType"].GetString()) + " " + entry["search"]["mode"].GetString()];
    }
    return found;
  };
  using Found = std::map<std::string, int>;
  const std::string patient = "/fhir/Patient?_id=" + person.hex();
  EXPECT_EQ(types(patient + "&_revinclude=Observation:patient"),
            (Found{{"Observation include", 6}, {"Patient match", 1}}));
  EXPECT_EQ(types(patient + "&_revinclude=DiagnosticReport:subject:Patient&_revinclude=Encounter:patient"),
            (Found{{"DiagnosticReport include", 3}, {"Encounter include", 1}, {"Patient match", 1}}));
  EXPECT_EQ(types("/fhir/Observation?code=GLU&patient=" + person.hex() + "&_revinclude=DiagnosticReport:result"),
            (Found{{"DiagnosticReport include", 3}, {"Observation match", 3}}));
  EXPECT_EQ(types("/fhir/Specimen?patient=" + person.hex() + "&_revinclude=Observation:specimen"),
            (Found{{"Observation include", 6}, {"Specimen match", 3}}));
  refused(get("/fhir/Organization?_id=lab&_revinclude=Observation:performer"), 400, "not supported here");
  refused(get(patient + "&_revinclude=Observation:specimen"), 400, "searchRevInclude");
  refused(get(patient + "&_revinclude:iterate=Observation:patient"), 400, "no modifier");
  scopes = {"system/Patient.rs"};
  refused(get(patient + "&_revinclude=Observation:patient"), 403, "Observation.r");
}

TEST_F(FhirApiTest, MoreThanAPageThatWouldComeAlongIsRefusedNotCut) {
  region.report("county", "1", "LONG", "2026-01-05", [&](Arena& arena, model::Report& made) {
    for (std::size_t i = 6; i < limits::page_items_max; ++i) {
      made.observations.push(arena, item(arena.copy("C" + std::to_string(i)), "", "1"));
    }
  });
  const std::string url = "/fhir/Patient?_id=" + person.hex() + "&_revinclude=Observation:patient";
  EXPECT_EQ(parse(get(url).body)["entry"].Size(), limits::page_items_max + 1);
  region.report("county", "1", "ONE", "2026-01-06",
                [&](Arena& arena, model::Report& made) { made.observations.push(arena, item("K", "", "1")); });
  refused(get(url), 400, "patient=");
}

TEST_F(FhirApiTest, OfPeopleStaysAndFacilitiesTheCurrentVersionIsReadAndNoOther) {
  region.encounter("county", "1", "V1", "2026-01-01", "2026-01-04");
  const auto stay = parse(get("/fhir/Encounter?patient=" + person.hex()).body);
  const std::string encounter = std::string("/fhir/Encounter/") + stay["entry"][0]["resource"]["id"].GetString();
  for (const std::string& url : {"/fhir/Patient/" + person.hex(), encounter, std::string("/fhir/Organization/lab")}) {
    const auto current = get(url);
    const auto now = parse(current.body);
    const std::string version = header(current, "ETag").substr(3, header(current, "ETag").size() - 4);
    const auto read = get(url + "/_history/" + version);
    EXPECT_EQ(read.status, 200) << url;
    EXPECT_EQ(read.body, current.body);
    refused(get(url + "/_history/" + std::to_string(std::stoull(version) + 1)), 404, "which is " + version);
    const auto history = parse(get(url + "/_history").body);
    test::check_filled(history, "Bundle");
    EXPECT_STREQ(history["type"].GetString(), "history");
    ASSERT_EQ(history["entry"].Size(), 1U);
    EXPECT_EQ(history["entry"][0]["resource"], now);
    EXPECT_FALSE(history.HasMember("total")) << "there were others, which are not kept";
  }
  refused(get("/fhir/Patient/" + std::string(32, '0') + "/_history"), 404, "not-found");
}

TEST_F(FhirApiTest, ScopesDecideAndADeniedReadReadsNothing) {
  scopes = {"system/Patient.r"};
  EXPECT_EQ(get("/fhir/Patient/" + person.hex()).status, 200);
  refused(get("/fhir/Patient?name=x"), 403, "system/Patient.s");
  refused(get("/fhir/DiagnosticReport/" + report.hex()), 403, "DiagnosticReport");
  const auto everything = get("/fhir/Patient/" + person.hex() + "/$everything");
  EXPECT_EQ(everything.status, 200);
  EXPECT_EQ(everything.body.find("Observation"), std::string::npos);  // only what each scope alone would show
  signed_in = false;
  EXPECT_EQ(get("/fhir/Patient/" + person.hex()).status, 403);
}

TEST_F(FhirApiTest, EveryReadLeavesAnAuditRecordFirst) {
  const auto before = region.audit.head().sequence;
  get("/fhir/Patient/" + person.hex());
  get("/fhir/Observation?patient=" + person.hex());
  scopes.clear();
  get("/fhir/Patient/" + person.hex());
  EXPECT_EQ(region.audit.head().sequence, before + 3);
  region.audit.close();  // the chain cannot be written any more: nothing is read
  scopes = {"system/*.rs"};
  const auto response = get("/fhir/Patient/" + person.hex());
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body.find(card), std::string::npos);
}

TEST_F(FhirApiTest, CorrectedResultsKeepTheirVersionsAndHistory) {
  const auto id = region.report(
      "county", "1", "R3", "2026-01-03",
      [](Arena& arena, model::Report& made) {
        made.specimen.present = true;
        made.order_number = "P1";
        made.status = model::ResultStatus::corrected;
        made.observations.push(arena, item("GLU", "14749-6", "9.9"));
        made.observations.push(arena, item("NA", "2951-2", "140"));
      },
      2);
  ASSERT_EQ(id, report);
  const std::string url = "/fhir/DiagnosticReport/" + report.hex();
  EXPECT_EQ(header(get(url), "ETag"), "W/\"2\"");
  EXPECT_STREQ(parse(get(url + "/_history/1").body)["status"].GetString(), "final");
  EXPECT_STREQ(parse(get(url + "/_history/2").body)["status"].GetString(), "corrected");
  refused(get(url + "/_history/3"), 404, "not-found");
  EXPECT_EQ(get("/fhir/Specimen/" + report.hex() + "-s/_history/1").status, 200);
  refused(get(url + "/_history/x"), 404, "whole numbers");
  const auto history = parse(get(url + "/_history").body);
  EXPECT_STREQ(history["type"].GetString(), "history");
  ASSERT_EQ(history["entry"].Size(), 2U);
  EXPECT_STREQ(history["entry"][0]["response"]["etag"].GetString(), "W/\"2\"");
  test::check_filled(history, "Bundle");
  const std::string item_url = "/fhir/" + std::string(parse(get(url).body)["result"][0]["reference"].GetString());
  const auto items = parse(get(item_url + "/_history").body);
  ASSERT_EQ(items["entry"].Size(), 2U);
  EXPECT_STREQ(items["entry"][0]["resource"]["valueQuantity"]["value"].GetString(), "9.9");
  EXPECT_STREQ(items["entry"][1]["resource"]["valueQuantity"]["value"].GetString(), "5.3");
}

TEST_F(FhirApiTest, LastnGivesTheNewestOfEachCode) {
  const auto response = get("/fhir/Observation/$lastn?patient=" + person.hex() + "&category=laboratory&max=1");
  const auto bundle = parse(response.body);
  test::check_bundle(bundle, {"Patient", "Organization", "Specimen", "ServiceRequest"});
  ASSERT_EQ(bundle["entry"].Size(), 2U);
  EXPECT_STREQ(bundle["entry"][0]["resource"]["valueQuantity"]["value"].GetString(), "5.3");
  refused(get("/fhir/Observation/$lastn?category=laboratory"), 400, "patient");
}

TEST_F(FhirApiTest, EverythingFollowsItsLinks) {
  region.encounter("county", "1", "V1", "2026-01-01", "2026-01-04");
  std::string url = "/fhir/Patient/" + person.hex() + "/$everything?_count=5";
  std::set<std::string> seen;
  std::size_t entries = 0;
  for (int pages = 0; !url.empty() && pages < 20; ++pages) {
    const auto bundle = parse(get(url).body);
    for (const auto& entry : bundle["entry"].GetArray()) {
      test::check_resource(entry["resource"]);
      seen.insert(entry["fullUrl"].GetString());
      ++entries;
    }
    url = link(bundle, "next");
  }
  EXPECT_EQ(entries, 1 + 1 + 1 + 3 * 5U);  // person, facility, stay; report, order, specimen and two items each
  EXPECT_EQ(seen.size(), entries);
}

TEST_F(FhirApiTest, APageLinkOfAnotherSearchIsRefused) {
  const auto bundle = parse(get("/fhir/Observation?patient=" + person.hex() + "&_count=1").body);
  const std::string next = link(bundle, "next");
  refused(get("/fhir/DiagnosticReport" + next.substr(next.find('?'))), 400, "_cursor");
}

TEST_F(FhirApiTest, EncountersAndOrganizationsAreFound) {
  region.encounter("county", "1", "V1", "2026-01-01", "2026-01-04");
  const auto found =
      parse(get("/fhir/Encounter?patient=" + person.hex() + "&date=2026&class=IMP&status=finished").body);
  EXPECT_STREQ(found["total"].GetString(), "1");
  test::check_bundle(found, {"Patient", "Organization"});
  const auto named = parse(get("/fhir/Organization?name=%E5%8E%BF").body);  // 县
  EXPECT_STREQ(named["entry"][0]["resource"]["id"].GetString(), "county");
  EXPECT_STREQ(parse(get("/fhir/Organization?identifier=urn:hutong:facility%7Clab").body)["total"].GetString(), "1");
}

TEST(FhirReference, IdsComeOutOfAllForms) {
  EXPECT_EQ(reference_id("abc", "Patient"), "abc");
  EXPECT_EQ(reference_id("Patient/abc", "Patient"), "abc");
  EXPECT_EQ(reference_id("https://h/fhir/Patient/abc", "Patient"), "abc");
  EXPECT_EQ(reference_id("Group/abc", "Patient"), "");
  EXPECT_EQ(reference_id("NotPatient/abc", "Patient"), "");
}

}  // namespace
}  // namespace hutong::api

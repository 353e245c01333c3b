// PID, NK1 and MRG: whom a message is about.
#include "adapters/format/hl7v2/reader.h"

namespace hutong::hl7v2 {
namespace {

// CX, or the CK and ST of old versions. `type` stands in where the sender names none.
model::Identifier identifier(const Reader& reader, Text repetition, Text type) {
  const auto part = reader.components<8>(repetition);
  model::Identifier id;
  id.value = reader.clean(part[0]);
  id.authority = reader.namespace_of(part[3]);
  id.type = reader.clean(part[4]);
  if (id.type.empty()) id.type = type;
  id.effective.sent = reader.clean(part[6]);
  id.expires.sent = reader.clean(part[7]);
  return id;
}

// An assigning authority that is another facility of ours makes the number that facility's.
Text facility_of(const Reader& reader, Text authority) {
  const model::Source& source = reader.draft.source;
  const auto* facilities = reader.context.facilities;
  if (authority.empty() || authority == source.facility || authority == source.sender_facility || !facilities) {
    return source.facility;
  }
  const model::Facility* named = facilities->find(authority);
  if (!named) named = facilities->by_sender({}, authority);
  return named && named != reader.facility ? reader.arena.copy(named->code) : source.facility;
}

// Identifiers of one field; the index in `all` of the facility's own number (the first of type MR or PI, else the
// first), or npos.
std::size_t read_identifiers(const Reader& reader, Text field, Text type, List<model::Identifier>& all) {
  std::size_t own = Text::npos;
  bool own_is_typed = false;
  for (Text rest = field, one; reader.next_repetition(rest, one);) {
    const model::Identifier id = identifier(reader, one, type);
    if (id.value.empty()) continue;
    const bool typed = id.type == "MR" || id.type == "PI";
    if (own == Text::npos || (typed && !own_is_typed)) {
      own = all.size();
      own_is_typed = typed;
    }
    all.push(reader.arena, id);
  }
  return own;
}

void read_names(const Reader& reader, Text field, List<model::Name>& names) {
  for (Text rest = field, one; reader.next_repetition(rest, one);) {
    const auto part = reader.components<7>(one);
    model::Name name;
    name.family = reader.clean(first_part(part[0], reader.message.delimiters().subcomponent));
    name.given = reader.clean(part[1]);
    name.text = reader.person_name(name.family, name.given, reader.clean(part[2]));
    name.use = reader.clean(part[6]);
    if (!name.text.empty()) names.push(reader.arena, name);
  }
}

Text address_text(const Reader& reader, const model::Address& a) {
  const Text parts[] = {a.street, a.district, a.city, a.province, a.postcode};
  int said = 0;
  bool wide = false;
  for (Text part : parts) {
    said += !part.empty();
    for (char c : part) wide = wide || static_cast<signed char>(c) < 0;
  }
  if (said == 1 && !a.street.empty()) return a.street;
  if (said == 0) return {};
  if (wide) return reader.arena.concat({a.province, a.city, a.district, a.street});  // as it is written in Chinese
  const auto comma = [](Text part) { return part.empty() ? Text() : Text(", "); };
  return reader.arena.concat({a.street, comma(a.city), a.city, comma(a.province), a.province,
                              a.postcode.empty() ? Text() : Text(" "), a.postcode});
}

void read_addresses(const Reader& reader, Text field, List<model::Address>& addresses) {
  for (Text rest = field, one; reader.next_repetition(rest, one);) {
    const auto part = reader.components<9>(one);
    model::Address address;
    address.street = reader.clean(first_part(part[0], reader.message.delimiters().subcomponent));
    address.city = reader.clean(part[2]);
    address.province = reader.clean(part[3]);
    address.postcode = reader.clean(part[4]);
    address.country = reader.clean(part[5]);
    address.use = reader.clean(part[6]);
    address.district = reader.clean(part[8]);
    address.text = address_text(reader, address);
    if (!address.text.empty() || !address.country.empty()) addresses.push(reader.arena, address);
  }
}

// XTN: the whole number in its first component, or in parts (area, number, extension), or a mail address.
void read_contacts(const Reader& reader, Text field, Text place, List<model::Contact>& contacts) {
  for (Text rest = field, one; reader.next_repetition(rest, one);) {
    const auto part = reader.components<12>(one);
    const Text use = reader.clean(part[1]), equipment = reader.clean(part[2]), mail = reader.clean(part[3]);
    const Text where = equipment == "CP" || use == "PRS" ? Text("mobile")
                       : use == "WPN"                    ? Text("work")
                       : use == "PRN"                    ? Text("home")
                                                         : place;
    Text number = reader.clean(part[0]);
    if (number.empty()) number = reader.clean(part[11]);
    if (number.empty() && !part[6].empty()) {
      number =
          reader.arena.concat({reader.clean(part[5]), part[5].empty() ? Text() : Text("-"), reader.clean(part[6])});
    }
    if (!number.empty()) contacts.push(reader.arena, {number, number.find('@') == Text::npos ? where : Text("email")});
    if (!mail.empty()) contacts.push(reader.arena, {mail, mail.find('@') == Text::npos ? where : Text("email")});
  }
}

}  // namespace

void read_patient(const Reader& reader, const Segment& pid, model::Subject& subject) {
  Arena& arena = reader.arena;
  auto& identifiers = subject.identifiers;
  std::size_t own = read_identifiers(reader, reader.field(pid, 3), {}, identifiers);
  for (const std::uint32_t n : {2U, 4U}) {  // where versions before 2.3.1 put numbers
    if (reader.field(pid, n).empty()) continue;
    const std::size_t old = read_identifiers(reader, reader.field(pid, n), {}, identifiers);
    if (own == Text::npos) own = old;
  }
  if (own != Text::npos) subject.number = identifiers[own].value;
  subject.facility = facility_of(reader, own == Text::npos ? Text() : identifiers[own].authority);
  read_identifiers(reader, reader.field(pid, 18), "AN", identifiers);
  read_identifiers(reader, reader.field(pid, 19), "SS", identifiers);
  read_identifiers(reader, reader.field(pid, 20), "DL", identifiers);

  read_names(reader, reader.field(pid, 5), subject.names);
  subject.born = reader.moment(pid, 7);
  subject.sex_sent = reader.value(pid, 8);
  read_addresses(reader, reader.field(pid, 11), subject.addresses);
  read_contacts(reader, reader.field(pid, 13), "home", subject.contacts);
  read_contacts(reader, reader.field(pid, 14), "work", subject.contacts);
  read_contacts(reader, reader.field(pid, 40), "", subject.contacts);
  subject.marital = reader.coded(reader.field(pid, 16));
  subject.ethnicity = reader.coded(reader.field(pid, 22));
  if (subject.ethnicity.empty()) subject.ethnicity = reader.coded(reader.field(pid, 10));
  subject.nationality = reader.coded(reader.field(pid, 28));
  if (subject.nationality.empty()) subject.nationality = reader.coded(reader.field(pid, 26));
  subject.mother_number = reader.value(pid, 21);
  subject.died = reader.moment(pid, 29);
  subject.deceased = reader.value(pid, 30) == "Y" || !subject.died.sent.empty();

  static constexpr struct {
    std::uint32_t field;
    Text name;
  } deletable[] = {{5, "name"},       {7, "birthDate"}, {8, "sex"},        {11, "address"},     {13, "phone"},
                   {14, "workPhone"}, {16, "marital"},  {22, "ethnicity"}, {28, "nationality"}, {29, "deathDate"}};
  for (const auto& [field, name] : deletable) {
    if (reader.deleted(pid, field)) subject.deleted.push(arena, name);
  }
}

void read_next_of_kin(const Reader& reader, const Segment& nk1, model::Subject& subject) {
  if (!subject.mother_number.empty() || reader.value(nk1, 3) != "MTH") return;
  subject.mother_number = reader.value(nk1, 33);
}

void read_merge(const Reader& reader, const Segment& mrg, const model::Subject& subject, model::Merge& merge) {
  const std::size_t own = read_identifiers(reader, reader.field(mrg, 1), {}, merge.prior_identifiers);
  std::size_t old = Text::npos;
  if (!reader.field(mrg, 4).empty()) old = read_identifiers(reader, reader.field(mrg, 4), {}, merge.prior_identifiers);
  const std::size_t prior = own != Text::npos ? own : old;
  merge.cause = reader.trigger;
  merge.identifier_change = reader.trigger == "A47";
  merge.prior_facility = subject.facility;
  if (prior == Text::npos) return;
  const model::Identifier& id = merge.prior_identifiers[prior];
  merge.prior_number = id.value;
  const Text named = facility_of(reader, id.authority);
  if (!id.authority.empty() && named != reader.draft.source.facility) merge.prior_facility = named;
}

bool attributable(const Reader& reader, const model::Subject& subject, Text pid_path) {
  if (!subject.number.empty()) return true;
  const Text where = reader.path(pid_path, Text("3"));
  if (subject.names.empty()) {
    reader.refuse("patient-unknown", where, "neither a number nor a name", "the patient's number, type MR or PI",
                  condition::required_missing);
    return false;
  }
  reader.warn("patient-number-missing", where, "a name without a number", "the patient's number, type MR or PI",
              condition::required_missing);
  return true;
}

}  // namespace hutong::hl7v2

// The people of the region. A resident is a pure function of (seed, number): identity, health and baseline are the
// same in every run, nothing is stored. Invented throughout; card numbers obey GB 11643.
// Threads: any.
#pragma once

#include <cstdint>
#include <string>

#include "adapters/simulator/local_time.h"

namespace hutong::simulator {

enum class CardKind { own, placeholder, borrowed };

struct Resident {
  std::uint32_t number = 0;
  std::string family, given;  // UTF-8; `given` may be empty (names with a middle dot stand whole in `family`)
  bool male = false;
  Civil born{};
  std::string card;  // as it is sent: 18 characters, or what a clerk typed instead
  CardKind card_kind = CardKind::own;
  std::string phone, street, district, postcode;
  std::string ethnic_code, ethnic_name;
  std::uint32_t home = 0;  // which community centre, by remainder
  bool diabetic = false, hypertensive = false, kidney = false, lipids = false, anaemic = false, hepatitis_b = false;

  std::string name() const { return family + given; }
};

class Residents {
 public:
  Residents(std::uint64_t seed, std::uint32_t count, double odd_cards);
  std::uint32_t count() const { return count_; }
  Resident resident(std::uint32_t number) const;
  // The card that is the resident's own, whatever is sent.
  std::string own_card(std::uint32_t number) const;
  // A number between about -2.5 and 2.5: where this person's value of an item usually lies.
  double baseline(std::uint32_t number, std::uint64_t item) const;
  // The eight digits of a patient number at an institution; different for every resident.
  std::string patient_digits(std::uint32_t number, std::size_t institution) const;

 private:
  struct Core {
    bool male;
    Civil born;
    std::size_t area;
    std::uint32_t serial;  // the card's digits 15 to 17
  };
  Core core(std::uint32_t number) const;

  std::uint64_t seed_;
  std::uint32_t count_;
  double odd_cards_;
};

// The check character of a card's first 17 digits (GB 11643, ISO 7064 MOD 11-2).
char card_check_character(const std::string& seventeen);

}  // namespace hutong::simulator

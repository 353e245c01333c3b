// What records of deliveries change in the views: where each subscriber stands, what is held, what is delivered again.
// The deliverer reads these rows when it begins, so a rebuild sends nothing twice and another broker goes on. Offsets
// of another log (one that this was carried from) are passed over. Threads: the projector's.
#pragma once

#include <string>

#include "broker/model/delivery.h"
#include "broker/pipeline/overlay.h"

namespace hutong::pipeline {

net::awaitable<void> apply(Overlay& overlay, model::DeliveryProgressed progressed, std::string log_id);
net::awaitable<void> apply(Overlay& overlay, model::DeliveryCommanded commanded, std::string log_id);

// Keys and rows of tables::held and held_before.
port::Key held_key(const std::string& subscription, const model::EventRef& ref);
model::EventRef ref_of(const port::Row& row);
model::HeldEvent held_of(const port::Row& row);

}  // namespace hutong::pipeline

#pragma once

// The book as people and gateways see it.

#include "fleet/book.h"
#include "fleet/fleet.h"

namespace sust::fleet {

class Lives;

// A service is shown as ready once the gateways know, so that who waits for it can ask at once.
ServiceView show_service(const Book& book, const ServiceRecord& service, const Lives& lives);
// What the service means to answer, with or without replicas; nothing if it is being removed.
std::vector<serve::OfferedModel> offered_models(const ServiceRecord& service);
// Every replica that runs or will run again.
std::vector<serve::Replica> show_replicas(const Book& book, const Lives& lives);

}  // namespace sust::fleet

#pragma once

// Which shapes of a job the API server has, and which of them a job gets.

#include <map>
#include <string>

#include "cluster/kubernetes/client.h"
#include "cluster/kubernetes/kubernetes.h"

namespace sust::cluster::kubernetes {

// What the server said when it was asked.
struct Offer {
    std::string server;                          // "1.32"
    std::map<std::string, std::string> missing;  // shape -> what of it is not there
};

// One call for the version and one for each API that a template names, on the client's thread.
Result<Offer> discover(Client& client, const std::vector<Shape>& shapes);

// The name that the job or its back end says: pods, auto or a template's.
std::string wanted_shape(const JobSpec& spec, const KubernetesOptions& options);
// invalid: there is no such template.
Result<void> check_shape(const JobSpec& spec, const KubernetesOptions& options);
// Null: our own pods. invalid: the server does not have it; says what, where and what can be done.
Result<const Shape*> choose_shape(const std::string& wanted, const KubernetesOptions& options,
                                  const Offer& offer);

// Of what the server says about itself and about one API (a null: it has none); empty: all is
// there.
std::string what_is_missing(const Shape& shape, const nlohmann::json& version,
                            const nlohmann::json& resources);

}  // namespace sust::cluster::kubernetes

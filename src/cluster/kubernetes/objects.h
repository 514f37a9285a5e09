#pragma once

// The objects whose controllers make the pods of jobs: one for each attempt. What a back end's
// threads do with them, and what they say while no pod is there.

#include <map>
#include <string>
#include <vector>

#include "cluster/kubernetes/errands.h"

namespace sust::cluster::kubernetes {

// An object of ours as the last list told it.
struct Envelope {
    std::string shape;
    std::string name;
    std::string failed;  // its controller has given it up, and why
    std::string waits;   // what it waits for; empty: nothing is said
};
using Envelopes = std::map<std::pair<Token, std::int64_t>, Envelope>;

// invalid: it is none of ours.
Result<std::pair<std::pair<Token, std::int64_t>, Envelope>> read_envelope(
    const nlohmann::json& object, const Shape& shape);

// Every object of these shapes with such labels: one list for each shape.
Result<Envelopes> list_objects(Client& client, const std::string& space,
                               const std::string& selector,
                               const std::vector<const Shape*>& shapes);

// Makes what is not there yet of an attempt: its Secret, and its object or (null) our own pods;
// after every object of an earlier attempt is gone, of whichever of the `used` shapes that is.
// unavailable: one is still there; the others as `make`.
Result<void> make_shaped(Client& client, const std::string& space, const Order& order,
                         const Shape* shape, const KubernetesOptions& options,
                         const std::vector<const Shape*>& used);

// Removes the object of an attempt with all that its controller made, which then makes no more.
// Our pods keep their finalizer: clean() lets them go after that. An absent one is fine.
Result<void> remove_object(Client& client, const std::string& space, const Shape& shape,
                           const std::string& name);

}  // namespace sust::cluster::kubernetes

#pragma once

// The shape of one attempt of a job: decided once, and on disk before anything is made, so that a
// controller that is started again goes on with the same.

#include <optional>
#include <string>

#include "cluster/kubernetes/context.h"

namespace sust::cluster::kubernetes {

// On the control loop's thread.
class Choice {
  public:
    // What an earlier controller decided in that folder of an attempt.
    Result<void> load(const Path& attempt, Context& context);
    // What its pods say.
    void learn(const std::string& shape, Context& context);
    // Null: our own pods. unavailable: what the server has is not known yet; invalid: it does not
    // have what is wanted.
    Result<const Shape*> decide(const JobSpec& spec, const Path& attempt, Context& context);
    void forget() { name_.reset(); }

    // Empty: our own pods, or nothing was decided.
    std::string name() const { return name_.value_or(""); }
    bool is_shaped() const { return name_ && !name_->empty(); }

  private:
    std::optional<std::string> name_;
};

}  // namespace sust::cluster::kubernetes

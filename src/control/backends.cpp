#include "control/backends.h"

#include "core/text.h"

namespace sust::control {

using core::fail;
using core::Fault;

void Backends::add(cluster::Scheduler& scheduler) {
    all_[std::string(scheduler.name())] = &scheduler;
}

Result<cluster::Scheduler*> Backends::find(std::string_view name) const {
    const auto found = all_.find(name);
    if (found != all_.end()) {
        return found->second;
    }
    std::vector<std::string> names;
    for (const auto& [known, scheduler] : all_) {
        names.push_back(known);
    }
    return fail(Fault::not_found, "no back end '" + core::printable(name, 80) + "'",
                {.hint = "there are: " + core::join(names, ", ")});
}

std::vector<Choice> Backends::weigh(const cluster::JobRequest& request,
                                    const cluster::Token& token) const {
    std::vector<Choice> choices;
    for (const auto& placement : request.placement) {
        Choice choice{.placement = placement};
        if (const auto scheduler = find(placement.backend); !scheduler) {
            choice.refusal = scheduler.error();
        } else if (const auto accepted =
                       (*scheduler)->accepts(cluster::spec_of(request, placement, token));
                   !accepted) {
            choice.refusal = accepted.error();
        }
        choices.push_back(std::move(choice));
    }
    return choices;
}

Result<cluster::Placement> Backends::choose(const cluster::JobRequest& request,
                                            const cluster::Token& token) const {
    const auto choices = weigh(request, token);
    for (const auto& choice : choices) {
        if (!choice.refusal) {
            return choice.placement;
        }
    }
    if (choices.size() == 1) {
        return tl::unexpected<core::Error>(*choices.front().refusal);
    }
    std::vector<std::string> reasons;
    for (const auto& choice : choices) {
        reasons.push_back(choice.placement.backend + ": " + core::to_string(*choice.refusal));
    }
    return fail(Fault::invalid, "no placement takes the job: " + core::join(reasons, "; "),
                {.where = "placement", .hint = "sust job plan FILE shows each"});
}

}  // namespace sust::control

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

namespace {

// A limit that nobody said, or that segments bring about, is at most what the back end allows.
void fit_time_limit(const cluster::JobRequest& request, const cluster::Scheduler& scheduler,
                    const cluster::Token& token, cluster::Placement& placement) {
    const auto spec = cluster::spec_of(request, placement, token);
    const auto longest = scheduler.longest(spec);
    const bool may_be_shorter = !request.has_time_limit || request.segment == core::Duration::max();
    if (longest && spec.time_limit > *longest && may_be_shorter) {
        placement.time_limit = *longest;
    }
}

}  // namespace

std::vector<Choice> Backends::weigh(const cluster::JobRequest& request,
                                    const cluster::Token& token) const {
    std::vector<Choice> choices;
    for (const auto& placement : request.placement) {
        Choice choice{.placement = placement};
        const auto scheduler = find(placement.backend);
        if (!scheduler) {
            choice.refusal = scheduler.error();
            choices.push_back(std::move(choice));
            continue;
        }
        fit_time_limit(request, **scheduler, token, choice.placement);
        const auto accepted =
            (*scheduler)->accepts(cluster::spec_of(request, choice.placement, token));
        if (!accepted) {
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

#include "cluster/backends.h"

#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;

// A limit that nobody said, or that segments bring about, is at most what the back end allows.
void fit_time_limit(const JobRequest& request, const Scheduler& scheduler, const Token& token,
                    Placement& placement) {
    const auto spec = spec_of(request, placement, token);
    const auto longest = scheduler.longest(spec);
    const bool may_be_shorter = !request.has_time_limit || request.segment == Duration::max();
    if (longest && spec.time_limit > *longest && may_be_shorter) {
        placement.time_limit = *longest;
    }
}

namespace {

Result<Placement> first_of(const std::vector<Choice>& choices) {
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

}  // namespace

void Backends::add(Scheduler& scheduler) {
    all_[std::string(scheduler.name())] = &scheduler;
}

Result<Scheduler*> Backends::find(std::string_view name) const {
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

std::vector<Choice> Backends::weigh(const JobRequest& request, const Token& token) const {
    std::vector<Choice> choices;
    for (const auto& placement : request.placement) {
        Choice choice{.placement = placement};
        if (const auto scheduler = find(placement.backend); !scheduler) {
            choice.refusal = scheduler.error();
        } else {
            fit_time_limit(request, **scheduler, token, choice.placement);
            const auto accepted = (*scheduler)->accepts(spec_of(request, choice.placement, token));
            if (!accepted) {
                choice.refusal = accepted.error();
            }
        }
        choices.push_back(std::move(choice));
    }
    return choices;
}

Result<Placement> Backends::choose(const JobRequest& request, const Token& token) const {
    return first_of(weigh(request, token));
}

Result<Placement> Backends::choose(const std::vector<Placement>& placements,
                                   const std::function<JobSpec(const Placement&)>& spec) const {
    std::vector<Choice> choices;
    for (const auto& placement : placements) {
        Choice choice{.placement = placement};
        const auto scheduler = find(placement.backend);
        const auto accepted = scheduler
                                  ? (*scheduler)->accepts(spec(placement))
                                  : Result<void>(tl::unexpected<core::Error>(scheduler.error()));
        if (!accepted) {
            choice.refusal = accepted.error();
        }
        choices.push_back(std::move(choice));
    }
    return first_of(choices);
}

}  // namespace sust::cluster

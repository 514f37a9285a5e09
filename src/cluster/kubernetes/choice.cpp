#include "cluster/kubernetes/choice.h"

#include <fmt/format.h>

#include "core/text.h"

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;

namespace {

constexpr std::size_t k_name_bytes_max = 256;

// Our own pods leave no file: most jobs are of them.
Path file_of(const Path& attempt) {
    return attempt / "shape";
}

}  // namespace

Result<void> Choice::load(const Path& attempt, Context& context) {
    if (const auto kept = TRY(core::read_file_if_any(file_of(attempt), k_name_bytes_max))) {
        learn(std::string(core::trim(*kept)), context);
    }
    return {};
}

void Choice::learn(const std::string& shape, Context& context) {
    if (!name_) {
        name_ = shape;
        if (!shape.empty()) {
            context.shapes.insert(shape);
        }
    }
}

Result<const Shape*> Choice::decide(const JobSpec& spec, const Path& attempt, Context& context) {
    const Shape* none = nullptr;
    const auto wanted = is_shaped() ? *name_ : wanted_shape(spec, context.options);
    if (name_ ? name_->empty() : wanted == k_pods) {
        return none;
    }
    if (!context.offer) {
        return fail(Fault::unavailable,
                    context.offer_trouble.empty()
                        ? "the API server is being asked what it has"
                        : "what the API server has is not known: " + context.offer_trouble);
    }
    const auto* chosen = TRY(choose_shape(wanted, context.options, *context.offer));
    if (chosen != nullptr && !name_) {
        TRY(core::write_file(file_of(attempt), chosen->name + "\n", 0600));
    }
    learn(chosen == nullptr ? "" : chosen->name, context);
    return chosen;
}

}  // namespace sust::cluster::kubernetes

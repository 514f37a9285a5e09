#include "apps/sust/verb.h"

#include "core/text.h"

namespace sust::cli {

const std::vector<std::string>& Arguments::all(std::string_view name) const {
    static const std::vector<std::string> k_none;
    const auto found = values.find(name);
    return found == values.end() ? k_none : found->second;
}

std::optional<std::string> Arguments::get(std::string_view name) const {
    const auto& said = all(name);
    return said.empty() ? std::nullopt : std::optional(said.back());
}

Result<std::optional<std::int64_t>> Arguments::integer(std::string_view name) const {
    const auto said = get(name);
    if (!said) {
        return std::optional<std::int64_t>();
    }
    return std::optional(TRY(core::within(name, core::parse_integer(*said))));
}

const std::vector<Verb>& verbs() {
    static const std::vector<Verb> k_verbs = [] {
        std::vector<Verb> all;
        for (auto* make : {up_verbs, config_verbs, image_verbs, data_verbs, model_verbs, tune_verbs,
                           serve_verbs, key_verbs, chat_verbs, gc_verbs, completion_verbs}) {
            for (auto& verb : make()) {
                all.push_back(std::move(verb));
            }
        }
        return all;
    }();
    return k_verbs;
}

}  // namespace sust::cli

#include "apps/sust/complete.h"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "apps/sust/api.h"
#include "apps/sust/parse.h"
#include "apps/sust/print.h"
#include "core/text.h"
#include "env/environment.h"

namespace sust::cli {
namespace {

using Words = std::vector<std::string>;

constexpr std::string_view k_files = "__files__";

std::string_view collection_of(Completes completes) {
    switch (completes) {
        case Completes::datasets:
            return "/api/v1/datasets";
        case Completes::models:
            return "/api/v1/models";
        case Completes::recipes:
            return "/api/v1/recipes";
        case Completes::runs:
            return "/api/v1/runs";
        case Completes::services:
            return "/api/v1/services";
        case Completes::keys:
            return "/api/v1/keys";
        case Completes::jobs:
            return "/api/v1/jobs";
        case Completes::nodes:
            return "/api/v1/nodes";
        case Completes::backends:
            return "/api/v1/backends";
        default:
            return {};
    }
}

Words image_names(const Context& context) {
    Words names;
    auto store = store::Store::open(context.places.store(), context.clock);
    const auto images =
        store ? store->list(store::Kind::image) : Result<std::vector<store::Named>>();
    for (const auto& image : images ? *images : std::vector<store::Named>()) {
        names.push_back(image.name);
    }
    return names;
}

// The names of a collection; runs and jobs have none that is unique, and a revoked key is no one's
// aim.
Words listed(const Context& context, Completes completes) {
    Words names;
    const auto answer = Api(context).get(collection_of(completes));
    for (const auto& item :
         answer ? answer->value("items", nlohmann::json::array()) : nlohmann::json::array()) {
        if (text_in(item, "state") == "revoked" && completes == Completes::keys) {
            continue;
        }
        const bool by_id = completes == Completes::runs || completes == Completes::jobs;
        const auto name = by_id ? std::string() : text_in(item, "name");
        names.push_back(name.empty() ? text_in(item, "id") : name);
    }
    return names;
}

Words setting_keys() {
    Words keys;
    for (const auto& spec : setting_specs()) {
        keys.push_back(std::string(spec.key) + "=");
    }
    return keys;
}

Words parameters_of(const Context& context, const std::string& recipe) {
    Words names;
    const auto answer =
        recipe.empty() ? Result<nlohmann::json>() : Api(context).get(api_path("recipes", recipe));
    for (const auto& parameter : answer && answer->is_object()
                                     ? answer->value("parameters", nlohmann::json::array())
                                     : nlohmann::json::array()) {
        names.push_back(text_in(parameter, "name") + "=");
    }
    return names;
}

// `recipe`: the one among the words, for its parameters.
Words values_of(const Context& context, Completes completes, const std::string& recipe) {
    switch (completes) {
        case Completes::nothing:
            return {};
        case Completes::files:
        case Completes::folders:
        case Completes::mounts:
            return {std::string(k_files)};
        case Completes::programs:
            return {"gateway", "sustd"};
        case Completes::shells:
            return {"bash", "fish", "zsh"};
        case Completes::settings:
            return setting_keys();
        case Completes::environments:
            return env::environment_names(context.places);
        case Completes::images:
            return image_names(context);
        case Completes::parameters:
            return parameters_of(context, recipe);
        default:
            return listed(context, completes);
    }
}

const Option* named(std::span<const Option> options, std::string_view word) {
    const auto found = std::find_if(options.begin(), options.end(), [&](const Option& option) {
        return option.name == word || (!option.brief.empty() && option.brief == word);
    });
    return found == options.end() ? nullptr : &*found;
}

const Option* option_named(const Verb* verb, std::string_view word) {
    const auto* own = verb == nullptr ? nullptr : named(verb->options, word);
    return own != nullptr ? own : named(global_options(), word);
}

void add_options(std::span<const Option> options, Words& words) {
    for (const auto& option : options) {
        words.emplace_back(option.name);
    }
}

// The words that are neither options nor values of such.
Words plain_words(const Verb* verb, const Words& words) {
    Words plain;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto* option = option_named(verb, words[i]);
        if (option != nullptr) {
            i += option->value.empty() ? 0 : 1;
        } else if (!words[i].starts_with("-")) {
            plain.push_back(words[i]);
        }
    }
    return plain;
}

// The next word of every verb whose path begins with these names.
Words verb_words(const Words& names) {
    Words next;
    for (const auto& verb : verbs()) {
        const auto parts = core::split(verb.path, ' ');
        if (verb.shown == Verb::Shown::yes && parts.size() > names.size() &&
            std::equal(names.begin(), names.end(), parts.begin())) {
            next.push_back(parts[names.size()]);
        }
    }
    return next;
}

Words words_of_verb(const Context& context, const Verb& verb, const Words& said) {
    if (verb.positionals.empty()) {
        return {};
    }
    const auto at = std::min(said.size(), verb.positionals.size() - 1);
    const bool full =
        said.size() >= verb.positionals.size() && verb.positionals.back().count != Count::any;
    return full ? Words()
                : values_of(context, verb.positionals[at].completes, said.empty() ? "" : said[0]);
}

Words all_offers(const Context& context, const Call& call, const std::string& last) {
    const auto said = plain_words(call.verb, call.rest);
    const auto* before = call.rest.empty() ? nullptr : option_named(call.verb, call.rest.back());
    if (before != nullptr && !before->value.empty()) {
        return values_of(context, before->completes, said.empty() ? "" : said[0]);
    }
    if (last.starts_with("-")) {
        Words words;
        if (call.verb != nullptr) {
            add_options(call.verb->options, words);
        }
        add_options(global_options(), words);
        return words;
    }
    return call.verb != nullptr ? words_of_verb(context, *call.verb, said) : verb_words(call.names);
}

}  // namespace

Words offers(const Context& context, const Words& words) {
    const auto& last = words.back();
    const auto call = take_apart({words.begin(), words.end() - 1});
    Context there = context;
    if (!call.root.empty() && !take_root(there, call.root)) {
        return {};
    }
    std::set<std::string> fitting;
    for (const auto& word : all_offers(there, call, last)) {
        if (word == k_files || word.starts_with(last)) {
            fitting.insert(word);
        }
    }
    return {fitting.begin(), fitting.end()};
}

}  // namespace sust::cli

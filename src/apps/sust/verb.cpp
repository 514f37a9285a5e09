#include "apps/sust/verb.h"

#include <array>

#include <fmt/format.h>

#include "core/text.h"

namespace sust::cli {
namespace {

constexpr std::array k_globals{
    Option{"--root", "DIR", "put everything under one directory (tests, demos)", Count::optional,
           Completes::folders},
    Option{"--json", "", "print one JSON object or array"},
    Option{"--config", "KEY=VALUE", "override a setting (sust config show)", Count::any,
           Completes::settings},
    Option{"--yes", "", "do not ask before something is destroyed"},
    Option{"--quiet", "", "no progress on standard error"},
    Option{"--help", "", "the whole help with examples; -h is short", Count::optional,
           Completes::nothing, "-h"},
    Option{"--version", "", "the version"},
};

}  // namespace

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

Result<std::map<std::string, std::string>> Arguments::pairs(std::string_view name) const {
    return parse_pairs(name, all(name));
}

Result<std::map<std::string, std::string>> parse_pairs(std::string_view option,
                                                       const std::vector<std::string>& said) {
    std::map<std::string, std::string> pairs;
    for (const auto& text : said) {
        const auto equals = text.find('=');
        if (equals == std::string::npos || equals == 0) {
            return core::fail(Fault::invalid,
                              fmt::format("{} {} is not KEY=VALUE", option, core::printable(text)));
        }
        const auto [before, is_new] =
            pairs.emplace(text.substr(0, equals), text.substr(equals + 1));
        if (!is_new) {
            return core::fail(
                Fault::invalid,
                fmt::format("{} {} was given twice: {} and {}", option,
                            core::printable(before->first, 60), core::printable(before->second, 60),
                            core::printable(text.substr(equals + 1), 60)),
                {.hint = "keep one of them"});
        }
    }
    return pairs;
}

std::span<const Option> global_options() {
    return k_globals;
}

const std::vector<Verb>& verbs() {
    static const std::vector<Verb> k_verbs = [] {
        std::vector<Verb> all;
        for (auto* make : {up_verbs, config_verbs, image_verbs, data_verbs, model_verbs, tune_verbs,
                           serve_verbs, job_verbs, node_verbs, key_verbs, chat_verbs, gc_verbs,
                           simulate_verbs, completion_verbs}) {
            for (auto& verb : make()) {
                all.push_back(std::move(verb));
            }
        }
        return all;
    }();
    return k_verbs;
}

int exit_status(const Verb* verb, const core::Error& error) {
    constexpr int k_wrapper_failed = 125;
    return verb != nullptr && verb->status == Verb::Status::of_program
               ? k_wrapper_failed
               : core::exit_code(error.fault);
}

}  // namespace sust::cli

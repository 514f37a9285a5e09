#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/sust/print.h"

namespace sust::cli {
namespace {

Result<int> config_show(Context& context, const Arguments&) {
    const auto settings = TRY(context.settings());
    auto items = nlohmann::json::array();
    for (std::size_t i = 0; i < settings.all().size(); ++i) {
        const auto& setting = settings.all()[i];
        items.push_back({{"key", setting.key},
                         {"value", setting.value},
                         {"source", setting.source},
                         {"help", setting_specs()[i].help}});
    }
    const auto& places = context.places;
    const std::pair<const char*, core::Path> folders[] = {
        {"config", places.config}, {"data", places.data}, {"state", places.state},
        {"cache", places.cache},   {"run", places.run},   {"share", places.share},
        {"bin", places.bin}};
    for (const auto& [name, path] : folders) {
        items.push_back({{"key", fmt::format("places.{}", name)},
                         {"value", path.string()},
                         {"source", context.root.empty() ? "default" : "--root"},
                         {"help", "not a setting: follows from the user and --root"}});
    }
    print_list(context, items, {{"key", "KEY"}, {"value", "VALUE"}, {"source", "FROM"}},
               "no settings");
    return 0;
}

}  // namespace

std::vector<Verb> config_verbs() {
    return {
        {.path = "config show",
         .summary = "every setting and where its value came from",
         .examples = {"sust config show", "SUST_GATEWAY_LISTEN=127.0.0.1:9000 sust config show"},
         .run = config_show}};
}

}  // namespace sust::cli

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
    const std::string of_root = context.root.empty() ? "default" : context.root_source;
    const std::string beside = "where sust is";  // what ships with it; no --root moves that
    const auto said = context.environment.find("SUST_SHARE");
    const std::tuple<const char*, core::Path, std::string> folders[] = {
        {"config", places.config, of_root},
        {"data", places.data, of_root},
        {"state", places.state, of_root},
        {"cache", places.cache, of_root},
        {"run", places.run, of_root},
        {"share", places.share,
         said != context.environment.end() && places.share == said->second ? "SUST_SHARE" : beside},
        {"bin", places.bin, beside}};
    for (const auto& [name, path, source] : folders) {
        items.push_back({{"key", fmt::format("places.{}", name)},
                         {"value", path.string()},
                         {"source", source},
                         {"help", "not a setting"}});
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

#include "apps/sust/job_file.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cluster/request.h"
#include "core/text.h"
#include "core/toml.h"

namespace sust::cli {
namespace {

constexpr std::size_t k_file_bytes_max = 1 << 20;

nlohmann::json value_of(const std::string& said) {
    const auto line = core::TomlTable::parse("value = " + said + "\n", "--set");
    if (line) {
        const auto text = line->json("value");
        if (text && *text) {
            auto value = nlohmann::json::parse(**text, nullptr, false);
            if (!value.is_discarded()) {
                return value;
            }
        }
    }
    return said;
}

}  // namespace

Result<void> set_key(nlohmann::json& document, const std::string& path, const std::string& value) {
    auto* at = &document;
    const auto parts = core::split(path, '.');
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i].empty() || (!at->is_object() && !at->is_null())) {
            return core::fail(Fault::invalid,
                              fmt::format("--set {}: there is no such key", core::printable(path)),
                              {.hint = "write it as time.limit=2h"});
        }
        at = &(*at)[parts[i]];
    }
    *at = value_of(value);
    return {};
}

Result<nlohmann::json> read_job_file(const Arguments& arguments) {
    const core::Path file = arguments.one("FILE");
    const auto text = TRY(core::read_file(file, k_file_bytes_max));
    const auto table = TRY(core::TomlTable::parse(text, file.string()));
    auto document = nlohmann::json::parse(table.json());
    const auto settings = TRY(arguments.pairs("--set"));
    for (const auto& [path, value] : settings) {
        TRY(set_key(document, path, value));
    }
    if (const auto backend = arguments.get("--backend")) {
        document["placement"] = {{{"backend", *backend}}};
    }
    // The file alone has lines to name; with --set it may lack what is said there.
    if (settings.empty()) {
        TRY(cluster::read_request(table));
    }
    TRY(cluster::read_request(
        TRY(core::TomlTable::from_json(document.dump(), file.string() + " with --set"))));
    return document;
}

}  // namespace sust::cli

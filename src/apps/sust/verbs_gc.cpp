#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/sust/api.h"
#include "apps/sust/print.h"
#include "core/text.h"

namespace sust::cli {
namespace {

std::string size_in(const nlohmann::json& found, const char* key) {
    return core::format_size(found.value(key, std::uint64_t{0}));
}

void show_garbage(const Context& context, const nlohmann::json& found) {
    if (context.json) {
        return;
    }
    print_list(context, found.value("blobs", nlohmann::json::array()),
               {{"bytes", "SIZE", Column::Form::bytes},
                {"media_type", "TYPE"},
                {"digest", "DIGEST", Column::Form::digest}},
               "nothing to delete");
    if (const auto files = found.value("temporary_files", 0); files > 0) {
        std::cout << fmt::format("and {} of {} interrupted uploads\n",
                                 size_in(found, "temporary_bytes"), files);
    }
    if (found.value("young_bytes", std::uint64_t{0}) > 0) {
        std::cout << fmt::format(
            "{} that nothing refers to are too young: they may be uploads that get a name soon "
            "(--grace)\n",
            size_in(found, "young_bytes"));
    }
}

Result<int> gc(Context& context, const Arguments& arguments) {
    nlohmann::json ask{{"dry_run", true}};
    if (const auto grace = arguments.get("--grace")) {
        const auto duration = TRY(core::parse_duration(*grace));
        ask["grace_seconds"] = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
    }
    Api api(context);
    auto found = TRY(api.post("/api/v1/gc", ask));
    show_garbage(context, found);
    const auto blobs = found.value("blobs", nlohmann::json::array()).size();
    if (blobs == 0 && found.value("temporary_files", 0) == 0) {
        print_done(context, found, "");  // what people are told is told already
        return 0;
    }
    if (arguments.has("--dry-run")) {
        print_done(context, found, fmt::format("{} could be freed", size_in(found, "bytes")));
        return 0;
    }
    TRY(confirm(context, fmt::format("delete {} blobs, {}?", blobs, size_in(found, "bytes"))));
    ask["dry_run"] = false;
    found = TRY(api.post("/api/v1/gc", ask));
    print_done(context, found, fmt::format("{} freed", size_in(found, "bytes")));
    return 0;
}

}  // namespace

std::vector<Verb> gc_verbs() {
    return {{.path = "gc",
             .summary = "delete what nothing refers to; sizes first",
             .options = {{"--dry-run", "", "only show what would go"},
                         {"--grace", "DURATION", "how old it must be (1h)"}},
             .examples = {"sust gc --dry-run", "sust gc --yes"},
             .run = gc}};
}

}  // namespace sust::cli

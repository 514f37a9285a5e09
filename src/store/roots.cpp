#include "store/roots.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "core/text.h"
#include "store/json.h"
#include "store/limits.h"

namespace sust::store {

using core::fail;
using core::Fault;

namespace {

constexpr int k_format = 1;
constexpr std::string_view k_mount = "mount";
constexpr std::array<std::string_view, 4> k_kinds{"service", "run", "job", k_mount};

Result<std::vector<std::string>> names_in(const Path& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error)) {
        names.push_back(it->path().filename().string());
    }
    if (error && error != std::errc::no_such_file_or_directory) {
        return core::fail_errno("list " + folder.string(), error.value());
    }
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace

Result<Path> Roots::place(std::string_view kind, std::string_view id) const {
    if (std::find(k_kinds.begin(), k_kinds.end(), kind) == k_kinds.end()) {
        return fail(Fault::invalid, "no kind of root '" + core::printable(kind) + "'",
                    {.hint = "roots are of a service, run, job or mount"});
    }
    TRY(core::check_name("root id", id));
    return layout_->roots() / kind / id;
}

Result<void> Roots::set(const Root& root, const Lock& held) const {
    const auto file = TRY(place(root.kind, root.id));
    const auto text = encode_root(root);
    if (text.size() > k_max_root_bytes) {
        return fail(Fault::too_large, fmt::format("root {}/{} would be over {} bytes", root.kind,
                                                  root.id, k_max_root_bytes));
    }
    TRY(core::make_directories(file.parent_path()));
    // A mount ends with the machine, and every start of a command waits for this write.
    const auto durable = root.kind == k_mount ? Durable::no : Durable::yes;
    return layout_->replace(file, text, held, durable);
}

Result<void> Roots::remove(std::string_view kind, std::string_view id, const Lock&) const {
    const auto file = TRY(place(kind, id));
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) {
        return core::fail_errno("remove " + file.string(), errno);
    }
    return {};
}

Result<std::vector<Root>> Roots::list() const {
    std::vector<Root> roots;
    for (const auto kind : k_kinds) {
        for (const auto& id : TRY(names_in(layout_->roots() / kind))) {
            const auto file = layout_->roots() / kind / id;
            const auto text = TRY(core::read_file_if_any(file, k_max_root_bytes));
            if (text && text->empty() && kind == k_mount) {
                continue;  // from before a crash, see set()
            }
            if (text) {  // else it went while we looked
                roots.push_back(TRY(decode_root(*text, kind, id, file.string())));
            }
        }
    }
    return roots;
}

std::string encode_root(const Root& root) {
    Json holds = Json::array();
    for (const auto& digest : root.holds) {
        holds.push_back(digest.str());
    }
    return print_json(Json{{"format", k_format},
                           {"owner", root.owner},
                           {"since", core::rfc3339(root.since)},
                           {"holds", std::move(holds)}}) +
           "\n";
}

Result<Root> decode_root(std::string_view text, std::string_view kind, std::string_view id,
                         const std::string& origin) {
    const auto unreadable = [&](std::string_view what) {
        return fail(Fault::internal, fmt::format("not a root: {}", what),
                    {origin, "if its owner is gone, remove the file; then nothing is held by it"});
    };
    const auto json = parse_object(text, origin);
    if (!json) {
        return unreadable(json.error().message);
    }
    const auto format = json->find("format");
    if (format == json->end() || !format->is_number_integer() || *format != k_format) {
        return unreadable("'format' must be 1");
    }
    const auto since = core::parse_rfc3339(text_or_empty(*json, "since"));
    const auto holds = json->find("holds");
    if (!since || holds == json->end() || !holds->is_array()) {
        return unreadable("'since' must be a time and 'holds' a list");
    }
    Root root{.kind = std::string(kind),
              .id = std::string(id),
              .owner = text_or_empty(*json, "owner"),
              .since = *since,
              .holds = {}};
    for (const auto& held : *holds) {
        auto digest = Digest::parse(held.is_string() ? held.get<std::string>() : "");
        if (!digest) {
            return unreadable("'holds' must be digests");
        }
        root.holds.push_back(std::move(*digest));
    }
    return root;
}

}  // namespace sust::store

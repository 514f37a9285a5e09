#include "store/layout.h"

#include <algorithm>
#include <array>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "store/index.h"
#include "store/json.h"
#include "store/limits.h"
#include "store/temporary.h"

namespace sust::store {

using core::fail;
using core::Fault;
using core::Path;
using core::Result;

namespace {

constexpr std::string_view k_layout_file = "oci-layout";
constexpr std::string_view k_version = "1.0.0";
constexpr std::size_t k_max_layout_bytes = 4096;
// What a creation that was cut short may have left.
constexpr std::array<std::string_view, 5> k_ours{"lock", "tmp", "blobs", "roots", "index.json"};

Result<void> check_version(std::string_view text, const std::string& file) {
    const auto json = TRY(parse_object(text, file));
    const auto version = text_or_empty(json, "imageLayoutVersion");
    if (version != k_version) {
        return fail(Fault::conflict,
                    fmt::format("image layout version '{}', and this program knows only {}",
                                version, k_version),
                    {file, "open the store with the program that wrote it"});
    }
    return {};
}

// Nothing of somebody else may be there: a store is never mixed into another folder.
Result<void> check_only_ours(const Path& folder) {
    std::error_code error;
    for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error)) {
        const auto name = it->path().filename().string();
        if (std::find(k_ours.begin(), k_ours.end(), name) == k_ours.end()) {
            return fail(Fault::conflict,
                        fmt::format("not a store: it has '{}' but no '{}'", name, k_layout_file),
                        {folder.string(), "name an empty or absent folder, or an OCI layout"});
        }
    }
    if (error && error != std::errc::no_such_file_or_directory) {
        return core::fail_errno("list " + folder.string(), error.value());
    }
    return {};
}

}  // namespace

Result<std::shared_ptr<const Layout>> Layout::open(const Path& folder, const core::Clock& clock) {
    std::shared_ptr<const Layout> layout(new Layout(folder, clock));
    const Path marker = folder / k_layout_file;
    auto text = TRY(core::read_file_if_any(marker, k_max_layout_bytes));
    if (!text) {
        // What another process made since that look is no reason to refuse.
        const auto ours = check_only_ours(folder);
        if (!core::path_exists(marker)) {
            TRY(ours);
            TRY(core::within("create the store", layout->create()));
        }
        text = TRY(core::read_file(marker, k_max_layout_bytes));
    }
    TRY(check_version(*text, marker.string()));
    if (!core::path_exists(layout->index())) {
        // An empty one in its place would make every artifact garbage.
        return fail(Fault::internal, "index.json is missing: no name of this store is known",
                    {folder.string(),
                     "put it back; index.json.previous is the one before the last change"});
    }
    return layout;
}

Result<void> Layout::create() const {
    TRY(core::make_directories(folder_));
    const auto held = TRY(lock());
    if (core::path_exists(folder_ / k_layout_file)) {
        return {};  // another process was faster
    }
    TRY(core::make_directories(blobs()));
    TRY(core::make_directories(roots()));
    if (!core::path_exists(index())) {
        TRY(replace(index(), Index().encode(), held));
    }
    // Last: with this file the store is complete.
    return replace(folder_ / k_layout_file,
                   fmt::format(R"({{"imageLayoutVersion":"{}"}})", k_version), held);
}

Result<Lock> Layout::lock() const {
    return core::FileLock::acquire(folder_ / "lock", core::Deadline(*clock_, k_lock_patience));
}

Result<void> Layout::replace(const Path& place, std::string_view bytes, const Lock&,
                             Durable durable) const {
    constexpr mode_t k_mode = 0644;
    auto file = TRY(TemporaryFile::create(temporary()));
    TRY(file.write(bytes));
    TRY(file.seal(clock_->wall(), k_mode, durable));
    TRY(file.place(place));
    return durable == Durable::yes ? core::sync_directory(place.parent_path()) : Result<void>();
}

}  // namespace sust::store

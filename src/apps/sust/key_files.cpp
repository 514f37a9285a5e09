#include "apps/sust/key_files.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <unistd.h>

#include "core/text.h"
#include "tenancy/keys.h"

namespace sust::cli {
namespace {

constexpr std::string_view k_ending = ".key";
constexpr std::size_t k_max_key = 4096;

core::Path folder_of(const Context& context) {
    return context.places.config / "keys";
}

}  // namespace

Result<void> make_key_folder(const Context& context) {
    return core::make_directories(folder_of(context), 0700);
}

core::Path key_file(const Context& context, const std::string& name) {
    return folder_of(context) / (name + std::string(k_ending));
}

std::vector<core::Path> key_files(const Context& context) {
    std::vector<core::Path> files;
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder_of(context), error), end;
         !error && at != end; at.increment(error)) {
        if (at->path().extension() == k_ending) {
            files.push_back(at->path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

Result<std::string> read_key(const core::Path& file) {
    return std::string(core::trim(TRY(core::read_file(file, k_max_key))));
}

Result<bool> remove_key_file(const Context& context, const std::string& name,
                             const std::string& id) {
    const auto file = key_file(context, name);
    const auto text = TRY(core::read_file_if_any(file, k_max_key));
    if (!text || tenancy::key_id(core::trim(*text)) != id) {
        return false;
    }
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) {
        return core::fail_errno("remove " + file.string(), errno);
    }
    return true;
}

}  // namespace sust::cli

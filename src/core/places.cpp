#include "core/places.h"

#include <cerrno>

#include <fmt/format.h>
#include <sys/stat.h>

#include "core/hash.h"

namespace sust::core {
namespace {

// An environment variable that holds an absolute path, as the XDG specification demands.
Path absolute_or(const Environment& environment, const std::string& key, Path otherwise) {
    const auto found = environment.find(key);
    const bool usable = found != environment.end() && Path(found->second).is_absolute();
    return usable ? Path(found->second) : otherwise;
}

void place_under(Places& places, const Path& root) {
    places.config = root / "config";
    places.data = root / "data";
    places.state = root / "state";
    places.cache = root / "cache";
    places.run = root / "run";
}

void place_in_system(Places& places) {
    places.config = "/etc/sust";
    places.data = "/var/lib/sust";
    places.state = "/var/lib/sust";
    places.cache = "/var/cache/sust";
    places.run = "/run/sust";
}

Result<void> place_in_home(Places& places, const Environment& environment, uid_t uid) {
    const Path home = absolute_or(environment, "HOME", {});
    if (home.empty()) {
        return fail(Fault::invalid, "HOME is not set to an absolute path",
                    {.hint = "set HOME, or say --root DIR"});
    }
    places.config = absolute_or(environment, "XDG_CONFIG_HOME", home / ".config") / "sust";
    places.data = absolute_or(environment, "XDG_DATA_HOME", home / ".local/share") / "sust";
    places.state = absolute_or(environment, "XDG_STATE_HOME", home / ".local/state") / "sust";
    places.cache = absolute_or(environment, "XDG_CACHE_HOME", home / ".cache") / "sust";
    // Without a login session there is no XDG_RUNTIME_DIR; /tmp/sust-UID is checked by its users.
    const Path fallback = fmt::format("/tmp/sust-{}", uid);
    const Path runtime = absolute_or(environment, "XDG_RUNTIME_DIR", {});
    places.run = runtime.empty() ? fallback / "run" : runtime / "sust";
    return {};
}

// 0700 and ours: /tmp is shared, and a stranger may have made the directory first.
Result<void> own_directory(const Path& path, uid_t uid) {
    TRY(make_directories(path, 0700));
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
        return fail_errno("look at " + path.string(), errno);
    }
    if (!S_ISDIR(info.st_mode) || info.st_uid != uid || (info.st_mode & 0077) != 0) {
        return fail(Fault::denied, path.string() + " is not a directory of ours with mode 0700",
                    {.hint = "remove it, or have its owner remove it"});
    }
    return {};
}

}  // namespace

Result<Places> find_places(const Environment& environment, const Path& executable, uid_t uid,
                           const Path& root) {
    Places places;
    places.bin = executable.parent_path();
    places.share = absolute_or(environment, "SUST_SHARE", places.bin.parent_path() / "share/sust");
    if (!root.empty()) {
        place_under(places, std::filesystem::absolute(root).lexically_normal());
    } else if (uid == 0) {
        place_in_system(places);
    } else {
        TRY(place_in_home(places, environment, uid));
    }
    return places;
}

Result<Path> socket_path(const Path& wanted, uid_t uid) {
    constexpr std::size_t k_longest = 100;
    if (wanted.string().size() <= k_longest) {
        return wanted;
    }
    const Path folder = fmt::format("/tmp/sust-{}", uid);
    TRY(own_directory(folder, uid));
    return folder / (sha256_hex(wanted.string()).substr(0, 24) + ".sock");
}

}  // namespace sust::core

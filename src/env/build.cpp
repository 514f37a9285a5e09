#include "env/build.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/hash.h"
#include "core/text.h"
#include "env/mirror.h"
#include "env/release.h"
#include "env/squashfs.h"

namespace sust::env {

using core::Clock;
using core::Deadline;
using core::fail;
using core::Fault;
using core::Result;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t k_max_packages_bytes = 8 << 20;
constexpr int k_inputs_format = 1;  // raised when the same build file would give another image

// What the build programs get of the caller's environment: how to find programs and the network.
core::Environment program_environment(const core::Environment& caller) {
    core::Environment kept{{"LC_ALL", "C.UTF-8"}};
    for (const char* name : {"PATH", "http_proxy", "https_proxy", "ftp_proxy", "no_proxy",
                             "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}) {
        if (auto found = caller.find(name); found != caller.end()) {
            kept.insert(*found);
        }
    }
    kept["PATH"] += ":/usr/sbin:/usr/bin:/sbin:/bin";  // a user's path lacks what dpkg needs
    return kept;
}

Result<std::string> host_architecture(const core::Environment& environment, const Clock& clock) {
    auto output =
        TRY(core::run({.argv = {"dpkg", "--print-architecture"}, .environment = environment},
                      Deadline(clock, 30s)));
    if (output.status != 0) {
        return fail(Fault::internal, "dpkg does not tell the architecture: " + output.err);
    }
    return std::string(core::trim(output.out));
}

std::string inputs_digest(const BuildFile& file, const std::string& mirror,
                          const std::string& architecture) {
    nlohmann::ordered_json json{{"format", k_inputs_format},     {"suite", file.suite},
                                {"components", file.components}, {"packages", file.packages},
                                {"variant", file.variant},       {"mirror", mirror},
                                {"architecture", architecture}};
    return "sha256:" + core::sha256_hex(json.dump());
}

class Build {
  public:
    Build(const BuildRequest& request, store::Store& store, const core::Places& places,
          const Clock& clock, const OnProgress& progress)
        : request_(request),
          store_(store),
          places_(places),
          clock_(clock),
          progress_(progress),
          began_(clock.monotonic()),
          environment_(program_environment(request.environment)) {}

    Result<Built> run() {
        TRY(choose());
        if (auto there = TRY(already_built())) {
            return std::move(*there);
        }
        auto builder = TRY(check_builder(environment_, clock_));
        TRY(check_space());
        auto workspace = TRY(Workspace::create(places_.cache, builder, clock_));
        TRY(ask_mirror(workspace));
        TRY(bootstrap({.file = &request_.file,
                       .mirror = mirror_,
                       .epoch = lock_.epoch,
                       .pins = request_.locked ? request_.locked->packages : std::vector<Package>{},
                       .environment = environment_,
                       .builder = builder,
                       .folder = workspace.path(),
                       .cancelled = request_.cancelled},
                      progress_, clock_));
        return keep(workspace);
    }

  private:
    Result<void> choose() {
        const auto& file = request_.file;
        if (request_.locked &&
            (request_.locked->suite != file.suite || request_.locked->name != file.name)) {
            return fail(Fault::invalid, "the lock is of '" + request_.locked->name + "' from " +
                                            request_.locked->suite + ", not of '" + file.name +
                                            "' from " + file.suite);
        }
        if (auto named = file.mirror ? file.mirror : request_.mirror) {
            mirror_ = *named;
        } else {
            mirror_ = TRY(host_mirror("/etc")).url;
        }
        auto architecture = TRY(host_architecture(environment_, clock_));
        lock_ = {.name = file.name,
                 .summary = file.summary,
                 .suite = file.suite,
                 .components = file.components,
                 .variant = file.variant,
                 .architecture = architecture,
                 .mirror = mirror_,
                 .inputs = inputs_digest(file, mirror_, architecture),
                 .build_file = file.text};
        return {};
    }

    Result<std::optional<Built>> already_built() {
        auto digest = TRY(store_.resolve(request_.file.name));
        if (!digest || request_.again == Again::yes) {
            return std::optional<Built>{};
        }
        auto manifest = TRY(store_.manifest(*digest));
        if (manifest.kind() != store::Kind::image) {
            return fail(Fault::conflict,
                        "the name '" + request_.file.name + "' is taken by a " +
                            std::string(to_string(manifest.kind())),
                        {.hint = "choose another name in the build file"});
        }
        auto lock = Lock::decode(TRY(store_.read_blob(manifest.config.digest)));
        bool same = lock && lock->inputs == lock_.inputs &&
                    (!request_.locked || lock->packages == request_.locked->packages) &&
                    core::path_exists(store_.blob_path(manifest.layers.front().digest));
        if (!same) {
            return std::optional<Built>{};
        }
        return std::optional<Built>{{.manifest = *digest, .lock = *lock, .was_there = true}};
    }

    Result<void> check_space() {
        TRY(core::make_directories(places_.cache, 0700));
        auto free = TRY(core::free_bytes(places_.cache));
        if (free >= request_.file.disk_bytes) {
            return {};
        }
        return fail(Fault::exhausted,
                    "building '" + request_.file.name + "' needs " +
                        core::format_size(request_.file.disk_bytes) + ", but only " +
                        core::format_size(free) + " are free",
                    {.where = places_.cache.string(),
                     .hint = "free some space, or put the cache elsewhere (XDG_CACHE_HOME)"});
    }

    // The suite's own date becomes the newest file time, so the same packages give the same bytes.
    Result<void> ask_mirror(const Workspace& workspace) {
        say("asking the mirror " + mirror_);
        MirrorReader reader(mirror_, workspace.path(), environment_, clock_);
        lock_.epoch = TRY(reader.suite_date(request_.file.suite));
        if (request_.locked) {
            lock_.epoch = request_.locked->epoch;
            TRY(reader.require_packages(request_.file, *request_.locked));
        }
        return {};
    }

    Result<Built> keep(const Workspace& workspace) {
        say("storing the image");
        auto image = workspace.path() / "image.sqsh";
        TRY(inspect_squashfs(image));
        lock_.packages = TRY(parse_package_lines(
            TRY(core::read_file(workspace.path() / "packages.txt", k_max_packages_bytes))));
        auto blob = TRY(store_.put_file(image, "application/vnd.squashfs"));
        lock_.squashfs = blob.digest.str();
        lock_.squashfs_bytes = blob.size;
        auto manifest = TRY(store_.put_image(blob, lock_.encode(), request_.file.name));
        TRY(store_.set_name(request_.file.name, manifest.digest));
        return Built{.manifest = manifest.digest, .lock = lock_, .seconds = seconds()};
    }

    double seconds() const {
        return std::chrono::duration<double>(clock_.monotonic() - began_).count();
    }

    void say(std::string phase) const {
        if (progress_) {
            progress_({.phase = std::move(phase), .seconds = seconds()});
        }
    }

    const BuildRequest& request_;
    store::Store& store_;
    const core::Places& places_;
    const Clock& clock_;
    const OnProgress& progress_;
    core::MonoTime began_;
    core::Environment environment_;
    std::string mirror_;
    Lock lock_;
};

}  // namespace

Result<Built> build_image(const BuildRequest& request, store::Store& store,
                          const core::Places& places, const Clock& clock,
                          const OnProgress& progress) {
    return Build(request, store, places, clock, progress).run();
}

}  // namespace sust::env

#include "env/export.h"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/utsname.h>

#include "core/hash.h"
#include "core/process.h"
#include "core/text.h"
#include "env/lock.h"
#include "env/squashfs.h"

namespace sust::env {

using core::Deadline;
using core::fail;
using core::Fault;
using core::Path;
using core::Result;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr auto k_longest = 30min;
constexpr std::uint64_t k_expansion = 4;  // files over squashfs, at zstd's usual ratio
constexpr std::size_t k_lock_bytes_max = 16 << 20;
constexpr const char* k_manifest_type = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* k_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Debian's word is OCI's, except for what neither of our machines is.
Result<std::string> architecture_of(const store::Store& store, const store::Manifest& manifest) {
    if (const auto lock =
            Lock::decode(TRY(store.read_blob(manifest.config.digest, k_lock_bytes_max)))) {
        return lock->architecture;
    }
    utsname machine{};
    ::uname(&machine);
    return std::string(machine.machine) == "aarch64" ? "arm64" : "amd64";
}

Result<void> check_space(const Path& image, const Path& folder) {
    const auto facts = TRY(inspect_squashfs(image));
    const auto free = TRY(core::free_bytes(folder));
    if (free < k_expansion * facts.used_bytes) {
        return fail(Fault::exhausted,
                    "the files of the image may need " +
                        core::format_size(k_expansion * facts.used_bytes) + ", free are " +
                        core::format_size(free),
                    {.where = folder.string(), .hint = "free some space or name another target"});
    }
    return {};
}

class Export {
  public:
    Export(const ExportRequest& request, const store::Store& store, const core::Clock& clock,
           const OnExport& progress)
        : request_(request), store_(store), clock_(clock), progress_(progress) {}

    Result<Exported> run() {
        if (core::path_exists(request_.target)) {
            return fail(Fault::conflict, "the target is there already",
                        {.where = request_.target.string(), .hint = "remove it, or name another"});
        }
        const auto parent = std::filesystem::absolute(request_.target).parent_path();
        const auto image = TRY(store_.require(request_.image, store::Kind::image));
        const auto manifest = TRY(store_.manifest(image));
        const auto squashfs = store_.blob_path(manifest.layers.front().digest);
        TRY(check_space(squashfs, parent));
        const auto work = TRY(core::TemporaryDirectory::create(parent, ".sust-export-"));
        layout_ = work.path() / "layout";
        TRY(core::make_directories(layout_ / "blobs/sha256"));
        auto exported = TRY(write(image, manifest, squashfs));
        TRY(publish(work.path()));
        return exported;
    }

  private:
    Result<Exported> write(const store::Digest& image, const store::Manifest& manifest,
                           const Path& squashfs) {
        const auto layer = layout_ / "layer.tar";
        TRY(unpack(squashfs, layer));
        const auto hex = TRY(core::sha256_hex_of_file(layer));
        std::error_code code;
        const auto bytes = std::filesystem::file_size(layer, code);
        std::filesystem::rename(layer, layout_ / "blobs/sha256" / hex, code);
        if (code) {
            return core::fail_errno("keep the layer", code.value());
        }
        const auto architecture = TRY(architecture_of(store_, manifest));
        const json config = {
            {"architecture", architecture},
            {"os", "linux"},
            {"config", {{"Env", {std::string("PATH=") + k_path}}, {"WorkingDir", "/"}}},
            {"rootfs", {{"type", "layers"}, {"diff_ids", {"sha256:" + hex}}}},
            {"history", {{{"created_by", "sust image export"}, {"comment", image.str()}}}}};
        const json layers = {{{"mediaType", "application/vnd.oci.image.layer.v1.tar"},
                              {"digest", "sha256:" + hex},
                              {"size", bytes}}};
        const auto described = TRY(put("application/vnd.oci.image.config.v1+json", config));
        const json document = {{"schemaVersion", 2},
                               {"mediaType", k_manifest_type},
                               {"config", described},
                               {"layers", layers},
                               {"annotations", {{"dev.sust.image.digest", image.str()}}}};
        auto entry = TRY(put(k_manifest_type, document));
        const auto digest = TRY(store::Digest::parse(entry.at("digest").get<std::string>()));
        const auto& reference = request_.reference;
        entry["annotations"] = {
            {"io.containerd.image.name", reference},
            {"org.opencontainers.image.ref.name", reference.substr(reference.rfind(':') + 1)}};
        const json index = {{"schemaVersion", 2},
                            {"mediaType", "application/vnd.oci.image.index.v1+json"},
                            {"manifests", {entry}}};
        TRY(core::write_file(layout_ / "index.json", index.dump()));
        TRY(core::write_file(layout_ / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
        return Exported{.manifest = digest, .bytes = bytes};
    }

    Result<json> put(const char* media_type, const json& document) {
        const auto text = document.dump();
        const auto hex = core::sha256_hex(text);
        TRY(core::write_file(layout_ / "blobs/sha256" / hex, text));
        return json{{"mediaType", media_type}, {"digest", "sha256:" + hex}, {"size", text.size()}};
    }

    // sqfs2tar writes owners, times and attributes as the squashfs has them, without root.
    Result<void> unpack(const Path& squashfs, const Path& layer) {
        const core::Fd out(::open(layer.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        if (!out) {
            return core::fail_errno("create " + layer.string(), errno);
        }
        TRY(wait(TRY(core::Child::spawn({.argv = {"sqfs2tar", squashfs.string()},
                                         .environment = request_.environment,
                                         .out = out.get(),
                                         .die_with_parent = true})),
                 layer, "sqfs2tar"));
        return {};
    }

    Result<void> wait(core::Child child, const Path& growing, const std::string& program) {
        const Deadline deadline(clock_, k_longest);
        while (!deadline.passed()) {
            const auto status = TRY(child.wait(Deadline(clock_, 200ms)));
            std::error_code code;
            const auto bytes = std::filesystem::file_size(growing, code);
            progress_(code ? 0 : bytes);
            if (status && *status != 0) {
                return fail(Fault::exhausted,
                            program + " ended with status " + std::to_string(*status),
                            {.where = growing.string(),
                             .hint = "its own words are above; the disk may be full"});
            }
            if (status) {
                return {};
            }
            if (request_.cancelled()) {
                return fail(Fault::unavailable, "stopped; nothing is left of it");
            }
        }
        return fail(Fault::timeout, program + " did not end", {.where = growing.string()});
    }

    Result<void> publish(const Path& work) {
        auto made = layout_;
        if (request_.target.extension() == ".tar") {
            made = work / "archive.tar";
            TRY(wait(TRY(core::Child::spawn(
                         {.argv = {"tar", "--sort=name", "--owner=0", "--group=0",
                                   "--numeric-owner", "--mtime=@0", "-C", layout_.string(), "-cf",
                                   made.string(), "oci-layout", "index.json", "blobs"},
                          .environment = request_.environment,
                          .die_with_parent = true})),
                     made, "tar"));
        }
        std::error_code code;
        std::filesystem::rename(made, request_.target, code);
        return code ? Result<void>(
                          core::fail_errno("make " + request_.target.string(), code.value()))
                    : Result<void>();
    }

    const ExportRequest& request_;
    const store::Store& store_;
    const core::Clock& clock_;
    const OnExport& progress_;
    Path layout_;
};

}  // namespace

Result<Exported> export_image(const ExportRequest& request, const store::Store& store,
                              const core::Clock& clock, const OnExport& progress) {
    return Export(request, store, clock, progress).run();
}

}  // namespace sust::env

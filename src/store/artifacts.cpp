#include "store/artifacts.h"

#include <fmt/format.h>

#include "store/limits.h"
#include "store/media_types.h"

namespace sust::store {

using core::fail;
using core::Fault;

Result<Manifest> Artifacts::read(const Digest& digest) const {
    const auto bytes = TRY(blobs_.read(digest, k_max_manifest_bytes));
    return core::within(digest.str(), Manifest::decode(bytes));
}

Result<Descriptor> Artifacts::put(const Manifest& manifest, const Lock& held) const {
    TRY(check_complete(manifest));
    const auto text = manifest.encode();
    if (text.size() > k_max_manifest_bytes) {
        return fail(Fault::too_large,
                    fmt::format("a manifest of {} bytes; at most {}, about 8000 files", text.size(),
                                k_max_manifest_bytes),
                    {.hint = "pack the files into fewer"});
    }
    auto descriptor = TRY(blobs_.put(text, std::string(k_manifest_type), held));
    descriptor.artifact_type = manifest.artifact_type;
    return descriptor;
}

Result<void> Artifacts::check_complete(const Manifest& manifest) const {
    auto parts = manifest.layers;
    parts.push_back(manifest.config);
    for (const auto& part : parts) {
        const auto size = blobs_.size(part.digest);
        if (!size) {
            return fail(Fault::not_found, fmt::format("{} is not in the store", part.digest.str()),
                        {Manifest::path_of(part), "upload it first"});
        }
        if (*size != part.size) {
            return fail(Fault::invalid,
                        fmt::format("{} has {} bytes, not {}", part.digest.str(), *size, part.size),
                        {Manifest::path_of(part), "upload the file again"});
        }
    }
    return {};
}

Result<Descriptor> Artifacts::describe(const Digest& digest) const {
    const auto manifest = TRY(read(digest));
    return Descriptor{
        .media_type = std::string(k_manifest_type),
        .digest = digest,
        .size = blobs_.size(digest).value_or(0),
        .annotations = {{std::string(k_kind), std::string(to_string(manifest.kind()))}},
        .artifact_type = manifest.artifact_type};
}

Named Artifacts::look_at(std::string name, const Descriptor& entry) const {
    const auto manifest = read(entry.digest);
    if (manifest) {
        return {.name = std::move(name),
                .digest = entry.digest,
                .kind = manifest->kind(),
                .bytes = manifest->file_bytes()};
    }
    const auto said = entry.annotations.find(std::string(k_kind));
    const auto kind = parse_kind(said == entry.annotations.end() ? "" : said->second);
    return {.name = std::move(name),
            .digest = entry.digest,
            .kind = kind ? *kind : Kind::other,
            .damage = manifest.error()};
}

}  // namespace sust::store

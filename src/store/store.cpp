#include "store/store.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "store/collect.h"
#include "store/json.h"
#include "store/limits.h"
#include "store/lineage.h"
#include "store/media_types.h"
#include "store/modelpack.h"
#include "store/store_impl.h"

namespace sust::store {

using core::fail;
using core::Fault;

// --- opening

Result<Store> Store::open(const Path& folder, const core::Clock& clock) {
    return Store(std::make_unique<Impl>(TRY(Layout::open(folder, clock))));
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

const Path& Store::folder() const {
    return impl_->layout->folder();
}

// --- bytes

Result<std::unique_ptr<BlobWriter>> Store::begin_blob(std::string media_type) {
    return impl_->blobs.begin(std::move(media_type));
}

Result<Descriptor> Store::put_bytes(std::string_view bytes, std::string media_type) {
    return impl_->blobs.put(bytes, std::move(media_type));
}

Result<Descriptor> Store::put_file(const Path& file, std::string media_type) {
    return impl_->blobs.put_file(file, std::move(media_type));
}

bool Store::has_blob(const Digest& digest) const {
    return impl_->blobs.has(digest);
}

Path Store::blob_path(const Digest& digest) const {
    return impl_->layout->blob(digest);
}

Result<std::string> Store::read_blob(const Digest& digest, std::size_t max_bytes) const {
    return impl_->blobs.read(digest, max_bytes);
}

Result<void> Store::verify_blob(const Digest& digest) const {
    return impl_->blobs.verify(digest);
}

// --- artifacts

Result<Descriptor> Store::put_manifest(const Manifest& manifest) {
    const auto held = TRY(impl_->layout->lock());
    return impl_->artifacts.put(manifest, held);
}

Result<Manifest> Store::manifest(const Digest& digest) const {
    return impl_->artifacts.read(digest);
}

Result<Descriptor> Store::put_model(Kind kind, std::vector<File> files, const ModelFacts& facts,
                                    std::optional<Digest> base) {
    const auto pack = TRY(compose(kind, std::move(files), facts, base));
    const auto held = TRY(impl_->layout->lock());
    if (base) {
        const auto base_kind = TRY(core::within("base", manifest(*base))).kind();
        if (base_kind != Kind::model) {
            return fail(Fault::invalid,
                        fmt::format("the base must be a model, not a {}", to_string(base_kind)),
                        {base->str()});
        }
    }
    TRY(impl_->blobs.put(pack.config, pack.manifest.config.media_type, held));
    return impl_->artifacts.put(pack.manifest, held);
}

Result<Descriptor> Store::put_image(const Descriptor& squashfs, std::string_view lock_json,
                                    std::string_view name) {
    TRY(parse_object(lock_json, "image lock"));
    const auto held = TRY(impl_->layout->lock());
    auto config = TRY(impl_->blobs.put(lock_json, std::string(k_image_lock_type), held));
    Manifest manifest{.artifact_type = std::string(k_squashfs_type),
                      .config = std::move(config),
                      .layers = {squashfs},
                      .annotations = {{std::string(k_title), std::string(name)}}};
    manifest.layers[0].media_type = k_squashfs_type;
    manifest.layers[0].annotations = {{std::string(k_title), std::string(name) + ".squashfs"}};
    return impl_->artifacts.put(manifest, held);
}

Result<std::vector<File>> Store::files(const Digest& digest) const {
    const auto read = TRY(manifest(digest));
    std::vector<File> files;
    for (const auto& layer : read.layers) {
        auto path = Manifest::path_of(layer);
        TRY(core::within(digest.str(), check_file_path(path)));
        files.push_back({.path = std::move(path), .digest = layer.digest, .size = layer.size});
    }
    return files;
}

Result<std::optional<Digest>> Store::base_of(const Digest& digest) const {
    return TRY(manifest(digest)).base();
}

// --- statements

Result<Descriptor> Store::attach_statement(const Digest& subject, std::string_view statement_json) {
    if (statement_json.size() > k_max_statement_bytes) {
        return fail(Fault::too_large,
                    fmt::format("a statement of over {} bytes", k_max_statement_bytes));
    }
    const auto statement = TRY(read_statement(statement_json));
    const auto& subjects = statement.subjects;
    if (std::find(subjects.begin(), subjects.end(), subject) == subjects.end()) {
        return fail(Fault::invalid, "the statement is not about " + subject.str());
    }
    const auto held = TRY(impl_->layout->lock());
    const std::map<std::string, std::string> about{
        {std::string(k_predicate_type), statement.predicate_type}};
    auto about_what = TRY(impl_->artifacts.describe(subject));
    about_what.artifact_type.clear();
    about_what.annotations.clear();
    auto config = TRY(impl_->blobs.put("{}", std::string(k_empty_type), held));
    auto layer = TRY(impl_->blobs.put(statement_json, std::string(k_in_toto_type), held));
    layer.annotations = about;
    const Manifest manifest{.artifact_type = std::string(k_in_toto_type),
                            .config = std::move(config),
                            .layers = {std::move(layer)},
                            .subject = std::move(about_what),
                            .annotations = about};
    auto descriptor = TRY(impl_->artifacts.put(manifest, held));
    descriptor.annotations = about;
    TRY(impl_->names.add_referrer(subject, descriptor, held));
    return descriptor;
}

Result<std::vector<std::string>> Store::statements(const Digest& subject) const {
    std::vector<std::string> texts;
    for (const auto& referrer : TRY(impl_->names.referrers(subject))) {
        const auto read = TRY(manifest(referrer.digest));
        for (const auto& layer : read.layers) {
            if (layer.media_type == k_in_toto_type) {
                texts.push_back(TRY(read_blob(layer.digest, k_max_statement_bytes)));
            }
        }
    }
    return texts;
}

// --- roots and collection

Result<void> Store::set_root(const Root& root) {
    const auto held = TRY(impl_->layout->lock());
    for (const auto& digest : root.holds) {
        if (!has_blob(digest)) {
            return fail(Fault::not_found, fmt::format("{} is not in the store", digest.str()),
                        {fmt::format("root {}/{}", root.kind, root.id), {}});
        }
    }
    return impl_->roots.set(root, held);
}

Result<void> Store::remove_root(std::string_view kind, std::string_view id) {
    const auto held = TRY(impl_->layout->lock());
    return impl_->roots.remove(kind, id, held);
}

Result<std::vector<Root>> Store::roots() const {
    return impl_->roots.list();
}

Result<Garbage> Store::collect(core::Duration grace, DryRun dry_run) {
    return collect_garbage(*impl_->layout, impl_->blobs, impl_->names, impl_->roots, grace,
                           dry_run);
}

}  // namespace sust::store

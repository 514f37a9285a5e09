#include "store/collect.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/text.h"
#include "store/limits.h"
#include "store/lineage.h"
#include "store/media_types.h"
#include "store/temporary.h"

namespace sust::store {

using core::fail;
using core::Fault;

namespace {

// Each digest is visited once, so shared parts and circles cost nothing.
class Walk {
  public:
    Walk(const Blobs& blobs, const Index& index) : blobs_(blobs) {
        for (const auto& entry : index.entries()) {
            if (auto subject = subject_of_tag(entry.name())) {
                referrers_.emplace(std::move(*subject), entry.descriptor.digest);
            }
        }
    }

    Result<std::set<Digest>> run(const std::vector<Digest>& from) {
        for (const auto& digest : from) {
            visit_later(digest);
        }
        while (!open_.empty()) {
            const auto digest = std::move(open_.back());
            open_.pop_back();
            TRY(visit(digest));
        }
        return std::move(reached_);
    }

  private:
    void visit_later(const Digest& digest) {
        if (seen_.insert(digest).second) {
            open_.push_back(digest);
        }
    }

    // Any small blob may be a manifest: a dependency is told by its digest alone.
    Result<void> visit(const Digest& digest) {
        reached_.insert(digest);
        const auto size = blobs_.size(digest);
        if (!size || *size > k_max_manifest_bytes) {
            return {};
        }
        const auto bytes = TRY(blobs_.read(digest, k_max_manifest_bytes));
        if (const auto manifest = Manifest::decode(bytes)) {
            return visit_manifest(digest, *manifest);
        }
        if (const auto index = Index::parse(bytes, digest.str())) {
            for (const auto& entry : index->entries()) {
                visit_later(entry.descriptor.digest);
            }
        }
        return {};
    }

    Result<void> visit_manifest(const Digest& digest, const Manifest& manifest) {
        reached_.insert(manifest.config.digest);
        for (const auto& layer : manifest.layers) {
            reached_.insert(layer.digest);
            if (layer.media_type == k_in_toto_type) {
                TRY(visit_statement(layer.digest));
            }
        }
        if (manifest.subject) {
            visit_later(manifest.subject->digest);
        }
        if (const auto base = manifest.base()) {
            visit_later(*base);
        }
        if (const auto list = referrers_.find(digest); list != referrers_.end()) {
            visit_later(list->second);
        }
        return {};
    }

    Result<void> visit_statement(const Digest& digest) {
        if (!blobs_.has(digest)) {
            return {};
        }
        const auto text = TRY(blobs_.read(digest, k_max_statement_bytes));
        if (const auto statement = read_statement(text)) {
            for (const auto& dependency : statement->dependencies) {
                visit_later(dependency.digest);
            }
        }
        return {};
    }

    const Blobs& blobs_;
    std::map<Digest, Digest> referrers_;  // subject to the index of what refers to it
    std::set<Digest> seen_;
    std::set<Digest> reached_;
    std::vector<Digest> open_;
};

// Names and roots whose manifest is gone: what else they need cannot be known any more.
Result<std::vector<Digest>> anchors(const Blobs& blobs, const Index& index, const Roots& roots) {
    std::vector<Digest> held;
    const auto hold = [&](const Digest& digest, const std::string& who) -> Result<void> {
        if (!blobs.has(digest)) {
            return fail(
                Fault::internal,
                fmt::format("{} refers to {}, which is not in the store", who, digest.str()),
                {.hint = "bring it in again or remove what refers to it; until then "
                         "nothing is collected"});
        }
        held.push_back(digest);
        return {};
    };
    for (const auto& entry : index.entries()) {
        if (!subject_of_tag(entry.name())) {
            TRY(hold(entry.descriptor.digest, "name '" + core::printable(entry.name()) + "'"));
        }
    }
    for (const auto& root : TRY(roots.list())) {
        for (const auto& digest : root.holds) {
            TRY(hold(digest, fmt::format("root {}/{}", root.kind, root.id)));
        }
    }
    return held;
}

// Lists of statements about artifacts that are gone.
Result<void> forget_dead_referrers(const Blobs& blobs, const Names& names, Index index,
                                   const Lock& held) {
    std::vector<std::string> dead;
    for (const auto& entry : index.entries()) {
        const auto subject = subject_of_tag(entry.name());
        if (subject && !blobs.has(*subject)) {
            dead.push_back(entry.name());
        }
    }
    for (const auto& name : dead) {
        index.erase(name);
    }
    return dead.empty() ? Result<void>() : names.write(index, held);
}

// What a list of garbage can say for people: the types that manifests among it give to the rest.
void tell_types(const Blobs& blobs, std::vector<Descriptor>& garbage) {
    std::map<Digest, std::string> types;
    for (const auto& blob : garbage) {
        if (blob.size > k_max_manifest_bytes) {
            continue;
        }
        const auto bytes = blobs.read(blob.digest, k_max_manifest_bytes);
        const auto manifest = Manifest::decode(bytes ? *bytes : std::string());
        if (!manifest) {
            continue;
        }
        types[blob.digest] = k_manifest_type;
        types[manifest->config.digest] = manifest->config.media_type;
        for (const auto& layer : manifest->layers) {
            types[layer.digest] = layer.media_type;
        }
    }
    for (auto& blob : garbage) {
        blob.media_type = types[blob.digest];
    }
}

// Manifests go first: whenever this is cut short, an artifact whose manifest is there is whole.
Result<void> remove_all(const Blobs& blobs, std::vector<Descriptor> garbage, const Lock& held) {
    std::stable_partition(garbage.begin(), garbage.end(), [](const Descriptor& blob) {
        return blob.media_type == k_manifest_type;
    });
    for (const auto& blob : garbage) {
        TRY(blobs.remove(blob.digest, held));
    }
    return {};
}

}  // namespace

Result<std::set<Digest>> reachable(const Blobs& blobs, const Index& index,
                                   const std::vector<Digest>& from) {
    return Walk(blobs, index).run(from);
}

Result<Garbage> collect_garbage(const Layout& layout, const Blobs& blobs, const Names& names,
                                const Roots& roots, core::Duration grace, Store::DryRun dry_run) {
    const auto held = TRY(layout.lock());
    const auto remove = dry_run == Store::DryRun::no;
    const auto index = TRY(names.read());
    auto from = TRY(anchors(blobs, index, roots));
    const auto used = TRY(reachable(blobs, index, from));
    const auto all = TRY(blobs.list());
    const auto old_before = layout.clock().wall() - grace;
    for (const auto& blob : all) {
        if (blob.changed > old_before) {
            from.push_back(blob.digest);  // perhaps a manifest that is about to get its name
        }
    }
    const auto kept = TRY(reachable(blobs, index, from));
    Garbage garbage;
    for (const auto& blob : all) {
        if (kept.contains(blob.digest)) {
            garbage.young_bytes += used.contains(blob.digest) ? 0 : blob.size;
            continue;
        }
        garbage.blobs.push_back({.media_type = {}, .digest = blob.digest, .size = blob.size});
        garbage.bytes += blob.size;
    }
    tell_types(blobs, garbage.blobs);
    std::stable_sort(garbage.blobs.begin(), garbage.blobs.end(),
                     [](const Descriptor& a, const Descriptor& b) { return a.size > b.size; });
    if (remove) {
        TRY(remove_all(blobs, garbage.blobs, held));
    }
    const auto stale =
        TRY(stale_temporaries(layout.temporary(), remove ? Remove::yes : Remove::no));
    garbage.temporary_files = stale.files;
    garbage.temporary_bytes = stale.bytes;
    if (remove) {
        // After the blobs: on a full disk this needs the space that they gave back.
        TRY(forget_dead_referrers(blobs, names, index, held));
    }
    return garbage;
}

}  // namespace sust::store

#include "store/names.h"

#include <cerrno>

#include <unistd.h>

#include "store/limits.h"
#include "store/media_types.h"

namespace sust::store {

using core::fail;
using core::Fault;

namespace {

constexpr std::string_view k_tag_prefix = "sha256-";

// A second name for the same file, renamed into place: there is a previous one at every moment.
// Only a help for people, so a file system without hard links does without.
void keep_previous(const Layout& layout) {
    const auto spare = layout.temporary() / "previous";
    ::unlink(spare.c_str());
    if (::link(layout.index().c_str(), spare.c_str()) == 0) {
        ::rename(spare.c_str(), layout.previous_index().c_str());
        ::unlink(spare.c_str());  // rename leaves both where they are one file already
    }
}

}  // namespace

Result<Index> Names::read() const {
    const auto file = layout_->index();
    auto index = Index::parse(TRY(core::read_file(file, k_max_index_bytes)), file.string());
    if (!index) {
        return fail(Fault::internal, "index.json is damaged: " + index.error().message,
                    {index.error().where,
                     "put it back; index.json.previous is the one before the last change"});
    }
    return index;
}

Result<void> Names::write(const Index& index, const Lock& held) const {
    const auto text = index.encode();
    if (text.size() > k_max_index_bytes) {
        return fail(Fault::exhausted, "index.json has reached its size limit",
                    {layout_->index().string(), "remove names that nobody needs"});
    }
    keep_previous(*layout_);
    return core::within("change index.json", layout_->replace(layout_->index(), text, held));
}

Result<std::vector<Descriptor>> Names::referrers(const Digest& subject) const {
    const auto list = TRY(read()).find(referrers_tag(subject));
    if (!list || !blobs_.has(list->digest)) {
        return std::vector<Descriptor>();
    }
    const auto text = TRY(blobs_.read(list->digest, k_max_manifest_bytes));
    const auto index = TRY(Index::parse(text, "referrers of " + subject.str()));
    std::vector<Descriptor> statements;
    for (const auto& entry : index.entries()) {
        statements.push_back(entry.descriptor);
    }
    return statements;
}

Result<void> Names::add_referrer(const Digest& subject, const Descriptor& statement,
                                 const Lock& held) const {
    Index list;
    for (const auto& before : TRY(referrers(subject))) {
        list.add(before);
    }
    list.add(statement);
    const auto text = list.encode();
    if (text.size() > k_max_manifest_bytes) {
        return fail(Fault::exhausted, "too many statements about " + subject.str());
    }
    auto index = TRY(read());
    index.set(referrers_tag(subject), TRY(blobs_.put(text, std::string(k_index_type), held)));
    return write(index, held);
}

std::string referrers_tag(const Digest& subject) {
    return std::string(k_tag_prefix) + subject.hex();
}

std::optional<Digest> subject_of_tag(std::string_view name) {
    if (!name.starts_with(k_tag_prefix)) {
        return std::nullopt;
    }
    auto digest = Digest::parse("sha256:" + std::string(name.substr(k_tag_prefix.size())));
    return digest ? std::optional(std::move(*digest)) : std::nullopt;
}

}  // namespace sust::store

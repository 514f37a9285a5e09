// Any bytes, and any bytes in the middle of a good index: refused, or an index that keeps its
// entries when a name is set.
#include <cstdlib>
#include <string>

#include "store/index.h"

using sust::store::Digest;
using sust::store::Index;

namespace {

void try_to_change(std::string_view bytes) {
    auto index = Index::parse(bytes, "index.json");
    if (!index) {
        return;
    }
    index->erase("added");
    const auto before = index->entries().size();
    index->set("added", {.media_type = "m", .digest = Digest::of("x"), .size = 1});
    const auto again = Index::parse(index->encode(), "index.json");
    if (!again || again->entries().size() != before + 1 || !again->find("added")) {
        std::abort();
    }
}

std::string good_index() {
    Index index;
    index.set("tiny", {.media_type = "m", .digest = Digest::of("x"), .size = 1});
    index.add({.media_type = "m", .digest = Digest::of("y"), .size = 2});
    return index.encode();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::string good = good_index();
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    try_to_change(bytes);
    if (size > 3) {
        auto changed = good;
        changed.replace((data[0] * 256U + data[1]) % good.size(), data[2], bytes.substr(3));
        try_to_change(changed);
    }
    return 0;
}

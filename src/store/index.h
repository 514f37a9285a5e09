#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "store/manifest.h"

namespace sust::store {

// index.json as a value: descriptors of manifests, most with a name. Entries and fields that other
// tools wrote are kept byte for byte in meaning and order.
class Index {
  public:
    struct Entry {
        Descriptor descriptor;
        std::string json;  // as it was written

        // Empty if the entry has none.
        std::string name() const;
    };

    // No entries.
    Index();
    static core::Result<Index> parse(std::string_view text, const std::string& origin);
    std::string encode() const;

    const std::vector<Entry>& entries() const { return entries_; }
    std::optional<Descriptor> find(std::string_view name) const;
    // The descriptor gets the name as its annotation; the name's old entry goes.
    void set(std::string_view name, Descriptor descriptor);
    // False if there is no such name.
    bool erase(std::string_view name);
    // An entry without a name, as in an index of referrers; at most once per digest.
    void add(const Descriptor& descriptor);

  private:
    std::string head_;  // an object with every field but "manifests"
    std::vector<Entry> entries_;
};

}  // namespace sust::store

#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "store/layout.h"
#include "store/store.h"

namespace sust::store {

// roots/<kind>/<id>: one small JSON file per user of artifacts.
class Roots {
  public:
    explicit Roots(std::shared_ptr<const Layout> layout) : layout_(std::move(layout)) {}

    Result<void> set(const Root& root, const Lock& held) const;
    // An absent one is fine: whoever cleans up may do so twice.
    Result<void> remove(std::string_view kind, std::string_view id, const Lock& held) const;
    // By kind and id. A file that cannot be understood is an error: what it holds is unknown.
    Result<std::vector<Root>> list() const;

  private:
    Result<Path> place(std::string_view kind, std::string_view id) const;
    std::shared_ptr<const Layout> layout_;
};

std::string encode_root(const Root& root);
Result<Root> decode_root(std::string_view text, std::string_view kind, std::string_view id,
                         const std::string& origin);

}  // namespace sust::store

#pragma once

// The check of a request's key, for one thread. The HMAC is made once per key text; afterwards the
// text is compared with the one that passed, in constant time.

#include <memory>
#include <string>
#include <string_view>

#include "core/secret.h"
#include "serve/view.h"

namespace sust::serve {

class KeyCheck {
  public:
    explicit KeyCheck(const core::Secret& server_secret) : secret_(&server_secret) {}

    // The key of an `Authorization` header, null if it is none of the view's. A new view is
    // noticed here, so that a revoked key is refused from the first request after it.
    const tenancy::Key* check(const std::shared_ptr<const View>& view,
                              std::string_view authorization);

  private:
    struct Known {
        std::string text;
        const tenancy::Key* key;
    };

    const core::Secret* secret_;
    std::shared_ptr<const View> view_;
    ByName<Known> known_;  // by the part of the text before the secret
};

}  // namespace sust::serve

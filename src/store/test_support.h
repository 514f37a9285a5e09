#pragma once

// For the tests of this folder: a store in a directory of its own, on a clock that is moved by
// hand.

#include <functional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/lineage.h"
#include "store/media_types.h"
#include "store/store.h"

namespace sust::store {

class StoreTest : public ::testing::Test {
  protected:
    Store open() { return std::move(*Store::open(folder(), clock)); }
    Path folder() const { return home.path() / "store"; }

    static File put(Store& store, std::string path, std::string_view bytes) {
        const auto blob = *store.put_bytes(bytes, "application/octet-stream");
        return {.path = std::move(path), .digest = blob.digest, .size = blob.size};
    }
    static Digest put_model(Store& store, const std::string& name,
                            std::string_view bytes = "weights") {
        const auto file = put(store, "model.safetensors", bytes);
        const auto made = *store.put_model(Kind::model, {file}, {.name = name});
        EXPECT_TRUE(store.set_name(name, made.digest));
        return made.digest;
    }
    static Digest put_adapter(Store& store, const std::string& name, const Digest& base) {
        const auto file = put(store, "adapter_model.safetensors", "adapter " + name);
        const auto made = *store.put_model(Kind::adapter, {file}, {.name = name}, base);
        EXPECT_TRUE(store.set_name(name, made.digest));
        return made.digest;
    }
    static std::string evaluation_text(const Digest& subject, std::string_view result = "{}") {
        return evaluation_statement(subject, "subject", result);
    }
    std::size_t blob_count() const { return entries(folder() / "blobs" / "sha256"); }
    std::size_t temporary_count() const { return entries(folder() / "tmp"); }

    core::ManualClock clock;
    core::TemporaryDirectory home = std::move(
        *core::TemporaryDirectory::create(std::filesystem::temp_directory_path(), "store-"));

  private:
    static std::size_t entries(const Path& path) {
        std::size_t count = 0;
        for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path)) {
            ++count;
        }
        return count;
    }
};

// Runs `body` in a process of its own; gives its wait status. Its return value is the exit status.
inline int in_child(const std::function<int()>& body) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::_exit(body());
    }
    int status = -1;
    ::waitpid(pid, &status, 0);
    return status;
}

}  // namespace sust::store

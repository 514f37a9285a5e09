#pragma once

// The content-addressed store: an OCI image layout in a folder that skopeo, oras and registries
// read as it is. Blobs are written to a temporary name and renamed, so nothing half-written is
// ever visible; names live in index.json and change under a lock. No SQL, no daemon: any process
// of the owner may open it; every call is safe beside other processes and threads.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/file.h"
#include "core/result.h"
#include "store/digest.h"
#include "store/manifest.h"

namespace sust::store {

using core::Path;
using core::Result;

// Takes a blob piece by piece. Not committed: nothing remains.
class BlobWriter {
  public:
    virtual ~BlobWriter() = default;
    virtual Result<void> write(std::string_view piece) = 0;
    // Checks the digest if one is expected (conflict: the bytes are not what was announced), syncs,
    // renames. exhausted: the disk is full.
    virtual Result<Descriptor> commit(std::optional<Digest> expected = {}) = 0;
};

struct Named {
    std::string name;
    Digest digest;  // of the manifest
    Kind kind;
    std::uint64_t bytes = 0;              // of its files; 0 if that is unknown
    std::optional<core::Error> damage{};  // set: the manifest cannot be read, and why
};

// Who uses what: a file roots/<kind>/<id> that lists manifest digests. Kinds: service, run, job,
// mount.
struct Root {
    std::string kind;
    std::string id;
    std::string owner;  // for people: "service demo"
    core::WallTime since{};
    std::vector<Digest> holds;  // all in the store, or set_root refuses
};

// Who would miss an artifact.
struct User {
    std::string kind;  // of a root, or "adapter"
    std::string id;    // of a root, or the adapter's name
    std::string text;  // for people
};

struct Garbage {
    std::vector<Descriptor> blobs;  // largest first; media types as far as they are known
    std::uint64_t bytes = 0;
    std::size_t temporary_files = 0;  // left by writers that died
    std::uint64_t temporary_bytes = 0;
    std::uint64_t young_bytes = 0;  // not referred to either, but within the grace time
};

class Store {
  public:
    // Creates the layout if the folder is absent or empty; refuses a folder that is something else.
    static Result<Store> open(const Path& folder, const core::Clock& clock);
    Store(Store&&) noexcept;
    Store& operator=(Store&&) noexcept;
    ~Store();
    const Path& folder() const;

    // --- bytes
    Result<std::unique_ptr<BlobWriter>> begin_blob(std::string media_type = {});
    Result<Descriptor> put_bytes(std::string_view bytes, std::string media_type);
    // Streams the file in; reads it once.
    Result<Descriptor> put_file(const Path& file, std::string media_type);
    bool has_blob(const Digest& digest) const;
    Path blob_path(const Digest& digest) const;
    // Reads and verifies; a blob whose bytes do not match its name is an internal error naming it.
    Result<std::string> read_blob(const Digest& digest, std::size_t max_bytes = 8 << 20) const;
    // Hashes the file at its place; bad bytes are an internal error naming digest and file.
    Result<void> verify_blob(const Digest& digest) const;

    // --- artifacts
    Result<Descriptor> put_manifest(const Manifest& manifest);
    Result<Manifest> manifest(const Digest& digest) const;
    // Builds the manifest and config for a model, adapter or dataset of these files and stores it.
    // The same files and facts give the same digest. Adapters name their base's manifest. A file
    // whose blob is absent is not_found, one of another size invalid; `where` is its path.
    Result<Descriptor> put_model(Kind kind, std::vector<File> files, const ModelFacts& facts,
                                 std::optional<Digest> base = {});
    // An environment image: the squashfs file as the one layer, the lock (JSON) as the config.
    Result<Descriptor> put_image(const Descriptor& squashfs, std::string_view lock_json,
                                 std::string_view name);
    Result<std::vector<File>> files(const Digest& manifest) const;
    // The base that an adapter names.
    Result<std::optional<Digest>> base_of(const Digest& manifest) const;

    // --- names (org.opencontainers.image.ref.name in index.json)
    // Moves a name that exists; conflict if that is the name of another kind (models and adapters
    // share theirs).
    Result<void> set_name(std::string_view name, const Digest& manifest);
    // Takes a digest of something in the store as well.
    Result<std::optional<Digest>> resolve(std::string_view name) const;
    // not_found names the nearest names of that kind and the command that lists them.
    Result<Digest> require(std::string_view name, Kind kind) const;
    // By name. A damaged manifest is listed as such and hides no other.
    Result<std::vector<Named>> list(std::optional<Kind> kind = {}) const;
    // Refused with conflict while a root holds it or an adapter of it, or an adapter of it has a
    // name; says who.
    Result<void> remove_name(std::string_view name);
    // What remove_name refuses for.
    Result<std::vector<User>> users(const Digest& manifest) const;

    // --- statements about artifacts (in-toto), as referrers of `subject`
    // Twice is once. The subject must be here, and be a subject of the statement.
    Result<Descriptor> attach_statement(const Digest& subject, std::string_view statement_json);
    // The statements' JSON, oldest first.
    Result<std::vector<std::string>> statements(const Digest& subject) const;

    // --- roots and collection
    Result<void> set_root(const Root& root);
    Result<void> remove_root(std::string_view kind, std::string_view id);
    Result<std::vector<Root>> roots() const;
    // Everything not reachable from names, roots, subjects and resolvedDependencies, and older
    // than `grace` (an upload in progress has no name yet), and what writers that died have left.
    // dry_run only counts. Removes nothing if a manifest or root cannot be read.
    enum class DryRun { yes, no };
    Result<Garbage> collect(core::Duration grace, DryRun dry_run);

  private:
    struct Impl;
    explicit Store(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace sust::store

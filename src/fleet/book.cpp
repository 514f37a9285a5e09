#include "fleet/book.h"

namespace sust::fleet {

Result<Book> Book::open(core::Database& database) {
    Book book(TRY(FleetTables::open(database)));
    book.services_ = TRY(book.tables_.services());
    book.replicas_ = TRY(book.tables_.replicas());
    book.version_ = TRY(book.tables_.version());
    for (const auto& [id, replica] : book.replicas_) {
        if (book.plan_of(replica) == nullptr) {
            return core::fail(core::Fault::internal, "replica " + id + " has no plan",
                              {.where = "database, table fleet_generations"});
        }
    }
    TRY(book.touch());
    return book;
}

const ServiceRecord* Book::service(std::string_view name) const {
    const auto found = services_.find(std::string(name));
    return found == services_.end() ? nullptr : &found->second;
}

const ReplicaRecord* Book::replica(std::string_view id) const {
    const auto found = replicas_.find(std::string(id));
    return found == replicas_.end() ? nullptr : &found->second;
}

std::vector<const ReplicaRecord*> Book::replicas_of(std::string_view service) const {
    std::vector<const ReplicaRecord*> out;
    for (const auto& [id, replica] : replicas_) {  // an id sorts by the time it was made
        if (replica.service == service) {
            out.push_back(&replica);
        }
    }
    return out;
}

const ServicePlan* Book::plan_of(const ReplicaRecord& replica) const {
    const auto* owner = service(replica.service);
    if (owner == nullptr) {
        return nullptr;
    }
    const auto found = owner->generations.find(replica.generation);
    return found == owner->generations.end() ? nullptr : &found->second.plan;
}

Result<void> Book::put(ServiceRecord service, Visible visible) {
    auto transaction = TRY(tables_.begin());
    const std::uint64_t version = version_ + (visible == Visible::yes ? 1 : 0);
    TRY(tables_.save(service));
    TRY(tables_.save_version(version));
    TRY(transaction.commit());
    version_ = version;
    services_[service.name] = std::move(service);
    return {};
}

Result<void> Book::put(ReplicaRecord replica, Visible visible) {
    auto transaction = TRY(tables_.begin());
    const std::uint64_t version = version_ + (visible == Visible::yes ? 1 : 0);
    TRY(tables_.save(replica));
    TRY(tables_.save_version(version));
    TRY(transaction.commit());
    version_ = version;
    replicas_[replica.id] = std::move(replica);
    return {};
}

Result<void> Book::remove_service(const std::string& name) {
    TRY(tables_.remove_service(name));
    services_.erase(name);
    return {};
}

Result<void> Book::remove_replica(const std::string& id) {
    TRY(tables_.remove_replica(id));
    replicas_.erase(id);
    return {};
}

Result<void> Book::touch() {
    TRY(tables_.save_version(version_ + 1));
    version_ += 1;
    return {};
}

void Book::set_reason(const std::string& id, std::string reason) {
    if (const auto found = replicas_.find(id); found != replicas_.end()) {
        found->second.reason = std::move(reason);
    }
}

}  // namespace sust::fleet

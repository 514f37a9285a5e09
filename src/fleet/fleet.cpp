#include "fleet/fleet.h"

#include <algorithm>
#include <set>

#include "core/text.h"
#include "fleet/lives.h"
#include "fleet/roll.h"
#include "fleet/show.h"

namespace sust::fleet {

using core::fail;
using core::Fault;

namespace {

// Far more than one machine can run; a loop that makes services ends here.
constexpr std::size_t k_services_max = 256;
// After a step that failed (a full disk), the next try waits.
constexpr Duration k_retry = std::chrono::seconds(5);
constexpr const char* k_root_kind = "service";

// Everything that a replica of the service is or may be started from.
std::vector<store::Digest> holds_of(const ServiceRecord& service) {
    std::set<store::Digest> holds;
    for (const auto& [number, generation] : service.generations) {
        const auto more = generation.plan.holds();
        holds.insert(more.begin(), more.end());
    }
    return {holds.begin(), holds.end()};
}

// A replica may have become ready since the last tick. Whether anything changed.
bool mark_proven(ServiceRecord& service, const std::vector<const ReplicaRecord*>& replicas) {
    bool changed = false;
    for (const auto* replica : replicas) {
        auto& generation = service.generations.at(replica->generation);
        changed = changed || (replica->was_ready && !generation.proven);
        generation.proven = generation.proven || replica->was_ready;
    }
    return changed;
}

}  // namespace

class Fleet::Impl {
  public:
    Impl(FleetParts parts, FleetOptions options, Book book, core::Log log)
        : parts_(parts),
          options_(std::move(options)),
          book_(std::move(book)),
          log_(std::move(log)),
          acknowledgements_(parts_.clock),
          lives_(parts_, options_, book_, acknowledgements_, log_, [this] { tell(); }) {}

    Result<void> check_book() const;
    Result<ServiceView> apply(const SaidService& said);
    Result<ServiceView> scale(std::string_view name, std::int64_t replicas);
    Result<ServiceView> remove(std::string_view name);
    Result<ServiceView> show(std::string_view name) const;
    Result<cluster::LogChunk> logs(std::string_view name, const std::optional<std::string>& replica,
                                   cluster::Stream stream, std::uint64_t offset,
                                   std::size_t max_bytes);
    void tick();
    serve::FleetMap map(std::vector<tenancy::Key> keys) const;
    void tell();

    ServiceView view(const ServiceRecord& service) const {
        return show_service(book_, service, lives_);
    }
    Book& book() { return book_; }
    Lives& lives() { return lives_; }
    Acknowledgements& acknowledgements() { return acknowledgements_; }
    void on_change(std::function<void(std::uint64_t)> callback) { changed_ = std::move(callback); }

  private:
    Result<const ServiceRecord*> find(std::string_view name) const;
    Result<ServiceRecord> next_record(const ServicePlan& plan) const;
    Result<void> keep(ServiceRecord service);
    Result<void> put(ServiceRecord service);
    Result<void> advance(const std::string& name);
    Result<void> step(const std::string& name);
    Result<void> take_over(ServiceRecord service);
    Result<void> remove_if_empty(const std::string& name);

    FleetParts parts_;
    FleetOptions options_;
    Book book_;
    core::Log log_;
    Acknowledgements acknowledgements_;
    Lives lives_;
    std::map<std::string, core::MonoTime> retry_at_;
    std::function<void(std::uint64_t)> changed_;
    std::uint64_t told_ = 0;
};

// --- Services --------------------------------------------------------------------------------

Result<void> Fleet::Impl::check_book() const {
    for (const auto& [name, service] : book_.services()) {
        for (const auto& [number, generation] : service.generations) {
            TRY(core::within("service " + name,
                             find_engine(options_.engines, generation.plan.spec.engine)));
        }
    }
    return {};
}

Result<const ServiceRecord*> Fleet::Impl::find(std::string_view name) const {
    if (const auto* service = book_.service(name)) {
        return service;
    }
    std::vector<std::string> names;
    for (const auto& [key, service] : book_.services()) {
        names.push_back(key);
    }
    const auto near = core::nearest(name, names);
    return fail(
        Fault::not_found, "no service '" + core::printable(name) + "'",
        {.hint = near ? "did you mean '" + *near + "'?" : "sust serve ls shows what exists"});
}

// The record as it will be once `plan` is applied.
Result<ServiceRecord> Fleet::Impl::next_record(const ServicePlan& plan) const {
    const auto* known = book_.service(plan.spec.name);
    if (known != nullptr && known->removing) {
        return fail(Fault::conflict, "service '" + plan.spec.name + "' is being removed",
                    {.hint = "wait until sust serve ls no longer shows it"});
    }
    if (known == nullptr && book_.services().size() >= k_services_max) {
        return fail(Fault::exhausted, std::to_string(k_services_max) + " services exist already",
                    {.hint = "remove one: sust serve rm NAME"});
    }
    ServiceRecord service = known != nullptr ? *known : ServiceRecord{.name = plan.spec.name};
    service.wanted = plan.spec.replicas;
    service.trouble.clear();
    if (known != nullptr && known->plan().digest() == plan.digest()) {
        service.generations.at(service.target).plan = plan;
        return service;
    }
    mark_proven(service, book_.replicas_of(service.name));
    if (known != nullptr && service.generations.at(service.target).proven) {
        service.fallback = service.target;
    }
    service.latest += 1;
    service.target = service.latest;
    service.generations.insert_or_assign(service.target,
                                         Generation{.plan = plan, .created = parts_.clock.wall()});
    return service;
}

// The root first: what replicas are started from must not be collected meanwhile.
Result<void> Fleet::Impl::keep(ServiceRecord service) {
    TRY(parts_.store.set_root({.kind = k_root_kind,
                               .id = service.name,
                               .owner = "service " + service.name,
                               .since = parts_.clock.wall(),
                               .holds = holds_of(service)}));
    return put(std::move(service));
}

// Gateways learn of a service by what it offers.
Result<void> Fleet::Impl::put(ServiceRecord service) {
    const auto* before = book_.service(service.name);
    const auto known =
        before == nullptr ? std::vector<serve::OfferedModel>() : offered_models(*before);
    const auto visible = known == offered_models(service) ? Visible::no : Visible::yes;
    return book_.put(std::move(service), visible);
}

Result<ServiceView> Fleet::Impl::apply(const SaidService& said) {
    const auto spec = TRY(check_service(said, options_.engines));
    const auto* engine = TRY(find_engine(options_.engines, spec.engine));
    // What the user named comes first; the engine's image is not in the user's file.
    auto plan = TRY(plan_service(spec, *engine, parts_.store));
    if (options_.image_of) {
        plan.image = TRY(options_.image_of(engine->environment));
    }
    TRY(lives_.check_placement(plan));
    auto service = TRY(next_record(plan));
    log_.info("service applied", {{"service", spec.name},
                                  {"generation", std::to_string(service.target)},
                                  {"replicas", std::to_string(service.wanted)}});
    TRY(keep(std::move(service)));
    TRY(advance(spec.name));
    return show(spec.name);
}

Result<ServiceView> Fleet::Impl::scale(std::string_view name, std::int64_t replicas) {
    ServiceRecord service = *TRY(find(name));
    service.wanted = TRY(check_replicas(replicas, "replicas"));
    if (service.removing) {
        return fail(Fault::conflict, "service '" + service.name + "' is being removed");
    }
    TRY(put(std::move(service)));
    TRY(advance(std::string(name)));
    return show(name);
}

Result<ServiceView> Fleet::Impl::remove(std::string_view name) {
    ServiceRecord service = *TRY(find(name));
    service.removing = true;
    const auto removed = view(service);
    log_.info("service is removed", {{"service", service.name}});
    TRY(put(std::move(service)));
    TRY(advance(std::string(name)));
    const auto* left = book_.service(name);
    return left != nullptr ? view(*left) : removed;
}

Result<ServiceView> Fleet::Impl::show(std::string_view name) const {
    return view(*TRY(find(name)));
}

// --- Rolls -----------------------------------------------------------------------------------

// A generation that never worked, while an older one does: back to the older one.
Result<void> Fleet::Impl::take_over(ServiceRecord service) {
    if (service.generations.at(service.target).proven || service.fallback == 0) {
        return {};
    }
    for (const auto* replica : book_.replicas_of(service.name)) {
        if (replica->generation == service.target && replica->streak >= k_tries) {
            service.trouble = "generation " + std::to_string(service.target) +
                              " did not start, generation " + std::to_string(service.fallback) +
                              " goes on: " + replica->reason;
            log_.warn("roll stopped", {{"service", service.name}, {"reason", service.trouble}});
            service.target = service.fallback;
            service.fallback = 0;
            return put(std::move(service));
        }
    }
    return {};
}

Result<void> Fleet::Impl::step(const std::string& name) {
    ServiceRecord service = *book_.service(name);
    RollView roll{.wanted = service.removing ? 0 : service.wanted, .target = service.target};
    bool only_target = true;
    std::set<int> used{service.target};
    const auto replicas = book_.replicas_of(name);
    bool changed = mark_proven(service, replicas);
    const auto& target = service.generations.at(service.target);
    for (const auto* replica : replicas) {
        roll.replicas.push_back({.id = replica->id,
                                 .generation = replica->generation,
                                 .state = replica->state,
                                 .was_ready = replica->was_ready});
        used.insert(replica->generation);
        only_target = only_target && replica->generation == service.target;
    }
    roll.target_proven = target.proven;
    if (service.fallback != 0 && target.proven && only_target) {
        service.fallback = 0;
        changed = true;
    }
    used.insert(service.fallback);
    changed = std::erase_if(service.generations,
                            [&](const auto& item) { return !used.contains(item.first); }) > 0 ||
              changed;
    if (changed) {
        TRY(keep(service));
    }
    const RollSteps steps = plan_roll(roll);
    for (const auto& id : steps.retire) {
        lives_.retire(id);
    }
    for (int i = 0; i < steps.start; ++i) {
        TRY(lives_.create(service));
    }
    return {};
}

Result<void> Fleet::Impl::remove_if_empty(const std::string& name) {
    if (!book_.service(name)->removing || !book_.replicas_of(name).empty()) {
        return {};
    }
    TRY(parts_.store.remove_root(k_root_kind, name));
    TRY(book_.remove_service(name));
    log_.info("service is gone", {{"service", name}});
    return {};
}

Result<void> Fleet::Impl::advance(const std::string& name) {
    TRY(take_over(*book_.service(name)));
    TRY(step(name));
    return remove_if_empty(name);
}

void Fleet::Impl::tick() {
    lives_.tick();
    std::vector<std::string> names;
    for (const auto& [name, service] : book_.services()) {
        names.push_back(name);
    }
    const auto now = parts_.clock.monotonic();
    for (const auto& name : names) {
        if (const auto wait = retry_at_.find(name); wait != retry_at_.end() && now < wait->second) {
            continue;
        }
        retry_at_.erase(name);
        if (const auto advanced = advance(name); !advanced) {
            log_.error("service " + name, advanced.error());
            retry_at_[name] = now + k_retry;
        }
    }
}

// --- Facts for others ------------------------------------------------------------------------

Result<cluster::LogChunk> Fleet::Impl::logs(std::string_view name,
                                            const std::optional<std::string>& replica,
                                            cluster::Stream stream, std::uint64_t offset,
                                            std::size_t max_bytes) {
    TRY(find(name));
    const auto replicas = book_.replicas_of(name);
    const auto found = replica            ? std::find_if(replicas.begin(), replicas.end(),
                                                         [&](const auto* r) { return r->id == *replica; })
                       : replicas.empty() ? replicas.end()
                                          : std::prev(replicas.end());
    if (found == replicas.end()) {
        return fail(Fault::not_found,
                    replica ? "service '" + std::string(name) + "' has no replica '" +
                                  core::printable(*replica) + "'"
                            : "service '" + std::string(name) + "' has no replica",
                    {.hint = "sust serve show " + std::string(name) + " lists its replicas"});
    }
    auto* scheduler = TRY(parts_.backends.find((*found)->placement.backend));
    return scheduler->logs({(*found)->id}, stream, offset, max_bytes);
}

serve::FleetMap Fleet::Impl::map(std::vector<tenancy::Key> keys) const {
    serve::FleetMap map{.version = book_.version(),
                        .replicas = show_replicas(book_, lives_),
                        .models = {},
                        .keys = std::move(keys),
                        .limits = options_.limits};
    for (const auto& [name, service] : book_.services()) {
        const auto offered = offered_models(service);
        map.models.insert(map.models.end(), offered.begin(), offered.end());
    }
    for (const auto& [name, engine] : options_.engines) {
        map.engines.emplace(name, serve::EngineFacts{.private_fields = engine.private_fields,
                                                     .prompt_counter = engine.prompt_counter});
    }
    return map;
}

void Fleet::Impl::tell() {
    if (told_ != book_.version()) {
        told_ = book_.version();
        if (changed_) {
            changed_(told_);
        }
    }
}

// --- Fleet -----------------------------------------------------------------------------------

Fleet::Fleet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Fleet::~Fleet() = default;

Result<std::unique_ptr<Fleet>> Fleet::open(FleetParts parts, FleetOptions options, core::Log log) {
    auto book = TRY(Book::open(parts.database));
    auto impl = std::make_unique<Impl>(parts, std::move(options), std::move(book), std::move(log));
    TRY(impl->check_book());
    impl->lives().adopt();
    return std::unique_ptr<Fleet>(new Fleet(std::move(impl)));
}

Result<ServiceView> Fleet::apply(const SaidService& said) {
    auto view = impl_->apply(said);
    impl_->tell();
    return view;
}

Result<ServiceView> Fleet::scale(std::string_view name, std::int64_t replicas) {
    auto view = impl_->scale(name, replicas);
    impl_->tell();
    return view;
}

Result<ServiceView> Fleet::remove(std::string_view name) {
    auto view = impl_->remove(name);
    impl_->tell();
    return view;
}

std::vector<ServiceView> Fleet::list() const {
    std::vector<ServiceView> views;
    for (const auto& [name, service] : impl_->book().services()) {
        views.push_back(impl_->view(service));
    }
    return views;
}

Result<ServiceView> Fleet::show(std::string_view name) const {
    return impl_->show(name);
}

Result<cluster::LogChunk> Fleet::logs(std::string_view name, std::optional<std::string> replica,
                                      cluster::Stream stream, std::uint64_t offset,
                                      std::size_t max_bytes) {
    return impl_->logs(name, replica, stream, offset, max_bytes);
}

void Fleet::tick() {
    impl_->tick();
    impl_->tell();
}

void Fleet::on_job(const cluster::JobStatus& status) {
    impl_->lives().on_job(status);
    impl_->tell();
}

serve::FleetMap Fleet::map(std::vector<tenancy::Key> keys) const {
    return impl_->map(std::move(keys));
}

std::uint64_t Fleet::version() const {
    return impl_->book().version();
}

Result<void> Fleet::keys_changed() {
    TRY(impl_->book().touch());
    impl_->tell();
    return {};
}

void Fleet::acknowledged(const std::string& gateway, std::uint64_t version) {
    impl_->acknowledgements().heard(gateway, version);
}

std::vector<GatewayView> Fleet::gateways() const {
    return impl_->acknowledgements().view();
}

void Fleet::on_change(std::function<void(std::uint64_t version)> callback) {
    impl_->on_change(std::move(callback));
}

}  // namespace sust::fleet

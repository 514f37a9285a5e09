#include "cluster/kubernetes/rounds.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;
using namespace std::chrono_literals;

namespace {

constexpr Duration k_nodes_period = 15s;
constexpr Duration k_offer_period = 5min;
constexpr Duration k_offer_again = 15s;     // after trouble
constexpr Duration k_objects_period = 30s;  // of what is left of jobs that are over
constexpr Duration k_objects_wanted = 3s;   // while a job waits for its pods

}  // namespace

bool Rounds::begin(Round& round, Duration period) {
    const auto now = context_.clock.monotonic();
    if (round.asked || now < round.next) {
        return false;
    }
    round.next = now + period;
    round.asked = true;
    return true;
}

template <class T>
void Rounds::ask(Round& round, std::function<Result<T>()> question,
                 std::function<void(Result<T>)> then) {
    const auto answer = std::make_shared<Result<T>>(fail(Fault::internal, "not asked"));
    const auto posted =
        context_.asks.post([answer, question = std::move(question)] { *answer = question(); },
                           [answer, &round, then = std::move(then)] {
                               round.asked = false;
                               then(std::move(*answer));
                           });
    if (!posted) {
        round.asked = false;  // too much is being asked: with the next round
    }
}

void Rounds::go() {
    ask_for_nodes();
    ask_for_offer();
    ask_for_objects();
}

void Rounds::ask_for_nodes() {
    if (!begin(nodes_, k_nodes_period)) {
        return;
    }
    ask<std::vector<Machine>>(
        nodes_,
        [&context = context_]() -> Result<std::vector<Machine>> {
            std::vector<Machine> machines;
            TRY(context.asking.list(
                "/api/v1/nodes", {}, [&] { machines.clear(); },
                [&](const nlohmann::json& object) {
                    if (auto machine =
                            read_machine(object, context.options, context.clock.wall())) {
                        machines.push_back(std::move(*machine));
                    }
                }));
            return machines;
        },
        [this](Result<std::vector<Machine>> machines) {
            if (machines) {  // without the right to list them nothing is known, which is told there
                context_.machines = std::move(*machines);
                context_.looked = context_.clock.wall();
            }
        });
}

void Rounds::take(Offer offer) {
    context_.offer = std::move(offer);
    context_.offer_trouble.clear();
}

void Rounds::ask_for_offer() {
    if (context_.options.shapes.empty() || !begin(offer_, k_offer_period)) {
        return;
    }
    ask<Offer>(
        offer_, [&context = context_] { return discover(context.asking, context.options.shapes); },
        [this](Result<Offer> offer) {
            if (offer) {
                return take(std::move(*offer));
            }
            context_.offer_trouble = core::to_string(offer.error());
            offer_.next = context_.clock.monotonic() + k_offer_again;
        });
}

void Rounds::ask_for_objects() {
    if (context_.objects_wanted) {
        objects_.next = std::min(objects_.next, context_.clock.monotonic() + k_objects_wanted);
    }
    const auto shapes = context_.used_shapes();
    if (shapes.empty() || !begin(objects_, k_objects_period)) {
        return;
    }
    context_.objects_wanted = false;
    ask<Envelopes>(
        objects_,
        [&context = context_, shapes,
         selector = fmt::format("{}={}", k_controller, context_.controller)] {
            return list_objects(context.asking, context.space, selector, shapes);
        },
        [this, asked = context_.clock.monotonic()](Result<Envelopes> objects) {
            if (objects) {
                context_.objects = std::move(*objects);
                context_.objects_listed = asked;
                return;
            }
            context_.log.warn("the objects of jobs could not be listed",
                              {{"error", core::to_string(objects.error())}});
        });
}

}  // namespace sust::cluster::kubernetes

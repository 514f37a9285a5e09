#include "fleet/probe.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>
#include <pthread.h>

#include "core/http_client.h"
#include "core/text.h"

namespace sust::fleet {

namespace http = core::http;

namespace {

// An answer to a probe is small; more is a program gone wrong.
constexpr std::size_t k_answer_bytes_max = 1 << 20;

ProbeAnswer bad(std::string why) {
    return {.good = false, .why = std::move(why)};
}

Result<std::string> fetch(http::Client& client, const http::Request& request, Duration within) {
    const auto response = TRY(client.send(request, within, k_answer_bytes_max));
    if (response.status != 200) {
        return core::fail(core::Fault::unavailable, request.target + " answered " +
                                                        std::to_string(response.status) + ": " +
                                                        core::printable(core::trim(response.body)));
    }
    return response.body;
}

// Idle: an array of objects, none of which says that it is busy.
ProbeAnswer judge_slots(const std::string& body, const std::string& busy_field) {
    const auto slots = nlohmann::json::parse(body, nullptr, false);
    if (!slots.is_array()) {
        return bad("the list of slots is not a JSON array: " + core::printable(body));
    }
    int busy = 0;
    for (const auto& slot : slots) {
        const auto field = slot.is_object() ? slot.find(busy_field) : slot.end();
        if (field == slot.end() || !field->is_boolean()) {
            return bad("a slot does not say '" + busy_field + "'");
        }
        busy += field->get<bool>() ? 1 : 0;
    }
    return busy == 0 ? ProbeAnswer{.good = true} : bad(std::to_string(busy) + " slots are busy");
}

class HttpProber final : public Prober {
  public:
    HttpProber(core::EventLoop& loop, std::size_t threads) : loop_(loop) {
        for (std::size_t i = 0; i < threads; ++i) {
            threads_.emplace_back([this] { work(); });
            ::pthread_setname_np(threads_.back().native_handle(), "probe");
        }
    }

    ~HttpProber() override {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        for (auto& thread : threads_) {
            thread.join();
        }
    }

    void ask(Probe probe, std::function<void(const ProbeAnswer&)> done) override {
        {
            const std::lock_guard lock(mutex_);
            queue_.push_back({std::move(probe), std::move(done)});
        }
        wake_.notify_one();
    }

  private:
    struct Item {
        Probe probe;
        std::function<void(const ProbeAnswer&)> done;
    };

    void work() {
        while (true) {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            if (stopping_) {
                return;
            }
            Item item = std::move(queue_.front());
            queue_.pop_front();
            lock.unlock();
            loop_.post([done = std::move(item.done),
                        answer = ask_engine(item.probe, loop_.clock())] { done(answer); });
        }
    }

    core::EventLoop& loop_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Item> queue_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace

ProbeAnswer ask_engine(const Probe& probe, const core::Clock& clock) {
    http::Client client(clock, probe.address);
    const auto& how = probe.how;
    const std::string& path = probe.kind == ProbeKind::idle ? how.slots : how.health;
    const auto body = fetch(client, {.method = "GET", .target = path}, how.timeout);
    if (!body) {
        return bad(core::to_string(body.error()));
    }
    if (probe.kind == ProbeKind::idle) {
        return judge_slots(*body, how.busy_field);
    }
    if (probe.kind == ProbeKind::ready) {
        const http::Request warm{.method = "POST",
                                 .target = how.warm_path,
                                 .headers = {{"Content-Type", "application/json"}},
                                 .body = how.warm_body};
        if (const auto answer = fetch(client, warm, 2 * how.timeout); !answer) {
            return bad(core::to_string(answer.error()));
        }
    }
    return {.good = true};
}

std::unique_ptr<Prober> make_http_prober(core::EventLoop& loop, std::size_t threads) {
    return std::make_unique<HttpProber>(loop, threads);
}

}  // namespace sust::fleet

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "serve/limits.h"
#include "serve/prompt_count.h"
#include "serve/request_edit.h"
#include "serve/session.h"

namespace sust::serve {

using core::MonoTime;

namespace {

constexpr int k_client_left = 499;  // nginx's number for it; no client ever sees it
constexpr std::size_t k_max_counting = 64;

core::Duration milliseconds(MonoTime::duration interval) {
    return std::chrono::duration_cast<core::Duration>(interval);
}

bool may_work_elsewhere(int status) {
    return status == 502 || status == 503;
}

}  // namespace

// One request on its way through an engine. Its ledger line is written once, by finish().
struct Call {
    const Route& route;
    std::string body;  // as the client sent it
    RequestFacts facts{};
    std::shared_ptr<const View> view;
    std::optional<Ledger::Place> place{};
    UsageRecord record{};

    std::vector<std::string> tried{};
    std::optional<Lease> lease{};
    std::string engine_body{};  // as the replica got it
    core::http::Address engine_address{};
    PromptCounter prompt_counter = PromptCounter::none;
    bool reached_engine = false;

    std::optional<ApiError> error{};
    bool head_sent = false;
    bool complete = false;  // everything the engine had to say is on its way to the client
    MonoTime last_token{};
    std::int64_t content_events = 0;
    std::optional<Usage> usage{};
};

Task<bool> Session::generate(const Route& route) {
    Call call{.route = route, .body = reader_.take_body(), .view = view_};
    if (auto refused = admit(call)) {
        worker_.metrics.count("", refused->status);
        co_return co_await refuse(*refused);
    }
    ++worker_.metrics.running;
    co_await answer(call);
    const bool keep = co_await conclude(call);
    --worker_.metrics.running;
    finish(call);
    co_return keep;
}

// What can be said without an engine. From here on the request has its line in the ledger.
std::optional<ApiError> Session::admit(Call& call) {
    auto facts = inspect_request(call.body);
    if (!facts) {
        return invalid_request(facts.error());
    }
    call.facts = std::move(*facts);
    const auto* candidates = view_->candidates(call.facts.model);
    if (candidates == nullptr || !key_->allows_model(call.facts.model)) {
        return unknown_model(call.facts.model, view_->models_for(*key_));
    }
    for (const auto& candidate : *candidates) {
        if (auto field = private_field(call.body, call.facts, candidate.facts->private_fields)) {
            return private_parameter(*field);
        }
    }
    if (worker_.shared.stopping.load()) {
        return stopping();
    }
    call.place = worker_.shared.ledger->reserve();
    if (!call.place) {
        return usage_not_recorded();
    }
    const auto* offered = view_->offered(call.facts.model);
    call.record = {
        .request_id = request_id_,
        .key = key_->id,
        .model = call.facts.model,
        .service = offered != nullptr ? offered->service : candidates->front().replica->service,
        .replica = {},
        .stream = call.facts.stream};
    return std::nullopt;
}

Task<> Session::answer(Call& call) {
    for (int retries = 0;; ++retries) {
        if (!co_await acquire(call)) {
            co_return;
        }
        const bool again = co_await try_replica(call);
        if (!again || cut_ != Cut::none || retries == k_max_retries) {
            co_return;
        }
        call.tried.push_back(call.record.replica);
        done_with_engine(call);
        ++worker_.metrics.retries;
    }
}

// A slot of a replica, waited for in turn. After a failed try the reason of that one is kept.
Task<bool> Session::acquire(Call& call) {
    const auto& limits = call.view->map().limits;
    WaitRoom::Waiter waiter{.model = call.facts.model, .tried = &call.tried, .view = call.view};
    if (worker_.waiting.empty()) {
        waiter.choice =
            worker_.router.take(*call.view->candidates(call.facts.model), call.tried, waiter.lease);
    }
    if (waiter.choice == Choice::full) {
        if (worker_.shared.bell.waiting.fetch_add(1) >= limits.max_queue) {
            worker_.shared.bell.waiting.fetch_sub(1);
            call.error = queue_full(k_retry_queue);
            co_return false;
        }
        ++worker_.metrics.waiting;
        waiter_ = &waiter;
        const std::chrono::seconds patience(limits.queue_seconds);
        begin(Phase::working, patience + k_client_stall);
        co_await worker_.waiting.wait(waiter, worker_.view, patience);
        waiter_ = nullptr;
        --worker_.metrics.waiting;
        worker_.shared.bell.waiting.fetch_sub(1);
    }
    if (cut_ != Cut::none) {
        co_return false;
    }
    if (waiter.choice == Choice::taken) {
        call.view = waiter.view;
        call.lease = std::move(waiter.lease);
        co_return true;
    }
    if (waiter.choice == Choice::full) {
        call.error = waited_too_long(limits.queue_seconds, k_retry_queue);
    } else if (!call.error) {
        call.error = no_replica(call.facts.model, k_retry_replica);
    }
    co_return false;
}

Task<bool> Session::try_replica(Call& call) {
    const auto& candidate = call.lease->candidate();
    call.record.replica = candidate.replica->id;
    call.record.service = candidate.replica->service;
    call.engine_address = address_of(*candidate.replica, worker_.shared.secret);
    call.prompt_counter = candidate.facts->prompt_counter;
    call.engine_body = edit_request(call.body, call.facts, *candidate.model);
    engine_ = worker_.engines.take(*candidate.replica);
    if (engine_->used_before()) {
        if (co_await ask(call)) {
            co_return co_await relay(call);
        }
        if (cut_ != Cut::none || engine_->heard()) {
            co_return true;
        }
        // The engine may end a kept connection at any time: that says nothing about the engine.
        engine_ = worker_.engines.fresh(*candidate.replica);
    }
    if (!co_await ask(call)) {
        co_return true;
    }
    co_return co_await relay(call);
}

// Sends the request and waits for the head of the answer.
Task<bool> Session::ask(Call& call) {
    begin(Phase::working, k_engine_stall);
    call.error.reset();
    if (!engine_->used_before()) {
        const auto connected = co_await engine_->connect();
        if (!connected) {
            worker_.router.eject(call.lease->candidate());
            call.error = engine_lost(false);
            co_return false;
        }
    }
    call.reached_engine = true;
    const auto request = engine_request("POST", call.route.path, request_id_, call.engine_body);
    const auto sent = co_await engine_->send(request);
    if (!sent) {
        call.error = engine_lost(false);
        co_return false;
    }
    while (!engine_->answer().has_head()) {
        const auto received = co_await engine_->receive();
        if (!received) {
            engine_failed(call, received.error());
            co_return false;
        }
    }
    co_return true;
}

void Session::engine_failed(Call& call, const core::Error& error) {
    if (error.fault == core::Fault::unavailable) {
        call.error = engine_lost(engine_->heard());
    } else {
        call.error = engine_garbage(error);
    }
}

Task<bool> Session::relay(Call& call) {
    const auto& head = engine_->answer().head();
    if (head.status == 200 && head.event_stream) {
        co_return co_await relay_stream(call);
    }
    if (!co_await receive_whole(call)) {
        co_return true;
    }
    const int status = head.status;
    const auto& body = engine_->answer().body();
    if (status >= 400) {
        call.error = from_engine(status, body);
        call.error->retry_after = may_work_elsewhere(status) ? k_retry_replica : 0;
        co_return may_work_elsewhere(status);
    }
    auto edited = edit_answer(body, call.facts.model);
    if (status != 200 || !edited) {
        call.error = engine_garbage(edited ? core::Error{.message = "an unexpected status"}
                                           : edited.error());
        co_return false;
    }
    call.usage = edited->usage;
    call.complete = true;
    done_with_engine(call);
    std::string out;
    append_head(
        out,
        {.request_id = request_id_, .keep_alive = keeps_alive(), .length = edited->body.size()});
    out += edited->body;
    call.head_sent = true;
    if (!co_await send(out)) {
        cut(Cut::client_left);
    }
    co_return false;
}

Task<bool> Session::receive_whole(Call& call) {
    while (!engine_->answer().done()) {
        begin(Phase::working, k_engine_stall);
        const auto received = co_await engine_->receive();
        if (!received) {
            engine_failed(call, received.error());
            co_return false;
        }
        if (engine_->answer().body().size() > k_max_answer_bytes) {
            call.error = engine_garbage({.message = "it is over the size limit"});
            co_return false;
        }
    }
    co_return true;
}

Task<bool> Session::relay_stream(Call& call) {
    SseRelay relay(call.facts.model, call.facts.usage);
    while (co_await pass_events(call, relay)) {
        if (call.complete) {
            co_return false;
        }
        begin(Phase::working, k_engine_stall);
        const auto received = co_await engine_->receive();
        if (!received) {
            engine_failed(call, received.error());
            co_return !call.head_sent;
        }
    }
    co_return !call.head_sent;
}

// Passes on what has come; false if the stream cannot go on.
Task<bool> Session::pass_events(Call& call, SseRelay& relay) {
    std::string events;
    auto& body = engine_->answer().body();
    const bool last = engine_->answer().done();
    const auto fed = relay.feed(body, events);
    body.clear();
    call.usage = relay.usage();
    if (relay.content_events() > call.content_events) {
        const auto now = worker_.shared.clock.monotonic();
        auto& figures = worker_.metrics.model(call.facts.model);
        if (call.content_events == 0) {
            call.record.time_to_first_token = milliseconds(now - request_start_);
            figures.first_token.add(now - request_start_);
        } else {
            figures.between_tokens.add(now - call.last_token);
        }
        call.last_token = now;
        call.content_events = relay.content_events();
    }
    if (!fed) {
        call.error = engine_garbage(fed.error());
    } else if (last && !relay.at_boundary()) {
        call.error = engine_lost(true);
    }
    const bool chunked = !reader_.head().http_1_0;
    closing_ = closing_ || !chunked;
    std::string out;
    if (!call.head_sent && (!events.empty() || (last && !call.error))) {
        append_head(out, {.content_type = "text/event-stream",
                          .request_id = request_id_,
                          .keep_alive = keeps_alive(),
                          .framing = chunked ? Framing::chunked : Framing::until_close});
        call.head_sent = true;
    }
    if (chunked) {
        append_chunk(out, events);
    } else {
        out += events;
    }
    if (last && !call.error) {
        out += chunked ? k_last_chunk : std::string_view();
        call.complete = true;
        done_with_engine(call);
    }
    if (!out.empty() && !co_await send(out)) {
        cut(Cut::client_left);
    }
    co_return !call.error && cut_ == Cut::none;
}

void Session::done_with_engine(Call& call) {
    if (call.lease) {
        worker_.engines.give_back(std::move(engine_), call.lease->candidate());
    }
    engine_.reset();
    call.lease.reset();
}

// The end of the answer, if the engine did not bring it there.
Task<bool> Session::conclude(Call& call) {
    done_with_engine(call);
    if (cut_ == Cut::client_left) {
        co_return false;
    }
    if (cut_ == Cut::engine_silent && !call.complete) {
        call.error = engine_silent();
    } else if (cut_ == Cut::stopped && !call.complete) {
        call.error = stopping();
    }
    if (!call.error) {
        co_return keeps_alive() && cut_ == Cut::none;
    }
    if (!call.head_sent) {
        co_return co_await refuse(*call.error);
    }
    // Too late for a status. No [DONE] and no last chunk: the client sees that it was cut off.
    std::string out;
    const auto event = error_event(*call.error);
    if (reader_.head().http_1_0) {
        out = event;
    } else {
        append_chunk(out, event);
    }
    co_await send(out);
    co_return false;
}

void Session::finish(Call& call) {
    auto& record = call.record;
    record.time = worker_.shared.clock.wall();
    const auto took = worker_.shared.clock.monotonic() - request_start_;
    record.duration = milliseconds(took);
    record.status = cut_ == Cut::client_left ? k_client_left
                    : call.error             ? call.error->status
                                             : 200;
    record.error = cut_ == Cut::client_left ? "client_left" : call.error ? call.error->code : "";
    const bool refused = call.error && !call.head_sent && cut_ != Cut::client_left;
    record.aborted = !call.complete && !refused;
    record.counted_by = call.usage ? CountedBy::engine : CountedBy::relay;
    record.prompt_tokens = call.usage ? call.usage->prompt_tokens : 0;
    record.completion_tokens = call.usage ? call.usage->completion_tokens : call.content_events;

    auto& figures = worker_.metrics.model(record.model);
    worker_.metrics.count(record.model, record.status);
    figures.duration.add(took);
    figures.aborted += record.aborted ? 1 : 0;
    figures.prompt_tokens += static_cast<std::uint64_t>(record.prompt_tokens);
    figures.completion_tokens += static_cast<std::uint64_t>(record.completion_tokens);
    if (call.usage || !call.reached_engine || refused) {
        call.place->write(record);
        return;
    }
    // The engine read the prompt and could not say how long it was.
    const auto counter =
        worker_.counting < k_max_counting ? call.prompt_counter : PromptCounter::none;
    ++worker_.counting;
    ++worker_.shared.open;
    asio::co_spawn(
        worker_.io,
        [&worker = worker_, counter, address = std::move(call.engine_address),
         path = call.route.path, body = std::move(call.engine_body), done = std::move(record),
         place = std::move(*call.place)]() mutable -> Task<> {
            const auto prompt = co_await count_prompt(worker.io, counter, address, path, body);
            done.prompt_tokens = prompt.count;
            done.prompt_counted_by = prompt.how;
            worker.metrics.model(done.model).prompt_tokens +=
                static_cast<std::uint64_t>(prompt.count);
            place.write(done);
            --worker.counting;
            --worker.shared.open;
        },
        asio::detached);
}

}  // namespace sust::serve

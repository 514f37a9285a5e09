#pragma once

// One connection of a client: its requests, one after the other.

#include <list>
#include <memory>
#include <optional>
#include <string>

#include "serve/io.h"
#include "serve/openai.h"
#include "serve/routes.h"
#include "serve/sse_relay.h"
#include "serve/wire.h"
#include "serve/worker.h"

namespace sust::serve {

struct Call;

// Lives on the thread of its worker, held by its coroutine. Arguments of awaited calls are named
// values throughout: g++ 12 destroys a temporary twice that lives across a suspension.
class Session : public std::enable_shared_from_this<Session> {
  public:
    Session(Worker& worker, ClientSocket socket);
    ~Session();

    Task<> run();

    // By the worker: deadlines, and the first look at whether the client is still there.
    void sweep(core::MonoTime now);
    // Ends it if no request is at work.
    void end_if_idle();
    // Ends it whatever it does; the request counts as aborted.
    void interrupt();

    std::list<Session*>::iterator place;  // in the worker's list

  private:
    enum class Phase { idle, reading, working, writing };
    // Why a wait ended that should not have.
    enum class Cut { none, client_left, engine_silent, stopped };

    // Of session.cpp: requests as they come and answers that are made here.
    Task<bool> one_request();
    Task<bool> read_head();
    Task<bool> read_body();
    Task<bool> receive();
    Task<bool> serve(const Route& route);
    Task<bool> serve_metrics();
    Task<bool> send(std::string_view bytes);
    Task<bool> respond(int status, std::string_view content_type, std::string_view body);
    Task<bool> refuse(const ApiError& error);
    Task<bool> refuse_and_close(const ApiError& error);
    Task<> linger();
    ApiError unreadable(const core::Error& error) const;
    std::optional<ApiError> forbidden(const Route& route) const;
    bool keeps_alive() const;
    void begin(Phase phase, core::Duration within);

    // Of session_engine.cpp: requests that an engine answers. The tries say whether another
    // replica may be asked; call.error and cut_ say what went wrong.
    Task<bool> generate(const Route& route);
    std::optional<ApiError> admit(Call& call);
    Task<> answer(Call& call);
    Task<bool> acquire(Call& call);
    Task<bool> try_replica(Call& call);
    Task<bool> ask(Call& call);
    Task<bool> relay(Call& call);
    Task<bool> receive_whole(Call& call);
    Task<bool> relay_stream(Call& call);
    Task<bool> pass_events(Call& call, SseRelay& relay);
    Task<bool> conclude(Call& call);
    void engine_failed(Call& call, const core::Error& error);
    void done_with_engine(Call& call);
    void finish(Call& call);

    // Watching the client while an engine works for it.
    void watch();
    void client_event();
    void cut(Cut why);

    Worker& worker_;
    ClientSocket socket_;
    RequestReader reader_;
    std::string buffer_;  // received, not yet read as a request
    std::string request_id_;
    Phase phase_ = Phase::idle;
    core::MonoTime deadline_{};
    core::MonoTime request_start_{};
    std::shared_ptr<const View> view_;  // of the present request
    const tenancy::Key* key_ = nullptr;
    bool watching_ = false;
    bool watch_ended_ = false;  // too much was sent ahead
    Cut cut_ = Cut::none;
    bool closing_ = false;  // no further request on this connection
    // What an interruption must wake, while a request is at work:
    EngineLinkPtr engine_;
    WaitRoom::Waiter* waiter_ = nullptr;
};

}  // namespace sust::serve

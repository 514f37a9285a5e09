#pragma once

// Every bound of the token path that the fleet map does not set, with its reason.

#include <cstddef>

#include "core/clock.h"

namespace sust::serve {

using namespace std::chrono_literals;

// A request line with headers; clients with large cookies are not ours.
inline constexpr std::size_t k_max_header_bytes = 16 << 10;
// One read from a socket: a chat request or some dozen stream events.
inline constexpr std::size_t k_read_bytes = 16 << 10;
// Requests that a client sends ahead while one is at work; beyond that it is read no further.
inline constexpr std::size_t k_max_ahead_bytes = 64 << 10;
// A whole answer that is not a stream, held for the change of its model name.
inline constexpr std::size_t k_max_answer_bytes = 64 << 20;
// Connections of clients per thread: file descriptors (two per request) and memory.
inline constexpr std::size_t k_max_connections = 16'384;

// Between requests on a kept connection; as nginx and most clients expect.
inline constexpr core::Duration k_idle = 75s;
// A header or body that comes slower than this is an attack or a dead peer.
inline constexpr core::Duration k_client_stall = 30s;
// An engine that says nothing: a long prompt on a slow machine takes minutes, not ten.
inline constexpr core::Duration k_engine_stall = 600s;
// A Unix socket connects at once, or its owner does not accept.
inline constexpr core::Duration k_connect = 2s;
// After an answer that the client did not wait for with its body: time to read the answer.
inline constexpr core::Duration k_linger = 2s;
// Kept connections to engines: shorter than the 5 s after which llama.cpp's server ends them, and
// short because each holds one of its few threads.
inline constexpr core::Duration k_engine_idle = 1500ms;
// A replica that failed a connect is not asked again for this long; sustd knows soon enough.
inline constexpr core::Duration k_ejection = 1s;
// Other replicas that a request is tried on before the client is told.
inline constexpr int k_max_retries = 2;
// Counting the prompt of a request that was cut off; past it the count is an estimate.
inline constexpr core::Duration k_count_prompt = 1s;

// How often every connection's deadline is looked at, and whether its client is still there.
inline constexpr core::Duration k_sweep = 25ms;
inline constexpr core::Duration k_sweep_idle = 500ms;

// Seconds in Retry-After: a queue drains within a few, a replica starts within some.
inline constexpr int k_retry_queue = 2;
inline constexpr int k_retry_replica = 5;

// Lines that wait for the ledger's disk: at 20,000 requests/s three seconds.
inline constexpr std::size_t k_ledger_queue = 65'536;

// Keys that a thread knows by their text, so that an HMAC is made once per key, not per request.
inline constexpr std::size_t k_key_cache = 4'096;

// The fleet map of a large site (10,000 replicas with 20 models) is some ten MiB.
inline constexpr std::size_t k_max_fleet_bytes = 64 << 20;
inline constexpr int k_fleet_wait_seconds = 25;
inline constexpr core::Duration k_backoff_first = 100ms;
inline constexpr core::Duration k_backoff_last = 2s;

}  // namespace sust::serve

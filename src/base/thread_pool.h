// Owns the worker threads. One pool serves a backend; its caller is thread 0 and works too, so a pool of one thread
// starts none. Work is split by index, never by thread, so results cannot depend on the number of threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace tercet {

class ThreadPool {
 public:
  // n_thread >= 1, the caller among them.
  explicit ThreadPool(int n_thread);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int n_thread() const { return n_thread_; }

  // Calls body(begin, end, thread) for pieces of [0, n) of at most `grain` indices, on all threads, and returns when
  // all are done. Which thread gets which piece is not fixed: body must give the same result whoever runs it.
  // `thread` is in [0, n_thread), for scratch memory. Not reentrant; one caller at a time. body must not throw.
  template <typename Body>
  void parallel_for(int64_t n, int64_t grain, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    const Call call = [](void* context, int64_t begin, int64_t end, int thread) {
      (*static_cast<Plain*>(context))(begin, end, thread);
    };
    run(n, grain, call, const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  using Call = void (*)(void* context, int64_t begin, int64_t end, int thread);

  void run(int64_t n, int64_t grain, Call call, void* context);
  void work(int thread);  // takes pieces until none is left
  bool enter(uint64_t state);
  void worker_main(int thread);

  const int n_thread_;
  std::vector<std::thread> workers_;

  // One word: how many jobs there have been, whether the present one may still be entered, and by how many workers it
  // was. A worker that comes late finds the job closed, so nobody waits for one that lost its core to somebody else.
  static constexpr uint64_t kWorkerMask = 0xffff;
  static constexpr uint64_t kOpen = uint64_t{1} << 16;
  static constexpr uint64_t kOneJob = uint64_t{1} << 17;
  alignas(64) std::atomic<uint64_t> state_{0};

  // The job: written by the caller while it is closed and no worker is in it.
  Call call_ = nullptr;
  void* context_ = nullptr;
  int64_t n_ = 0;
  int64_t grain_ = 1;
  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<bool> stop_{false};
  std::atomic<int> n_asleep_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace tercet
